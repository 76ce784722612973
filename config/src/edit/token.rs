//! Tokens of machines and of the admin port.

use jiff::Timestamp;
use toml_edit::{Datetime, InlineTable, Item, Table, Value};

use super::{Edit, NotEdited, dotted, set, text};

/// Where tokens stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `[service_tokens]`.
    Service,
    /// `[admin.tokens]`.
    Admin,
}

impl TokenKind {
    /// The path of the table of one of them.
    pub fn path(self, name: &str) -> Vec<&str> {
        match self {
            Self::Service => vec!["service_tokens", name],
            Self::Admin => vec!["admin", "tokens", name],
        }
    }
}

impl Edit {
    /// `[service_tokens.NAME]`, behind those that are there.
    ///
    /// # Errors
    /// When the name is in use.
    pub fn add_service_token(&mut self, name: &str, hash: &str, expires: Option<Timestamp>) -> Result<(), NotEdited> {
        let mut token = Table::new();
        token.insert("hash", text(hash));
        if let Some(expires) = expires {
            token.insert("expires", Item::Value(instant(expires)));
        }
        self.add(&TokenKind::Service.path(name), token)
    }

    /// `[admin.tokens.NAME]`, behind those that are there. No `logs` means all of them.
    ///
    /// # Errors
    /// When the name is in use.
    pub fn add_admin_token(&mut self, name: &str, role: &str, logs: &[String], hash: &str) -> Result<(), NotEdited> {
        let mut token = Table::new();
        token.insert("role", text(role));
        token.insert("hash", text(hash));
        if !logs.is_empty() {
            token.insert("logs", Item::Value(logs.iter().map(String::as_str).collect::<Value>()));
        }
        self.add(&TokenKind::Admin.path(name), token)
    }

    /// Another hash for a token. The one before becomes `previous` of a service token until that instant, or is gone.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn rotate(
        &mut self,
        kind: TokenKind,
        name: &str,
        hash: &str,
        previous_until: Option<Timestamp>,
    ) -> Result<(), NotEdited> {
        let token = self.table(&kind.path(name))?;
        let before = token.get("hash").and_then(Item::as_str).map(str::to_owned);
        set(token, "hash", hash.into());
        match before.zip(previous_until) {
            Some((before, until)) => {
                let mut previous = InlineTable::new();
                previous.insert("hash", before.into());
                previous.insert("until", instant(until));
                set(token, "previous", previous.into());
            }
            None => drop(token.remove("previous")),
        }
        Ok(())
    }

    /// A service token that is refused from now on, and still known by its name.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn disable_service_token(&mut self, name: &str) -> Result<(), NotEdited> {
        set(self.table(&TokenKind::Service.path(name))?, "disabled", true.into());
        Ok(())
    }

    /// An admin token that is not there any more.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn remove_admin_token(&mut self, name: &str) -> Result<(), NotEdited> {
        let missing = NotEdited::Missing(dotted(&TokenKind::Admin.path(name)));
        let Ok(tokens) = self.table(&["admin", "tokens"]) else { return Err(missing) };
        tokens.remove(name).map(drop).ok_or(missing)
    }
}

/// In whole seconds: nobody reads more.
fn instant(instant: Timestamp) -> Value {
    let whole = Timestamp::from_second(instant.as_second()).unwrap_or(instant);
    let written: Datetime = whole.to_string().parse().expect("both write RFC 3339");
    written.into()
}
