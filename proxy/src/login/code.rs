//! Asking for a code by e-mail. The answer, and its time, are the same for everybody.

use vestibule_auth::Method;
use vestibule_auth::steps::{CodeAsked, Unfinished};

use super::fields::{self, Fields, encoding};
use super::{Answer, asked, bad_form, not_found, own_site, sign_in, steps};
use crate::attempt::{self, Scene};
use crate::visit::Visit;
use crate::{respond, return_path};

/// `POST /.vestibule/code`: `email`, `return`.
pub(super) async fn ask(visit: &Visit<'_>, body: &[u8]) -> Answer {
    if let Some(refused) = own_site::refuse_form(visit) {
        return refused;
    }
    let read = encoding(visit.request.headers, body).and_then(|encoding| {
        let fields = Fields::read(encoding, body, fields::ASK_FOR_CODE)?;
        let email = fields.address()?.to_owned();
        Ok((encoding, fields, email))
    });
    let (encoding, fields, email) = match read {
        Ok(read) => read,
        Err(bad) => return bad_form(visit, &bad),
    };
    let back = return_path::checked(fields.back().unwrap_or("/"));
    // What is behind decides who may sign in, and how.
    let visit = &visit.toward(back);
    let Some(asked_for) = visit.gate.ask_for_code(&email, &visit.request).await else { return not_found(visit) };
    let attempt = sign_in::going_on(visit, Method::Code);
    let attempt = attempt.unwrap_or_else(|| visit.state.request_ids.next().to_string().into());
    let scene = Scene::of(visit).of_attempt(Some(&attempt));
    match asked_for {
        CodeAsked::Waits(sent, letter) => {
            letter.into_iter().for_each(|letter| visit.state.mailer.send(visit, letter));
            steps::wait(visit, &scene, Unfinished::sent(sent, back, &attempt), encoding)
        }
        CodeAsked::Forbidden(who, refusal) => {
            let reply = respond::refusal(&refusal, &asked(visit, back));
            sign_in::turn_away(visit, &scene, &who, &refusal, reply).await
        }
        CodeAsked::Limited(who, refusal) => {
            attempt::limited(visit.state, &scene, &who, &refusal);
            sign_in::answered(&who, respond::refusal(&refusal, &asked(visit, back)), refusal.reason)
        }
    }
}
