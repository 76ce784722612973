//! What is on the page.

use super::*;
use crate::attempt::Opened;
use crate::routes::Routes;
use crate::scrub::Figures;

#[test]
fn what_was_never_counted_is_zero_from_the_start() {
    let metrics = Metrics::new();
    let settings = settings(&crate::rig::example());
    let page = |metrics: &Metrics| {
        let (store, auth) = (vestibule_logstore::Figures::default(), vestibule_auth::Figures::default());
        let (opened, routes) = (Opened::default(), Routes::default());
        metrics.encode(&Held {
            store: &store,
            auth: &auth,
            routes: &routes,
            opened: &opened,
            remembered_refusals: 0,
            waiting_machines: 0,
            throttled_addresses: 0,
            admin_sign_ins: 0,
            anchor_age: None,
            anchor_failures: 0,
            waiting_mails: 0,
            waiting_alerts: 0,
            scrub: Figures::default(),
        })
    };
    let empty = page(&metrics);
    for name in ["requests", "denials", "attempts", "rate_limited", "disabled_requests", "limiter_keys"] {
        assert!(empty.contains(&format!("# HELP vestibule_{name} ")), "{name} is missing in\n{empty}");
        assert!(empty.contains(&format!("# TYPE vestibule_{name} ")), "{name}");
    }
    metrics.expect(&settings, None);
    let begun = page(&metrics);
    for line in [
        "vestibule_denials_total{circuit=\"\",reason=\"malformed_request\"} 0",
        "vestibule_denials_total{circuit=\"open\",reason=\"backend_timeout\"} 0",
        "vestibule_denials_total{circuit=\"preview\",reason=\"ip_restricted\"} 0",
        "vestibule_attempts_total{circuit=\"preview\",method=\"pin\",result=\"failed\"} 0",
        "vestibule_attempts_total{circuit=\"preview\",method=\"none\",result=\"rate_limited\"} 0",
        "vestibule_rate_limited_total{circuit=\"preview\",limit=\"login.per_ip\"} 0",
        "vestibule_disabled_requests_total{circuit=\"open\"} 0",
        "vestibule_admin_refused_total{reason=\"busy\"} 0",
        "vestibule_admin_streams{kind=\"tail\"} 0",
    ] {
        assert!(begun.contains(line), "{line} is missing in\n{begun}");
    }
    assert!(!begun.contains("attempts_total{circuit=\"open\""), "nobody signs in to a public circuit");
    let counted =
        metrics.attempts.get_or_create(&AttemptLabels { circuit: "preview".into(), method: "pin", result: "failed" });
    counted.inc();
    drop(counted);
    metrics.expect(&settings, None);
    assert!(page(&metrics).contains("method=\"pin\",result=\"failed\"} 1"), "a reload begins nothing anew");
}

fn settings(text: &str) -> vestibule_config::Settings {
    let settings = vestibule_config::load_text(text, jiff::Timestamp::UNIX_EPOCH);
    settings.unwrap_or_else(|report| panic!("{}", report.render(false)))
}

/// A reload begins what it brings: circuits, limits of theirs, and sign-ins where there were none.
#[test]
fn what_a_reload_brings_is_zero_from_then_on() {
    let metrics = Metrics::new();
    let before = crate::rig::example();
    let limit = "[rate_limits.browse]\nper = \"ip\"\nrate = \"1/s\"\n[circuits.late]\nhosts = [\"late.localhost\"]\n\
                 upstream = \"http://127.0.0.1:3000\"\naccess = \"public\"\n";
    let closed = "access = \"allowlist\"\nallow = []\nlogin = [\"pin\"]\nrate_limits = [\"browse\"]\n";
    let after = before.replacen("access = \"public\"\n", closed, 1) + limit;
    let (before, after) = (settings(&before), settings(&after));
    let is_counted = || {
        let attempts = AttemptLabels { circuit: "open".into(), method: "pin", result: "failed" };
        let limited = LimitLabels { circuit: "open".into(), limit: "browse".into() };
        let late = CircuitLabels { circuit: "late".into() };
        let held = (metrics.attempts.get(&attempts).is_some(), metrics.rate_limited.get(&limited).is_some());
        (held.0, held.1, metrics.disabled.get(&late).is_some())
    };
    metrics.expect(&before, None);
    assert_eq!(is_counted(), (false, false, false));
    metrics.expect(&after, Some(&before));
    assert_eq!(is_counted(), (true, true, true));
}

