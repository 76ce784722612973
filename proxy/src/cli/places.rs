//! Places with anchors, as a command names them.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use vestibule_auth::{Clock as _, SystemClock};
use vestibule_config::anchors::{AnchorPlace, Bucket, S3};
use vestibule_config::secret::Secret;

use super::failure::Failure;
use super::{Global, files};
use crate::anchors::{self, Read};

/// How a bucket is reached without the file of the server, by the names that other tools use too.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const REGION: &str = "AWS_REGION";
const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// Reads the anchors of a place whose names begin so. A place is a folder, also as `file://…`, or `s3://…`.
pub(super) fn read(place: &str, named: &str, global: &Global) -> Result<Read, Failure> {
    let now = SystemClock::default().now();
    let unreadable = |error: anyhow::Error| Failure::Failed(error.context(format!("reading the anchors in {place}")));
    if place.starts_with("s3://") {
        let wrong = |what| Failure::Usage(format!("{place:?} is no place with anchors: {what}"));
        let bucket = Bucket::parse(place).map_err(wrong)?;
        let s3 = Arc::new(reader(global)?);
        return anchors::read(&AnchorPlace::Bucket(bucket), Some(&s3), named, now).map_err(unreadable);
    }
    let folder = PathBuf::from(place.strip_prefix("file://").unwrap_or(place));
    anchors::read(&AnchorPlace::Folder(folder), None, named, now).map_err(unreadable)
}

/// What the environment says, so that an auditor needs no file of the server; else the file.
fn reader(global: &Global) -> Result<S3, Failure> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let Some(access_key) = variable(ACCESS_KEY) else { return configured(global) };
    let required = |name: &str| variable(name).ok_or_else(|| Failure::Usage(format!("set {name} beside {ACCESS_KEY}")));
    let secret = |text: String| Secret::new(text.into());
    let (access_key, secret_key) = (secret(access_key), secret(required(SECRET_KEY)?));
    let region = required(REGION)?;
    let endpoint = variable(ENDPOINT).unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    S3::reader(&endpoint, &region, access_key, secret_key).map_err(Failure::Usage)
}

fn configured(global: &Global) -> Result<S3, Failure> {
    let settings = files::load(&files::path(global)?).map_err(Failure::Invalid)?;
    let missing = || {
        let names = [REGION, ACCESS_KEY, SECRET_KEY].join(", ");
        Failure::Usage(format!("nothing says how the bucket is reached: write [logs.anchors.s3], or set {names}"))
    };
    settings.logs.anchors.s3.map(Arc::unwrap_or_clone).ok_or_else(missing)
}
