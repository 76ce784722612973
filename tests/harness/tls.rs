//! Certificates of an authority of the tests' own, and connections with TLS.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Request, Response};
use crate::http;

/// No answer of a test takes longer.
const ANSWER_BOUND: Duration = Duration::from_secs(20);

/// Signs what gateways under test show.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A chain and its key, as files.
#[derive(Debug, Clone)]
pub struct Pair {
    /// PEM.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One that nobody knows.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        // Another name than that of what it signs, which would pass for signed by itself.
        params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::Builder::new().prefix("vestibule-ca-").tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// Its own certificate, as a file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for these hosts; `name` is its files'.
    pub fn pair(&self, name: &str, hosts: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        // Named like the authority it would be taken by some for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let at = |what: &str| self.folder.path().join(format!("{name}.{what}"));
        let pair = Pair { cert: at("pem"), key: at("key") };
        write_private(&pair.cert, &cert.pem());
        write_private(&pair.key, &key.serialize_pem());
        pair
    }

    /// `[tls.certificates.NAME]` for these hosts.
    pub fn certificate(&self, name: &str, hosts: &[&str]) -> String {
        let Pair { cert, key } = self.pair(name, hosts);
        format!("[tls.certificates.{name}]\nhosts = {hosts:?}\ncert = {cert:?}\nkey = {{ file = {key:?} }}\n")
    }

    /// Shakes hands as a client that trusts this authority; `protocols` are offered, as in `h2`.
    ///
    /// # Errors
    /// When the other side does not agree.
    pub fn connect(&self, to: SocketAddr, name: &str, protocols: &[&str]) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&to, ANSWER_BOUND)?;
        self.shake_hands(stream, name, protocols)
    }

    /// As [`Self::connect`], on a connection that is there already.
    ///
    /// # Errors
    /// When the other side does not agree.
    pub fn shake_hands(&self, stream: TcpStream, name: &str, protocols: &[&str]) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_BOUND))?;
        let mut roots = RootCertStore::empty();
        let root: &CertificateDer<'_> = self.issuer.der();
        roots.add(root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Connection { stream: BufReader::new(tls) })
    }

    /// One request on a connection of its own, for the host of its `Host`.
    ///
    /// # Errors
    /// When the other side does not agree on TLS, or no whole answer comes.
    pub fn send(&self, to: SocketAddr, name: &str, request: &Request) -> io::Result<Response> {
        self.connect(to, name, &["http/1.1"])?.send(request)
    }
}

/// A connection with TLS that may carry several requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Connection {
    /// One request of HTTP/1 and its answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.bytes())?;
        self.read()
    }

    /// One answer of HTTP/1.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn read(&mut self) -> io::Result<Response> {
        let head = http::read_head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (first, fields) = http::parse_head(&head);
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = http::read_body(&mut self.stream, &fields, true)?;
        Ok(Response { status: status.ok_or_else(|| io::Error::other("no status line"))?, fields, body })
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    /// Exactly so many bytes.
    ///
    /// # Errors
    /// When the other side closes before.
    pub fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.stream.read_exact(into)
    }

    /// What comes until the other side closes, as text.
    pub fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        // An end without TLS's own is an end too.
        drop(self.stream.read_to_end(&mut read));
        String::from_utf8_lossy(&read).into_owned()
    }

    /// What was agreed on: version, cipher suite, key exchange, and protocol.
    pub fn agreed(&self) -> (String, String, String, String) {
        let tls = &self.stream.get_ref().conn;
        let protocol = tls.alpn_protocol().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let named = |of: Option<String>| of.unwrap_or_default();
        (
            named(tls.protocol_version().map(|version| format!("{version:?}"))),
            named(tls.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))),
            named(tls.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()))),
            protocol,
        )
    }

    /// What the other side has shown, in DER.
    pub fn certificate(&self) -> Vec<u8> {
        let chain = self.stream.get_ref().conn.peer_certificates();
        chain.and_then(<[_]>::first).map(|leaf| leaf.to_vec()).unwrap_or_default()
    }

    /// For the address of the other side.
    pub fn socket(&self) -> &TcpStream {
        &self.stream.get_ref().sock
    }
}

fn write_private(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}
