//! By a program that is given the message on its standard input, as sendmail is.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vestibule_config::mail::MailCommand;

/// Between two looks whether the program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ended when dropped, so that a program that hangs does not outlive the wait for it.
struct Running(Child);

/// The program has ended well when this returns well.
pub(super) async fn send(command: &MailCommand, message: Vec<u8>) -> Result<(), String> {
    let mut running = start(command)?;
    let mut input = running.0.stdin.take().ok_or("it takes no input")?;
    // A program that does not read would block: one thread waits for it, until the program is ended.
    let written = tokio::task::spawn_blocking(move || input.write_all(&message));
    written.await.ok().and_then(Result::ok).ok_or("it does not read the message")?;
    loop {
        match running.0.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ends with {status}")),
            Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(format!("it cannot be waited for: {error}")),
        }
    }
}

/// Without our environment, which may hold secrets.
fn start(command: &MailCommand) -> Result<Running, String> {
    let child = Command::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.map(Running).map_err(|error| format!("it cannot be started: {error}"))
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // It may have ended meanwhile; either way it is waited for.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::until;

    fn command(program: &str, arguments: &[&str]) -> MailCommand {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        MailCommand { program: program.into(), arguments }
    }

    async fn tried(program: &str, arguments: &[&str]) -> Result<(), String> {
        send(&command(program, arguments), b"To: maya@example.net\r\n\r\n12345678".to_vec()).await
    }

    #[tokio::test]
    async fn the_message_is_its_input_and_its_end_decides() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message");
        tried("/usr/bin/tee", &[file.to_str().unwrap()]).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "To: maya@example.net\r\n\r\n12345678");
        assert!(tried("/bin/sh", &["-c", "cat; exit 75"]).await.unwrap_err().contains("75"));
        assert!(tried("/nowhere", &[]).await.is_err());
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let line = format!("echo $$ > {}; cat; sleep 60", file.display());
        let hangs = tokio::spawn(async move { tried("/bin/sh", &["-c", &line]).await });
        let id = || std::fs::read_to_string(&file).unwrap_or_default();
        until(|| id().ends_with('\n')).await;
        let process = format!("/proc/{}", id().trim());
        assert!(std::path::Path::new(&process).exists() && !hangs.is_finished());
        hangs.abort();
        assert!(hangs.await.unwrap_err().is_cancelled());
        assert!(!std::path::Path::new(&process).exists());
    }
}
