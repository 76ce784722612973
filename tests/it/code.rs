//! Codes by e-mail.

use std::time::{Duration, Instant};

use harness::house::{BRAM, MAYA, NOOR};
use harness::secrets::Folder;
use harness::{Browser, House, Postbox, Response, until};
use serde_json::json;

/// The house with a circuit `post`, which is entered by codes, and a mail server.
struct Office {
    postbox: Postbox,
    house: House,
    _secrets: Folder,
}

impl Office {
    #[track_caller]
    fn start(more: &str) -> Self {
        let (postbox, secrets) = (Postbox::start(), Folder::default());
        let mail =
            format!("[mail]\nfrom = \"vestibule@example.net\"\nsmtp = {}\n", secrets.put("smtp", &postbox.url()));
        Self { postbox, house: open(&(mail + more)), _secrets: secrets }
    }

    fn browser(&self, address: &str) -> Browser<'_> {
        Browser::new(&self.house.gateway, "post.localhost", address)
    }
}

/// The house with a circuit `post`, which is entered by codes.
pub(crate) fn open(more: &str) -> House {
    let mut house = House::start();
    let circuit = format!(
        "[circuits.post]\nproject = \"docs\"\nhosts = [\"post.localhost\"]\nupstream = \"{}\"\naccess = \"members\"\nlogin \
         = [\"code\", \"password\"]\n",
        house.upstream.url()
    );
    let body = house.gateway.body().to_owned();
    house.gateway.reconfigure(&(body + &circuit + more));
    house
}

