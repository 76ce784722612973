//! The upstreams of a circuit or of a path of it.

use http::{HeaderName, HeaderValue};

use super::{Page, text};
use crate::circuit::{HealthCheck, Upstream, UpstreamTls, Upstreams};
use crate::units::display_duration;

impl Page<'_> {
    /// `above` is the table that has them, `origin` the same with the number of an element of a list.
    pub(super) fn upstreams(&mut self, upstreams: &Upstreams, above: &[&str], origin: &[&str]) {
        let Upstreams { all, health } = upstreams;
        let place = |keys: &[&str]| -> Vec<String> { origin.iter().chain(keys).map(ToString::to_string).collect() };
        match all.as_slice() {
            [one] if self.settings.origins.at(&[origin, &["upstreams"]].concat()).is_none() => {
                self.header("[", &[above, &["upstream"]].concat(), "]");
                self.table = place(&["upstream"]);
                self.upstream(one, &[origin, &["upstream"]].concat());
            }
            all => {
                for (at, one) in all.iter().enumerate() {
                    self.header("[[", &[above, &["upstreams"]].concat(), "]]");
                    self.table = place(&["upstreams", &at.to_string()]);
                    self.upstream(one, &[origin, &["upstreams"]].concat());
                }
            }
        }
        if let Some(health) = health {
            self.header("[", &[above, &["health"]].concat(), "]");
            self.table = place(&["health"]);
            self.health(health);
        }
    }

    /// `short`: where a URL stands in place of the table.
    fn upstream(&mut self, upstream: &Upstream, short: &[&str]) {
        let Upstream {
            url,
            tls,
            address: _,
            http2,
            host_header,
            connect,
            timeout,
            tunnel_idle,
            max_in_flight,
            headers,
            rewrite_redirects,
        } = upstream;
        self.set_or("url", text(url), short);
        self.set("host_header", text(host_header.as_str()));
        self.set("http2", http2);
        self.set("connect", text(display_duration(*connect)));
        self.set("timeout", text(display_duration(*timeout)));
        self.set("tunnel_idle", text(display_duration(*tunnel_idle)));
        self.set_some("max_in_flight", *max_in_flight);
        self.set("rewrite_redirects", rewrite_redirects);
        tls.iter().for_each(|tls| self.upstream_tls(tls));
        if !headers.is_empty() {
            let headers: Vec<_> = headers.iter().map(|header| self.sent(header)).collect();
            self.set("headers", format!("{{ {} }}", headers.join(", ")));
        }
    }

    fn upstream_tls(&mut self, tls: &UpstreamTls) {
        let UpstreamTls { name, verify, authorities, client } = tls;
        self.set("sni", text(name));
        self.set("insecure", !verify);
        self.set_some("ca", authorities.as_ref().map(|ca| self.certificates(ca)));
        self.set_some("client_cert", client.as_ref().map(|client| self.certificates(&client.chain)));
        self.set_some("client_key", client.as_ref().map(|client| self.purpose.secret(client.expose_key())));
    }

    /// A header that the upstream is sent.
    fn sent(&self, (name, value): &(HeaderName, HeaderValue)) -> String {
        let value = match value.is_sensitive() {
            true => self.purpose.secret(value.as_bytes()),
            false => text(String::from_utf8_lossy(value.as_bytes())),
        };
        format!("{} = {value}", crate::shape::quoted_key(name.as_str()))
    }

    fn health(&mut self, health: &HealthCheck) {
        let HealthCheck { path, every, timeout, healthy_after, unhealthy_after } = health;
        self.set("path", text(path));
        self.set("every", text(display_duration(*every)));
        self.set("timeout", text(display_duration(*timeout)));
        self.set("healthy_after", healthy_after);
        self.set("unhealthy_after", unhealthy_after);
    }
}
