use super::*;

const HOSTILE: &str = "\"><script>alert(1)</script>&'{{7*7}}";

fn frame() -> Frame<'static> {
    Frame { request_id: HOSTILE, reason: Some(HOSTILE), circuit: HOSTILE, label: Some(HOSTILE) }
}

fn text(page: &impl Template) -> String {
    String::from_utf8(html(page).to_vec()).unwrap()
}

#[test]
fn nothing_that_a_client_sends_becomes_markup() {
    let both = [
        Form { title: "Password", personal: true, secret: Secret::Password },
        Form { title: "PIN", personal: false, secret: Secret::Pin },
        Form { title: "Code", personal: true, secret: Secret::Sent },
    ];
    let some = Some(HOSTILE);
    let providers = [ProviderLink { label: HOSTILE.into(), address: HOSTILE.to_owned() }];
    let circuits = [CircuitLink { name: HOSTILE, label: some, url: HOSTILE.to_owned() }];
    let pages = [
        text(&SignInPage {
            frame: frame(),
            providers: &providers,
            forms: &both,
            back: Back { name: "return", value: HOSTILE },
            shared: HOSTILE,
            email: HOSTILE,
            account: some,
            problem: some,
        }),
        text(&Notice {
            frame: frame(),
            title: HOSTILE,
            message: HOSTILE,
            wait: some,
            account: some,
            retry: HOSTILE,
            back: Back { name: "return", value: HOSTILE },
        }),
        text(&StepPage { frame: frame(), ask: Ask::Purpose, step: HOSTILE, problem: some }),
        text(&LogoutPage { frame: frame(), account: some }),
        text(&SignedOutPage { frame: frame() }),
        text(&LauncherPage { frame: frame(), account: some, circuits: &circuits }),
    ];
    for page in pages {
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains(HOSTILE) && !page.contains("\"><"), "{page}");
        assert!(page.contains("&#60;script&#62;"), "{page}");
    }
}

#[test]
fn the_policy_allows_exactly_the_style_that_the_page_carries() {
    let page = text(&SignedOutPage { frame: frame() });
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = BASE64_STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let headers = page_headers();
    let policy = headers.iter().find(|(name, _)| name == CONTENT_SECURITY_POLICY).unwrap().1.to_str().unwrap();
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
    );
}

#[test]
fn templates_leave_escaping_on_and_need_no_script() {
    for template in [
        include_str!("base.html"),
        include_str!("sign_in.html"),
        include_str!("notice.html"),
        include_str!("logout.html"),
        include_str!("signed_out.html"),
        include_str!("launcher.html"),
    ] {
        for forbidden in ["|safe", "| safe", "autoescape", "<script", " style=", " onclick", "http:", "https:"] {
            assert!(!template.contains(forbidden), "{forbidden} in {template}");
        }
    }
}

#[test]
fn waits_are_never_shown_shorter_than_they_are() {
    for (wait, seconds, words) in [
        (Duration::ZERO, 1, "1 second"),
        (Duration::from_millis(1), 1, "1 second"),
        (Duration::from_millis(1001), 2, "2 seconds"),
        (Duration::from_secs(90), 90, "90 seconds"),
        (Duration::from_secs(91), 91, "2 minutes"),
        (Duration::from_secs(900), 900, "15 minutes"),
        (Duration::MAX, u64::MAX, "307445734561825861 minutes"),
    ] {
        assert_eq!((whole_seconds(wait), wait_in_words(wait).as_str()), (seconds, words));
    }
}

#[test]
fn the_forms_help_password_managers_and_keyboards() {
    let forms = [
        Form { title: "Password", personal: true, secret: Secret::Password },
        Form { title: "Shared PIN", personal: false, secret: Secret::Pin },
    ];
    let page = text(&SignInPage {
        frame: Frame { request_id: "r1", reason: None, circuit: "wiki", label: Some("Documentation") },
        providers: &[],
        forms: &forms,
        back: Back { name: "return", value: "/a?x=1" },
        shared: "",
        email: "maya@example.net",
        account: None,
        problem: None,
    });
    for part in [
        r#"name="email" type="email" autocomplete="username""#,
        r#"name="password" type="password" autocomplete="current-password""#,
        r#"name="pin" type="password" inputmode="numeric" pattern="[0-9]*" autocomplete="one-time-code""#,
        r#"<label for="pin-2">PIN</label>"#,
        r#"<input type="hidden" name="return" value="/a?x=1">"#,
        r#"value="maya@example.net""#,
        "wiki · Documentation",
        "Request r1",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(page.matches("name=\"email\"").count(), 1);
    assert_eq!(page.matches("<form").count(), 2);
}
