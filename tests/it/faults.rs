//! Disks that refuse and lose, and too few files: nothing that was answered is lost, and nobody gets in unseen.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::house::MAYA;
use harness::secrets::PASSWORD;
use harness::{Gateway, House, command, until};

/// Ends with the test, and the faults with it.
struct Strace(Child);

impl Strace {
    /// Makes system calls of a running program fail.
    fn inject(gateway: &Gateway, faults: &str) -> Self {
        let traced = ["-f", "-qq", "-o", "/dev/null", "-p", &gateway.id().to_string(), "-e", faults].map(str::to_owned);
        let strace = Self(Command::new("strace").args(traced).stderr(Stdio::null()).spawn().unwrap());
        until(Duration::from_secs(10), "strace at every thread", || {
            let tasks = fs::read_dir(format!("/proc/{}/task", gateway.id())).unwrap();
            let is_traced = |task: &Path| {
                let status = fs::read_to_string(task.join("status")).unwrap_or_default();
                !status.contains("TracerPid:\t0\n")
            };
            tasks.flatten().all(|task| is_traced(&task.path())).then_some(())
        });
        strace
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Not a kill: it lets go of the program first.
        drop(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status());
        drop(self.0.wait());
    }
}

pub(crate) fn sign_in(gateway: &Gateway) -> harness::Response {
    gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send()
}

fn is_ready(gateway: &Gateway) -> Option<()> {
    (gateway.admin_request("GET", "/readyz").send().status == 200).then_some(())
}

#[test]
#[ignore = "needs strace"]
fn strace_a_disk_that_does_not_sync_lets_nobody_in_and_is_believed_again_when_it_does() {
    let mut house = House::start();
    let session = house.session("mem.localhost", MAYA);
    let strace = Strace::inject(&house.gateway, "inject=fsync,fdatasync,sync_file_range:error=EIO");
    let refused = until(Duration::from_secs(20), "a refused sign-in", || {
        let answer = sign_in(&house.gateway);
        (answer.status == 503).then_some(answer)
    });
    assert_eq!((refused.reason().as_str(), refused.session()), ("log_unavailable", None));
    let inside = house.get("mem.localhost", "/").cookie(&session).send();
    assert_eq!((inside.status, inside.reason().as_str()), (503, "log_unavailable"));
    assert_eq!(house.get("pub.localhost", "/").send().status, 200, "public circuits go on");
    assert_eq!(house.gateway.admin_request("GET", "/readyz").send().status, 503);

    drop(strace);
    until(Duration::from_secs(30), "readyz 200", || is_ready(&house.gateway));
    let signed_in = sign_in(&house.gateway);
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    house.gateway.kill();
    house.gateway.launch();
    // What was answered with a session is there; what was refused may be, as an attempt that nobody got in by.
    let id = signed_in.header("x-request-id").unwrap();
    assert_eq!(house.gateway.logs("access", &format!("request_id={id}&status=success")).len(), 1);
}

#[test]
fn too_few_files_shed_connections_and_the_program_recovers_without_spinning() {
    let house = House::start();
    let id = house.gateway.id().to_string();
    let open = fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let limit = |files: &str| {
        let limited = Command::new("prlimit").args(["--pid", &id, &format!("--nofile={files}:")]).status();
        limited.is_ok_and(|status| status.success())
    };
    assert!(limit(&(open + 8).to_string()), "prlimit is part of util-linux");
    let held: Vec<TcpStream> = (0..40).filter_map(|_| TcpStream::connect(house.gateway.proxy()).ok()).collect();
    // None is left for one more; the loop that accepts must not turn meanwhile.
    let before = cpu_ticks(&id);
    let began = Instant::now();
    until(Duration::from_secs(5), "a second", || (began.elapsed() > Duration::from_secs(1)).then_some(()));
    let ticks = cpu_ticks(&id) - before;
    assert!(ticks < 80, "{ticks} hundredths of a second of CPU in one second");
    drop(held);
    assert!(limit("4096"));
    until(Duration::from_secs(20), "an answer", || {
        house.get("pub.localhost", "/").try_send().ok().filter(|answer| answer.status == 200)
    });
    until(Duration::from_secs(30), "readyz 200", || is_ready(&house.gateway));
    assert_eq!(sign_in(&house.gateway).status, 303);
}

/// User and system time of a process, in hundredths of a second.
fn cpu_ticks(id: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

pub(crate) fn logs(gateway: &Gateway) -> PathBuf {
    gateway.data_dir().join("logs")
}

fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let files = fs::read_dir(folder).unwrap().flatten();
    files.filter_map(|file| Some((file.path(), file.metadata().ok()?.len()))).collect()
}

#[test]
fn a_power_cut_takes_nothing_that_was_answered_as_decided() {
    let mut house = House::start();
    let mut answered = Vec::new();
    for _ in 0..3 {
        let answer = sign_in(&house.gateway);
        assert_eq!(answer.status, 303);
        answered.push(answer.header("x-request-id").unwrap().to_owned());
        // What the disk has now is at least what was synced.
        let synced = files(&logs(&house.gateway));
        for at in 0..50 {
            house.get("pub.localhost", &format!("/{at}")).send();
        }
        house.gateway.kill();
        // And all that comes later is lost: files are as long as they were, new ones are gone.
        for (file, length) in files(&logs(&house.gateway)) {
            match synced.get(&file) {
                Some(before) if *before < length => {
                    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(*before).unwrap();
                }
                Some(_) => (),
                None => fs::remove_file(&file).unwrap(),
            }
        }
        house.gateway.launch();
        for id in &answered {
            let found = house.gateway.logs("access", &format!("request_id={id}&status=success"));
            assert_eq!(found.len(), 1, "{id}");
        }
    }
    let verified = verify(&house.gateway);
    assert_eq!(verified, Some(0), "what was never signed is not missed");
}

fn verify(gateway: &Gateway) -> Option<i32> {
    let admin = format!("http://{}", gateway.admin_address());
    let verify = command(&["verify"])
        .env("VESTIBULE_ADMIN_URL", admin)
        .env("VESTIBULE_ADMIN_TOKEN", harness::secrets::ADMIN_TOKEN)
        .output();
    verify.unwrap().status.code()
}

/// The one file of a kind that is largest.
pub(crate) fn largest(gateway: &Gateway, is_meant: impl Fn(&str) -> bool) -> PathBuf {
    let found = files(&logs(gateway)).into_iter();
    let meant = found.filter(|(file, _)| is_meant(&file.file_name().unwrap().to_string_lossy()));
    meant.max_by_key(|(_, length)| *length).unwrap().0
}

fn is_wal(name: &str) -> bool {
    name.ends_with(".log")
}

#[test]
fn a_torn_end_of_the_write_ahead_log_costs_nothing_that_was_answered() {
    let mut house = House::start();
    let answer = sign_in(&house.gateway);
    let id = answer.header("x-request-id").unwrap().to_owned();
    for torn in [&b"\xff"[..], &[0; 40_000], &[0x5a; 3000]] {
        house.gateway.kill();
        let wal = largest(&house.gateway, is_wal);
        let mut bytes = fs::read(&wal).unwrap();
        bytes.extend_from_slice(torn);
        fs::write(&wal, bytes).unwrap();
        house.gateway.launch();
        assert_eq!(house.gateway.logs("access", &format!("request_id={id}&status=success")).len(), 1);
        assert_eq!(sign_in(&house.gateway).status, 303);
    }
}
