//! The way in: a link that `vestibule admin-link` prints, or a token (at a provider: `sso`); and the way out.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use vestibule_logstore::Unavailable;

use super::sign_ins::{LINK_TTL, MAX_AGE};
use super::{Address, Frame, html, see};
use crate::admin::change::Change;
use crate::admin::door::{Call, Holder, Visitor, holder, is_secure, role_name, wrong_token};
use crate::admin::problem::Problem;
use crate::admin::status::rfc3339;
use crate::audit::{Act, Actor};
use crate::login::form_pairs;
use crate::{cookie, return_path};

/// `POST /api/v1/admin-link`: a way into the pages for who holds the token, good once.
pub(in crate::admin) async fn link(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let state = &call.port.state;
    let holder = call.pass.holder().clone();
    let expires = expiry(call.actor.started, LINK_TTL);
    let change = Change {
        action_type: "authentication",
        action: "admin.link",
        resource_type: "admin",
        resource: &call.actor.name,
        status: StatusCode::CREATED,
        before: None,
        after: None,
        details: Some(&json!({ "expires": expires })),
    };
    change.record(&call).await?;
    let code = call.port.sign_ins.link(holder, state.clock.elapsed());
    let made = json!({ "path": format!("/sign-in?link={code}"), "expires": expires });
    Ok(crate::admin::change::created(&made))
}

fn expiry(now: Timestamp, after: Duration) -> Value {
    let after = SignedDuration::try_from(after).unwrap_or_default();
    json!(now.checked_add(after).ok().map(rfc3339))
}

/// Forms for who wants in.
#[derive(Template)]
#[template(path = "admin_sign_in.html")]
struct SignInPage<'a> {
    frame: Frame,
    /// A code that waits for its button; empty: none.
    link: &'a str,
    /// Where to go then.
    back: &'a str,
    problem: &'a str,
    /// On the button of the provider; absent where no operator signs in at one.
    provider: Option<Arc<str>>,
    /// To the provider, and back.
    way: String,
}

/// `GET /sign-in`: `link`, `return`. Looking at a link does not use it up: programs that look at what people send each
/// other do that.
pub(in crate::admin) fn show(visitor: &Visitor) -> Result<Response, Problem> {
    let (mut link, mut back) = ("", "/");
    for (name, value) in &visitor.parameters {
        match name.as_str() {
            "link" => link = value,
            "return" => back = value,
            _ => return Err(Problem::bad_parameter(name, "not known here; there are link and return")),
        }
    }
    Ok(form(visitor, link, back, "", false))
}

fn form(visitor: &Visitor, link: &str, back: &str, problem: &str, another: bool) -> Response {
    let live = visitor.port.state.live.load();
    let back = return_path::checked(back);
    let way = if another { &[("return", back), ("another", "1")][..] } else { &[("return", back)] };
    let way = Address::new("/sign-in/sso", way).to_string();
    let provider = live.policy.operators().map(|operators| operators.label().clone());
    html(&SignInPage { frame: Frame::outside("Sign in", ""), link, back, problem, provider, way })
}

/// The page again, which says why nobody came in; who may not is offered another account.
pub(super) fn told(visitor: &Visitor, back: &str, status: StatusCode, problem: &str) -> Response {
    let mut response = form(visitor, "", back, problem, status == StatusCode::FORBIDDEN);
    *response.status_mut() = status;
    response
}

