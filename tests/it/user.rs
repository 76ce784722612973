//! `vestibule user`: people of the file, whose comments and order stay.

use harness::House;
use harness::house::{MAYA, NOOR};
use harness::secrets::PASSWORD;

use crate::cli::{ask, ask_typing};

#[test]
fn people_come_change_and_go_and_the_rest_of_the_file_stays() {
    let house = House::with("\n# The last word.\n");
    let lin = "lin@example.net";
    let text = || std::fs::read_to_string(house.gateway.config()).unwrap();
    let before = text();
    let good = |arguments: &[&str], typed: &str| {
        let (code, out, err) = ask_typing(&house, &[&["user"], arguments].concat(), typed);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    good(&["add", "Lin@Example.net", "--name", "Lin", "--groups", "reviewers,sre"], "");
    good(&["passwd", lin], "correct horse battery staple\n");
    let signed = |password: &str| {
        house.gateway.sign_in("list.localhost", &[("email", lin), ("password", password)]).send().status
    };
    assert_eq!(signed("correct horse battery staple"), 303, "the server has taken it");
    let added = text();
    assert!(
        added.contains("[users.\"lin@example.net\"]\nname = \"Lin\"\ngroups = [\"reviewers\", \"sre\"]"),
        "{added}"
    );
    assert!(!added.contains("correct horse"), "{added}");
    for line in before.lines() {
        assert!(added.contains(line), "{line} is gone");
    }

    good(&["block", lin], "");
    assert_eq!(signed("correct horse battery staple"), 401);
    good(&["unblock", lin], "");
    good(&["pin", lin], "314159\n");
    assert_eq!(house.gateway.sign_in("list.localhost", &[("email", lin), ("pin", "314159")]).send().status, 303);
    let enrolled = good(&["totp", lin], "");
    assert!(enrolled.contains("otpauth://totp/Vestibule:lin@example.net?secret="), "{enrolled}");
    let secret = std::fs::read_to_string(house.gateway.folder().join("lin@example.net.totp")).unwrap();
    assert_eq!(secret, enrolled.lines().next().unwrap());
    assert!(text().contains("totp = { file = \"lin@example.net.totp\" }"), "{}", text());
    assert!(good(&["list"], "").lines().any(|line| line.starts_with(lin) && line.contains("password,pin")));
    good(&["remove", lin], "");
    assert_eq!(signed("correct horse battery staple"), 401);
    assert_eq!(text(), before);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let house = House::start();
    let before = std::fs::read_to_string(house.gateway.config()).unwrap();
    for (arguments, typed, code, said) in [
        (&["add", MAYA][..], "", 1, "is there already"),
        (&["passwd", "nobody@example.net"], "correct horse battery\n", 1, "there is no user"),
        (&["pin", NOOR], "12\n", 1, ""),
        (&["remove", "nobody@example.net"], "", 1, "there is no user"),
        (&["add", "nobody"], "", 2, "write an e-mail address"),
    ] {
        let (found, _, err) = ask_typing(&house, &[&["user"], arguments].concat(), typed);
        assert_eq!(found, code, "{arguments:?}: {err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
    assert_eq!(std::fs::read_to_string(house.gateway.config()).unwrap(), before);
}

#[test]
fn an_account_that_failed_too_often_is_let_try_again() {
    let house = House::with("[login_limits]\nfailures = { count = 1, within = \"5m\", lock = \"15m\" }\n");
    let attempt = |password: &str| {
        house.gateway.sign_in("mem.localhost", &[("email", NOOR), ("password", password)]).send().status
    };
    assert_eq!((attempt("wrong"), attempt(PASSWORD)), (401, 429));
    let (code, out, err) = ask(&house, &["user", "unlock", NOOR]);
    assert_eq!((code, out.as_str()), (0, "1 unlocked\n"), "{err}");
    assert_eq!(attempt(PASSWORD), 303);
}
