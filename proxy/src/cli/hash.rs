//! `vestibule hash`.

use std::io::{self, BufRead, IsTerminal};

use anyhow::Context;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use vestibule_auth::hash::{check_pin, hash_secret, password_advice};
use vestibule_auth::totp;
use zeroize::Zeroizing;

use super::Global;
use super::failure::Failure;
use super::output::{Output, remark};

/// Flags of `hash`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The secret is a PIN: 6 to 64 digits
    #[arg(long)]
    pin: bool,
    /// Nothing is read: makes a new secret of one-time codes for this person, and the address that devices scan
    #[arg(long, value_name = "EMAIL", conflicts_with = "pin")]
    totp: Option<String>,
}

/// As authenticators read a label; addresses are ASCII.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_');

/// A longer line is no secret that could be used.
const LINE_MAX: u64 = 4096;

/// Prints the Argon2id hash of one line, or a new secret.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    if let Some(email) = &args.totp {
        let secret = totp::new_secret();
        output.line(&secret)?;
        return output.line(&enrolment(&secret, email));
    }
    let secret = read_secret(if args.pin { "PIN: " } else { "Password: " })?;
    if args.pin {
        check_pin(&secret).map_err(|weak| Failure::failed(weak.to_string()))?;
    } else if let Some(advice) = password_advice(&secret) {
        remark(global, &format!("warning: {advice}"));
    }
    let hash = hash_secret(&secret).map_err(|weak| Failure::failed(weak.to_string()))?;
    output.line(&hash)
}

/// What a device needs to know: the secret, whose it is, and for what.
pub(super) fn enrolment(secret: &str, email: &str) -> Zeroizing<String> {
    let email = utf8_percent_encode(email, LABEL);
    Zeroizing::new(format!("otpauth://totp/Vestibule:{email}?secret={secret}&issuer=Vestibule"))
}

/// From the terminal twice and unseen, else one line of stdin.
pub(super) fn read_secret(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(first_line(io::stdin().lock()).context("reading stdin")?);
    }
    let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new).context("reading the terminal");
    let secret = ask(prompt)?;
    if ask("Once more: ")? != secret {
        return Err(Failure::failed("the two are not equal"));
    }
    Ok(secret)
}

fn first_line(input: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    input.take(LINE_MAX).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(
            enrolment("MZXQ", "a&b?c@example.net").as_str(),
            "otpauth://totp/Vestibule:a%26b%3Fc@example.net?secret=MZXQ&issuer=Vestibule"
        );
    }

    #[test]
    fn one_line_is_read_without_its_end_and_with_its_spaces() {
        for (input, secret) in [
            ("correct horse\n", "correct horse"),
            ("  padded \r\nsecond line\n", "  padded "),
            ("no end", "no end"),
            ("", ""),
            ("\n", ""),
        ] {
            assert_eq!(first_line(input.as_bytes()).unwrap().as_str(), secret, "{input:?}");
        }
    }
}
