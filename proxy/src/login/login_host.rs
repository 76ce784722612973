//! The login host's side of one sign-in for all hosts: what a circuit wants is kept behind an id, and who is signed in
//! goes back with a code.

use http::StatusCode;
use percent_encoding::percent_decode_str;
use vestibule_auth::{Reason, Wanted};

use super::callback::Parameters;
use super::{Answer, asked, hand_over, own_site, sign_in_page, sso};
use crate::respond;
use crate::visit::Visit;

/// `GET /.vestibule/login?request=ID`; without `request` for the login host itself, which then shows the launcher.
pub(super) async fn page(visit: &Visit<'_>) -> Answer {
    let Some(id) = request(visit.query) else { return sign_in_page::show(visit).await };
    let Some(wanted) = visit.live.policy.wanted(&id) else { return over(visit) };
    let visit = at(visit, &wanted);
    match silently(&visit, &wanted) {
        Some(answer) => answer,
        None => sign_in_page::show(&visit).await,
    }
}

/// Who is signed in already is not asked again, unless the circuit takes another way in only.
fn silently(visit: &Visit<'_>, wanted: &Wanted) -> Option<Answer> {
    let login = visit.live.policy.login()?;
    let is_asked =
        wanted.another() || sign_in_page::wants_another(visit.query) || visit.request.method != http::Method::GET;
    if is_asked || !own_site::may_sign_in(visit) || !wanted.gate().takes(login, &visit.request) {
        return None;
    }
    let code = wanted.hand_over(visit.request.cookie?, None, &visit.request)?;
    let location = hand_over::way_back(wanted.origin(), &code);
    Some(Answer::to(visit, respond::redirect_away(StatusCode::FOUND, &location), None))
}

/// `GET /.vestibule/sso/PROVIDER?request=ID`
pub(super) async fn start(visit: &Visit<'_>, provider: &str) -> Answer {
    let Some(id) = request(visit.query) else { return sso::start(visit, provider).await };
    match visit.live.policy.wanted(&id) {
        Some(wanted) => sso::start(&at(visit, &wanted), provider).await,
        None => over(visit),
    }
}

/// The circuit whose sign-in at a provider is finished is the one in which it was started.
pub(super) async fn finish(visit: &Visit<'_>, parameters: &Parameters) -> Answer {
    let started = parameters.state().and_then(|state| visit.live.policy.gate_of_started(state));
    sso::finish_at(&Visit { gate: started.unwrap_or(visit.gate), ..*visit }, parameters).await
}

/// The same request, by the rules of the circuit that wants it.
pub(super) fn at<'a>(visit: &Visit<'a>, wanted: &'a Wanted) -> Visit<'a> {
    Visit { gate: wanted.gate(), wanted: Some(wanted), ..*visit }
}

/// What was wanted is over, or was handed over before.
pub(super) fn over(visit: &Visit<'_>) -> Answer {
    let reply = respond::failure(Reason::InvalidCode, &asked(visit, "/"));
    Answer::to(visit, reply, Some(Reason::InvalidCode))
}

/// `request` of the query.
fn request(query: Option<&str>) -> Option<String> {
    let value = query?.split('&').find_map(|pair| pair.strip_prefix("request="))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}
