//! A browser as far as signing in needs one: it keeps cookies, and is sent from one site to another.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::provider::Provider;
use crate::{Gateway, Request, Response};

/// Cookies of one site, whatever their paths are.
#[derive(Debug, Clone, Default)]
pub struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Sends a request with the cookies and keeps what the answer sets.
    #[track_caller]
    pub fn send(&mut self, request: &Request) -> Response {
        self.send_by(request, Request::send)
    }

    /// As [`Self::send`], by another way than plain HTTP.
    #[track_caller]
    pub fn send_by(&mut self, request: &Request, way: impl FnOnce(&Request) -> Response) -> Response {
        let cookies: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = way(&request.clone().cookie(&cookies.join("; ")));
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

/// A window of a browser that goes from host to host of a gateway, with the cookies of each apart.
#[derive(Debug, Clone)]
pub struct Window {
    to: SocketAddr,
    address: String,
    sites: BTreeMap<String, Jar>,
}

impl Window {
    /// Without cookies, at this address.
    pub fn new(gateway: &Gateway, address: &str) -> Self {
        Self { to: gateway.proxy(), address: address.to_owned(), sites: BTreeMap::new() }
    }

    /// The page at an address.
    #[track_caller]
    pub fn get(&mut self, address: &str) -> Response {
        self.send(address, &Request::new(self.to, "GET", host(address), path(address)).browser())
    }

    /// A form, sent to an address by a page of the same site.
    #[track_caller]
    pub fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Response {
        self.send(address, &Request::new(self.to, "POST", host(address), path(address)).browser().form(fields))
    }

    #[track_caller]
    fn send(&mut self, address: &str, request: &Request) -> Response {
        let jar = self.sites.entry(host(address).to_owned()).or_default();
        jar.send(&request.clone().from(&self.address))
    }

    /// Goes where an answer leads, by way of a provider too, and gives every address on the way and the last answer.
    #[track_caller]
    pub fn follow(&mut self, from: &str, answer: Response, provider: Option<&Provider>) -> (Vec<String>, Response) {
        let (mut way, mut answer) = (vec![from.to_owned()], answer);
        while let Some(location) = answer.header("location").map(str::to_owned) {
            assert!(way.len() < 12, "it leads in circles: {way:#?}");
            let here = way.last().cloned().unwrap();
            let next = if location.starts_with('/') { format!("http://{}{location}", host(&here)) } else { location };
            way.push(next.clone());
            answer = match provider.filter(|provider| next.starts_with(&provider.issuer())) {
                Some(provider) => {
                    let callback = provider.visit(&next);
                    way.push(callback.clone());
                    self.get(&callback)
                }
                None => self.get(&next),
            };
        }
        (way, answer)
    }

    /// Opens an address and goes where it leads.
    #[track_caller]
    pub fn open(&mut self, address: &str, provider: Option<&Provider>) -> (Vec<String>, Response) {
        let answer = self.get(address);
        self.follow(address, answer, provider)
    }

    /// `NAME=VALUE` of a cookie of a host.
    pub fn cookie(&self, host: &str, name: &str) -> Option<String> {
        self.sites.get(host)?.0.get(name).map(|value| format!("{name}={value}"))
    }

    /// Forgets a cookie of a host.
    pub fn forget(&mut self, host: &str, name: &str) {
        if let Some(jar) = self.sites.get_mut(host) {
            jar.0.remove(name);
        }
    }

    /// Forgets all cookies of a host.
    pub fn forget_all(&mut self, host: &str) {
        self.sites.remove(host);
    }
}

/// The host of an address, with its port.
#[track_caller]
pub fn host(address: &str) -> &str {
    let rest = address.split_once("://").unwrap_or_else(|| panic!("no address: {address}")).1;
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// Path and query of an address.
#[track_caller]
pub fn path(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}
