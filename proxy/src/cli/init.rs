//! `vestibule init`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use vestibule_auth::hash::{NewToken, hash_secret, new_admin_token};
use zeroize::Zeroizing;

use super::Global;
use super::failure::Failure;
use super::output::{Output, remark};

/// Where to begin.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder for vestibule.toml and its data
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
}

const TEMPLATE: &str = include_str!("init.toml");

/// Writes the file and prints what it keeps only as hashes.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    fs::create_dir_all(&args.dir).with_context(|| format!("making the folder {:?}", args.dir))?;
    let path = args.dir.join("vestibule.toml");
    let NewToken { token, hash: token_hash } = new_admin_token();
    let pin = new_pin()?;
    let pin_hash = hash_secret(&pin).map_err(|weak| Failure::failed(weak.to_string()))?;
    write_new(&path, &TEMPLATE.replace("TOKEN_HASH", &token_hash).replace("PIN_HASH", &pin_hash))?;
    output.line(&format!("wrote        {}", path.display()))?;
    output.line(&format!("admin token  {}", token.as_str()))?;
    output.line(&format!("PIN          {}", pin.as_str()))?;
    output.finish()?;
    remark(global, "Keep token and PIN now: the file holds only their hashes, and they are not shown again.");
    remark(global, &format!("Next: put your upstream into the file, then vestibule run -c {}", path.display()));
    Ok(())
}

/// Never over a file that is there; for its owner's eyes only.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.with_context(|| format!("not overwriting {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// Eight random digits, each equally likely.
fn new_pin() -> Result<Zeroizing<String>, Failure> {
    let mut pin = Zeroizing::new(String::with_capacity(PIN_DIGITS));
    while pin.len() < PIN_DIGITS {
        let random = getrandom::u32().map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
        // The last, incomplete run of ten is left out, or low digits would be more likely.
        if random < u32::MAX / 10 * 10 {
            pin.push(char::from_digit(random % 10, 10).unwrap_or('0'));
        }
    }
    Ok(pin)
}

const PIN_DIGITS: usize = 8;
