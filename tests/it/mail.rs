//! Codes by e-mail through a mail server that speaks TLS and asks who sends.

use std::path::Path;
use std::time::Duration;

use harness::client::encode;
use harness::house::MAYA;
use harness::mail_server::{Begins, NAME, PASSWORD};
use harness::secrets::Folder;
use harness::{Authority, Browser, House, MailServer, until};

use crate::code::{asked, open, typed};

/// An address of this machine that is not written like one of loopback, with which TLS would not be asked for.
const HERE: &str = "0.0.0.0";

/// `[mail]` for a server at [`HERE`].
fn mail(secrets: &Folder, begins: Begins, port: u16, password: &str, ca: Option<&Path>) -> String {
    let scheme = if begins == Begins::AtOnce { "smtps" } else { "smtp" };
    let url = format!("{scheme}://{}:{}@{HERE}:{port}", encode(NAME), encode(password));
    let ca = ca.map(|file| format!("ca = {file:?}\n")).unwrap_or_default();
    format!("[mail]\nfrom = \"vestibule@example.net\"\nsmtp = {}\n{ca}", secrets.put("smtp", &url))
}

#[track_caller]
fn gives_up(house: &House, why: &str) {
    asked(&mut Browser::new(&house.gateway, "post.localhost", "203.0.113.1"), MAYA);
    let failed = || house.gateway.metric("vestibule_mails_total", &["result=\"failed\""]);
    until(Duration::from_secs(10), "the message is given up", || (failed() > 0.5).then_some(()));
    let output = house.gateway.output();
    assert!(output.contains(why), "{why}:\n{output}");
    assert!(!output.contains(MAYA) && !output.contains(PASSWORD), "neither whom nor with what:\n{output}");
}

#[track_caller]
fn a_code_arrives(begins: Begins) {
    let (authority, secrets) = (Authority::new(), Folder::default());
    let server = MailServer::start(begins, &authority.pair("mail", &[HERE]));
    let house = open(&mail(&secrets, begins, server.port(), PASSWORD, Some(&authority.file())));
    let mut browser = Browser::new(&house.gateway, "post.localhost", "203.0.113.1");
    let step = asked(&mut browser, MAYA);
    let letter = server.letter(0);
    assert_eq!(letter.to, [MAYA]);
    assert_eq!(typed(&mut browser, &step, &letter.code()).status, 303);
    assert_eq!(server.authenticated(), ["PLAIN good tls"]);
}

#[test]
#[ignore = "needs aiosmtpd from PyPI; tests/run.sh fetches it"]
fn mail_server_with_tls_from_the_first_byte_gets_the_code() {
    a_code_arrives(Begins::AtOnce);
}

#[test]
#[ignore = "needs aiosmtpd from PyPI; tests/run.sh fetches it"]
fn mail_server_with_starttls_gets_the_code() {
    a_code_arrives(Begins::WhenAsked);
}

#[test]
#[ignore = "needs aiosmtpd from PyPI; tests/run.sh fetches it"]
fn mail_server_that_cannot_prove_who_it_is_learns_nothing() {
    let (ours, strangers, secrets) = (Authority::new(), Authority::new(), Folder::default());
    for begins in [Begins::AtOnce, Begins::WhenAsked] {
        for (what, signed_by, host, ca) in [
            ("another authority's", &strangers, HERE, Some(ours.file())),
            ("another host's", &ours, "mail.example.net", Some(ours.file())),
            ("none that the system trusts", &ours, HERE, None),
        ] {
            let server = MailServer::start(begins, &signed_by.pair("mail", &[host]));
            let house = open(&mail(&secrets, begins, server.port(), PASSWORD, ca.as_deref()));
            gives_up(&house, "the server's certificate is not to be trusted");
            assert_eq!(server.authenticated(), [""; 0], "{begins:?}, {what}: no password was sent");
        }
    }
}

#[test]
#[ignore = "needs aiosmtpd from PyPI; tests/run.sh fetches it"]
fn mail_server_that_does_not_know_the_sender_is_told_of() {
    let (authority, secrets) = (Authority::new(), Folder::default());
    let server = MailServer::start(Begins::WhenAsked, &authority.pair("mail", &[HERE]));
    let with = |password: &str| mail(&secrets, Begins::WhenAsked, server.port(), password, Some(&authority.file()));
    gives_up(&open(&with("another one")), "the server says 535");
    assert!(server.authenticated().iter().all(|line| line.ends_with("bad tls")), "{:?}", server.authenticated());
}

#[test]
#[ignore = "needs aiosmtpd from PyPI; tests/run.sh fetches it"]
fn mail_server_without_starttls_gets_no_mail_in_clear() {
    let secrets = Folder::default();
    let plain = harness::Postbox::start();
    let url = plain.url();
    let port = url.rsplit(':').next().unwrap();
    // Nobody's name and password, which would not be sent either.
    let url = secrets.put("smtp", &format!("smtp://{HERE}:{port}"));
    let house = open(&format!("[mail]\nfrom = \"vestibule@example.net\"\nsmtp = {url}\n"));
    gives_up(&house, "a code could not be sent");
    assert_eq!(plain.count(), 0);
}
