//! Every command of the documentation is run as it stands there, against a running gateway.
//!
//! What differs from one machine to the next is put in its place: addresses, the names that a server gives, and folders.
//! What cannot be run here stands in [`LEFT_OUT`], with the reason.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::gateway::program;
use harness::secrets::{ADMIN_TOKEN, PASSWORD_HASH};
use harness::{Gateway, Upstream};

/// Beginnings of commands that are not run, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("deploy/demo.sh", "builds; what it starts is tried by the test of the demo"),
    ("tests/run.sh", "is running"),
    ("export VESTIBULE_ADMIN_TOKEN=", "stands for a token of the reader's"),
    ("vestibule backup restore", "needs a server that is stopped; the tests of backups have one"),
    ("vestibule anchor list --at s3://", "needs a bucket; the tests of anchors have one"),
    ("vestibule verify --data /srv/copy --key KEY --anchors s3://", "needs a bucket"),
    ("printf '%s.%s.%s'", "is of a receiver of alerts"),
    ("curl -c jar -b jar", "needs a device; the tests of steps have one"),
    ("qrencode ", "shows a picture"),
];

/// What has to be so before a command that begins like this.
const BEFORE: &[(&str, &str)] = &[
    ("vestibule ban remove 5f0c9a1b2d3e4f60", "id=$(vestibule ban list -o json | first_id)"),
    ("vestibule ban remove lock:", "fail_as maya@example.net"),
    ("vestibule grant revoke", "id=$(vestibule grant list -o json | first_id)"),
    (
        "vestibule rollback",
        "revision=$(vestibule config history -o json | sed -n 's/.*\"revision\":\"\\([^\"]*\\)\".*/\\1/p' | tail -1)",
    ),
    ("vestibule config diff --from", "cp gateway/vestibule.toml old.toml; cp gateway/vestibule.toml new.toml"),
    ("vestibule prove", "entry=$(vestibule logs requests -n 1 -o json | first_id)"),
    ("vestibule verify --data /srv/copy --key KEY  ", "vestibule backup create /srv/copy"),
    (
        "vestibule verify --data /srv/copy --key KEY --anchors /mnt/anchors",
        "vestibule anchor now; rm -r /srv/copy; vestibule backup create /srv/copy",
    ),
    ("vestibule user block lin", "fail_as lin@example.net"),
];

