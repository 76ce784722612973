//! A running gateway as others reach it: where circuits are served, and where its operator asks.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Request, Response};
use crate::until;

/// The two ports of a gateway, and a token that is good at the second.
#[derive(Debug, Clone)]
pub struct Ports {
    proxy: SocketAddr,
    admin: SocketAddr,
    token: String,
}

impl Ports {
    /// Of a token of role `admin`.
    pub fn new(proxy: SocketAddr, admin: SocketAddr, token: &str) -> Self {
        Self { proxy, admin, token: token.to_owned() }
    }

    /// Where circuits are served.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Where the admin API is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// A request to a circuit.
    pub fn request(&self, method: &str, host: &str, target: &str) -> Request {
        Request::new(self.proxy, method, host, target)
    }

    /// `GET`.
    pub fn get(&self, host: &str, target: &str) -> Request {
        self.request("GET", host, target)
    }

    /// Posts the sign-in form as curl would.
    pub fn sign_in(&self, host: &str, fields: &[(&str, &str)]) -> Request {
        self.request("POST", host, "/.vestibule/login").form(fields)
    }

    /// A request to the admin port without a token.
    pub fn admin_request(&self, method: &str, target: &str) -> Request {
        Request::new(self.admin, method, &self.admin.to_string(), target)
    }

    /// The same with the token.
    pub fn as_admin(&self, method: &str, target: &str) -> Request {
        self.admin_request(method, target).bearer(&self.token)
    }

    /// A `GET` to the admin port with the token.
    #[track_caller]
    pub fn admin(&self, target: &str) -> Response {
        self.as_admin("GET", target).send()
    }

    /// Puts the files in force as they are now.
    #[track_caller]
    pub fn reload(&self) -> Response {
        self.as_admin("POST", "/api/v1/config/reload").send()
    }

    /// Entries of a log, newest first, at most 1000: `logs("requests", "circuit=pub")`.
    #[track_caller]
    pub fn logs(&self, log: &str, query: &str) -> Vec<Value> {
        let answer = self.admin(&format!("/api/v1/logs/{log}?limit=1000&{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["data"].as_array().cloned().unwrap()
    }

    /// As [`Self::logs`], once there are at least `count`; entries are readable within a second.
    #[track_caller]
    pub fn logs_when(&self, log: &str, query: &str, count: usize) -> Vec<Value> {
        until(Duration::from_secs(3), &format!("{count} entries of {log}?{query}"), || {
            Some(self.logs(log, query)).filter(|entries| entries.len() >= count)
        })
    }

    /// The request entry of an answer.
    #[track_caller]
    pub fn entry_of(&self, answer: &Response) -> Value {
        let id = answer.header("x-request-id").unwrap_or_else(|| panic!("no X-Request-Id: {answer:?}"));
        self.logs_when("requests", &format!("request_id={id}"), 1).remove(0)
    }

    /// A figure of the metrics page, summed over all lines that contain every one of `labels`.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.admin("/metrics").text();
        page.lines()
            .filter(|line| {
                line.split(['{', ' ']).next() == Some(name) && labels.iter().all(|label| line.contains(label))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until `/readyz` answers with this status.
    #[track_caller]
    pub fn is_ready_with(&self, status: u16) {
        until(Duration::from_secs(30), &format!("readyz {status}"), || {
            self.admin_request("GET", "/readyz").try_send().ok().filter(|answer| answer.status == status)
        });
    }
}
