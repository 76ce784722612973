//! Changes of a file's text by a command: what they do not concern stays as it is, comments and order included.
//!
//! Nothing is checked here but what the change needs: whoever writes the text into a file loads it first.

use jiff::Timestamp;
use toml_edit::{Datetime, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::mask::HIDDEN;

/// Why a text was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEdited {
    /// It is not TOML.
    #[error("the file is not TOML")]
    Syntax,
    /// Its name is in use.
    #[error("{0} is there already")]
    Taken(String),
    /// There is nothing of this name.
    #[error("there is no {0}")]
    Missing(String),
    /// Something else stands where a table should.
    #[error("{0} is no table")]
    NoTable(String),
}

/// A file's text, being changed.
#[derive(Debug, Clone)]
pub struct Edit(DocumentMut);

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
    /// # Errors
    /// When the text is not TOML.
    pub fn of(text: &str) -> Result<Self, NotEdited> {
        text.parse().map(Self).map_err(|_| NotEdited::Syntax)
    }

    /// The text as it is now.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// Where a secret is hidden, as a text that is shown has it, the one that stood at the same place before.
    pub fn restore_hidden(&mut self, before: &Self) {
        restore_table(self.0.as_table_mut(), Some(before.0.as_item()));
    }

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

    /// `[users."EMAIL"]`, behind those that are there.
    ///
    /// # Errors
    /// When the person is there already.
    pub fn add_user(&mut self, email: &str, name: Option<&str>, groups: &[String]) -> Result<(), NotEdited> {
        if self.user_key(email).is_some() {
            return Err(NotEdited::Taken(format!("the user {email}")));
        }
        let mut user = Table::new();
        if let Some(name) = name {
            user.insert("name", text(name));
        }
        if !groups.is_empty() {
            user.insert("groups", Item::Value(groups.iter().map(String::as_str).collect::<Value>()));
        }
        self.add(&["users", email], user)
    }

    /// Another value for a key of a person.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn set_user(&mut self, email: &str, key: &str, value: &str) -> Result<(), NotEdited> {
        set(self.user(email)?, key, value.into());
        Ok(())
    }

    /// A key of a person whose value stands in a file.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn set_user_file(&mut self, email: &str, key: &str, file: &str) -> Result<(), NotEdited> {
        let mut reference = InlineTable::new();
        reference.insert("file", file.into());
        set(self.user(email)?, key, reference.into());
        Ok(())
    }

    /// A person who is refused from now on; one who is not in the file is put there for that.
    ///
    /// # Errors
    /// When something else stands where the person should.
    pub fn block_user(&mut self, email: &str) -> Result<(), NotEdited> {
        if self.user_key(email).is_none() {
            self.add(&["users", email], Table::new())?;
        }
        self.set_user(email, "state", "blocked")
    }

    /// A person who is not there any more.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn remove_user(&mut self, email: &str) -> Result<(), NotEdited> {
        let key = self.user_key(email).ok_or_else(|| missing_user(email))?;
        self.table(&["users"])?.remove(&key).map(drop).ok_or_else(|| missing_user(email))
    }

    fn user(&mut self, email: &str) -> Result<&mut dyn TableLike, NotEdited> {
        let key = self.user_key(email).ok_or_else(|| missing_user(email))?;
        self.table(&["users", &key])
    }

    /// As the file spells the address.
    fn user_key(&self, email: &str) -> Option<String> {
        let users = self.0.get("users")?.as_table_like()?;
        users.iter().map(|(key, _)| key).find(|key| key.eq_ignore_ascii_case(email)).map(str::to_owned)
    }

    fn table(&mut self, path: &[&str]) -> Result<&mut dyn TableLike, NotEdited> {
        let mut table: &mut dyn TableLike = self.0.as_table_mut();
        for key in path {
            let item = table.get_mut(key).ok_or_else(|| NotEdited::Missing(dotted(path)))?;
            table = item.as_table_like_mut().ok_or_else(|| NotEdited::NoTable(dotted(path)))?;
        }
        Ok(table)
    }

    /// Tables on the way that are not there get no header of their own.
    fn add(&mut self, path: &[&str], mut new: Table) -> Result<(), NotEdited> {
        let Some((name, parents)) = path.split_last() else { return Ok(()) };
        let mut table: &mut dyn TableLike = self.0.as_table_mut();
        for key in parents {
            let implicit = || {
                let mut table = Table::new();
                table.set_implicit(true);
                Item::Table(table)
            };
            let item = table.entry(key).or_insert_with(implicit);
            table = item.as_table_like_mut().ok_or_else(|| NotEdited::NoTable(dotted(path)))?;
        }
        if table.contains_key(name) {
            return Err(NotEdited::Taken(dotted(path)));
        }
        new.decor_mut().set_prefix("\n");
        table.insert(name, Item::Table(new));
        Ok(())
    }
}

