//! The way to others, such as identity providers and the authority that makes certificates: every wait and every body has a
//! bound, no redirect is followed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Response;
use reqwest::redirect::Policy;
use vestibule_auth::sso::{Answer, BackChannel, Unreachable};

/// From the first packet to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A longer answer is none.
const BODY_BYTES: usize = 1 << 20;
/// Requests at the same time, over all of them; one more waits for its turn within its own time.
const IN_FLIGHT: usize = 64;

/// Who vouches for those that are asked; certificates in DER.
enum Authorities {
    System,
    SystemAnd(Arc<[Vec<u8>]>),
    Only(Arc<[Vec<u8>]>),
}

/// One client for all whom the system's authorities vouch for, and one for each who has others.
pub(crate) struct Network {
    authorities: Authorities,
    https: OnceLock<Option<reqwest::Client>>,
    http: OnceLock<Option<reqwest::Client>>,
    turns: Arc<tokio::sync::Semaphore>,
}

impl Default for Network {
    fn default() -> Self {
        Self::trusting(Authorities::System, Arc::new(tokio::sync::Semaphore::new(IN_FLIGHT)))
    }
}

impl Network {
    /// Trusts these authorities too, each in DER.
    pub(crate) fn with_further(authorities: Option<&Arc<[Vec<u8>]>>) -> Self {
        let further = authorities.cloned().map_or(Authorities::System, Authorities::SystemAnd);
        Self { authorities: further, ..Self::default() }
    }

    fn trusting(authorities: Authorities, turns: Arc<tokio::sync::Semaphore>) -> Self {
        Self { authorities, https: OnceLock::new(), http: OnceLock::new(), turns }
    }

    /// The system's certificates are asked for where they are needed only; a small container has none.
    fn client(&self, secure: bool) -> Option<&reqwest::Client> {
        let made = if secure { &self.https } else { &self.http };
        let client = made.get_or_init(|| {
            let client = reqwest::Client::builder().redirect(Policy::none()).referer(false);
            let client = match &self.authorities {
                _ if !secure => client.tls_certs_only([]).no_proxy(),
                Authorities::System => client,
                Authorities::SystemAnd(further) => client.tls_certs_merge(read_all(further)),
                Authorities::Only(all) => client.tls_certs_only(read_all(all)),
            };
            let built = client.connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build();
            built.inspect_err(|error| tracing::error!(%error, "no HTTP client for those whom the program asks")).ok()
        });
        client.as_ref()
    }

    async fn ask(&self, request: http::Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Unreachable> {
        let secure = request.uri().scheme_str() != Some("http");
        let client = self.client(secure).ok_or_else(|| unreachable("no certificate of the system can be read"))?;
        let request = reqwest::Request::try_from(request).map_err(|_| unreachable("its address is none"))?;
        let answer = client.execute(request).await.map_err(|error| told(&error))?;
        let mut whole = Response::builder().status(answer.status());
        if let Some(headers) = whole.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let body = read(answer).await?;
        whole.body(body).map_err(|_| unreachable("its answer is none"))
    }
}

impl BackChannel for Network {
    fn send(&self, request: http::Request<Vec<u8>>) -> Answer<'_> {
        Box::pin(async {
            let asked = async {
                let _turn = self.turns.acquire().await.map_err(|_| unreachable("the program stops"))?;
                self.ask(request).await
            };
            tokio::time::timeout(TIMEOUT, asked).await.unwrap_or_else(|_| Err(unreachable("it takes too long")))
        })
    }

    /// The bound of requests at the same time is one for all.
    fn vouched_for_by(&self, authorities: &Arc<[Vec<u8>]>) -> Arc<dyn BackChannel> {
        Arc::new(Self::trusting(Authorities::Only(authorities.clone()), self.turns.clone()))
    }
}

/// Those that can be read; the configuration takes no other.
fn read_all(all: &[Vec<u8>]) -> impl Iterator<Item = reqwest::Certificate> {
    all.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok())
}

/// The whole body, in the bound.
async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, Unreachable> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| told(&error))? {
        if body.len() + part.len() > BODY_BYTES {
            return Err(unreachable("its answer is too long"));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

fn unreachable(why: &str) -> Unreachable {
    Unreachable(why.to_owned())
}

/// Without the address: its query may hold what nobody should read.
fn told(error: &reqwest::Error) -> Unreachable {
    let what = match () {
        () if error.is_timeout() => "it takes too long",
        () if error.is_connect() => "it cannot be connected to, or its certificate is not to be trusted",
        () => "its answer breaks off",
    };
    unreachable(what)
}
