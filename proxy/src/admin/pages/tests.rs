use super::frame::DEEDS;
use super::*;

const TEMPLATES: [(&str, &str); 17] = [
    ("admin", include_str!("admin.html")),
    ("admin_sign_in", include_str!("admin_sign_in.html")),
    ("bans", include_str!("bans.html")),
    ("chart", include_str!("chart.html")),
    ("entry", include_str!("entry.html")),
    ("log", include_str!("log.html")),
    ("overview", include_str!("overview.html")),
    ("people", include_str!("people.html")),
    ("problem", include_str!("problem.html")),
    ("circuit", include_str!("circuit.html")),
    ("circuits", include_str!("circuits.html")),
    ("config", include_str!("config.html")),
    ("integrity", include_str!("integrity.html")),
    ("status", include_str!("status.html")),
    ("table", include_str!("table.html")),
    ("why", include_str!("why.html")),
    ("sessions", include_str!("sessions.html")),
];

#[test]
fn templates_leave_escaping_on_and_hold_nothing_that_the_policy_refuses() {
    for (name, template) in TEMPLATES {
        for forbidden in ["|safe", "| safe", "autoescape", " style=", " onclick", " onload", "http:", "https:", "<img"]
        {
            assert!(!template.contains(forbidden), "{forbidden} in {name}");
        }
        // A form that changes something carries what shows that it is ours.
        for form in template.split("<form method=\"post\"").skip(1).filter(|_| name != "admin_sign_in") {
            let form = form.split("</form>").next().unwrap();
            assert!(form.contains("name=\"csrf\""), "{name}: {form}");
        }
    }
    let scripts: Vec<_> =
        TEMPLATES.iter().filter(|(_, template)| template.contains("<script")).map(|(name, _)| name).collect();
    assert_eq!(scripts, [&"admin"]);
}

#[test]
fn the_policy_allows_exactly_what_a_page_carries() {
    let page = ProblemPage {
        frame: Frame::outside("<b>", ""),
        detail: "<script>alert(1)</script>",
        report: "\"><img src=x onerror=alert(1)>",
        request_id: "r",
        reason: "x",
    };
    let page = page.render().unwrap();
    assert!(!page.contains("<img") && !page.contains("<b>") && page.matches("<script").count() == 1, "{page}");
    let inside = |open: &str, close: &str| page.split(open).nth(1).unwrap().split(close).next().unwrap().to_owned();
    let policy = POLICY.to_str().unwrap();
    assert!(policy.contains(&format!("style-src {};", hash_source(&inside("<style>", "</style>")))), "{policy}");
    assert!(policy.contains(&format!("script-src {};", hash_source(&inside("<script>", "</script>")))), "{policy}");
    assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'"), "{policy}");
}

#[test]
fn only_sentences_of_ours_are_said_to_be_done() {
    assert!(
        DEEDS.iter().all(|(word, sentence)| word.bytes().all(|byte| byte.is_ascii_lowercase()) && !sentence.is_empty())
    );
}
