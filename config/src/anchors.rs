//! `[logs.anchors]`: when the heads of the logs go elsewhere, and where to.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;

use crate::secret::Secret;
use crate::shape::{At, Reading, shape};
use crate::web_address;
use crate::word::{Word, Wrong, spellings, words};

/// When the heads of the logs go elsewhere, and where to.
#[derive(Debug, Clone)]
pub struct Anchors {
    /// At the latest after this time.
    pub every: Duration,
    /// And after so many entries of all logs.
    pub entries: NonZeroU32,
    /// Empty: nowhere, and none are made.
    pub to: Vec<AnchorPlace>,
    /// Present if a place is a bucket.
    pub s3: Option<Arc<S3>>,
}

/// A place that anchors go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorPlace {
    /// A folder, `file:///…`.
    Folder(PathBuf),
    /// A part of a bucket with Object Lock.
    Bucket(Bucket),
}

/// `s3://NAME/PREFIX`. Both are of characters that stand for themselves in an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Of the bucket.
    pub name: String,
    /// Before the names of objects, without a slash at either end; may be empty.
    pub prefix: String,
}

/// `[logs.anchors.s3]`: how buckets are reached, and for how long nobody may remove what is there.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Scheme and authority; buckets are the first part of the path.
    pub endpoint: Arc<str>,
    /// As requests are signed for.
    pub region: String,
    /// Name of the key.
    pub access_key: Secret,
    /// Signs the requests.
    pub secret_key: Secret,
    /// Objects are locked for so long from their writing on.
    pub retain: Duration,
}

shape! {
    /// What `[logs.anchors]` may say.
    pub(crate) struct RawAnchors {
        every: Duration,
        entries: NonZeroU32,
        to: Vec<At<AnchorPlace>>,
        s3: RawS3,
    }
}

shape! {
    /// What `[logs.anchors.s3]` may say.
    pub(crate) struct RawS3 {
        endpoint: Endpoint,
        region: Region,
        access_key: Secret,
        secret_key: Secret,
        mode: ObjectLock,
        retain: Duration,
    }
}

/// `endpoint`: an address without a path.
#[derive(Debug)]
pub(crate) struct Endpoint(Arc<str>);

/// `region`: part of what is signed.
#[derive(Debug)]
pub(crate) struct Region(String);

/// `mode`. Nobody can lift this one, also not the owner of the bucket; the other that there is protects from accidents
/// only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectLock {
    Compliance,
}

spellings!(read ObjectLock { "compliance" => Compliance });

const EVERY: Duration = Duration::from_secs(3600);
const ENTRIES: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not zero");
const RETAIN: Duration = Duration::from_secs(400 * 24 * 3600);

impl RawAnchors {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> Anchors {
        let Self { table: _unused, every, entries, to, s3 } = self;
        let default = Anchors::default();
        let to = to.optional().unwrap_or_default();
        let bucket = to.iter().find(|place| matches!(place.value, AnchorPlace::Bucket(_)));
        match (bucket, s3.key()) {
            (Some(bucket), None) if s3.is_absent() => {
                let finding = reading.findings.error(bucket.span, "nothing says how this bucket is reached");
                finding.help("write [logs.anchors.s3] with endpoint, region, access_key and secret_key");
            }
            (None, Some(key)) => {
                reading.findings.warning(key, "[logs.anchors.s3] has no effect: no place in \"to\" is a bucket");
            }
            (Some(_), Some(_) | None) | (None, None) => (),
        }
        Anchors {
            every: every.or(default.every),
            entries: entries.or(default.entries),
            to: to.into_iter().map(|place| place.value).collect(),
            s3: s3.optional().and_then(|s3| s3.check(reading)).map(Arc::new),
        }
    }
}

