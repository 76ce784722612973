use super::frame::DEEDS;
use super::*;

const TEMPLATES: [(&str, &str); 24] = [
    ("admin", include_str!("admin.html")),
    ("admin_sign_in", include_str!("admin_sign_in.html")),
    ("bans", include_str!("bans.html")),
    ("chart", include_str!("chart.html")),
    ("entry", include_str!("entry.html")),
    ("log", include_str!("log.html")),
    ("overview", include_str!("overview.html")),
    ("parts", include_str!("parts.html")),
    ("people", include_str!("people.html")),
    ("problem", include_str!("problem.html")),
    ("circuit", include_str!("circuit.html")),
    ("circuits", include_str!("circuits.html")),
    ("config", include_str!("config.html")),
    ("config_agree", include_str!("config_agree.html")),
    ("config_change", include_str!("config_change.html")),
    ("config_difference", include_str!("config_difference.html")),
    ("config_revision", include_str!("config_revision.html")),
    ("admin_signed_in", include_str!("admin_signed_in.html")),
    ("why_answer", include_str!("why_answer.html")),
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

/// Relative luminance of a colour of the style sheet, as WCAG 2 defines it.
fn luminance(scheme: &str, name: &str) -> f64 {
    let colour = scheme.split(&format!("--{name}: #")).nth(1).unwrap();
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

#[test]
fn colours_are_told_apart_as_wcag_aa_asks_in_both_schemes() {
    const TEXT: f64 = 4.5;
    const EDGE: f64 = 3.0;
    let schemes: Vec<&str> = STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(schemes.len(), 2, "a light one and a dark one");
    for scheme in schemes {
        for (front, backs, least) in [
            ("ink", &["paper", "card", "line", "good-on", "bad-on"][..], TEXT),
            ("soft", &["paper", "card"], TEXT),
            ("act", &["paper", "card"], TEXT),
            ("on-act", &["act"], TEXT),
            ("good", &["paper", "card", "good-on"], TEXT),
            ("bad", &["paper", "card", "good-on"], TEXT),
            ("error", &["paper", "card", "good-on"], TEXT),
            ("edge", &["paper", "card"], EDGE),
            ("other", &["card"], EDGE),
        ] {
            for back in backs {
                let (front_light, back_light) = (luminance(scheme, front), luminance(scheme, back));
                let contrast = (front_light.max(back_light) + 0.05) / (front_light.min(back_light) + 0.05);
                assert!(contrast >= least, "{front} on {back}: {contrast:.2}");
            }
        }
    }
}