const PROMISED: &[&str] = &[
    "vestibule_requests_total{circuit=\"wiki\",action=\"blocked\",origin=\"rule\",status_class=\"4xx\"} 1",
    "vestibule_requests_total{circuit=\"wiki\",action=\"allowed\",origin=\"backend\",status_class=\"2xx\"} 2",
    "vestibule_requests_total{circuit=\"wiki\",action=\"allowed\",origin=\"backend\",status_class=\"5xx\"} 1",
    "vestibule_denials_total{circuit=\"wiki\",reason=\"ip_restricted\"} 1",
    "vestibule_attempts_total{circuit=\"wiki\",method=\"pin\",result=\"failed\"} 1",
    "vestibule_rate_limited_total{circuit=\"wiki\",limit=\"browse\"} 1",
    "vestibule_admin_refused_total{reason=\"busy\"} 1",
    "vestibule_admin_streams{kind=\"tail\"} 1",
    "vestibule_tail_skipped_entries_total 0",
    "vestibule_certificate_orders_total{result=\"failed\"} 0",
    "# TYPE vestibule_certificate_renewal_seconds gauge",
    "# TYPE vestibule_upstream_requests counter",
    "# TYPE vestibule_upstream_failures counter",
    "# TYPE vestibule_upstream_retries counter",
    "# TYPE vestibule_upstream_healthy gauge",
    "# TYPE vestibule_upstream_in_flight gauge",
    "# TYPE vestibule_upstream_answer_seconds histogram",
    "vestibule_request_duration_seconds_count 4",
    "vestibule_upstream_duration_seconds_count 1",
    "vestibule_active_connections 0",
    "vestibule_log_queue_depth 0",
    "vestibule_log_dropped_total{log=",
    "vestibule_log_entries_total{log=",
    "vestibule_log_bytes 0",
    "vestibule_limiter_keys{limit=\"browse\"} 7",
    "vestibule_config_last_reload_successful 1",
    "vestibule_sessions 3",
    "vestibule_sessions_cached 2",
    "vestibule_locations_cached 9",
    "vestibule_refusals_remembered 4",
    "vestibule_admin_sign_ins 2",
    "vestibule_admin_throttled_addresses 5",
    "vestibule_anchor_age_seconds 6",
    "vestibule_log_disk_mark 0",
    "vestibule_log_disk_free_bytes 0",
    "vestibule_log_ballast_bytes 0",
    "vestibule_log_scrub_entries 0",
    "vestibule_log_scrub_passes_total 0",
    "vestibule_log_scrub_age_seconds -1",
    "vestibule_log_scrub_failures_total 0",
    "vestibule_anchor_failures_total 7",
    "vestibule_hashes_total 0",
    "vestibule_sign_ins_started 0",
    "vestibule_sign_ins_pending 0",
    "vestibule_hooks_running 0",
    "vestibule_mails_waiting 6",
    "vestibule_alerts_waiting 5",
    "vestibule_alerts_total{result=\"dropped\"} 0",
    "vestibule_mails_total{result=\"failed\"} 0",
    "vestibule_sign_in_pages_open 0",
    "vestibule_attempts_unrecorded_total 0",
    "vestibule_admin_connections 1",
    "# EOF",
];

#[test]
fn the_page_has_every_promised_name() {
    let metrics = Metrics::new();
    let circuit: Arc<str> = "wiki".into();
    metrics.finished(&Finished {
        circuit: &circuit,
        answered: None,
        action: "blocked",
        origin: "rule",
        status: 403,
        reason: Some(Reason::IpRestricted),
        duration: Duration::from_millis(3),
        upstream: Some(Duration::from_millis(2)),
    });
    let answered = Answered::default();
    for status in [200, 204, 502] {
        metrics.finished(&Finished {
            circuit: &circuit,
            answered: Some(&answered),
            action: "allowed",
            origin: "backend",
            status,
            reason: None,
            duration: Duration::ZERO,
            upstream: None,
        });
    }
    metrics.attempt(&circuit, Method::Pin, "failed");
    metrics.rate_limited(&circuit, &"browse".into());
    metrics.admin_refused("busy");
    metrics.stream_opened("tail");
    let auth = vestibule_auth::Figures {
        limiter_keys: vec![("browse".to_owned(), 7)],
        sessions: 3,
        cached_sessions: 2,
        cached_locations: 9,
        ..vestibule_auth::Figures::default()
    };
    metrics.admin_connection_opened();
    let store = vestibule_logstore::Figures::default();
    let (opened, routes) = (Opened::default(), Routes::default());
    let held = Held {
        store: &store,
        auth: &auth,
        routes: &routes,
        opened: &opened,
        remembered_refusals: 4,
        waiting_machines: 6,
        throttled_addresses: 5,
        admin_sign_ins: 2,
        anchor_age: Some(6),
        anchor_failures: 7,
        waiting_mails: 6,
        waiting_alerts: 5,
        scrub: Figures::default(),
    };
    let page = metrics.encode(&held);
    for line in PROMISED {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
}
