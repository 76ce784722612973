//! `vestibule backup create`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use http::Method;
use vestibule_auth::sso::NoBackChannel;
use vestibule_auth::{Auth, Clock as _, SystemClock};
use vestibule_logstore::{Error, Store};

use super::{SYNC, commit, must_be_empty};
use crate::audit;
use crate::backup::manifest::{Kept, Manifest};
use crate::backup::{self, Staged, files};
use crate::cli::bar::Bar;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, remark};
use crate::cli::verify::{is_valid, of_folder, page};
use crate::cli::{Global, files as configuration};
use crate::server::open_logs;
use crate::signing;

const PATH: &str = "/api/v1/backups";

/// Who made the copy, and removes it.
enum Source {
    Server(Client),
    Stopped { data_dir: PathBuf, store: Store, auth: Auth },
}

/// Asks the running server for a copy, or makes it where none runs; takes it away, and reads all of it again.
pub(super) fn run(dir: &Path, global: &Global, output: &mut Output) -> Result<(), Failure> {
    must_be_empty(dir)?;
    let (source, staged) = begin(global)?;
    let taken = take(&staged, dir, global);
    let released = source.release();
    let (manifest, report) = taken?;
    released?;
    if !is_valid(&report) {
        page(&report, output)?;
        return Err(Failure::Unsound);
    }
    // Last: without it a folder is no backup.
    manifest.write(dir).with_context(|| format!("writing into {}", dir.display()))?;
    page(&report, output)?;
    output.line(&format!("{} files, {} bytes, in {}", manifest.files.len(), manifest.bytes(), dir.display()))
}

fn begin(global: &Global) -> Result<(Source, Staged), Failure> {
    let client = Client::with_token(global)?;
    let has_token = client.is_some();
    if let Some(client) = client {
        match client.send(Method::POST, PATH, &[]) {
            Ok(answer) => {
                let staged = serde_json::from_value(answer.json()?).context("the server's answer names no copy")?;
                return Ok((Source::Server(client), staged));
            }
            Err(Failure::Unreachable(cause)) => {
                remark(global, &format!("{cause}\ncopying the stopped server's folder"))
            }
            Err(failure) => return Err(failure),
        }
    }
    let runs = "the server runs: set VESTIBULE_ADMIN_TOKEN to an admin's token, so that it can be asked";
    stopped(global)
        .map_err(|failure| if !has_token && is_held(&failure) { Failure::Usage(runs.into()) } else { failure })
}

fn is_held(failure: &Failure) -> bool {
    matches!(failure, Failure::Failed(error) if matches!(error.downcast_ref::<Error>(), Some(Error::InUse { .. })))
}

fn stopped(global: &Global) -> Result<(Source, Staged), Failure> {
    let settings = configuration::load(&configuration::path(global)?).map_err(Failure::Invalid)?;
    let data_dir = settings.server.data_dir;
    if !data_dir.join("logs").is_dir() {
        return Err(Failure::failed(format!("there is nothing to back up in {}", data_dir.display())));
    }
    let clock = Arc::new(SystemClock::default());
    let begin = || -> anyhow::Result<_> {
        let store = open_logs(&data_dir, SYNC)?;
        signing::settle(&data_dir, &store)?;
        let signer = signing::load(&data_dir)?;
        let auth = Auth::open(&data_dir, clock.clone(), Arc::new(NoBackChannel))?;
        commit(&store, &audit::of_command("backup.create", "backup", clock.now(), "{\"running\": false}"))?;
        let staged = backup::stage(&data_dir, &store, &auth, &signer, clock.now())?;
        Ok((Source::Stopped { data_dir: data_dir.clone(), store, auth }, staged))
    };
    Ok(begin()?)
}

impl Source {
    fn release(self) -> Result<(), Failure> {
        match self {
            Self::Server(client) => client.send(Method::DELETE, PATH, &[])?.json().map(|_| ()),
            Self::Stopped { data_dir, store, auth } => {
                backup::release(&data_dir)?;
                auth.close().context("closing the state database")?;
                Ok(store.close().context("closing the logs")?)
            }
        }
    }
}

/// Copies it, and verifies what was copied: each file against what was read, each log against what was signed.
fn take(staged: &Staged, dir: &Path, global: &Global) -> Result<(Manifest, serde_json::Value), Failure> {
    let Staged { path, version, time, store, key } = staged.clone();
    let elsewhere = "the copy is not to be found; run this on the machine of the server, as its user";
    let found = files::below(&path).with_context(|| format!("{}: {elsewhere}", path.display()))?;
    if !dir.exists() {
        files::make_folder(dir).with_context(|| format!("making {}", dir.display()))?;
    }
    close_to_others(dir)?;
    let (mut bar, mut bytes, mut kept) = (Bar::new(global), 0, Vec::with_capacity(found.len()));
    for (number, file) in found.iter().enumerate() {
        let content = files::copy_below(&path, dir, file, &mut |part| {
            bytes += part;
            bar.draw(number as u64, Some(found.len() as u64), Some(bytes));
        });
        let content = content.with_context(|| format!("copying {} into {}", file.display(), dir.display()))?;
        kept.push(Kept::new(file.clone(), content));
    }
    bar.clear();
    files::sync(dir).with_context(|| format!("writing {}", dir.display()))?;
    let manifest = Manifest::new(version, time, store, key, kept);
    manifest.check(dir, &mut |_| ())?;
    let report = of_folder(dir, None, None, None, global)?;
    Ok((manifest, report))
}

fn close_to_others(dir: &Path) -> anyhow::Result<()> {
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(dir, private).with_context(|| format!("closing {} to others", dir.display()))
}
