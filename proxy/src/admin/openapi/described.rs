//! What is said of each route beside what the table of routes says already.

use serde_json::{Value, json};
use vestibule_logstore::Log;

use super::super::Route;
use super::entries::{self, filters, paging, period, query, shown};
use super::schema::{between, data, list, map, maybe, named, number, object, one_of, text, time, truth};

/// One route.
pub(super) struct Described {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// In one sentence.
    pub(super) what: &'static str,
    /// Its parameters.
    pub(super) takes: fn() -> Vec<Value>,
    /// Its body.
    pub(super) wants: Option<Wants>,
    /// Its good answers.
    pub(super) gives: fn() -> Vec<Gives>,
    /// States of refusals beside those that every route has.
    pub(super) refuses: &'static [u16],
}

/// A body.
pub(super) struct Wants {
    /// Media type.
    pub(super) kind: &'static str,
    pub(super) schema: fn() -> Value,
    pub(super) required: bool,
}

/// One good answer.
pub(super) struct Gives {
    pub(super) status: u16,
    pub(super) what: &'static str,
    /// By media type.
    pub(super) kinds: Vec<(&'static str, Value)>,
}

impl Described {
    pub(super) fn is_of(&self, route: &Route) -> bool {
        self.path == route.path && self.method == route.method.as_str()
    }

    const fn takes(mut self, takes: fn() -> Vec<Value>) -> Self {
        self.takes = takes;
        self
    }

    const fn refuses(mut self, refuses: &'static [u16]) -> Self {
        self.refuses = refuses;
        self
    }

    const fn wants_toml(mut self, required: bool, refuses: &'static [u16]) -> Self {
        self.wants = Some(Wants { kind: "application/toml", schema: text, required });
        self.refuses = refuses;
        self
    }

    const fn wants(mut self, wants: fn() -> Value, refuses: &'static [u16]) -> Self {
        self.wants = Some(Wants { kind: "application/json", schema: wants, required: true });
        self.refuses = refuses;
        self
    }
}

/// What is said of a route; nothing of one that was forgotten, which a test finds.
pub(super) fn of(route: &Route) -> Option<&'static Described> {
    DESCRIBED.iter().find(|described| described.is_of(route))
}

const fn said(method: &'static str, path: &'static str, what: &'static str, gives: fn() -> Vec<Gives>) -> Described {
    Described { method, path, what, takes: Vec::new, wants: None, gives, refuses: &[] }
}

const fn get(path: &'static str, what: &'static str, gives: fn() -> Vec<Gives>) -> Described {
    said("GET", path, what, gives)
}

fn is_json(schema: Value) -> Vec<Gives> {
    gives(200, vec![("application/json", schema)])
}

fn created(schema: Value) -> Vec<Gives> {
    gives(201, vec![("application/json", schema)])
}

fn is_text() -> Vec<Gives> {
    gives(200, vec![("text/plain", text())])
}

