use jiff::Timestamp;

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
