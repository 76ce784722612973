//! People of the file, found by their address in any case.

use toml_edit::{InlineTable, Item, Table, TableLike, Value};

use super::{Edit, NotEdited, set, text};

impl Edit {
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
}

fn missing_user(email: &str) -> NotEdited {
    NotEdited::Missing(format!("user {email}"))
}
