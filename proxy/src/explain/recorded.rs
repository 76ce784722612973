//! Who a recorded request came from, as a question says it.

/// `user` and `login` of a question, by `auth_method`, `user_id` and `email` of an entry. Absent where the entry does not
/// tell who it was.
pub(crate) fn visitor(method: &str, user_id: &str, email: Option<&str>) -> Option<(Option<String>, Option<String>)> {
    let is_shared = user_id.starts_with("shared:");
    let provider = user_id.split(':').next().unwrap_or_default();
    let email = email.map(str::to_owned);
    let (user, login) = match method {
        "token" => (Some(user_id.to_owned()).filter(|id| id.starts_with("token:")), None),
        "sso" => (email, Some(format!("sso:{provider}"))),
        "password" | "pin" | "code" if is_shared => (None, Some(method.to_owned())),
        "password" | "pin" | "code" => (email, Some(method.to_owned())),
        "header" => (None, Some(method.to_owned())),
        _ => (None, None),
    };
    let is_somebody = !matches!(method, "" | "none" | "ip" | "header") && !is_shared;
    // A pseudonym is nobody whom a file could name.
    if is_somebody && user.as_ref().is_none_or(|user| user.starts_with("h:")) {
        return None;
    }
    Some((user, login))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_asked_about_as_who_it_was_or_not_at_all() {
        let asked = |method: &str, user_id: &str, email: &str| {
            let email = Some(email).filter(|email| !email.is_empty());
            let told = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
            visitor(method, user_id, email).map(|(user, login)| format!("{} {}", told(user), told(login)))
        };
        let maya = "maya@x.test";
        assert_eq!(asked("sso", "corp:7", maya).as_deref(), Some("maya@x.test sso:corp"));
        assert_eq!(asked("pin", "local:maya@x.test", maya).as_deref(), Some("maya@x.test pin"));
        assert_eq!(asked("pin", "shared:wiki", "").as_deref(), Some("- pin"));
        assert_eq!(asked("token", "token:ci", "").as_deref(), Some("token:ci -"));
        assert_eq!(asked("header", "header:wiki", "").as_deref(), Some("- header"));
        for nobody in ["", "none", "ip"] {
            assert_eq!(asked(nobody, "", "").as_deref(), Some("- -"));
        }
        assert_eq!(asked("sso", "h:0123", "h:4567"), None);
        assert_eq!(asked("password", "", ""), None);
    }
}
