//! What is refused, and with which words.

use super::super::key::{Key, Rank};
use super::*;

fn ask(log: Log, parameters: &str) -> Result<Query, String> {
    let parameters: Vec<_> = parameters
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect();
    let now = "2026-11-23T08:00:00Z".parse().unwrap();
    Query::parse(log, &parameters, now).map_err(|error| error.to_string())
}

fn refused(log: Log, parameters: &str, message: &str) {
    assert_eq!(ask(log, parameters).unwrap_err(), message, "{parameters}");
}

#[test]
fn an_unknown_parameter_field_or_value_is_named_with_what_to_write() {
    use Log::{Access, Audit, Requests};
    refused(Access, "result=maybe", "result: \"maybe\" is not a result; write one of: success, failed, rate_limited");
    refused(
        Access,
        "result=success,maybe",
        "result: \"maybe\" is not a result; write one of: success, failed, rate_limited",
    );
    refused(
        Access,
        "status=allowed",
        "status: \"allowed\" is not a status; write one of: initiated, pending, success, failure",
    );
    refused(Requests, "action=let_in", "action: \"let_in\" is not an action; write one of: allowed, blocked");
    refused(Requests, "outcome=x", "outcome: \"x\" is not an outcome; write one of: allowed, denied, error");
    refused(Requests, "status=ok", "status: \"ok\" is not a status; write one of: success, failed");
    refused(Requests, "status.min=1", "status.min: takes no such operator; write status or status.not");
    refused(Requests, "status_code=40x", "status_code: \"40x\" is not a status; write 404 or 4xx");
    refused(Requests, "status_code=9xx", "status_code: \"9xx\" is not a status; write 404 or 4xx");
    refused(Requests, "bytes_in=-1", "bytes_in: \"-1\" is not a number; write digits");
    refused(Requests, "bytes_in.min=", "bytes_in.min: \"\" is not a number; write digits");
    refused(
        Requests,
        "bytes_in.contains=1",
        "bytes_in.contains: bytes_in is a number; write bytes_in.min or bytes_in.max",
    );
    refused(Requests, "path.min=1", "path.min: path is a text; write path.contains or path.prefix");
    refused(Requests, "id.min=1", "id.min: id is a text; write id.contains or id.prefix");
    refused(Requests, "time.min=1", "time.min: times are asked for with since and until");
    refused(
        Requests,
        "path.like=1",
        "path.like: \"like\" is not an operator; write one of: not, contains, prefix, min, max",
    );
    refused(
        Requests,
        "source_ip=localhost",
        "source_ip: \"localhost\" is not an address; write 192.0.2.7, or a network such as 192.0.2.0/24",
    );
    refused(Audit, "id=7", "id: \"7\" is not an id; write a UUID");
    refused(
        Audit,
        "colour=red",
        "colour: \"colour\" is not a field of the audit log; its fields are: id, seq, time, request_id, source_ip, \
         country, subdivision, city, asn, user_agent, revision, event_count, node, actor, actor_type, action_type, \
         action, resource_type, resource, status, http_status, duration_ms, before, after, details, \
         erased",
    );
    assert!(ask(Audit, "fields=id,colour").unwrap_err().starts_with("fields: \"colour\" is not a field of the audit"));
    assert!(
        ask(Access, "outcome=denied").unwrap_err().starts_with("outcome: \"outcome\" is not a field of the access")
    );
    assert!(ask(Access, "view.not=events").is_err());
}