/// Asks for a code and opens the page on which it is typed; gives what its form goes on with.
#[track_caller]
pub(crate) fn asked(browser: &mut Browser<'_>, email: &str) -> String {
    let answer = browser.post("/.vestibule/code", &[("email", email), ("return", "/a?b=1")]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    let page = browser.get(answer.header("location").unwrap());
    assert_eq!(page.status, 200);
    let html = page.text();
    html.split_once("name=\"step\" value=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

/// The answer to a code.
#[track_caller]
pub(crate) fn typed(browser: &mut Browser<'_>, step: &str, code: &str) -> Response {
    browser.post("/.vestibule/continue", &[("step", step), ("code", code)])
}

#[test]
fn a_wrong_code_is_refused_the_right_one_opens_and_opens_once() {
    let office = Office::start("");
    let mut browser = office.browser("203.0.113.1");
    let page = browser.get("/.vestibule/login");
    assert!(page.text().contains("action=\"/.vestibule/code\""), "{}", page.text());
    let step = asked(&mut browser, " Maya@Example.net");
    let letter = office.postbox.letter(0);
    assert_eq!(letter.to, [MAYA]);
    let code = letter.code();
    assert!(
        letter.text.contains("Subject: Code for post") && letter.text.contains("post.localhost"),
        "{}",
        letter.text
    );

    let wrong = if code == "00000000" { "11111111" } else { "00000000" };
    let refused = typed(&mut browser, &step, wrong);
    assert_eq!((refused.status, refused.session()), (401, None));
    let stolen = typed(&mut office.browser("203.0.113.2"), &step, &code);
    assert_eq!((stolen.status, stolen.session()), (401, None), "another browser");
    let good = typed(&mut browser, &step, &format!(" {} {} ", &code[..4], &code[4..]));
    assert_eq!((good.status, good.header("location")), (303, Some("/a?b=1")), "{}", good.text());
    assert_eq!(browser.get("/").status, 200);
    assert_eq!(office.house.upstream.last().header("x-vestibule-user"), Some(MAYA));
    let reused = typed(&mut browser, &step, &code);
    assert_eq!((reused.status, reused.session()), (401, None), "used");

    let rows = office.house.gateway.logs_when("access", "source_ip=203.0.113.1&order=asc", 3);
    let told: Vec<_> = rows.iter().map(|row| (row["status"].clone(), row["reason"].clone())).collect();
    assert_eq!(
        json!(told),
        json!([["failure", "invalid_code"], ["success", null], ["failure", "code_expired"]]),
        "each wrong code is an attempt"
    );
    assert_eq!((&rows[1]["auth_method"], &rows[1]["user_id"]), (&json!("code"), &json!(format!("local:{MAYA}"))));
    let begun = office.house.gateway.logs("access", "view=events&status=initiated");
    assert_eq!(begun[0]["attempt_id"], rows[0]["attempt_id"], "from the page on it is one attempt");
    let all =
        office.house.gateway.logs("access", "view=events").into_iter().chain(office.house.gateway.logs("requests", ""));
    assert!(all.map(|entry| entry.to_string()).all(|entry| !entry.contains(&code)), "no code is in a log");
    assert!(!office.house.gateway.output().contains(&code));
}

#[test]
fn nobody_learns_who_is_sent_a_code() {
    let office = Office::start("");
    let mut answers = Vec::new();
    for (number, email) in [MAYA, BRAM, "nobody@example.net", "no address"].into_iter().enumerate() {
        let mut browser = office.browser(&format!("203.0.113.{number}"));
        let answer = browser.post("/.vestibule/code", &[("email", email)]);
        let location = answer.header("location").unwrap().to_owned();
        let page = browser.get(&location);
        let step = location.split_once('=').unwrap().1.to_owned();
        let wrong = typed(&mut browser, &step, "00000000");
        let neutral = |answer: &Response| {
            let id = answer.header("x-request-id").unwrap();
            let names: Vec<_> = answer.fields.iter().map(|(name, _)| name.to_lowercase()).collect();
            (answer.status, answer.text().replace(id, "ID").replace(&step, "STEP"), names)
        };
        answers.push([neutral(&answer), neutral(&page), neutral(&wrong)]);
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(office.postbox.letter(0).to, [MAYA]);
    let rows = office.house.gateway.logs_when("access", "status=failure&order=asc", 4);
    let reasons: Vec<_> = rows.iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["invalid_code", "user_blocked", "not_project_member", "user_not_found"], "the log knows");
    assert_eq!(office.postbox.count(), 1, "nobody else is written to");
}

#[test]
fn a_flood_of_requests_fills_no_mailbox() {
    let office = Office::start("[login_limits]\nper_ip = \"1000/m\"\nper_user = \"1000/m\"\n");
    let ask = |number: usize| {
        let request = office.house.gateway.request("POST", "post.localhost", "/.vestibule/code");
        request.form(&[("email", MAYA)]).from(&format!("10.0.{number}.1")).send().status
    };
    let statuses: Vec<_> = (0..20).map(ask).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 5, "{statuses:?}");
    assert!(statuses.iter().skip(5).all(|status| *status == 429), "{statuses:?}");
    office.postbox.letter(4);
    let other = office.house.gateway.request("POST", "post.localhost", "/.vestibule/code").form(&[("email", NOOR)]);
    assert_eq!(other.from("10.0.1.1").send().status, 303, "others are not kept from theirs");
    assert_eq!(office.postbox.letter(5).to, [NOOR]);
    assert_eq!(office.postbox.count(), 6);
    let sent = || office.house.gateway.metric("vestibule_mails_total", &["result=\"sent\""]);
    until(Duration::from_secs(3), "six sent", || (sent() > 5.5).then_some(()));
}

#[test]
fn programs_use_codes_too_and_guess_no_more_than_five_times() {
    let office = Office::start(
        "[login_limits]\nfailures = { count = 100, within = \"5m\", lock = \"1m\" }\nper_user = \"100/m\"\nper_ip = \"100/m\"\n",
    );
    let post =
        |path: &str, body: serde_json::Value| office.house.gateway.request("POST", "post.localhost", path).json(&body);
    let next = post("/.vestibule/code", json!({"email": NOOR})).send();
    assert_eq!((next.status, next.json()["next"].as_str()), (202, Some("code")), "{}", next.text());
    let cookie = next.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let step = next.json()["step"].clone();
    let code = office.postbox.letter(0).code();
    let wrong = if code == "00000000" { "11111111" } else { "00000000" };
    let guess = |code: &str| post("/.vestibule/continue", json!({"step": step, "code": code})).cookie(&cookie).send();
    for _ in 0..5 {
        let answer = guess(wrong);
        assert_eq!((answer.status, answer.reason().as_str()), (401, "invalid_credentials"));
    }
    let late = guess(&code);
    assert_eq!((late.status, late.reason().as_str(), late.session()), (401, "code_expired", None));
    assert_eq!(post("/.vestibule/code", json!({"email": "x".repeat(600)})).send().status, 400);
    let elsewhere = office.house.gateway.request("POST", "mem.localhost", "/.vestibule/code");
    assert_eq!(elsewhere.json(&json!({"email": MAYA})).send().status, 404, "its login names no codes");
}

#[test]
fn a_program_can_send_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("send");
    let line = format!(
        "#!/bin/sh\nsleep 2\ncat > {}/message.part\nmv {0}/message.part {0}/message\n",
        folder.path().display()
    );
    std::fs::write(&script, line).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let house = open(&format!("[mail]\nfrom = \"vestibule@example.net\"\ncommand = \"{} -t\"\n", script.display()));
    let mut browser = Browser::new(&house.gateway, "post.localhost", "203.0.113.1");
    let begun = Instant::now();
    let step = asked(&mut browser, MAYA);
    assert!(begun.elapsed() < Duration::from_secs(2), "nobody waits");
    let message =
        until(Duration::from_secs(10), "the message", || std::fs::read_to_string(folder.path().join("message")).ok());
    let code = message.lines().map(str::trim).find(|line| line.len() == 8 && line.bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(typed(&mut browser, &step, code.unwrap()).status, 303);
}
