//! What a reload does to tokens: each of them is an audit entry, whoever changed the file.

use serde_json::{Value, json};
use vestibule_config::Settings;
use vestibule_config::admin::AdminToken;
use vestibule_config::service_token::ServiceToken;
use vestibule_logstore::Unavailable;

use crate::audit::{Act, Actor};
use crate::state::State;

/// Tokens with an entry of their own; a reload that changes more says only that the configuration is another.
const RECORDED: usize = 100;

/// A token as it is told, and what is told of it only by whether it is the same.
struct Told {
    kind: &'static str,
    name: String,
    hash: [u8; 32],
    disabled: bool,
    shown: Value,
}

/// On disk when this returns.
///
/// # Errors
/// When an entry cannot be written.
pub(super) async fn record(
    state: &State,
    actor: &Actor,
    http_status: Option<u16>,
    before: &Settings,
    after: &Settings,
) -> Result<(), Unavailable> {
    let (before, after) = (all(before), all(after));
    for (action, was, is) in changes(&before, &after).into_iter().take(RECORDED) {
        let [shown_before, shown_after] = [was, is].map(|told| told.map(|told| told.shown.to_string()));
        let act = Act {
            actor,
            action_type: "token",
            action,
            resource_type: "api_token",
            resource: is.or(was).map(|told| told.name.as_str()),
            status: "success",
            http_status,
            before: shown_before.as_deref(),
            after: shown_after.as_deref(),
            details: None,
            count: 1,
        };
        act.commit(state).await?;
    }
    Ok(())
}

type Change<'a> = (&'static str, Option<&'a Told>, Option<&'a Told>);

fn changes<'a>(before: &'a [Told], after: &'a [Told]) -> Vec<Change<'a>> {
    let find = |all: &'a [Told], one: &Told| all.iter().find(|told| told.kind == one.kind && told.name == one.name);
    let gone = before.iter().filter(|was| find(after, was).is_none()).map(|was| ("token.revoke", Some(was), None));
    let changed = after.iter().filter_map(|is| match find(before, is) {
        None => Some(("token.add", None, Some(is))),
        Some(was) if was.hash != is.hash => Some(("token.rotate", Some(was), Some(is))),
        Some(was) if is.disabled && !was.disabled => Some(("token.revoke", Some(was), Some(is))),
        Some(was) if was.shown != is.shown => Some(("token.change", Some(was), Some(is))),
        Some(_) => None,
    });
    changed.chain(gone).collect()
}

fn all(settings: &Settings) -> Vec<Told> {
    let services = settings.service_tokens.values().map(service);
    services.chain(settings.admin.tokens.iter().map(|(name, token)| admin(name.as_str(), token))).collect()
}

fn service(token: &ServiceToken) -> Told {
    let ServiceToken { name, hash, expires, previous, disabled } = token;
    let until = previous.as_ref().map(|previous| previous.until.to_string());
    let expires = expires.map(|expires| expires.to_string());
    let shown = json!({ "kind": "service", "expires": expires, "previous_until": until, "disabled": disabled });
    Told { kind: "service", name: name.to_string(), hash: *hash.expose(), disabled: *disabled, shown }
}

fn admin(name: &str, token: &AdminToken) -> Told {
    let AdminToken { role, hash, logs } = token;
    let logs = logs.as_ref().map(|logs| logs.iter().map(|log| log.as_str()).collect::<Vec<_>>());
    let shown = json!({ "kind": "admin", "role": role.as_str(), "logs": logs });
    Told { kind: "admin", name: name.to_owned(), hash: *hash.expose(), disabled: false, shown }
}