#[test]
fn bad_ranges_limits_orders_and_cursors_are_refused() {
    use Log::{Access, Audit, Requests};
    refused(Access, "limit=0", "limit: \"0\" is not a page size; write a number from 1 to 1000");
    refused(Access, "limit=1001", "limit: \"1001\" is not a page size; write a number from 1 to 1000");
    refused(Access, "limit=", "limit: \"\" is not a page size; write a number from 1 to 1000");
    refused(Access, "limit=5&limit=6", "limit: given twice; give it once");
    refused(Access, "order=up", "order: \"up\" is not an order; write asc or desc");
    refused(Access, "count=1", "count: \"1\" is neither; write true or false");
    refused(Access, "range=2h", "range: \"2h\" is not a range; write one of: 5m, 15m, 1h, 24h, 7d, 30d, all");
    refused(Access, "range=1h&since=5m", "range: given together with since or until; write one or the other");
    refused(Access, "since=5m&until=1h", "since: is after until; write an earlier time");
    refused(
        Access,
        "since=yesterday",
        "since: \"yesterday\" is not a time; write 2026-11-23T08:00:00Z, or 15m, 24h, 7d for that long ago",
    );
    refused(Access, "view=all", "view: \"all\" is not a view; write attempts or events");
    refused(Audit, "view=events", "view: is of the access log only; leave it out");
    refused(Access, "fold=maybe", "fold: \"maybe\" is neither; write true or false");
    let unsorted = "fold: adjacent entries are those next to each other in time; leave sort out";
    refused(Access, "fold=true&sort=email", unsorted);
    assert!(ask(Access, "sort=moon").unwrap_err().starts_with("sort: \"moon\" is not a field"));
    let (sort, rank) = (Sort::named(Requests, "time").unwrap().place(Requests), Rank { key: Key::Time(0), seq: 0 });
    let order = Order::Ascending;
    let cursor = Cursor { log: Requests, sort, order, backwards: false, inclusive: false, rank }.encode();
    let wrong_order = "cursor: was made for another order; ask without it, or with the sort and order it was made for";
    refused(Requests, &format!("cursor={cursor}"), wrong_order);
    refused(Requests, &format!("sort=host&order=asc&cursor={cursor}"), wrong_order);
    assert!(ask(Requests, &format!("order=asc&cursor={cursor}")).is_ok());
    let not_ours = "cursor: is not one of this log's; take it from next_cursor or prev_cursor of an answer";
    refused(Access, &format!("order=asc&cursor={cursor}"), not_ours);
    refused(Access, "cursor=", not_ours);
}

#[test]
fn conditions_and_values_are_bounded() {
    let ask = |parameters: &str| ask(Log::Requests, parameters);
    let values = vec!["x"; VALUES_MAX].join(",");
    assert!(ask(&format!("path={values}")).is_ok());
    assert!(ask(&format!("path={values},x")).unwrap_err().starts_with("path: more than 256 values"));
    assert!(ask(&format!("path={values}&path=x")).unwrap_err().starts_with("path: more than 256 values"));
    let fields: Vec<_> =
        Log::Requests.fields().iter().filter(|field| field.number > 0).map(|field| field.name).collect();
    let all: Vec<_> = fields.iter().flat_map(|field| [format!("{field}="), format!("{field}.not=")]).collect();
    assert!(ask(&all[..FILTERS_MAX].join("&")).is_ok());
    assert!(ask(&all[..FILTERS_MAX + 1].join("&")).unwrap_err().contains("more than 64 conditions"));
}

#[test]
fn times_are_absolute_or_before_now() {
    let times = |parameters: &str| {
        let query = ask(Log::Access, parameters).unwrap();
        (json_time(query.since), json_time(query.until))
    };
    let (start, end) = (json_time(i64::MIN), json_time(i64::MAX));
    assert_eq!(times(""), (start.clone(), end.clone()));
    assert_eq!(times("since=15m"), ("2026-11-23T07:45:00.000000Z".into(), end.clone()));
    assert_eq!(times("range=7d"), ("2026-11-16T08:00:00.000000Z".into(), end.clone()));
    assert_eq!(times("range=all"), (start.clone(), end.clone()));
    assert_eq!(times("since=99999999999d"), ("-009999-01-02T01:59:59.000000Z".into(), end));
    assert_eq!(
        times("until=2026-11-23T09:00:00%2B01:00".replace("%2B", "+").as_str()),
        (start, "2026-11-23T08:00:00.000000Z".into())
    );
    let at = "2026-11-23T08:00:00.123456Z";
    assert_eq!(times(&format!("since={at}&until={at}")), (at.into(), at.into()));
}

fn json_time(micros: i64) -> String {
    crate::json::time(micros)
}

#[test]
fn an_empty_search_is_none_and_words_are_case_insensitive() {
    assert!(ask(Log::Access, "q=").unwrap().text.is_none());
    for parameters in ["status=Success&result=FAILED", "auth_method=PIN", "status=initiated,pending"] {
        assert!(ask(Log::Access, parameters).is_ok(), "{parameters}");
    }
    assert!(ask(Log::Audit, "status=blocked").is_ok());
    assert!(ask(Log::Access, "status=blocked").is_err());
}
