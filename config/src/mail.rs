//! `[mail]`: how messages leave.

use std::fmt;
use std::path::PathBuf;

use http::uri::Uri;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::certificate::Certificates;
use crate::name::Email;
use crate::secret::Secret;
use crate::shape::{Field, Reading, Shape, shape};
use crate::tree::Node;
use crate::web_address;
use crate::word::{Word, Wrong, words};

/// Whose name is on messages, and who takes them.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Sender of every message.
    pub from: Email,
    /// At least one of the two; the server is taken where both are there.
    pub server: Option<SmtpServer>,
    /// See [`MailCommand`].
    pub command: Option<MailCommand>,
    /// Who vouches for the server, in place of the system's authorities. Absent: those.
    pub ca: Option<Certificates>,
}

/// A server that takes messages by SMTP.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// Name or address.
    pub host: String,
    /// 465, 587 or 25 by its kind, unless said.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// Name and password; absent: it takes messages from everybody.
    pub credentials: Option<(String, Secret)>,
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte: `smtps://`.
    Tls,
    /// TLS before anything is said: `smtp://`.
    StartTls,
    /// `smtp://` on this machine.
    Plain,
}

/// A program that is given each message on its standard input; its path and arguments. No shell reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailCommand {
    /// Absolute.
    pub program: PathBuf,
    /// Split at white space.
    pub arguments: Vec<String>,
}

shape! {
    /// What `[mail]` may say.
    pub(crate) struct RawMail {
        smtp: SmtpServer,
        command: MailCommand,
        ca: Certificates,
        from: Email,
    }
}

impl RawMail {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> Option<Mail> {
        let Self { table, smtp, command, ca, from } = self;
        let from = from.required("from", "\"vestibule@example.net\"", table, reading);
        if smtp.is_absent() && command.is_absent() {
            let finding = reading.findings.error(table, "\"mail\" does not say how messages leave");
            finding.help("write smtp = { file = \"…\" } or command = \"/usr/sbin/sendmail -t\"");
        }
        if let (Field::Given { .. }, Some(key)) = (&smtp, command.key()) {
            reading.findings.warning(key, "\"command\" has no effect beside \"smtp\"");
        }
        if let Some(key) = ca.key().filter(|_| smtp.as_ref().is_none_or(|server| server.security == Security::Plain)) {
            let finding = reading.findings.warning(key, "\"ca\" has no effect: messages leave without TLS");
            finding.help("have smtp name a server of another machine, or leave it out");
        }
        Some(Mail { from: from?, server: smtp.optional(), command: command.optional(), ca: ca.optional() })
    }
}

impl SmtpServer {
    /// All that is known of it, its password too, to tell it from others; never shown.
    pub(crate) fn whole(&self) -> Zeroizing<String> {
        let Self { host, port, security, credentials } = self;
        let (name, password) = credentials.as_ref().map_or(("", ""), |(name, secret)| (name, secret.expose()));
        Zeroizing::new(format!("{security:?} {host} {port} {name} {password}"))
    }
}

impl Shape for SmtpServer {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let span = node.span;
        let secret = Secret::read(node, reading)?;
        match server(secret.expose()) {
            Ok(server) => Some(server),
            Err(what) => {
                // The text is not quoted: it may hold a password.
                let finding = reading.findings.error(span, format!("this is no mail server: {what}"));
                finding.help("put one such as smtps://NAME:PASSWORD@mail.example.net there, or smtp:// for STARTTLS");
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        Secret::schema()
    }
}

/// Reads `smtps://NAME:PASSWORD@HOST:PORT`; name and password are percent-encoded.
fn server(text: &str) -> Result<SmtpServer, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
    let authority = uri.authority().ok_or("it has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err("it has no host");
    }
    let (security, port) = match uri.scheme_str() {
        Some("smtps") => (Security::Tls, 465),
        Some("smtp") if web_address::is_loopback(&host) => (Security::Plain, 25),
        Some("smtp") => (Security::StartTls, 587),
        Some(_) | None => return Err("its scheme is neither smtps nor smtp"),
    };
    let userinfo = authority.as_str().rsplit_once('@').map(|(userinfo, _)| userinfo);
    let credentials = userinfo.map(credentials).transpose()?;
    Ok(SmtpServer { host, port: authority.port_u16().unwrap_or(port), security, credentials })
}

fn credentials(userinfo: &str) -> Result<(String, Secret), &'static str> {
    let (name, password) = userinfo.split_once(':').ok_or("it has a name and no password")?;
    let decoded = |text| percent_decode_str(text).decode_utf8().map_err(|_| "its name or password is no text");
    let password = Zeroizing::new(decoded(password)?.into_owned());
    Ok((decoded(name)?.into_owned(), Secret::new(password)))
}

impl Word for MailCommand {
    const EXAMPLE: &str = "\"/usr/sbin/sendmail -t\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let mut words = text.split_ascii_whitespace();
        let program = words.next().filter(|program| program.starts_with('/'));
        let program = program.ok_or_else(|| {
            Wrong::new(format!("{text:?} does not begin with the path of a program"))
                .help(format!("write one such as {}; no shell reads it", Self::EXAMPLE))
        })?;
        Ok(Self { program: program.into(), arguments: words.map(str::to_owned).collect() })
    }
}

words!(MailCommand);

impl fmt::Display for MailCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.program.display().fmt(f)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_with_what_its_scheme_means() {
        let read = |text| {
            server(text).map(|SmtpServer { host, port, security, credentials }| {
                let credentials = credentials.map(|(name, password)| format!("{name} {}", password.expose()));
                (host, port, security, credentials.unwrap_or_default())
            })
        };
        let all = |host: &str, port, security, credentials: &str| {
            Ok((host.to_owned(), port, security, credentials.to_owned()))
        };
        for (text, expected) in [
            ("smtps://mail.example.net", all("mail.example.net", 465, Security::Tls, "")),
            ("smtps://me:p%40ss%3A@mail.example.net:2465", all("mail.example.net", 2465, Security::Tls, "me p@ss:")),
            (
                "smtp://me%40example.net:x@mail.example.net",
                all("mail.example.net", 587, Security::StartTls, "me@example.net x"),
            ),
            ("smtp://127.0.0.1:2525", all("127.0.0.1", 2525, Security::Plain, "")),
            ("smtp://[::1]", all("::1", 25, Security::Plain, "")),
            ("smtp://me@mail.example.net", Err("it has a name and no password")),
            ("https://mail.example.net", Err("its scheme is neither smtps nor smtp")),
            ("mail.example.net", Err("its scheme is neither smtps nor smtp")),
            ("/etc", Err("it has no host")),
            ("a b", Err("it is no URL")),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
