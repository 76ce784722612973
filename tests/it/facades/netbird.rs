//! `GET /api/events/proxy` of NetBird.

use harness::house::MAYA;
use serde_json::{Value, json};

use super::{NETBIRD, ZOE, ask, check, found, has, is, lived_in, rows, times};

fn status(entry: &Value) -> u64 {
    entry["status_code"].as_u64().unwrap()
}

#[test]
fn finds_requests_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("requests", "");
    let (newest, oldest) = times(&all);
    let whole = format!("start_date={oldest}&end_date={newest}");
    let early = format!("end_date={oldest}");
    let request_id = all[2]["request_id"].as_str().unwrap().to_owned();
    let entry_id = all[3]["id"].as_str().unwrap().to_owned();
    let (by_request, by_entry) = (format!("search={}", &request_id[4..30]), format!("search={entry_id}"));
    check(
        &house,
        NETBIRD,
        "requests",
        "id",
        vec![
            ("", Box::new(|_| true)),
            ("host=&status=", Box::new(|_| true)),
            ("host=pub.localhost", is("host", "pub.localhost")),
            ("host=pub.local", Box::new(|_| false)),
            ("path=status/", has("path", "status/")),
            ("path=%25", has("path", "%")),
            ("path=_", has("path", "_")),
            ("method=POST", is("method", "POST")),
            ("source_ip=203.0.113.7", is("source_ip", "203.0.113.7")),
            ("user_id=local:maya@example.net", is("user_id", "local:maya@example.net")),
            ("user_id=nobody", Box::new(|_| false)),
            ("user_email=MAYA", is("email", MAYA)),
            ("user_email=nobody", Box::new(|_| false)),
            ("user_name=ZO%C3%8B", is("email", ZOE)),
            ("user_name=nobody", Box::new(|_| false)),
            ("status=success", Box::new(|entry| (200..400).contains(&status(entry)))),
            ("status=Failed", Box::new(|entry| !(200..400).contains(&status(entry)))),
            ("status_code=403", Box::new(|entry| status(entry) == 403)),
            ("status_code=418", Box::new(|_| false)),
            (
                "host=pub.localhost&status=failed",
                Box::new(|entry| entry["host"] == "pub.localhost" && status(entry) >= 400),
            ),
            ("search=100%25", has("path", "100%")),
            ("search=localhost/page", is("path", "/page")),
            ("search=LOCALHOST/PAGE", is("path", "/page")),
            ("search=203.0.113", has("source_ip", "203.0.113")),
            ("search=maya@", is("email", MAYA)),
            ("search=zo%C3%AB", is("email", ZOE)),
            ("search=first/1.0", Box::new(|_| false)),
            (&by_request, Box::new(move |entry| entry["request_id"] == request_id)),
            (&by_entry, Box::new(move |entry| entry["id"] == entry_id)),
            (&whole, Box::new(|_| true)),
            (&early, Box::new(move |entry| entry["time"] == oldest)),
            ("start_date=2099-01-01T00:00:00Z", Box::new(|_| false)),
        ],
    );
}

#[test]
fn says_what_it_documents_of_a_request() {
    let house = lived_in();
    let page = rows(&house, NETBIRD, "path=/page").remove(0);
    let ours = house.gateway.logs("requests", "path=/page").remove(0);
    let expected = json!({
        "id": ours["request_id"], "service_id": "mem", "timestamp": ours["time"], "method": "GET",
        "host": "mem.localhost", "path": "/page", "duration_ms": ours["duration_ms"], "status_code": 200,
        "source_ip": "127.0.0.1", "reason": null, "user_id": "local:maya@example.net", "auth_method_used": "password",
        "country_code": null, "city_name": null, "subdivision_code": null, "bytes_upload": 0,
        "bytes_download": ours["bytes_out"], "protocol": "http",
        "metadata": { "entry_id": ours["id"], "action": "allowed", "origin": "backend" },
    });
    assert_eq!(page, expected);
    let upload = rows(&house, NETBIRD, "method=POST&path=100").remove(0);
    assert_eq!((&upload["bytes_upload"], &upload["auth_method_used"]), (&json!(5), &json!("none")));
    let refused = rows(&house, NETBIRD, "host=mem.localhost&status_code=401").remove(0);
    let facts = ["reason", "auth_method_used", "country_code", "user_id"].map(|name| refused[name].clone());
    assert_eq!(facts, [json!("no_credentials"), json!("none"), json!("DE"), Value::Null], "no code in the method");
    let nowhere = rows(&house, NETBIRD, "host=nope.localhost").remove(0);
    assert_eq!(nowhere["service_id"], "", "required texts are never null");
}

