//! The least that a proxy built on Pingora does: takes a request, hands it to one upstream over a kept connection, and
//! hands the answer back. No log, no limit, no header of its own. `minimal-pingora LISTEN UPSTREAM THREADS`.

use std::net::SocketAddr;
use std::process::ExitCode;

use async_trait::async_trait;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

struct Minimal {
    upstream: SocketAddr,
    host: String,
}

#[async_trait]
impl ProxyHttp for Minimal {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _context: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        _context: &mut (),
    ) -> Result<()> {
        request.insert_header("Host", &self.host)?;
        Ok(())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, threads] = arguments.as_slice() else { return ExitCode::from(2) };
    let (Ok(upstream), Ok(threads)) = (upstream.parse(), threads.parse()) else { return ExitCode::from(2) };
    // Pingora would install ring; both programs are to use the same.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    // A stop waits for nothing: there is nothing to keep.
    let configuration = ServerConf {
        threads,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let minimal = Minimal { upstream, host: upstream.to_string() };
    let mut service = http_proxy_service(&server.configuration, minimal);
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever()
}
