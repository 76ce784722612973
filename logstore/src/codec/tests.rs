//! The encoding: what goes in comes out, and equal entries have equal bytes.

use std::net::IpAddr;

use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::entry::{AccessEntry, AuditEntry, Common, Entry, Log, RequestEntry, words};
use crate::row::{Row, Value};

fn none() -> Common<'static> {
    Common {
        time: 0,
        request_id: None,
        source_ip: None,
        country: None,
        subdivision: None,
        city: None,
        asn: None,
        user_agent: None,
        revision: None,
        event_count: None,
        node: None,
    }
}

fn audit<'a>(common: Common<'a>, resource: Option<&'a str>, details: Option<&'a str>) -> AuditEntry<'a> {
    AuditEntry {
        common,
        actor: Some("ops"),
        actor_type: "token",
        action_type: "admin",
        action: "config.reload",
        resource_type: "config",
        resource,
        status: "success",
        http_status: Some(0),
        duration_ms: None,
        before: None,
        after: None,
        details,
    }
}

fn row(entry: &Entry<'_>) -> Row {
    Row::new(entry.log(), 7, uuid::Uuid::nil(), entry.encode().into())
}

fn text(text: &Option<String>) -> Option<Value<'_>> {
    text.as_deref().filter(|text| !text.is_empty()).map(Value::Text)
}