/// What a command is given besides.
const PRELUDE: &str = r#"
set -euo pipefail
curl() { command curl --noproxy '*' "$@"; }
first_id() { sed -n 's/.*"id":"\([^"]*\)".*/\1/p' | head -1; }
fail_as() { curl -s -o answer -d "email=$1" -d password=wrong "http://wiki.localhost:$PORT/.vestibule/login"; }
# A command that goes on is interrupted once it has said something.
followed() {
  local code=0
  set -m
  "$@" >said &
  set +m
  while [ ! -s said ]; do kill -0 $!; sleep 0.02; done
  kill -INT -- -$!
  wait $! || code=$?
  [ "$code" = 130 ]
}
KEY=$(curl -s -H "Authorization: Bearer $VESTIBULE_ADMIN_TOKEN" "$VESTIBULE_ADMIN_URL/api/v1/integrity" \
  | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Commands between ```` ```sh ```` and ```` ``` ````, a continued one as one.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined = blocks.map(|block| block.replace("\\\n", "")).collect::<String>();
    joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn left_out(command: &str) -> Option<usize> {
    LEFT_OUT.iter().rposition(|(beginning, _)| command.starts_with(beginning))
}

/// A command as it can be run.
fn runnable(command: &str) -> String {
    let goes_on = command.starts_with("vestibule logs -f") || command.starts_with("curl -sN");
    let typed = if command.starts_with("vestibule user passwd") { "<<<'a kettle of fish' " } else { "" };
    let followed = if goes_on { "followed " } else { "" };
    let before = BEFORE.iter().filter(|(beginning, _)| command.starts_with(beginning)).map(|(_, before)| *before);
    let before: String = before.map(|before| format!("{before}\n")).collect();
    let said = format!("+ {}", command.replace(['"', '$', '`'], "'"));
    format!("{before}echo {said:?} >&2\n{followed}{typed}{command}\n")
}

/// With what this machine has in place of what the documentation says.
fn in_place(script: &str, gateway: &Gateway, work: &Path) -> String {
    let (port, admin) = (gateway.proxy().port(), gateway.admin_address());
    let at = |name: &str| work.join(name).display().to_string();
    script
        .replace("http://127.0.0.1:9180", &format!("http://{admin}"))
        .replace("localhost:8080", &format!("localhost:{port}"))
        .replace("$token\" https://wiki.example.net/", &format!("$token\" http://wiki.localhost:{port}/"))
        .replace("'Authorization: Bearer TOKEN'", "\"Authorization: Bearer $VESTIBULE_ADMIN_TOKEN\"")
        .replace("/srv/backup/2026-11-28", &at("backup"))
        .replace("/srv/copy", &at("copy"))
        .replace("/mnt/anchors", &at("anchors"))
        .replace("--key KEY", "--key \"$KEY\"")
        .replace("5f0c9a1b2d3e4f60", "$id")
        .replace("0123456789abcdef", "$revision")
        .replace("8c2f4f0a-5b1e-8a3c-9d3e-0c4f2a7b6e11", "$entry")
}

/// A gateway that the documentation could be about.
fn gateway(upstream: &Upstream, work: &Path) -> Gateway {
    let anchors = work.join("anchors");
    std::fs::create_dir_all(&anchors).unwrap();
    let url = upstream.url();
    let circuit = |name: &str| {
        format!(
            "[circuits.{name}]\nproject = \"docs\"\nhosts = [\"{name}.localhost\", \"{name}.example.net\"]\nupstream = \
             \"{url}\"\naccess = \"members\"\nlogin = [\"password\"]\n"
        )
    };
    let gateway = Gateway::start(&format!(
        "[users.\"maya@example.net\"]\npassword_hash = \"{PASSWORD_HASH}\"\n[projects.docs]\nmembers = \
         [\"maya@example.net\"]\n[login_limits]\nfailures = {{ count = 1 }}\n{}{}[logs.anchors]\nto = [\"file://{}\"]\n",
        circuit("wiki"),
        circuit("mem"),
        anchors.display(),
    ));
    std::os::unix::fs::symlink(gateway.folder(), work.join("gateway")).unwrap();
    // So that there is something to read: one that is refused, one attempt that fails.
    gateway.get("wiki.localhost", "/").send();
    gateway.sign_in("wiki.localhost", &[("email", "nobody@example.net"), ("password", "wrong")]).send();
    gateway
}

fn run(document: &str, commands: &[String]) {
    let (work, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let gateway = gateway(&upstream, work.path());
    gateway.logs_when("access", "result=failed", 1);
    let script: String = commands.iter().map(|command| runnable(command)).collect();
    let script = format!("{PRELUDE}{}", in_place(&script, &gateway, work.path()));
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(work.path())
        .env("PATH", path)
        .env("PORT", gateway.proxy().port().to_string())
        .env("VESTIBULE_CONFIG", gateway.config())
        .env("VESTIBULE_ADMIN_URL", format!("http://{}", gateway.admin_address()))
        .env("VESTIBULE_ADMIN_TOKEN", ADMIN_TOKEN)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{document}: {}\n{said}\n{script}", output.status);
}

fn documents() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("deploy/docs")).unwrap().map(|entry| entry.unwrap().path());
    std::iter::once(root().join("README.md")).chain(docs).collect()
}

#[test]
fn every_command_of_the_documentation_does_what_it_says() {
    let (mut left, mut count) = (vec![false; LEFT_OUT.len()], 0);
    for document in documents() {
        let all = commands(&std::fs::read_to_string(&document).unwrap());
        all.iter().filter_map(|command| left_out(command)).for_each(|at| left[at] = true);
        let run_here: Vec<_> = all.into_iter().filter(|command| left_out(command).is_none()).collect();
        count += run_here.len();
        if !run_here.is_empty() {
            run(&document.display().to_string(), &run_here);
        }
    }
    assert!(count > 50, "{count} commands");
    let gone: Vec<_> = LEFT_OUT.iter().zip(left).filter(|(_, found)| !found).collect();
    assert!(gone.is_empty(), "in no document any more: {gone:?}");
}