fn gives(status: u16, kinds: Vec<(&'static str, Value)>) -> Vec<Gives> {
    vec![Gives { status, what: if status == 201 { "Made." } else { "Done." }, kinds }]
}

/// As JSON, or for an auditor as lines.
fn is_list(schema: Value) -> Vec<Gives> {
    gives(200, vec![("application/json", schema), ("text/csv", text()), ("application/x-ndjson", text())])
}

/// A stream, or a file.
fn is_lines() -> Vec<Gives> {
    gives(200, vec![("text/csv", text()), ("application/x-ndjson", text())])
}

/// A list of what the configuration has.
fn configured(schema: Value) -> Vec<Gives> {
    is_list(object([("data", list(schema)), ("revision", text())]))
}

pub(super) const DESCRIBED: &[Described] = &[
    get("/livez", "200 while the process runs.", is_text),
    said("GET", "/readyz", "503 while starting, while stopping, and while the store cannot write.", || {
        is_text().into_iter().chain(gives(503, vec![("text/plain", text())])).collect()
    }),
    get("/metrics", "OpenMetrics.", || gives(200, vec![("application/openmetrics-text", text())])),
    get("/api/openapi.json", "This document.", || is_json(json!({ "type": "object" }))),
    get("/api/docs", "This document for people.", || gives(200, vec![("text/html", text())])),
    get("/api/v1/status", "What the program is and how it fares.", || is_json(named("Status"))),
    get("/api/v1/circuits", "The circuits: what is configured and how it stands.", || configured(named("Circuit"))),
    get("/api/v1/projects", "The projects, with circuits and sessions.", || configured(named("Project"))),
    get("/api/v1/users", "The people of the configuration, with sessions.", || configured(named("User"))),
    get("/api/v1/users-seen", "People who signed in, in a month or between two times.", || {
        is_list(object([("data", list(named("Seen"))), ("total", number()), ("took_ms", number())]))
    })
    .takes(|| {
        let month = query("month", "`2026-11`; this one unless said.", text());
        period().into_iter().filter(|it| it.get("name").is_none_or(|name| name != "range")).chain([month]).collect()
    }),
    get("/api/v1/stats", "Requests of up to a day, from counters.", || is_json(named("Stats"))).takes(|| {
        let range = query("range", "A day unless said.", one_of(&["5m", "15m", "1h", "24h"]));
        vec![range, query("circuit", "Of one circuit alone.", text())]
    }),
    page_of("/api/v1/logs/access", || is_list(entries::page(Log::Access)), || asked(Log::Access)),
    page_of("/api/v1/logs/requests", || is_list(entries::page(Log::Requests)), || asked(Log::Requests)),
    page_of("/api/v1/logs/audit", || is_list(entries::page(Log::Audit)), || asked(Log::Audit)),
    export_of("/api/v1/logs/access/export", || exported(Log::Access)),
    export_of("/api/v1/logs/requests/export", || exported(Log::Requests)),
    export_of("/api/v1/logs/audit/export", || exported(Log::Audit)),
    tail_of("/api/v1/logs/access/tail", || tailed(Log::Access)),
    tail_of("/api/v1/logs/requests/tail", || tailed(Log::Requests)),
    tail_of("/api/v1/logs/audit/tail", || tailed(Log::Audit)),
    histogram_of("/api/v1/logs/access/histogram", || stepped(Log::Access)),
    histogram_of("/api/v1/logs/requests/histogram", || stepped(Log::Requests)),
    histogram_of("/api/v1/logs/audit/histogram", || stepped(Log::Audit)),
    facets_of("/api/v1/logs/access/facets", || counted(Log::Access)),
    facets_of("/api/v1/logs/requests/facets", || counted(Log::Requests)),
    facets_of("/api/v1/logs/audit/facets", || counted(Log::Audit)),
    one_of_log("/api/v1/logs/access/{id}", || is_json(named("AccessEntry"))),
    one_of_log("/api/v1/logs/requests/{id}", || is_json(named("RequestEntry"))),
    one_of_log("/api/v1/logs/audit/{id}", || is_json(named("AuditEntry"))),
    get("/api/v1/integrity", "What is known of the soundness of the logs, and by which key they are signed.", || {
        is_json(named("Integrity"))
    }),
    get("/api/v1/integrity/checkpoint", "The latest signed head of a log, as a signed note.", is_text)
        .takes(|| vec![required(query("log", "Which log.", one_of(&["access", "requests", "audit"])))]),
    get("/api/v1/integrity/anchors", "The anchors that were made.", || is_json(data(map(json!({}))))),
    said("POST", "/api/v1/integrity/anchors", "One more anchor, now.", || created(map(json!({})))).refuses(&[409]),
    said("POST", "/api/v1/integrity/key", "A new key signs the logs from now on.", || created(map(json!({})))),
    said("POST", "/api/v1/integrity/verify", "Verifies all logs; lines of progress, then the report.", || {
        gives(200, vec![("application/x-ndjson", text())])
    }),
    get("/api/v1/tokens", "Tokens of machines and of this port, with their last use.", || configured(named("Token"))),
    get("/api/v1/sessions", "Sessions, newest first, at most 1000.", || {
        is_list(object([("data", list(named("Session"))), ("complete", truth())]))
    })
    .takes(|| vec![of_user(), of_circuit()]),
    get("/api/v1/sessions/{id}", "One session.", || is_json(named("Session"))),
    said("DELETE", "/api/v1/sessions", "Ends sessions, of whom and where is said.", || is_json(named("Ended")))
        .takes(|| vec![of_user(), of_circuit(), query("all", "All of them; alone.", one_of(&["true"]))]),
    said("DELETE", "/api/v1/sessions/{id}", "Ends one session.", || is_json(named("Ended"))),
    get("/api/v1/bans", "Networks that are kept out, and accounts that are locked.", || is_list(data(named("Ban")))),
    said("POST", "/api/v1/bans", "Keeps a network out.", || created(named("Ban")))
        .wants(|| optional(object([("network", text())]), &[("for", text()), ("note", text())]), &[409, 413, 408]),
    said("DELETE", "/api/v1/bans/{id}", "Lifts a ban, or unlocks an account.", removed),
    get("/api/v1/grants", "Temporary access that is in force.", || is_list(data(named("Grant")))),
    get("/api/v1/grants/{id}", "One grant.", || is_json(named("Grant"))),
    said("POST", "/api/v1/grants", "Lets a person in to a circuit for a while.", || created(named("Grant")))
        .wants(|| object([("email", text()), ("circuit", text()), ("for", text())]), &[409, 413, 408]),
    said("DELETE", "/api/v1/grants/{id}", "Takes temporary access back.", removed),
    get("/api/v1/config", "The configuration in force, or the text of one of its files; secrets masked.", || {
        let config = object([("revision", text()), ("since", time()), ("files", list(text())), ("toml", text())]);
        gives(200, vec![("application/json", config), ("application/toml", text())])
    })
    .takes(|| vec![of_file()]),
    said(
        "PUT",
        "/api/v1/config",
        "Another text in place of a file, if `If-Match` names the revision in force.",
        || is_json(named("Reloaded")),
    )
    .takes(|| {
        let tag = "The `ETag` of the configuration that is to be changed, or `*`.";
        let mut tag = query("If-Match", tag, text());
        tag.as_object_mut().into_iter().for_each(|tag| drop(tag.insert("in".to_owned(), "header".into())));
        vec![of_file(), tag]
    })
    .wants_toml(true, &[408, 409, 412, 413, 422, 428]),
    get("/api/v1/config/history", "The revisions that can be gone back to, the latest first.", || {
        configured(named("Revision"))
    }),
    said("POST", "/api/v1/config/validate", "What the files, or the body in place of one, would come to.", || {
        is_json(object([
            ("valid", truth()),
            ("before", text()),
            ("problems", list(map(json!({})))),
            ("report", text()),
        ]))
    })
    .takes(|| vec![of_file()])
    .wants_toml(false, &[408, 413]),
    said("POST", "/api/v1/config/rollback", "Goes back to an earlier revision.", || is_json(named("Reloaded")))
        .takes(|| vec![of_file()])
        .wants(|| object([("revision", text())]), &[408, 409, 412, 413, 422]),
    said("POST", "/api/v1/policy/explain", "What would become of a request, layer by layer, and why.", || {
        is_json(object([
            ("decision", one_of(&["allow", "login", "deny", "limited", "not_found"])),
            ("reason", maybe(text())),
            ("circuit", maybe(text())),
            ("would_block", list(text())),
            ("layers", list(object([("layer", text()), ("outcome", text())]))),
        ]))
    })
    .wants(
        || {
            let more = ["method", "user", "login", "ip", "at"].map(|name| (name, text()));
            optional(optional(object([("url", text())]), &more), &[("groups", list(text()))])
        },
        &[408, 413],
    ),
    said("POST", "/api/v1/integrity/erase", "Replaces a person's entries by their hashes.", || {
        gives(200, vec![("application/x-ndjson", text())])
    })
    .takes(|| vec![required(query("user", "Whose, by e-mail.", text()))]),
    get("/api/v1/alerts", "Alerts since the start, the latest first.", || is_list(data(map(json!({}))))),
    said("POST", "/api/v1/backups", "Prepares a consistent copy, for the command that takes it away.", || {
        created(map(json!({})))
    })
    .refuses(&[409]),
    said("DELETE", "/api/v1/backups", "Lets go of the copy.", || is_json(map(json!({})))),
    said("POST", "/api/v1/admin-link", "A link into the pages, for once and five minutes.", || {
        created(object([("path", text()), ("expires", time())]))
    }),
    said("POST", "/api/v1/config/reload", "Reads the files again.", || is_json(named("Reloaded"))).refuses(&[422]),
    get("/api/events/proxy", "The request log as NetBird shows it.", || {
        is_json(object([
            ("data", list(map(json!({})))),
            ("page", number()),
            ("page_size", between(1, 100)),
            ("total_records", number()),
            ("total_pages", number()),
        ]))
    }),
    get("/accounts/{id}/access/logs/access_requests", "The access log as Cloudflare Access shows it.", cloudflare),
    get("/client/v4/accounts/{id}/access/logs/access_requests", "The same under its other path.", cloudflare),
    get("/api/v1/logs/authentication/requests", "The access log as Scalekit shows it.", || {
        is_json(object([
            ("authRequests", list(map(json!({})))),
            ("next_page_token", text()),
            ("prev_page_token", text()),
            ("total_size", number()),
        ]))
    }),
    get("/api/v1/audit-logs", "The audit log as Rack Gateway shows it.", || {
        is_json(object([("logs", list(map(json!({})))), ("total", number()), ("page", number()), ("limit", number())]))
    }),
    get("/api/v1/audit-logs/export", "The same as a file.", || gives(200, vec![("text/csv", text())])),
];

const fn page_of(path: &'static str, gives: fn() -> Vec<Gives>, takes: fn() -> Vec<Value>) -> Described {
    get(path, "A page of entries.", gives).takes(takes)
}

const fn export_of(path: &'static str, takes: fn() -> Vec<Value>) -> Described {
    get(path, "All entries that match, as a file; an audit entry says who took it.", is_lines).takes(takes)
}

const fn tail_of(path: &'static str, takes: fn() -> Vec<Value>) -> Described {
    let what = "Entries as they are appended; `Last-Event-ID` goes on where a reader was cut off.";
    get(path, what, || gives(200, vec![("text/event-stream", text())])).takes(takes)
}

const fn histogram_of(path: &'static str, takes: fn() -> Vec<Value>) -> Described {
    get(path, "How many entries match, over time.", || is_json(named("Histogram"))).takes(takes)
}

const fn facets_of(path: &'static str, takes: fn() -> Vec<Value>) -> Described {
    get(path, "How many entries match, by the values of fields.", || is_json(named("Facets"))).takes(takes)
}

const fn one_of_log(path: &'static str, gives: fn() -> Vec<Gives>) -> Described {
    let takes = || {
        vec![query("include", "`related`: entries of the same request. `proof`: for outsiders, auditors only.", text())]
    };
    get(path, "One entry.", gives).takes(takes)
}

fn asked(log: Log) -> Vec<Value> {
    [period(), paging(log), shown(), filters(log)].concat()
}

fn exported(log: Log) -> Vec<Value> {
    let format = query("format", "`csv` unless said.", one_of(&["csv", "ndjson"]));
    [period(), vec![format], shown(), filters(log)].concat()
}

fn tailed(log: Log) -> Vec<Value> {
    [shown(), filters(log)].concat()
}

fn stepped(log: Log) -> Vec<Value> {
    let own = vec![
        query("step", "Such as `1m`, `1h`, `1d`; an hour unless said.", text()),
        query("by", "Counts each value of this field.", text()),
    ];
    [period(), own, filters(log)].concat()
}

fn counted(log: Log) -> Vec<Value> {
    let own = vec![
        required(query("fields", "Names of up to 16 fields, with commas between them.", text())),
        query("top", "Values of a field; 10 unless said.", between(1, 1000)),
    ];
    [period(), own, filters(log)].concat()
}

fn required(mut parameter: Value) -> Value {
    if let Some(parameter) = parameter.as_object_mut() {
        parameter.insert("required".to_owned(), true.into());
    }
    parameter
}

fn of_file() -> Value {
    query("file", "One of the files of the configuration; the main one unless said.", text())
}

fn of_user() -> Value {
    query("user", "Of one person, by e-mail.", text())
}

fn of_circuit() -> Value {
    query("circuit", "Of one circuit.", text())
}

fn removed() -> Vec<Gives> {
    is_json(object([("removed", map(json!({})))]))
}

fn cloudflare() -> Vec<Gives> {
    is_json(object([
        ("success", truth()),
        ("errors", list(map(json!({})))),
        ("messages", list(map(json!({})))),
        ("result", list(map(json!({})))),
    ]))
}

/// Members that may be left out.
fn optional(mut schema: Value, members: &[(&str, Value)]) -> Value {
    if let Some(known) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        known.extend(members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    }
    schema
}
