//! How an entry's request came to its decision: asked of the rules of now, layer by layer.

use vestibule_logstore::{Log, Row};

use crate::admin::door::Call;
use crate::admin::pages::address::Address;
use crate::admin::pages::value;
use crate::admin::pages::why::{self, Answer};
use crate::admin::policy::{self, Question};
use crate::explain::recorded;

/// The decision about an entry's request.
pub(super) struct Trace {
    /// Whether the configuration in force is the one that decided then.
    pub(super) is_same: bool,
    pub(super) answer: Answer,
    /// The same question on the page where it can be changed.
    pub(super) link: String,
}

impl Trace {
    /// Absent for what is no request of a circuit, and where the entry does not tell whose it was.
    pub(super) fn of(call: &Call, row: &Row) -> Option<Self> {
        let question = question(row)?;
        let Question { url, method, user, login, ip, .. } = &question;
        let parts = [("method", method), ("user", user), ("login", login), ("ip", ip)];
        let link = parts.iter().fold(Address::new("/why", &[("url", url)]), |link, (name, part)| {
            part.iter().fold(link, |link, part| link.and(name, part))
        });
        let revision = call.port.state.live.load().settings.revision.clone();
        let told = policy::ask(call, question).ok()?;
        let is_same = value::text(row.value("revision")) == *revision;
        Some(Self { is_same, answer: why::answered(&told), link: link.to_string() })
    }
}

/// An attempt is asked about as the request that it was made for.
fn question(row: &Row) -> Option<Question> {
    let text = |field: &str| Some(value::text(row.value(field))).filter(|text| !text.is_empty());
    let (path, method) = match row.log {
        Log::Requests => (text("path")?, text("method")),
        Log::Access => ("/".to_owned(), None),
        Log::Audit => return None,
    };
    let (way, user_id) = (text("auth_method").unwrap_or_default(), text("user_id").unwrap_or_default());
    let (user, login) = recorded::visitor(&way, &user_id, text("email").as_deref())?;
    let url = format!("https://{}{path}", text("host")?);
    Some(Question { url, method, user, groups: Vec::new(), login, ip: text("source_ip"), at: None })
}
