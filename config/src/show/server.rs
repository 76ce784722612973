//! The server, its listeners, its certificates and where databases are.

use super::{Page, text};
use crate::listener::Listener;
use crate::server::Server;
use crate::tls::Tls;
use crate::units::display_duration;

impl Page<'_> {
    pub(super) fn server(&mut self, server: &Server) {
        self.table(&["server"]);
        self.set("data_dir", text(server.data_dir.display()));
        self.set("listen", format!("[{}]", server.listen.iter().map(listener).collect::<Vec<_>>().join(", ")));
        self.set_some("login_host", server.login_host.as_ref().map(text));
        self.set("trusted_proxies", self.list(&server.trusted_proxies));
        self.set("shutdown_grace", text(display_duration(server.shutdown_grace)));
        self.set_some("hsts", server.hsts.map(|hsts| text(display_duration(hsts))));
        self.set("insecure_sign_in", server.insecure_sign_in);
        self.set("assertion_key_age", text(display_duration(server.assertion_key_age)));
        let limits = &server.limits;
        self.table(&["server", "limits"]);
        self.set("header_bytes", text(limits.header_bytes));
        self.set("header_timeout", text(display_duration(limits.header_timeout)));
        self.set("idle_timeout", text(display_duration(limits.idle_timeout)));
        self.set("body_bytes", text(limits.body_bytes));
        self.set("connections", limits.connections);
        self.set("connections_per_ip", limits.connections_per_ip);
        self.set("body_timeout", text(display_duration(limits.body_timeout)));
        self.set("body_rate", text(limits.body_rate));
        self.set("write_timeout", text(display_duration(limits.write_timeout)));
        self.set("tunnels", limits.tunnels);
    }

    pub(super) fn tls(&mut self, tls: &Tls) {
        if let Some(acme) = &tls.acme {
            self.table(&["tls", "acme"]);
            self.set_some("email", acme.email.as_ref().map(text));
            self.set("directory", text(&acme.directory));
            self.set_some("ca", acme.ca.as_ref().map(|ca| self.certificates(ca)));
        }
        for own in tls.certificates.values() {
            self.table(&["tls", "certificates", own.name.as_str()]);
            self.set("hosts", self.list(&own.hosts));
            self.set("cert", self.file(&own.file, &own.certificate.chain()));
            self.set("key", self.purpose.secret(&own.certificate.public_key()));
        }
    }
}

/// A string with its quotes.
fn listener(listener: &Listener) -> String {
    let Listener { address, systemd, tls, redirect_to_https, proxy_protocol } = listener;
    let words = [
        address.map(|address| format!("address = {}", text(address))),
        systemd.as_ref().map(|name| format!("systemd = {}", text(name))),
        tls.then(|| "tls = true".to_owned()),
        redirect_to_https.then(|| "redirect_to_https = true".to_owned()),
        proxy_protocol.then(|| "proxy_protocol = true".to_owned()),
    ];
    format!("{{ {} }}", words.into_iter().flatten().collect::<Vec<_>>().join(", "))
}
