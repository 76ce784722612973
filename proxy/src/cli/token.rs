//! `vestibule token`.

use std::time::Duration;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use vestibule_auth::hash::{NewToken, new_admin_token, new_service_token};
use vestibule_auth::{Clock as _, SystemClock};
use vestibule_config::edit::{Edit, NotEdited, TokenKind};
use vestibule_config::units;

use super::client::Client;
use super::failure::Failure;
use super::list::{Column, Listing, column};
use super::output::{Output, remark};
use super::{Global, complete, edit, reload};

/// What to do with tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Those of machines and of the admin port, with their last use
    List(Listing),
    /// Make one and print it once; the file gets its hash
    New {
        /// Its name in the file
        name: String,
        /// A machine's: good for so long, such as 90d; for good if left out
        #[arg(long = "for", value_name = "TIME", value_parser = period)]
        period: Option<Duration>,
        /// Of the admin port, with this role
        #[arg(long, value_parser = ["reader", "auditor", "admin"], conflicts_with = "period")]
        role: Option<String>,
        /// The only logs that it reads
        #[arg(long, value_delimiter = ',', value_parser = ["access", "requests", "audit"], requires = "role")]
        logs: Vec<String>,
    },
    /// Put a new one in place of one and print it once
    Rotate {
        /// Its name in the file
        #[arg(add = ArgValueCandidates::new(complete::tokens))]
        name: String,
        /// It is one of the admin port
        #[arg(long)]
        admin: bool,
        /// A machine's: the one before is good for so long too, such as 7d
        #[arg(long, value_name = "TIME", value_parser = period, conflicts_with = "admin")]
        grace: Option<Duration>,
    },
    /// Refuse it from now on: a machine's is disabled, one of the admin port is removed
    Revoke {
        /// Its name in the file
        #[arg(add = ArgValueCandidates::new(complete::tokens))]
        name: String,
        /// It is one of the admin port
        #[arg(long)]
        admin: bool,
    },
}

const COLUMNS: [Column; 6] = [
    column("NAME", &["name"], 24),
    column("KIND", &["kind"], 8),
    column("STATE", &["state"], 8),
    column("EXPIRES", &["expires"], 27),
    column("LAST USED", &["last_used"], 27),
    column("ADDRESS", &["last_used_ip"], 0),
];

/// Lists them, or edits the file.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    match &args.act {
        Act::List(listing) => listing.ask(&Client::new(global)?, ("/api/v1/tokens", &[]), &COLUMNS, output),
        Act::New { name, period, role: None, logs: _ } => {
            let expires = after(*period)?;
            let add = |edit: &mut Edit, hash: &str| edit.add_service_token(name, hash, expires);
            make(global, TokenKind::Service, name, add, output)?;
            remark(global, &format!("it opens nothing yet: name \"token:{name}\" in members or allow"));
            Ok(())
        }
        Act::New { name, period: _, role: Some(role), logs } => {
            let add = |edit: &mut Edit, hash: &str| edit.add_admin_token(name, role, logs, hash);
            make(global, TokenKind::Admin, name, add, output)
        }
        Act::Rotate { name, admin, grace } => {
            let (kind, until) = (kind(*admin), after(*grace)?);
            make(global, kind, name, |edit, hash| edit.rotate(kind, name, hash, until), output)
        }
        Act::Revoke { name, admin } => {
            edit::change(global, &kind(*admin).path(name), |edit| match kind(*admin) {
                TokenKind::Service => edit.disable_service_token(name),
                TokenKind::Admin => edit.remove_admin_token(name),
            })?;
            reload::after_a_change(global)
        }
    }
}

/// The token is on stdout alone and nowhere else, and only once its hash is in the file.
fn make(
    global: &Global,
    kind: TokenKind,
    name: &str,
    edit: impl FnOnce(&mut Edit, &str) -> Result<(), NotEdited>,
    output: &mut Output,
) -> Result<(), Failure> {
    let NewToken { token, hash } = match kind {
        TokenKind::Service => new_service_token(),
        TokenKind::Admin => new_admin_token(),
    };
    edit::change(global, &kind.path(name), |file| edit(file, &hash))?;
    output.line(&token)?;
    output.finish()?;
    reload::after_a_change(global)
}

fn kind(admin: bool) -> TokenKind {
    if admin { TokenKind::Admin } else { TokenKind::Service }
}

fn period(text: &str) -> Result<Duration, &'static str> {
    let period = units::parse_duration(text).filter(|period| *period > Duration::ZERO);
    period.ok_or("write a time such as 24h or 90d")
}

fn after(period: Option<Duration>) -> Result<Option<jiff::Timestamp>, Failure> {
    let now = SystemClock::default().now();
    let then = period.map(|period| now.checked_add(period)).transpose();
    then.map_err(|_| Failure::Usage("this is longer than time lasts".to_owned()))
}
