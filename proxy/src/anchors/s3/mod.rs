//! Anchors in a bucket with Object Lock: each an object that is created once, and that nobody can remove before its
//! time is over.
//!
//! Newer versions and delete markers can be put on top of a locked version; so the oldest version of each object is
//! what is believed.

mod answer;
mod sign;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use vestibule_auth::sso::BackChannel as _;
use vestibule_config::anchors::{Bucket, S3};
use vestibule_logstore::anchor;

use self::answer::{refused, value, values};
use self::sign::Call;
use super::Read;
use crate::back_channel::Network;
use crate::digest::sha256;

/// Objects of one page of a list, so that it stays below the bound of an answer.
const PAGE: &str = "500";
/// Pages of a list; more anchors are not read: hourly ones of more than twenty years.
const PAGES: usize = 400;
/// Objects that are read at the same time.
const AT_ONCE: usize = 16;

const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const MODE: &str = "x-amz-object-lock-mode";

/// One bucket, for a round of requests. Blocks; each request ends within ten seconds.
pub(super) struct Objects {
    runtime: Runtime,
    reached: Arc<Reached>,
}

struct Reached {
    network: Network,
    s3: Arc<S3>,
    bucket: Bucket,
    now: Timestamp,
}

impl Objects {
    /// Asks nothing yet.
    pub(super) fn new(bucket: &Bucket, s3: Arc<S3>, now: Timestamp) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("making a runtime")?;
        let reached = Reached { network: Network::default(), s3, bucket: bucket.clone(), now };
        Ok(Self { runtime, reached: Arc::new(reached) })
    }

    /// Refuses a bucket that is known to lock nothing; a key that may not ask leaves it to the first object.
    pub(super) fn must_lock(&self) -> anyhow::Result<()> {
        let asked = self.reached.call(Method::GET, "", &[("object-lock", "")], Vec::new(), Vec::new());
        let answer = self.runtime.block_on(asked)?;
        let text = String::from_utf8_lossy(answer.body());
        let is_locked = answer.status().is_success() && value(&text, "ObjectLockEnabled") == Some("Enabled");
        if value(&text, "Code") == Some("NoSuchBucket") {
            return Err(refused(&answer));
        }
        let is_unlocked = answer.status() == StatusCode::NOT_FOUND;
        if is_unlocked || (answer.status().is_success() && !is_locked) {
            bail!("the bucket has no Object Lock: what is there could be removed; make one that has it from the start");
        }
        Ok(())
    }

    /// Creates an object that must not be there yet; the same object again is no mistake.
    ///
    /// # Errors
    /// When the service does not take it, or has another object of this name.
    pub(super) fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let answer = self.runtime.block_on(self.reached.put(name, text))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::PRECONDITION_FAILED => {
                let there = self.runtime.block_on(self.reached.get(name, None))?;
                if there.body() == text.as_bytes() {
                    return Ok(());
                }
                bail!("{name} is there already and says something else")
            }
            _ => Err(refused(&answer)),
        }
    }

    /// All anchors whose names begin so, each as it was first written.
    pub(super) fn read_all(&self, named: &str) -> anyhow::Result<Read> {
        self.runtime.block_on(async {
            let names = self.reached.list(named).await?;
            let (mut read, mut running) = (Read::default(), JoinSet::new());
            let mut waiting = names.into_iter();
            loop {
                while running.len() < AT_ONCE
                    && let Some((name, version)) = waiting.next()
                {
                    let reached = self.reached.clone();
                    running.spawn(async move { reached.read(name, &version).await });
                }
                let Some(done) = running.join_next().await else { break };
                let (name, text, is_locked) = done.context("reading an anchor")??;
                read.unlocked += u64::from(!is_locked);
                read.texts.push((name, text));
            }
            Ok(read)
        })
    }
}

impl Reached {
    async fn put(&self, name: &str, text: &str) -> anyhow::Result<Response<Vec<u8>>> {
        let retain = i64::try_from(self.s3.retain.as_secs()).unwrap_or(i64::MAX);
        let until = Timestamp::from_second(self.now.as_second().saturating_add(retain));
        let until = until.context("\"retain\" is too long")?;
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("if-none-match", "*".to_owned()),
            ("x-amz-checksum-sha256", BASE64_STANDARD.encode(sha256(text.as_bytes()))),
            (MODE, "COMPLIANCE".to_owned()),
            (UNTIL, until.to_string()),
        ];
        self.call(Method::PUT, name, &[], headers, text.as_bytes().to_vec()).await
    }

    async fn get(&self, name: &str, version: Option<&str>) -> anyhow::Result<Response<Vec<u8>>> {
        let query: Vec<_> = version.into_iter().map(|version| ("versionId", version)).collect();
        let answer = self.call(Method::GET, name, &query, Vec::new(), Vec::new()).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(&answer)) }
    }

    /// And whether it is locked.
    async fn read(&self, name: String, version: &str) -> anyhow::Result<(String, String, bool)> {
        let answer = self.get(&name, Some(version)).await.with_context(|| format!("reading {name}"))?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let until = header(UNTIL).and_then(|until| until.parse::<Timestamp>().ok());
        let is_locked = header(MODE) == Some("COMPLIANCE") && until.is_some_and(|until| until > self.now);
        Ok((name, String::from_utf8_lossy(answer.body()).into_owned(), is_locked))
    }

    /// The names of anchors, each with its oldest version. Within a name the versions come newest first.
    async fn list(&self, named: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let below = self.key("");
        let prefix = self.key(named);
        let (mut oldest, mut marker) = (BTreeMap::new(), None::<(String, String)>);
        for _ in 0..PAGES {
            let mut query = vec![("versions", ""), ("prefix", prefix.as_str()), ("max-keys", PAGE)];
            if let Some((key, version)) = &marker {
                query.extend([("key-marker", key.as_str()), ("version-id-marker", version.as_str())]);
            }
            let answer = self.call(Method::GET, "", &query, Vec::new(), Vec::new()).await?;
            if !answer.status().is_success() {
                return Err(refused(&answer));
            }
            let text = String::from_utf8_lossy(answer.body());
            for version in values(&text, "Version") {
                let name = value(version, "Key").and_then(|key| key.strip_prefix(below.as_str()));
                if let Some((name, id)) = name.filter(|name| anchor::is_name(name)).zip(value(version, "VersionId")) {
                    oldest.insert(name.to_owned(), id.to_owned());
                }
            }
            if value(&text, "IsTruncated") != Some("true") {
                return Ok(oldest);
            }
            let next = value(&text, "NextKeyMarker").zip(value(&text, "NextVersionIdMarker"));
            let (key, version) = next.context("the list of the bucket breaks off")?;
            marker = Some((key.to_owned(), version.to_owned()));
        }
        bail!("the bucket holds more objects than are read")
    }

    fn key(&self, name: &str) -> String {
        let Bucket { prefix, name: _ } = &self.bucket;
        if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
    }

    /// Of an object, or of the bucket where the name is empty.
    async fn call(
        &self,
        method: Method,
        name: &str,
        query: &[(&str, &str)],
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> anyhow::Result<Response<Vec<u8>>> {
        let key = if name.is_empty() { String::new() } else { format!("/{}", self.key(name)) };
        let path = format!("/{}{key}", self.bucket.name);
        let call = Call { method, path, query: query.to_vec(), headers, body };
        let request = call.sign(&self.s3, self.now).context("the request cannot be made")?;
        let answer = self.network.send(request).await;
        answer.map_err(|error| anyhow::anyhow!("{} does not answer: {}", self.s3.endpoint, error.0))
    }
}
