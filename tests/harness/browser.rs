//! A browser as far as signing in needs one: it keeps cookies, and is sent from one site to another.

use std::collections::BTreeMap;

use crate::provider::Provider;
use crate::{Gateway, Request, Response};

/// Cookies of one site, whatever their paths are.
#[derive(Debug, Clone, Default)]
pub struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Sends a request with the cookies and keeps what the answer sets.
    #[track_caller]
    pub fn send(&mut self, request: &Request) -> Response {
        let cookies: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.clone().cookie(&cookies.join("; ")).send();
        for (_, line) in answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).unwrap();
            if value.is_empty() {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// One browser at one host of a gateway.
#[derive(Debug, Clone)]
pub struct Browser<'a> {
    gateway: &'a Gateway,
    host: String,
    address: String,
    cookies: Jar,
}

impl<'a> Browser<'a> {
    /// Without cookies, at this address.
    pub fn new(gateway: &'a Gateway, host: &str, address: &str) -> Self {
        Self { gateway, host: host.to_owned(), address: address.to_owned(), cookies: Jar::default() }
    }

    /// A page; what it sets is kept.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        let request = self.gateway.get(&self.host, target).browser();
        self.send(&request)
    }

    /// A form of this host.
    #[track_caller]
    pub fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.gateway.request("POST", &self.host, target).browser().form(fields);
        self.send(&request)
    }

    #[track_caller]
    fn send(&mut self, request: &Request) -> Response {
        self.cookies.send(&request.clone().from(&self.address))
    }

    /// Opens a page and goes to the provider to which it leads; gives the address to which that sends the browser.
    #[track_caller]
    pub fn at_provider(&mut self, target: &str, provider: &Provider) -> String {
        let answer = self.get(target);
        assert_eq!(answer.status, 302, "{}", answer.text());
        provider.visit(answer.header("location").unwrap())
    }

    /// Opens a page, goes to the provider and comes back; gives the answer to that.
    #[track_caller]
    pub fn sign_in(&mut self, target: &str, provider: &Provider) -> Response {
        let callback = self.at_provider(target, provider);
        self.get(path(&callback))
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.0.get(name).map(String::as_str)
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.cookies.0.clear();
    }
}

/// Path and query of an address.
#[track_caller]
pub fn path(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}
