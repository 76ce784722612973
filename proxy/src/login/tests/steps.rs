//! What follows a good credential, with a clock that is moved by hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};

use super::*;

/// As a device has it, and as the file.
const KEY: &[u8] = b"12345678901234567890";
const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The circuits `vault` (second factor), `desk` (purpose), `lab` (a hook that nobody answers) and `post` (codes).
struct Bank {
    rig: Rig,
    _secrets: tempfile::TempDir,
}

impl Bank {
    fn new(more: &str) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        let secret = |name: &str, text: &str| {
            let path = secrets.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            format!("{{ file = {path:?} }}")
        };
        let circuit = |name: &str, login: &str, more: &str| {
            format!(
                "[circuits.{name}]\nhosts = [\"{name}.test\"]\nupstream = \"http://127.0.0.1:3000\"\naccess = \
                 \"members\"\nproject = \"docs\"\nlogin = [\"{login}\"]\n{more}\n"
            )
        };
        let text = [
            circuit("vault", "password", "second_factor = \"totp\""),
            circuit("desk", "password", "purpose = true"),
            circuit("lab", "password", "hook = \"nobody\""),
            circuit("post", "code", ""),
            format!("[hooks.nobody]\nurl = \"https://nobody.test/\"\nsecret = {}\n", secret("hook", &"x".repeat(32))),
            format!("[mail]\nfrom = \"v@example.net\"\nsmtp = {}\n", secret("smtp", "smtp://127.0.0.1:9")),
            more.to_owned(),
        ];
        let totp = format!("groups = [\"writers\"]\ntotp = {}", secret("totp", BASE32));
        let text = settings(&text.concat()).replace("groups = [\"writers\"]", &totp);
        Self { rig: Rig::new(&text), _secrets: secrets }
    }

    /// The code of the step so many seconds from now.
    fn code(&self, seconds: i64) -> String {
        let step = u64::try_from((self.rig.state.clock.now().as_second() + seconds) / 30).unwrap();
        let tag = hmac::sign(&hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, KEY), &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 15);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// Signs in up to the step that is asked for; gives its id and the browser's cookie.
    async fn begin(&self, circuit: &'static str) -> (String, String) {
        let answer = Ask::post(circuit, "/.vestibule/login", MAYA).send(&self.rig).await;
        assert_eq!(answer.status(), 303, "{}", answer.text());
        let step = answer.header("location").unwrap().strip_prefix("/.vestibule/continue?step=").unwrap().to_owned();
        (step, answer.cookie_value())
    }

    async fn go_on(&self, circuit: &'static str, (step, browser): &(String, String), more: &str) -> Answer {
        let body = format!("step={step}&{more}");
        let ask = Ask::post(circuit, "/.vestibule/continue", &body);
        ask.with(("cookie", &format!("__Host-vestibule-browser={browser}"))).send(&self.rig).await
    }
}

#[tokio::test]
async fn a_step_waits_ten_minutes_for_its_browser_and_its_circuit() {
    let bank = Bank::new("");
    let begun = bank.begin("vault").await;
    let code = format!("code={}", bank.code(600));
    let other = (begun.0.clone(), "x".repeat(43));
    assert_eq!(bank.go_on("vault", &other, &code).await.status(), 401, "another browser");
    assert_eq!(bank.go_on("desk", &begun, &code).await.status(), 401, "another circuit");
    bank.rig.clock.advance(Duration::from_secs(599));
    let cookie = format!("__Host-vestibule-browser={}", begun.1);
    for (step, status) in [(begun.0.as_str(), 200), ("other", 401)] {
        let query = format!("step={step}");
        let ask = Ask::get("vault", "/.vestibule/continue").with(("cookie", &cookie)).with(PAGE);
        assert_eq!(Ask { query: Some(&query), ..ask }.send(&bank.rig).await.status(), status, "{step}");
    }
    assert_eq!(bank.go_on("vault", &begun, &code).await.status(), 303);

    let late = bank.begin("vault").await;
    bank.rig.clock.advance(Duration::from_secs(600));
    let answer = bank.go_on("vault", &late, &format!("code={}", bank.code(0))).await;
    assert_eq!((answer.status(), answer.json()["reason"].as_str()), (401, Some("code_expired")));
    assert_eq!(sessions(&bank.rig), 1);
}

#[tokio::test]
async fn a_code_is_good_once_also_for_two_at_the_same_time() {
    let bank = Bank::new("");
    let (one, other) = (bank.begin("vault").await, bank.begin("vault").await);
    let code = format!("code={}", bank.code(0));
    let (first, second) = tokio::join!(bank.go_on("vault", &one, &code), bank.go_on("vault", &other, &code));
    let mut statuses = [first.status(), second.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401]);
    assert_eq!(sessions(&bank.rig), 1);
}

