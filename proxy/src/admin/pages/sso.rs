//! The way in for operators: to their provider, and back.

use askama::Template;
use axum::response::Response;
use http::header::{REFERRER_POLICY, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use vestibule_auth::sso::{Begin, Begun, Denied, Operators};
use vestibule_auth::{Kind, Reason, Refusal};

use super::sign_in::{Admitted, told, welcome};
use super::{Frame, html, see};
use crate::admin::door::{Holder, Visitor, origin};
use crate::admin::problem::Problem;
use crate::audit::{Act, Actor, ActorKind};
use crate::login::CallbackParameters;
use crate::state::Live;
use crate::{cookie, return_path};

/// Registered at the provider, below the origin of this port.
const CALLBACK: &str = "/sign-in/callback";

/// `GET /sign-in/sso`: `return`, and `another=1` for who wants to choose an account.
pub(in crate::admin) async fn start(visitor: Visitor) -> Result<Response, Problem> {
    let (mut back, mut another) = ("/", false);
    for (name, value) in &visitor.parameters {
        match (name.as_str(), value.as_str()) {
            ("return", value) => back = return_path::checked(value),
            ("another", "1") => another = true,
            _ => return Err(Problem::bad_parameter(name, "not known here; there are return, and another=1")),
        }
    }
    let live = visitor.port.state.live.load_full();
    let operators = operators(&live)?;
    let (origin, is_secure) = origin(&visitor);
    let begin = Begin {
        provider: operators.provider(),
        redirect_uri: format!("{origin}{CALLBACK}"),
        back,
        browser: cookie::find_browser(&visitor.headers, is_secure),
        attempt: "",
        another,
    };
    let address = visitor.actor.source_ip.ok_or_else(|| Problem::not_found("nobody signs in from nowhere"))?;
    match operators.begin(begin, address).await {
        Ok(Begun { location, browser }) => {
            let mut response = see(&location);
            response.headers_mut().extend(cookie::set_browser(&browser, is_secure).map(|cookie| (SET_COOKIE, cookie)));
            Ok(response)
        }
        Err(refusal) => Ok(refused(&visitor, &live, back, Denied { email: None, refusal })),
    }
}

/// Goes on to the pages by itself.
#[derive(Template)]
#[template(path = "admin_signed_in.html")]
struct SignedInPage<'a> {
    frame: Frame,
    back: &'a str,
}

/// `GET /sign-in/callback`: what the provider sends with the browser. Its address holds the code: it goes to nobody as the
/// referring page.
pub(in crate::admin) async fn finish(visitor: Visitor) -> Result<Response, Problem> {
    let mut response = called_back(&visitor).await?;
    // The origin stays, by which our own forms are known.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    Ok(response)
}

async fn called_back(visitor: &Visitor) -> Result<Response, Problem> {
    let live = visitor.port.state.live.load_full();
    let operators = operators(&live)?;
    admit(operators, visitor)?;
    let parameters = CallbackParameters::read(visitor.uri.query().unwrap_or_default())
        .map_err(|bad| Problem::bad_parameter("query", &bad.detail))?;
    let is_secure = origin(visitor).1;
    let browser = cookie::find_browser(&visitor.headers, is_secure);
    let Some(started) = operators.take_started(parameters.state(), browser) else {
        let refusal =
            Refusal { reason: Reason::SsoStateInvalid, kind: Kind::SignIn, rule: "admin.operators".to_owned() };
        return Ok(refused(visitor, &live, "/", Denied { email: None, refusal }));
    };
    let back = return_path::checked(started.back()).to_owned();
    let operator = match operators.finish(started, parameters.callback()).await {
        Ok(operator) => operator,
        Err(denied) => return Ok(refused(visitor, &live, &back, denied)),
    };
    let details = json!({ "way": "sso", "provider": operators.provider() });
    let admitted = Admitted { status: StatusCode::OK, details, is_secure };
    let Some(cookie) = welcome(visitor, Holder::Operator(operator), admitted).await? else {
        return Err(Problem::unauthorized("the configuration has changed; sign in again"));
    };
    // Not by a redirect: the cookie leaves with no request that the provider's page has begun.
    let frame = Frame { on_to: Some(back.clone()), ..Frame::outside("Signed in", "") };
    let mut response = html(&SignedInPage { frame, back: &back });
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// Nothing was begun that a callback answers.
const LOST: &str = "This sign-in was begun in another browser, was used already, or took longer than ten minutes.";

fn operators(live: &Live) -> Result<&Operators, Problem> {
    let operators = live.policy.operators();
    operators.ok_or_else(|| Problem::not_found("nobody signs in at a provider here; see [admin.operators]"))
}

/// Counted with the callbacks of circuits.
fn admit(operators: &Operators, visitor: &Visitor) -> Result<(), Problem> {
    let Some(address) = visitor.actor.source_ip else { return Ok(()) };
    operators.admit_callback(address).map_err(|refusal| {
        let wait = if let Kind::Limited(budget) = refusal.kind { budget.retry_after.as_secs() } else { 0 };
        Problem::too_many("too many sign-ins from this address", wait.saturating_add(1))
    })
}

/// The sign-in page, which says no more than whoever asks may know. The reason goes to the audit log.
fn refused(visitor: &Visitor, live: &Live, back: &str, denied: Denied) -> Response {
    let Denied { email, refusal } = denied;
    let account = email.as_deref().unwrap_or("this account");
    let is_lost = refusal.reason == Reason::SsoStateInvalid;
    let (status, counted, message) = match &refusal.kind {
        Kind::Unavailable(_) => {
            let message = "The provider does not answer. A token opens the pages too.";
            (StatusCode::SERVICE_UNAVAILABLE, "busy", message.to_owned())
        }
        Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", format!("The pages are not open to {account}.")),
        Kind::SignIn | Kind::Credential | Kind::Limited(_) | Kind::NotFound if is_lost => {
            (StatusCode::BAD_REQUEST, "unauthorized", LOST.to_owned())
        }
        Kind::SignIn | Kind::Credential | Kind::Limited(_) | Kind::NotFound => {
            (StatusCode::UNAUTHORIZED, "unauthorized", "The sign-in at the provider failed.".to_owned())
        }
    };
    record(visitor, live, email.as_deref(), &refusal, status);
    visitor.port.state.metrics.admin_refused(counted);
    told(visitor, back, status, &message)
}

/// Bounded by the limit of callbacks; a flood of them may be dropped, and is then counted.
fn record(visitor: &Visitor, live: &Live, email: Option<&str>, refusal: &Refusal, status: StatusCode) {
    let actor = email.map(|email| Actor { name: email.to_owned(), kind: ActorKind::User, ..visitor.actor.clone() });
    let provider = live.policy.operators().map(Operators::provider);
    let details = json!({ "way": "sso", "provider": provider, "reason": refusal.reason.code(), "rule": refusal.rule });
    let details = details.to_string();
    let act = Act {
        actor: actor.as_ref().unwrap_or(&visitor.actor),
        action_type: "authentication",
        action: "admin.login",
        resource_type: "admin",
        resource: Some("pages"),
        status: "failed",
        http_status: Some(status.as_u16()),
        before: None,
        after: None,
        details: Some(&details),
        count: 1,
    };
    act.append(&visitor.port.state);
}
