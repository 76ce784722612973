//! nginx as an upstream: TLS, client certificates, HTTP/2.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{port, until};

/// A running nginx; ended when dropped.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    folder: TempDir,
    child: Child,
}

impl Nginx {
    /// `listen` is what follows the address (`ssl http2`), `lines` go into the server. Each of `files` is written
    /// beside the configuration and may be named there. Every request is answered with protocol, host and the subject
    /// of the client's certificate.
    pub fn start(listen: &str, lines: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-nginx-").tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let port = port::free();
        let root = folder.path().display();
        let bodies: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|what| format!("{what}_temp_path {root}/{what};\n"))
            .collect();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log {root}/error.log;\nevents {{}}\nhttp {{\n\
             access_log off;\n{bodies}server {{\nlisten 127.0.0.1:{port} {listen};\n{lines}\nlocation / {{\n\
             default_type text/plain;\nreturn 200 \"$server_protocol $host $ssl_server_name $ssl_client_s_dn\";\n\
             }}\n}}\n}}\n"
        );
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        let child = Command::new("nginx")
            .args(["-p", &root.to_string(), "-e", "error.log", "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { port, folder, child };
        until(Duration::from_secs(10), "nginx", || TcpStream::connect(("127.0.0.1", port)).ok());
        nginx
    }

    /// On loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What went wrong there.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