fn restore_table(table: &mut Table, before: Option<&Item>) {
    for (key, item) in table.iter_mut() {
        let before = before.and_then(|before| before.get(key.get()));
        match item {
            Item::Value(value) => restore_value(value, before.and_then(Item::as_value)),
            Item::Table(below) => restore_table(below, before),
            Item::ArrayOfTables(list) => {
                for (at, below) in list.iter_mut().enumerate() {
                    restore_table(below, before.and_then(|before| before.get(at)));
                }
            }
            Item::None => (),
        }
    }
}

fn restore_value(value: &mut Value, before: Option<&Value>) {
    match value {
        Value::String(text) if text.value() == HIDDEN => {
            let Some(before) = before.and_then(Value::as_str) else { return };
            let decor = value.decor().clone();
            *value = before.into();
            *value.decor_mut() = decor;
        }
        Value::InlineTable(table) => {
            for (key, value) in table.iter_mut() {
                restore_value(value, before.and_then(Value::as_inline_table).and_then(|table| table.get(key.get())));
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter_mut().enumerate() {
                restore_value(value, before.and_then(Value::as_array).and_then(|list| list.get(at)));
            }
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => (),
    }
}

/// In place of the value that is there, with the comment behind it; else at the end of the table.
fn set(table: &mut dyn TableLike, key: &str, mut new: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => drop(table.insert(key, Item::Value(new))),
    }
}

fn missing_user(email: &str) -> NotEdited {
    NotEdited::Missing(format!("user {email}"))
}

fn text(text: &str) -> Item {
    Item::Value(text.into())
}

/// In whole seconds: nobody reads more.
fn instant(instant: Timestamp) -> Value {
    let whole = Timestamp::from_second(instant.as_second()).unwrap_or(instant);
    let written: Datetime = whole.to_string().parse().expect("both write RFC 3339");
    written.into()
}

fn dotted(path: &[&str]) -> String {
    path.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"# Ours.
[service_tokens.ci]   # builds
hash    = "sha256:aa" # of March
# nobody knows why
expires = 2027-03-31T00:00:00Z

# People.
[users."maya@example.net"]
name = 'Maya'

[admin]
tokens.ops = { role = "admin", hash = "sha256:bb" } # on call
"#;

    fn check(edit: impl FnOnce(&mut Edit) -> Result<(), NotEdited>, expected: Result<&[(&str, &str)], NotEdited>) {
        let mut document = Edit::of(FILE).unwrap();
        let edited = edit(&mut document);
        match expected {
            Err(why) => assert_eq!((edited, document.text().as_str()), (Err(why), FILE)),
            Ok(replacements) => {
                assert_eq!(edited, Ok(()));
                let text = replacements.iter().fold(FILE.to_owned(), |text, (old, new)| text.replacen(old, new, 1));
                assert_eq!(document.text(), text);
            }
        }
    }

    fn at(instant: &str) -> Timestamp {
        instant.parse().unwrap()
    }

    #[test]
    fn only_the_lines_of_the_change_are_others() {
        check(|_| Ok(()), Ok(&[]));
        check(
            |edit| edit.rotate(TokenKind::Service, "ci", "sha256:cc", Some(at("2026-12-01T10:00:00.5Z"))),
            Ok(&[
                ("\"sha256:aa\"", "\"sha256:cc\""),
                (
                    "2027-03-31T00:00:00Z\n",
                    "2027-03-31T00:00:00Z\nprevious = { hash = \"sha256:aa\", until = 2026-12-01T10:00:00Z }\n",
                ),
            ]),
        );
        check(|edit| edit.rotate(TokenKind::Admin, "ops", "sha256:cc", None), Ok(&[("sha256:bb", "sha256:cc")]));
        check(
            |edit| edit.disable_service_token("ci"),
            Ok(&[("2027-03-31T00:00:00Z\n", "2027-03-31T00:00:00Z\ndisabled = true\n")]),
        );
        check(
            |edit| edit.add_service_token("night job", "sha256:dd", Some(at("2027-01-01T00:00:00Z"))),
            Ok(&[(
                "\n# People.",
                "\n[service_tokens.\"night job\"]\nhash = \"sha256:dd\"\nexpires = 2027-01-01T00:00:00Z\n\n# People.",
            )]),
        );
    }

    #[test]
    fn people_are_found_in_any_case_and_their_lines_alone_change() {
        check(
            |edit| edit.set_user("MAYA@example.net", "pin_hash", "$argon2id$x"),
            Ok(&[("name = 'Maya'\n", "name = 'Maya'\npin_hash = \"$argon2id$x\"\n")]),
        );
        check(
            |edit| edit.set_user_file("maya@example.net", "totp", "maya.totp"),
            Ok(&[("name = 'Maya'\n", "name = 'Maya'\ntotp = { file = \"maya.totp\" }\n")]),
        );
        check(
            |edit| edit.block_user("maya@example.net"),
            Ok(&[("name = 'Maya'\n", "name = 'Maya'\nstate = \"blocked\"\n")]),
        );
        check(
            |edit| edit.block_user("eve@example.org"),
            Ok(&[("name = 'Maya'\n", "name = 'Maya'\n\n[users.\"eve@example.org\"]\nstate = \"blocked\"\n")]),
        );
        check(
            |edit| edit.add_user("noor@example.net", Some("Noor"), &["sre".to_owned()]),
            Ok(&[(
                "name = 'Maya'\n",
                "name = 'Maya'\n\n[users.\"noor@example.net\"]\nname = \"Noor\"\ngroups = [\"sre\"]\n",
            )]),
        );
        check(
            |edit| edit.remove_user("Maya@example.net"),
            Ok(&[("# People.\n[users.\"maya@example.net\"]\nname = 'Maya'\n\n", "")]),
        );
        let taken = Err(NotEdited::Taken("the user Maya@Example.net".to_owned()));
        check(|edit| edit.add_user("Maya@Example.net", None, &[]), taken);
        let missing = || Err(NotEdited::Missing("user eve@example.org".to_owned()));
        check(|edit| edit.set_user("eve@example.org", "state", "active"), missing());
        check(|edit| edit.remove_user("eve@example.org"), missing());
    }

    #[test]
    fn hidden_secrets_come_back_where_they_stood() {
        let before = Edit::of(FILE).unwrap();
        let (shown, _) = crate::mask::mask(FILE);
        assert!(!shown.contains("sha256"), "{shown}");
        let mut edit = Edit::of(&shown.replace("'Maya'", "'Maya R.'")).unwrap();
        edit.restore_hidden(&before);
        assert_eq!(edit.text(), FILE.replace("'Maya'", "'Maya R.'"));
        let mut other = Edit::of("[service_tokens.cd]\nhash = \"[hidden]\"\n").unwrap();
        other.restore_hidden(&before);
        assert!(other.text().contains("[hidden]"), "there is none to come back");
    }

    #[test]
    fn what_cannot_be_changed_changes_nothing() {
        let missing = |name: &str| Err(NotEdited::Missing(name.to_owned()));
        check(|edit| edit.rotate(TokenKind::Service, "cd", "x", None), missing("service_tokens.cd"));
        check(|edit| edit.rotate(TokenKind::Admin, "ci", "x", None), missing("admin.tokens.ci"));
        check(|edit| edit.disable_service_token("cd"), missing("service_tokens.cd"));
        check(|edit| edit.remove_admin_token("ci"), missing("admin.tokens.ci"));
        let taken = Err(NotEdited::Taken("service_tokens.ci".to_owned()));
        check(|edit| edit.add_service_token("ci", "x", None), taken);
        assert_eq!(Edit::of("[").unwrap_err(), NotEdited::Syntax);
    }

    #[test]
    fn admin_tokens_come_and_go_in_the_form_that_the_others_have() {
        let mut edit = Edit::of(FILE).unwrap();
        edit.add_admin_token("audit", "auditor", &["access".to_owned()], "sha256:ee").unwrap();
        let added = edit.text();
        assert!(added.contains("audit") && added.contains("logs = [\"access\"]"), "{added}");
        edit.remove_admin_token("ops").unwrap();
        assert!(!edit.text().contains("sha256:bb") && edit.text().contains("# People."), "{}", edit.text());

        let mut edit = Edit::of("").unwrap();
        edit.add_admin_token("first", "admin", &[], "sha256:ee").unwrap();
        assert_eq!(edit.text(), "\n[admin.tokens.first]\nrole = \"admin\"\nhash = \"sha256:ee\"\n");
    }
}