impl RawS3 {
    fn check(self, reading: &mut Reading<'_>) -> Option<S3> {
        let Self { table, endpoint, region, access_key, secret_key, mode: _only, retain } = self;
        let endpoint = endpoint.required("endpoint", Endpoint::EXAMPLE, table, reading);
        let region = region.required("region", Region::EXAMPLE, table, reading);
        let access_key = access_key.required("access_key", "{ env = \"…\" }", table, reading);
        let secret_key = secret_key.required("secret_key", "{ env = \"…\" }", table, reading);
        Some(S3 {
            endpoint: endpoint?.0,
            region: region?.0,
            access_key: access_key?,
            secret_key: secret_key?,
            retain: retain.or(RETAIN),
        })
    }
}

impl Default for Anchors {
    fn default() -> Self {
        Self { every: EVERY, entries: ENTRIES, to: Vec::new(), s3: None }
    }
}

impl AnchorPlace {
    /// As it is written.
    pub fn to_text(&self) -> String {
        match self {
            Self::Folder(folder) => format!("file://{}", folder.display()),
            Self::Bucket(Bucket { name, prefix }) if prefix.is_empty() => format!("s3://{name}"),
            Self::Bucket(Bucket { name, prefix }) => format!("s3://{name}/{prefix}"),
        }
    }
}

impl Bucket {
    /// Reads `s3://NAME/PREFIX`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_prefix("s3://").ok_or("it does not begin with \"s3://\"")?;
        let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
        let of = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if !(3..=63).contains(&name.len()) || !of(name, ".-") || name.chars().any(|c| c.is_ascii_uppercase()) {
            return Err("the name of a bucket has 3 to 63 lower-case letters, digits, dots and hyphens");
        }
        let prefix = prefix.trim_matches('/');
        if !of(prefix, "._-/") || prefix.split('/').any(|part| part == "." || part == "..") || prefix.contains("//") {
            return Err("the prefix has letters, digits, dots, hyphens, underscores and single slashes");
        }
        Ok(Self { name: name.to_owned(), prefix: prefix.to_owned() })
    }
}

impl S3 {
    /// For whoever only reads.
    ///
    /// # Errors
    /// What is wrong with the endpoint or the region.
    pub fn reader(endpoint: &str, region: &str, access_key: Secret, secret_key: Secret) -> Result<Self, String> {
        let wrong = |wrong: Wrong| wrong.message;
        let Endpoint(endpoint) = Endpoint::parse(endpoint).map_err(wrong)?;
        let Region(region) = Region::parse(region).map_err(wrong)?;
        Ok(Self { endpoint, region, access_key, secret_key, retain: RETAIN })
    }
}

impl Word for AnchorPlace {
    const EXAMPLE: &str = "\"file:///var/lib/vestibule-anchors\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let help = "write \"file://\" and the absolute path of a folder, or \"s3://BUCKET/PREFIX\"";
        if text.starts_with("s3://") {
            let wrong = |what| Wrong::new(format!("{text:?} is no place for anchors: {what}")).help(help);
            return Bucket::parse(text).map(Self::Bucket).map_err(wrong);
        }
        let folder = text.strip_prefix("file://").map(PathBuf::from).filter(|folder| folder.is_absolute());
        folder.map(Self::Folder).ok_or_else(|| Wrong::new(format!("{text:?} is no place for anchors")).help(help))
    }
}

impl Word for Endpoint {
    const EXAMPLE: &str = "\"https://s3.eu-central-1.amazonaws.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |what| {
            Wrong::new(format!("this is not the address of an S3 service: {what}"))
                .help(format!("write one such as {}", Self::EXAMPLE))
        };
        let uri = web_address::parse(text).map_err(wrong)?;
        if !matches!(uri.path_and_query().map_or("/", PathAndQuery::as_str), "/") {
            return Err(wrong("it has a path"));
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }
}

impl Word for Region {
    const EXAMPLE: &str = "\"eu-central-1\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let wrong =
            || Wrong::new(format!("{text:?} is not a region")).help(format!("write one such as {}", Self::EXAMPLE));
        is_name.then(|| Self(text.to_owned())).ok_or_else(wrong)
    }
}

words!(AnchorPlace, Endpoint, Region);
