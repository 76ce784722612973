//! `vestibule user`: people of the file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};
use vestibule_auth::hash::{check_pin, hash_secret, password_advice};
use vestibule_auth::totp;
use vestibule_config::Email;
use vestibule_config::edit::{Edit, NotEdited};
use vestibule_config::user::User;

use super::client::Client;
use super::failure::Failure;
use super::hash::{enrolment, read_secret};
use super::list::{Column, Listing, column};
use super::output::{Output, remark};
use super::{Global, complete, edit, files, reload};

/// What to do with people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Those of the file, with their sessions where the server runs
    List(Listing),
    /// Put a person into the file; passwd or pin gives a secret
    Add {
        #[command(flatten)]
        person: Person,
        /// Shown on pages
        #[arg(long)]
        name: Option<String>,
        /// For group:NAME in members and allow
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        groups: Vec<String>,
    },
    /// Give a person a password; it is read from the terminal or from stdin
    Passwd(Person),
    /// Give a person a PIN of 6 to 64 digits; it is read from the terminal or from stdin
    Pin(Person),
    /// Make a new secret of one-time codes and print it once; a file of its own beside the main one gets it
    Totp(Person),
    /// Refuse a person from the next request on, by whatever way
    Block(Person),
    /// Let a person sign in again who was blocked, or waits for approval
    Unblock(Person),
    /// Let an account try again that failed too often, now and from everywhere; the file stays as it is
    Unlock(Person),
    /// Take a person out of the file
    Remove(Person),
}

/// Whom it is about.
#[derive(Debug, clap::Args)]
struct Person {
    /// An e-mail address
    #[arg(value_parser = email, add = ArgValueCandidates::new(complete::people))]
    email: Email,
}

const COLUMNS: [Column; 5] = [
    column("EMAIL", &["email"], 32),
    column("STATE", &["state"], 8),
    column("LOGIN", &["login"], 13),
    column("GROUPS", &["groups"], 24),
    column("NAME", &["name"], 0),
];

/// Lists them, edits the file, or lets one try again.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    match &args.act {
        Act::List(listing) => listing.show(&all(global)?, &COLUMNS, output),
        Act::Add { person: Person { email }, name, groups } => {
            change(global, email, |edit| edit.add_user(email.as_str(), name.as_deref(), groups))?;
            remark(global, &format!("{email} cannot sign in with a secret yet: vestibule user passwd {email}"));
            Ok(())
        }
        Act::Passwd(Person { email }) => {
            let password = read_secret("Password: ")?;
            password_advice(&password).iter().for_each(|advice| remark(global, &format!("warning: {advice}")));
            let hash = hash_secret(&password).map_err(|weak| Failure::failed(weak.to_string()))?;
            change(global, email, |edit| edit.set_user(email.as_str(), "password_hash", &hash))
        }
        Act::Pin(Person { email }) => {
            let pin = read_secret("PIN: ")?;
            check_pin(&pin).map_err(|weak| Failure::failed(weak.to_string()))?;
            let hash = hash_secret(&pin).map_err(|weak| Failure::failed(weak.to_string()))?;
            change(global, email, |edit| edit.set_user(email.as_str(), "pin_hash", &hash))
        }
        Act::Totp(Person { email }) => give_totp(email, global, output),
        Act::Block(Person { email }) => change(global, email, |edit| edit.block_user(email.as_str())),
        Act::Unblock(Person { email }) => {
            change(global, email, |edit| edit.set_user(email.as_str(), "state", "active"))
        }
        Act::Unlock(Person { email }) => {
            Client::new(global)?.delete("/api/v1/bans", &format!("lock:{email}"))?.json()?;
            output.line("1 unlocked")
        }
        Act::Remove(Person { email }) => change(global, email, |edit| edit.remove_user(email.as_str())),
    }
}

fn email(text: &str) -> Result<Email, &'static str> {
    Email::folded(text).ok_or("write an e-mail address")
}

fn change(
    global: &Global,
    email: &Email,
    edit: impl FnOnce(&mut Edit) -> Result<(), NotEdited>,
) -> Result<(), Failure> {
    edit::change(global, &["users", email.as_str()], edit)?;
    reload::after_a_change(global)
}

/// With their sessions from the running server, else from the file.
fn all(global: &Global) -> Result<Value, Failure> {
    match Client::with_token(global)?.map(|client| client.get("/api/v1/users", &[])) {
        Some(Err(Failure::Unreachable(_))) | None => {
            let settings = files::load(&files::path(global)?).map_err(Failure::Invalid)?;
            Ok(json!({ "data": settings.users.values().map(describe).collect::<Vec<_>>() }))
        }
        Some(answer) => answer?.json(),
    }
}

fn describe(user: &User) -> Value {
    let held = [("password", user.password_hash.is_some()), ("pin", user.pin_hash.is_some())];
    json!({
        "email": user.email.as_str(),
        "name": user.name,
        "groups": user.groups,
        "state": user.state.as_str(),
        "login": held.iter().filter(|(_, held)| *held).map(|(way, _)| *way).collect::<Vec<_>>(),
    })
}

/// The secret is on stdout alone, and only once the file names where it stands.
fn give_totp(email: &Email, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let secret = totp::new_secret();
    // A slash may stand in an address, and not in a name.
    let name = format!("{}.totp", email.as_str().replace('/', "_"));
    let main = files::path(global)?;
    let file = main.parent().unwrap_or(Path::new("")).join(&name);
    let before = keep(&file, &secret).with_context(|| format!("writing {}", file.display()))?;
    if let Err(failure) = change(global, email, |edit| edit.set_user_file(email.as_str(), "totp", &name)) {
        match before {
            Some(before) => fs::write(&file, before).context("putting the old secret back")?,
            None => fs::remove_file(&file).context("taking the new secret away")?,
        }
        return Err(failure);
    }
    output.line(&secret)?;
    output.line(&enrolment(&secret, email.as_str()))
}

/// For nobody else's eyes. Returns what stood there before.
fn keep(file: &Path, secret: &str) -> std::io::Result<Option<Vec<u8>>> {
    let before = fs::read(file).ok();
    let mut opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    opened.write_all(secret.as_bytes())?;
    opened.sync_all()?;
    Ok(before)
}