#[tokio::test]
async fn wrong_codes_end_what_waits_and_count_as_failures() {
    let bank = Bank::new(
        "[login_limits]\nper_user = \"100/m\"\nper_ip = \"100/m\"\nfailures = { count = 50, within = \"5m\", lock = \"1m\" }\n",
    );
    let begun = bank.begin("vault").await;
    for _ in 0..5 {
        let answer = bank.go_on("vault", &begun, "code=000000").await;
        assert_eq!((answer.status(), answer.json()["reason"].as_str()), (401, Some("second_factor_failed")));
    }
    let answer = bank.go_on("vault", &begun, &format!("code={}", bank.code(0))).await;
    assert_eq!((answer.status(), answer.json()["reason"].as_str()), (401, Some("code_expired")));
    let failed = bank.rig.entries(Log::Access, &[("reason", "second_factor_failed")]);
    let ids: std::collections::BTreeSet<_> = failed.iter().map(|row| row["attempt_id"].as_str().unwrap()).collect();
    assert_eq!((failed.len(), ids.len()), (5, 5), "each is an attempt");
}

#[tokio::test]
async fn a_step_that_nobody_takes_is_abandoned_with_its_person() {
    let bank = Bank::new("");
    bank.begin("desk").await;
    until(|| !bank.rig.entries(Log::Access, &[("status", "pending")]).is_empty()).await;
    bank.rig.clock.advance(Duration::from_secs(631));
    attempt::close(&bank.rig.state, &mut attempt::Closed::default());
    until(|| !bank.rig.entries(Log::Access, &[("reason", "abandoned")]).is_empty()).await;
    let row = bank.rig.entries(Log::Access, &[]).remove(0);
    assert_eq!((&row["status"], &row["email"]), (&"failure".into(), &"maya@example.net".into()));
}

#[tokio::test]
async fn a_record_that_is_not_written_opens_nothing() {
    let bank = Bank::new("");
    let begun = bank.begin("desk").await;
    bank.rig.state.store.close().unwrap();
    let answer = bank.go_on("desk", &begun, "purpose=because").await;
    assert_eq!((answer.status(), answer.header("set-cookie")), (503, None));
    assert_eq!(sessions(&bank.rig), 0);
}

#[tokio::test]
async fn a_hook_that_cannot_be_reached_refuses() {
    let bank = Bank::new("");
    let answer = Ask::post("lab", "/.vestibule/login", MAYA).send(&bank.rig).await;
    assert_eq!((answer.status(), answer.json()["reason"].as_str()), (403, Some("hook_unavailable")));
    assert_eq!(sessions(&bank.rig), 0);
}

#[tokio::test]
async fn messages_wait_in_a_queue_with_a_bound_and_nobody_sees_when_it_is_full() {
    let people: String = (0..300).map(|number| format!("\"p{number}@example.net\",")).collect();
    let mut text = "[login_limits]\nper_ip = \"1000/m\"\n".to_owned();
    text.push_str(&format!("[projects.many]\nmembers = [{people}]\n"));
    let bank = Bank::new(&text);
    let more = fs::read_to_string(&bank.rig.file).unwrap();
    let many = more.replace("project = \"docs\"\nlogin = [\"code\"]", "project = \"many\"\nlogin = [\"code\"]");
    let rig = Rig::new(&many);
    for number in 0..300 {
        let body = format!("email=p{number}@example.net");
        let answer = Ask::post("post", "/.vestibule/code", &body).send(&rig).await;
        assert_eq!(answer.status(), 303, "{number}: {}", answer.text());
    }
    assert_eq!(rig.state.mailer.waiting(), 256);
}

#[tokio::test]
async fn forms_of_other_sites_and_of_other_shapes_are_refused() {
    let bank = Bank::new("");
    let begun = bank.begin("desk").await;
    for body in ["", "purpose=x", "step=x&code=1&email=a@b.test", "step=x&step=y"] {
        let answer = Ask::post("desk", "/.vestibule/continue", body).send(&bank.rig).await;
        assert_eq!(answer.status(), 400, "{body}");
    }
    let body = format!("step={}&purpose=x", begun.0);
    for path in ["/.vestibule/continue", "/.vestibule/code"] {
        let answer = Ask::post("desk", path, &body).with(("origin", "https://evil.test")).send(&bank.rig).await;
        assert_eq!((answer.status(), answer.json()["reason"].as_str()), (403, Some("cross_site")), "{path}");
        let mut plain = Ask::post("desk", path, &body);
        plain.secure = false;
        let answer = plain.send(&bank.rig).await;
        assert_eq!(answer.status(), 400, "{path} needs TLS");
        assert_eq!(Ask::get("desk", "/.vestibule/code").send(&bank.rig).await.status(), 405);
    }
    assert_eq!(bank.go_on("desk", &begun, "code=000000").await.status(), 400, "a purpose is asked for");
    assert_eq!(bank.go_on("desk", &begun, "purpose=because").await.status(), 303);
}