/// `POST /sign-in`: `token` or `link`, and `return`.
pub(in crate::admin) async fn sign_in(visitor: Visitor) -> Result<Response, Problem> {
    let fields = form_pairs(&visitor.body).map_err(|_| Problem::bad_parameter("body", "send the form of this page"))?;
    let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let (way, found) = match (field("link"), field("token")) {
        (Some(code), _) => ("link", visitor.port.sign_ins.follow(code, visitor.port.state.clock.elapsed())),
        (None, token) => ("token", of_token(&visitor, token.unwrap_or_default())),
    };
    let back = field("return").unwrap_or("/");
    let Some(holder) = found else { return refused(&visitor, way, back) };
    let is_secure = is_secure(&visitor.headers);
    let admitted = Admitted { status: StatusCode::SEE_OTHER, details: json!({ "way": way }), is_secure };
    let Some(cookie) = welcome(&visitor, holder, admitted).await? else {
        return refused(&visitor, way, back);
    };
    let mut response = see(return_path::checked(back));
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

fn of_token(visitor: &Visitor, token: &str) -> Option<Holder> {
    holder(&visitor.port.state.live.load().settings.admin, token.trim().as_bytes())
}

/// How somebody is let in.
pub(super) struct Admitted {
    /// Of the answer to come.
    pub(super) status: StatusCode,
    /// Of the entry: the way.
    pub(super) details: Value,
    /// Whether the cookie is for TLS alone.
    pub(super) is_secure: bool,
}

/// Lets somebody in, with a record of it: the cookie. Absent where the configuration does not have him any more.
pub(super) async fn welcome(
    visitor: &Visitor,
    holder: Holder,
    admitted: Admitted,
) -> Result<Option<HeaderValue>, Problem> {
    let Admitted { status, mut details, is_secure } = admitted;
    let port = &visitor.port;
    let Some(granted) = holder.granted(&port.state.live.load()) else { return Ok(None) };
    let actor = Actor { name: holder.name().to_owned(), kind: holder.kind(), ..visitor.actor.clone() };
    if let Some(details) = details.as_object_mut() {
        details.insert("role".to_owned(), role_name(granted.role).into());
    }
    record(visitor, &actor, status, &details).await?;
    let value = port.sign_ins.begin(holder, port.state.clock.elapsed());
    Ok(cookie::set_admin(&value, is_secure, MAX_AGE))
}

/// The page again, or 429 when the address has guessed too often. What was wrong is counted as with every other token.
fn refused(visitor: &Visitor, way: &str, back: &str) -> Result<Response, Problem> {
    let wrong = wrong_token(&visitor.port, visitor.actor.source_ip);
    if wrong.status != StatusCode::UNAUTHORIZED {
        return Err(wrong);
    }
    let (port, actor) = (&visitor.port, visitor.actor.clone());
    port.refusals.refused(&port.state, "/sign-in", wrong.reason, wrong.status.as_u16(), actor);
    port.state.metrics.admin_refused(wrong.reason);
    let message = if way == "link" {
        "This link was used already, or is older than five minutes. Make another one with vestibule admin-link."
    } else {
        "This token is not known."
    };
    Ok(told(visitor, back, StatusCode::UNAUTHORIZED, message))
}

/// `POST /sign-out`.
pub(in crate::admin) async fn sign_out(call: Call) -> Result<Response, Problem> {
    if let Some(signed_in) = &call.pass.signed_in {
        call.port.sign_ins.end(signed_in);
    }
    let change = Change {
        action_type: "authentication",
        action: "admin.logout",
        resource_type: "admin",
        resource: "pages",
        status: StatusCode::SEE_OTHER,
        before: None,
        after: None,
        details: None,
    };
    change.record(&call).await?;
    let mut response = see("/sign-in");
    let cookie = cookie::clear_admin(is_secure(&call.headers));
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// On disk when this returns: nobody is let in without a record.
async fn record(visitor: &Visitor, actor: &Actor, status: StatusCode, details: &Value) -> Result<(), Unavailable> {
    let details = details.to_string();
    let act = Act {
        actor,
        action_type: "authentication",
        action: "admin.login",
        resource_type: "admin",
        resource: Some("pages"),
        status: "success",
        http_status: Some(status.as_u16()),
        before: None,
        after: None,
        details: Some(&details),
        count: 1,
    };
    act.commit(&visitor.port.state).await.map(|_| ())
}
