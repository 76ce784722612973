//! By SMTP, with TLS wherever it is not this machine.

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use vestibule_config::certificate::Certificates;
use vestibule_config::mail::{Security, SmtpServer};

use super::TIMEOUT;

/// The server has taken it when this returns well.
pub(super) async fn send(server: &SmtpServer, ca: Option<&Certificates>, message: Message) -> Result<(), String> {
    let transport = transport(server, ca).map_err(|error| format!("TLS cannot be prepared: {error}"))?;
    transport.send(message).await.map(drop).map_err(|error| match error.status() {
        // What a server says may repeat the address.
        Some(status) => format!("the server says {status}"),
        None if is_about_certificate(&error) => "the server's certificate is not to be trusted".to_owned(),
        None if error.is_tls() => "the server does not agree on TLS".to_owned(),
        None if error.is_timeout() => "it takes too long".to_owned(),
        None => "the server cannot be reached, or is none".to_owned(),
    })
}

/// Handshakes fail within connections, as errors within errors.
fn is_about_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| match error.downcast_ref::<std::io::Error>() {
        // Its own source is already the one below what it holds.
        Some(error) => error.get_ref().map(|held| held as &(dyn std::error::Error + 'static)),
        None => error.source(),
    });
    causes.into_iter().any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// A connection for each message: they are few.
fn transport(server: &SmtpServer, ca: Option<&Certificates>) -> Result<AsyncSmtpTransport<Tokio1Executor>, Error> {
    let SmtpServer { host, port, security, credentials } = server;
    let tls = match security {
        Security::Tls => Tls::Wrapper(tls(host, ca)?),
        Security::StartTls => Tls::Required(tls(host, ca)?),
        Security::Plain => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.as_str());
    let builder = builder.port(*port).tls(tls).timeout(Some(TIMEOUT));
    let builder = match credentials {
        Some((name, password)) => builder.credentials(Credentials::new(name.clone(), password.expose().to_owned())),
        None => builder,
    };
    Ok(builder.build())
}

/// The authorities of the file stand in place of the system's.
fn tls(host: &str, ca: Option<&Certificates>) -> Result<TlsParameters, Error> {
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(ca) = ca {
        tls = tls.certificate_store(CertificateStore::None);
        for der in &*ca.all {
            tls = tls.add_root_certificate(Certificate::from_der(der.clone())?);
        }
    }
    tls.build()
}