prop_compose! {
    fn texts()(texts in prop::collection::vec(option::of("\\PC{0,40}"), 12)) -> [Option<String>; 12] {
        texts.try_into().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_comes_back_as_it_went_in(
        texts in texts(),
        address in option::of(any::<IpAddr>()),
        time in any::<i64>(),
        numbers in any::<[u64; 4]>(),
        optional in any::<[Option<u64>; 3]>(),
    ) {
        let [request_id, country, city, user_agent, host, path, query, email, circuit, reason, referer, tls] = &texts;
        let [status_code, duration_ms, bytes_in, bytes_out] = numbers;
        let [asn, event_count, upstream_ms] = optional;
        let common = Common {
            time,
            request_id: request_id.as_deref(),
            source_ip: address,
            country: country.as_deref(),
            subdivision: None,
            city: city.as_deref(),
            asn,
            user_agent: user_agent.as_deref(),
            revision: Some("r"),
            event_count,
            node: None,
        };
        let entry = RequestEntry {
            common,
            method: Some("GET"),
            host: host.as_deref(),
            path: path.as_deref(),
            query: query.as_deref(),
            protocol: Some("HTTP/2"),
            status_code,
            action: "allowed",
            origin: "backend",
            reason: reason.as_deref(),
            would_block: Some("[\"country_restricted\"]"),
            auth_method: "pin",
            email: email.as_deref(),
            user_id: None,
            session_id: None,
            circuit: circuit.as_deref(),
            project: None,
            upstream: None,
            upstream_ms,
            duration_ms,
            bytes_in,
            bytes_out,
            referer: referer.as_deref(),
            tls: tls.as_deref(),
            metadata: None,
        };
        let row = row(&Entry::Request(&entry));
        let expected = [
            ("time", Some(Value::Time(time))),
            ("request_id", text(request_id)),
            ("source_ip", address.map(|address| Value::Address(address.to_canonical()))),
            ("country", text(country)),
            ("subdivision", None),
            ("asn", asn.map(Value::Number)),
            ("event_count", Some(Value::Number(event_count.unwrap_or(1)))),
            ("path", text(path)),
            ("reason", text(reason)),
            ("status_code", Some(Value::Number(status_code))),
            ("duration_ms", Some(Value::Number(duration_ms))),
            ("bytes_in", Some(Value::Number(bytes_in))),
            ("bytes_out", Some(Value::Number(bytes_out))),
            ("upstream_ms", upstream_ms.map(Value::Number)),
            ("would_block", Some(Value::Json("[\"country_restricted\"]"))),
            ("action", Some(Value::Text("allowed"))),
            ("tls", text(tls)),
            ("seq", Some(Value::Number(7))),
        ];
        for (name, value) in expected {
            prop_assert_eq!(row.value(name), value, "{}", name);
        }
        let json: serde_json::Value = serde_json::from_str(&row.to_json()).unwrap();
        prop_assert_eq!(json["path"].as_str(), path.as_deref().filter(|path| !path.is_empty()));
    }

    #[test]
    fn fields_written_again_give_the_same_bytes_and_unknown_numbers_stay(
        unknown in prop::collection::btree_map(64_u32..1 << 29, any::<Result<u64, Vec<u8>>>(), 0..4),
    ) {
        let mut bytes = Entry::Audit(&audit(none(), Some("x"), None)).encode();
        for (field, value) in &unknown {
            match value {
                Ok(number) => put_number(*field, *number, &mut bytes),
                Err(text) => put_bytes(*field, text, &mut bytes),
            }
        }
        let mut again = Vec::new();
        for field in Fields::of(&bytes) {
            match field.unwrap() {
                (field, Raw::Number(number)) => put_number(field, number, &mut again),
                (field, Raw::Bytes(text)) => put_bytes(field, text, &mut again),
            }
        }
        prop_assert_eq!(&again, &bytes);
        let row = Row::new(Log::Audit, 0, uuid::Uuid::nil(), bytes.into());
        prop_assert_eq!(row.value("resource"), Some(Value::Text("x")));
    }

    #[test]
    fn bytes_that_are_no_entry_are_refused_or_are_canonical(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let fields: Result<Vec<_>, _> = Fields::of(&bytes).collect();
        if let Ok(fields) = fields {
            let mut again = Vec::new();
            for field in fields {
                match field {
                    (field, Raw::Number(number)) => put_number(field, number, &mut again),
                    (field, Raw::Bytes(text)) => put_bytes(field, text, &mut again),
                }
            }
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so(text in "[aé東🦀]{500,1500}") {
        let fitted = fit_text(&text);
        if text.len() <= TEXT_MAX {
            prop_assert_eq!(&*fitted, &text);
        } else {
            let (kept, mark) = fitted.rsplit_once('…').unwrap();
            prop_assert!(text.starts_with(kept) && kept.len() > TEXT_MAX - 4 && kept.len() <= TEXT_MAX);
            prop_assert_eq!(mark, format!("[+{} bytes]", text.len() - kept.len()));
        }
    }
}

#[test]
fn the_bytes_are_protobuf() {
    // Written by hand after the rules of the format: a change here would orphan every stored entry.
    let common = Common { time: 300, source_ip: Some([192, 0, 2, 7].into()), ..none() };
    let mut expected = vec![0x08, 0xac, 0x02, 0x1a, 4, 192, 0, 2, 7];
    for (tag, text) in [
        ([0xa2, 0x01], "ops"),
        ([0xaa, 0x01], "token"),
        ([0xb2, 0x01], "admin"),
        ([0xba, 0x01], "config.reload"),
        ([0xc2, 0x01], "config"),
        ([0xd2, 0x01], "success"),
    ] {
        expected.extend(tag);
        expected.push(text.len() as u8);
        expected.extend(text.as_bytes());
    }
    // An optional number keeps its 0.
    expected.extend([0xd8, 0x01, 0]);
    assert_eq!(Entry::Audit(&audit(common, None, None)).encode(), expected);
}

#[test]
fn the_numbers_of_fields_never_change() {
    let numbers = Log::ALL.map(|log| {
        let stored = log.fields().iter().filter(|field| field.number > 0);
        stored.map(|field| format!("{} {}", field.number, field.name)).collect::<Vec<_>>().join(", ")
    });
    let common = "1 time, 2 request_id, 3 source_ip, 4 country, 5 subdivision, 6 city, 7 asn, 8 user_agent, \
                  9 revision, 10 event_count, 11 node";
    let access = "20 attempt_id, 21 action, 22 status, 23 result, 24 reason, 25 auth_method, 26 provider, 27 email, \
                  28 user_id, 29 session_id, 30 circuit, 31 project, 32 host, 33 policy, 34 rule, 35 duration_ms, \
                  36 purpose";
    let requests = "20 method, 21 host, 22 path, 23 query, 24 protocol, 25 status_code, 26 action, 27 origin, \
                    28 reason, 29 would_block, 30 auth_method, 31 email, 32 user_id, 33 session_id, 34 circuit, \
                    35 project, 36 upstream, 37 upstream_ms, 38 duration_ms, 39 bytes_in, 40 bytes_out, 41 referer, \
                    42 tls, 43 metadata";
    let audit = "20 actor, 21 actor_type, 22 action_type, 23 action, 24 resource_type, 25 resource, 26 status, \
                 27 http_status, 28 duration_ms, 29 before, 30 after, 31 details";
    assert_eq!(numbers, [access, requests, audit].map(|own| format!("{common}, {own}, 64 erased")));
}

#[test]
fn the_keys_of_an_entry_are_those_of_the_contract_and_absent_ones_are_null() {
    let access = AccessEntry {
        common: Common { time: 1, ..none() },
        attempt_id: None,
        action: "login",
        status: "initiated",
        result: None,
        reason: None,
        auth_method: "none",
        provider: None,
        email: None,
        user_id: None,
        session_id: None,
        circuit: None,
        project: None,
        host: None,
        policy: None,
        rule: None,
        duration_ms: Some(0),
        purpose: None,
    };
    assert_eq!(
        row(&Entry::Access(&access)).to_json(),
        r#"{"id":"00000000-0000-0000-0000-000000000000","seq":7,"time":"1970-01-01T00:00:00.000001Z","request_id":null,"source_ip":null,"country":null,"subdivision":null,"city":null,"asn":null,"user_agent":null,"revision":null,"event_count":1,"node":null,"attempt_id":null,"action":"login","status":"initiated","result":null,"reason":null,"auth_method":"none","provider":null,"email":null,"user_id":null,"session_id":null,"circuit":null,"project":null,"host":null,"policy":null,"rule":null,"duration_ms":0,"purpose":null,"erased":null}"#
    );
}

#[test]
fn the_largest_entry_stays_below_64_kib() {
    let (text, json) = ("東".repeat(5000), format!("[{}]", "1,".repeat(4000) + "1"));
    let common = Common {
        time: i64::MIN,
        request_id: Some(&text),
        source_ip: Some("2001:db8::1".parse().unwrap()),
        country: Some(&text),
        subdivision: Some(&text),
        city: Some(&text),
        asn: Some(u64::MAX),
        user_agent: Some(&text),
        revision: Some(&text),
        event_count: Some(u64::MAX),
        node: Some(&text),
    };
    let entry = RequestEntry {
        common,
        method: Some(&text),
        host: Some(&text),
        path: Some(&text),
        query: Some(&text),
        protocol: Some(&text),
        status_code: u64::MAX,
        action: "blocked",
        origin: "proxy_error",
        reason: Some("second_factor_required"),
        would_block: Some(&json),
        auth_method: "password",
        email: Some(&text),
        user_id: Some(&text),
        session_id: Some(&text),
        circuit: Some(&text),
        project: Some(&text),
        upstream: Some(&text),
        upstream_ms: Some(u64::MAX),
        duration_ms: u64::MAX,
        bytes_in: u64::MAX,
        bytes_out: u64::MAX,
        referer: Some(&text),
        tls: Some(&text),
        metadata: Some(&json),
    };
    let bytes = Entry::Request(&entry).encode();
    assert!(bytes.len() > 50_000 && bytes.len() < 1 << 16, "{}", bytes.len());
}

#[test]
fn too_long_json_leaves_its_size_and_nothing_broken() {
    let long = format!("[{}]", "1,".repeat(5000) + "1");
    let entry = audit(none(), None, Some(&long));
    assert_eq!(row(&Entry::Audit(&entry)).value("details"), Some(Value::Json("{\"cut_bytes\":10003}")));
}

#[test]
fn a_word_that_is_not_in_the_list_is_noticed() {
    let mut entry = audit(none(), None, None);
    assert_eq!(Entry::Audit(&entry).stray_word(), None);
    entry.status = "succeeded";
    assert_eq!(Entry::Audit(&entry).stray_word(), Some(("status", "succeeded")));
}

#[test]
fn closed_lists_have_no_word_twice() {
    for list in [words::REASONS, words::METHODS, words::RESOURCE_TYPES, words::ACTION_TYPES] {
        let distinct: std::collections::BTreeSet<_> = list.iter().collect();
        assert_eq!(distinct.len(), list.len());
    }
}