#[test]
fn counts_its_pages_and_clamps_their_numbers() {
    let house = lived_in();
    let all = found(&house, NETBIRD, "page_size=100");
    let facts = |answer: &Value| {
        ["page", "page_size", "total_records", "total_pages"].map(|name| answer[name].as_u64().unwrap())
    };
    let total = all.len() as u64;
    for (query, expected) in [
        ("", [1, 50, total, 1]),
        ("page=1&page_size=4", [1, 4, total, total.div_ceil(4)]),
        ("page=99&page_size=4", [99, 4, total, total.div_ceil(4)]),
        ("page=0&page_size=101", [1, 100, total, 1]),
        ("page=x&page_size=x", [1, 50, total, 1]),
        ("page=-1&page_size=0", [1, 50, total, 1]),
        ("host=nobody", [1, 50, 0, 0]),
    ] {
        assert_eq!(facts(&ask(&house, NETBIRD, query)), expected, "{query}");
    }
    let mut paged = Vec::new();
    for page in 1..=total.div_ceil(4) {
        paged.extend(found(&house, NETBIRD, &format!("page={page}&page_size=4")));
    }
    assert_eq!(paged, all);
    assert!(rows(&house, NETBIRD, "page=18446744073709551615&page_size=100").is_empty());
}

#[test]
fn sorts_by_each_column_both_ways() {
    let house = lived_in();
    let columns = [
        ("timestamp", "timestamp"),
        ("host", "host"),
        ("path", "path"),
        ("method", "method"),
        ("status_code", "status_code"),
        ("duration", "duration_ms"),
        ("source_ip", "source_ip"),
        ("user_id", "user_id"),
        ("auth_method", "auth_method_used"),
        ("reason", "reason"),
    ];
    for (column, name) in columns {
        let ascending = rows(&house, NETBIRD, &format!("sort_by={column}&sort_order=asc"));
        let mut descending = rows(&house, NETBIRD, &format!("sort_by={column}&sort_order=desc"));
        descending.reverse();
        assert_eq!(ascending, descending, "{column}: one is the other turned round");
        let sorted = |keys: &mut dyn Iterator<Item = String>| keys.collect::<Vec<_>>().is_sorted();
        let present: Vec<_> = ascending.iter().map(|row| &row[name]).filter(|value| !value.is_null()).collect();
        let in_order = match name {
            "status_code" | "duration_ms" => present.iter().map(|value| value.as_u64().unwrap()).is_sorted(),
            "source_ip" => {
                present.iter().map(|value| value.as_str().unwrap().parse::<std::net::IpAddr>().unwrap()).is_sorted()
            }
            _ => sorted(&mut present.iter().map(|value| value.as_str().unwrap().to_owned())),
        };
        assert!(in_order, "{column}: {present:?}");
    }
    let urls: Vec<_> = rows(&house, NETBIRD, "sort_by=url&sort_order=asc")
        .iter()
        .map(|row| (row["host"].as_str().unwrap().to_owned(), row["path"].as_str().unwrap().to_owned()))
        .collect();
    assert!(urls.is_sorted(), "{urls:?}");
}
