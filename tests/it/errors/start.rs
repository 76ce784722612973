//! What refuses a start says why.

use harness::{Gateway, House, Setup};

/// The program's end when it must not start: exit code and what it says.
pub(super) fn refused_start(gateway: &Gateway) -> (i32, String) {
    let output = harness::gateway::command(&["run", "-c"]).arg(gateway.config()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_log_folder_that_cannot_be_made_refuses_the_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "in the way").unwrap();
    let gateway = Setup::new("").data_dir(&file.join("data")).prepare();
    let (code, text) = refused_start(&gateway);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("a-file"), "{text}");
}

#[test]
fn a_folder_in_use_refuses_a_second_program() {
    let house = House::start();
    let second = Setup::new("").data_dir(&house.gateway.data_dir()).prepare();
    let (code, text) = refused_start(&second);
    assert_eq!(code, 1);
    assert!(text.contains("in use"), "{text}");
    assert_eq!(house.get("pub.localhost", "/").send().status, 200, "the first one goes on");
}

#[test]
fn a_taken_port_refuses_the_start_and_is_named() {
    let house = House::start();
    let second = Setup::new("").prepare();
    let text = std::fs::read_to_string(second.config()).unwrap();
    let taken = house.gateway.proxy().to_string();
    let own = text.lines().find(|line| line.starts_with("listen = [")).unwrap().to_owned();
    std::fs::write(second.config(), text.replace(&own, &format!("listen = [{{ address = \"{taken}\" }}]"))).unwrap();
    let (code, text) = refused_start(&second);
    assert_eq!(code, 1);
    assert!(text.contains(&taken), "{text}");
}
