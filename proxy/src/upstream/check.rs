//! One question to one upstream: does it work?

use http::{HeaderValue, header};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};
use vestibule_auth::{Clock, Reason};
use vestibule_config::circuit::HealthCheck;

use super::backend::Backend;
use crate::failure;
use crate::forward::HOP;

/// Answers that are good ones.
const GOOD: std::ops::RangeInclusive<u16> = 200..=399;

/// Asks it on a connection of its own, made as those of requests are. What is wrong is a reason of the closed list, or
/// the status.
pub(super) async fn ask(
    connector: &Connector,
    backend: &Backend,
    health: &HealthCheck,
    clock: &dyn Clock,
) -> Result<(), String> {
    let Some((_, mut peer)) = backend.peer(0, clock).await else { return Err("name not found".to_owned()) };
    // Not shared with another check, so that nothing of it is kept.
    peer.options.max_h2_streams = 1;
    let asked = tokio::time::timeout(health.timeout, status(connector, &peer, backend, health)).await;
    match asked {
        Ok(Ok(status)) if GOOD.contains(&status) => Ok(()),
        Ok(Ok(status)) => Err(format!("status {status}")),
        Ok(Err(error)) => Err(failure::reason(&error.into_up()).code().to_owned()),
        Err(_) => Err(Reason::BackendTimeout.code().to_owned()),
    }
}

async fn status(
    connector: &Connector,
    peer: &HttpPeer,
    backend: &Backend,
    health: &HealthCheck,
) -> Result<u16, Box<Error>> {
    let head = question(backend, health)?;
    let (mut session, _) = connector.get_http_session(peer).await?;
    session.set_read_timeout(Some(health.timeout));
    session.set_write_timeout(Some(health.timeout));
    session.write_request_header(Box::new(head)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().map_or(0, |head| head.status.as_u16());
    session.shutdown().await;
    Ok(status)
}

fn question(backend: &Backend, health: &HealthCheck) -> Result<RequestHeader> {
    let mut head = RequestHeader::build("GET", health.path.as_bytes(), None)?;
    head.insert_header(header::HOST, backend.host().clone())?;
    head.insert_header(header::USER_AGENT, HeaderValue::from_static("vestibule-health"))?;
    head.insert_header(HOP.0.clone(), HOP.1.clone())?;
    for (name, value) in &backend.upstream().headers {
        head.insert_header(name.clone(), value.clone())?;
    }
    Ok(head)
}
