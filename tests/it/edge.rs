//! What connections may not do, and whose sockets are used.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::house::plan;
use harness::{Connection, House, Setup, Upstream, until};
use serde_json::Value;

#[test]
fn slow_and_idle_clients_are_cut_and_hold_up_nobody() {
    let house =
        House::with_server("trusted_proxies = []\n[server.limits]\nheader_timeout = \"2s\"\nconnections_per_ip = 1000");
    let proxy = house.gateway.proxy();
    let idle: Vec<_> = (0..300).map(|_| TcpStream::connect(proxy).unwrap()).collect();
    let start = Instant::now();
    let mut slow: Vec<_> = (0..60).map(|_| TcpStream::connect(proxy).unwrap()).collect();
    let mut times = Vec::new();
    while start.elapsed() < Duration::from_millis(1500) {
        for stream in &mut slow {
            stream.write_all(b"G").unwrap();
        }
        let asked = Instant::now();
        assert_eq!(house.get("pub.localhost", "/").send().status, 200);
        times.push(asked.elapsed());
    }
    times.sort();
    // The figure of a quiet machine is in the documentation; tests share theirs.
    assert!(times[times.len() * 9 / 10] < Duration::from_millis(500), "{times:?}");
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert!(start.elapsed() < Duration::from_millis(2600 + 1000), "{:?}", start.elapsed());
    drop(idle);
}

#[test]
fn a_flood_from_one_address_is_capped_and_told_in_few_entries() {
    let house = House::with_server("trusted_proxies = []");
    let proxy = house.gateway.proxy();
    // Answered, so that it surely came before the flood.
    let mut early = Connection::open(proxy).unwrap();
    assert_eq!(early.send(&house.get("pub.localhost", "/")).unwrap().status, 200);
    let flood: Vec<_> = (0..2000).filter_map(|_| TcpStream::connect(proxy).ok()).collect();
    until(Duration::from_secs(10), "the refusals", || {
        let refused = house.gateway.metric("vestibule_connections_refused_total", &[]) as usize;
        (refused >= flood.len() - 256).then_some(())
    });
    let other = curl_from("127.0.0.2", proxy);
    assert_eq!(other, "200", "another address is untouched");
    assert_eq!(early.send(&house.get("pub.localhost", "/")).unwrap().status, 200);
    let counted =
        |entries: &[Value]| -> u64 { entries.iter().map(|entry| entry["event_count"].as_u64().unwrap_or(1)).sum() };
    let entries = until(Duration::from_secs(5), "all of them in entries", || {
        let entries = house.gateway.logs("requests", "reason=connection_limit");
        (counted(&entries) as usize >= flood.len() - 256).then_some(entries)
    });
    assert!(entries.len() < 60, "{}", entries.len());
    assert_eq!(counted(&entries) as usize, house.gateway.metric("vestibule_connections_refused_total", &[]) as usize);
}

/// The status that a client at another address of this machine gets.
fn curl_from(address: &str, to: SocketAddr) -> String {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "20", "--interface", address, "-o", "/dev/null", "-w", "%{http_code}"])
        .args(["-H", "Host: pub.localhost", &format!("http://{to}/")])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The code of a program that is to end by itself; it is ended where it does not.
fn until_ended(child: &mut std::process::Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap().code()
}

/// Binds a port, and becomes the program with it as systemd would: perl is there wherever Debian is.
const ACTIVATE: &str = r#"
use Socket;
$^F = 10;
my ($port, $name, @program) = @ARGV;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die $!;
setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) or die $!;
bind($s, sockaddr_in($port, INADDR_LOOPBACK)) && listen($s, 128) or die $!;
fileno($s) == 3 or die "descriptor " . fileno($s);
$ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_FDNAMES} = $name;
exec(@program) or die $!;
"#;

#[test]
fn sockets_of_systemd_are_taken_by_their_names() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&plan(&upstream)).prepare();
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let own = format!("{{ address = \"{}\" }}", gateway.proxy());
    assert!(text.contains(&own), "{text}");
    std::fs::write(gateway.config(), text.replace(&own, "{ systemd = \"web\" }")).unwrap();
    let activate = |name: &str| {
        let mut command = Command::new("perl");
        command.args(["-e", ACTIVATE, &gateway.proxy().port().to_string(), name]);
        command.arg(harness::gateway::program()).args(["run", "-c"]).arg(gateway.config());
        command
    };
    let mut refused = activate("other").stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    let ended = until_ended(&mut refused);
    refused.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(ended == Some(1) && text.contains("\"web\""), "{ended:?}: {text}");
    let mut running = activate("web").spawn().unwrap();
    // Once the port is bound, the kernel has the connection before the program is there.
    let bound = || gateway.get("pub.localhost", "/").try_send().ok();
    let answer = until(Duration::from_secs(30), "the port", bound);
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(answer.status, 200);
}
