use super::*;

fn check(query: &str, expected: &str) {
    let uri = format!("/?{query}").parse().unwrap();
    let axum::extract::Query(given) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap();
    let people = People::from(&[("maya@example.net", "Maya")]);
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let asked = Parameters::read(&given, FILTERS).and_then(|given| question(&given, &people, now));
    let shown = asked.map_or_else(|problem| problem.detail, |question| question.shown());
    assert_eq!(shown, expected, "{query}");
}

#[test]
fn each_filter_says_what_it_says_in_our_language() {
    for (query, expected) in [
        ("range=all", ""),
        ("range=custom", ""),
        ("range=all&action_type=all&resource_type=ALL&status=all", ""),
        ("range=all&action_type=policy", "\naction_type=policy"),
        ("range=all&action_type=tokens", "\naction_type=token"),
        ("range=all&action_type=convox", "\nany: "),
        ("range=all&resource_type=config", "\nresource_type=config"),
        ("range=all&status=blocked", "\nstatus=blocked"),
        ("range=all&user=Maya@Example.net", "\nactor=maya@example.net"),
        ("range=all&user_id=7", "\nany: "),
        (
            "range=all&search=may",
            "\nany: actor.contains=may | action.contains=may | resource.contains=may | details.contains=may | \
             source_ip.contains=may | user_agent.contains=may | actor=maya@example.net",
        ),
    ] {
        check(query, &format!("fold=true{expected}"));
    }
}

#[test]
fn the_range_is_the_last_day_unless_something_else_is_said() {
    for (query, expected) in [
        ("", "since=2026-11-22T12:00:00Z\n"),
        ("range=", "since=2026-11-22T12:00:00Z\n"),
        ("range=5m", "since=2026-11-23T11:55:00Z\n"),
        ("range=7d", "since=2026-11-16T12:00:00Z\n"),
        ("range=7d&start=2026-11-01T00:00:00Z", "since=2026-11-01T00:00:00Z\n"),
        ("start=2026-11-01T08:30", "since=2026-11-01T08:30:00Z\n"),
        (
            "start=2026-11-01T08:30:15&end=2026-11-01T08:30:15",
            "since=2026-11-01T08:30:15Z\nuntil=2026-11-01T08:30:15Z\n",
        ),
        ("range=all&end=2026-11-01T08:30:00%2B01:00", "until=2026-11-01T07:30:00Z\n"),
    ] {
        check(query, &format!("{expected}fold=true"));
    }
}

#[test]
fn what_is_wrong_is_named() {
    let time = "is not a time; write 2026-11-23T08:00:00Z, or 2026-11-23T08:00 for UTC";
    check("start=noon", &format!("start: \"noon\" {time}"));
    check("end=noon", &format!("end: \"noon\" {time}"));
    check("start=2026-11-02T00:00&end=2026-11-01T00:00", "end: is before start");
    check("end=2026-11-01T00:00", "end: is before the range; write a start, or range=all");
    check("range=2y", "range: \"2y\" is not known; write one of: 5m, 15m, 1h, 24h, 7d, 30d, all, custom");
    check("user_id=maya", "user_id: \"maya\" is not a number");
    check(
        "page=2",
        "page: not known here; there are search, action_type, resource_type, status, user, user_id, range, start, end",
    );
}
