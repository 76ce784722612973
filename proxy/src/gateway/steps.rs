//! What the phases do in more than a few lines.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::Gateway;
use super::end::reason_unread;
use crate::admit::{Step, admit, fail, redirect};
use crate::answer;
use crate::classify::{Client, classify};
use crate::context::{Request, authority};
use crate::login::{self, Answer};
use crate::pace;
use crate::reply::Reply;
use crate::tunnel::{self, Place};
use crate::visit::Visit;

impl Gateway {
    pub(super) async fn step(&self, request: &mut Request, fields: &HeaderMap) -> Step {
        // Behind a trusted proxy that speaks TLS the client came by https already: led there, it would come back.
        if self.redirects && !request.client.secure {
            Step::Answer(redirect(&self.state, request, fields))
        } else {
            admit(&self.state, request, fields).await
        }
    }

    /// What the authority that makes certificates asks by plain HTTP, whatever the circuit says: it knows the question.
    pub(super) fn challenged(&self, request: &Request) -> Option<Reply> {
        let challenges = &self.state.certificates.acme.challenges;
        challenges.answer(&request.head.method, request.head.uri.path()).filter(|_| request.tls.is_none())
    }

    pub(super) async fn own_page(&self, session: &mut Session, request: &mut Request, fields: &HeaderMap) -> Reply {
        let body = match answer::read_own_body(session).await {
            Ok(body) => body,
            Err(unread) => return fail(request, fields, reason_unread(&unread)),
        };
        let answer = self.visit(request, fields, body).await;
        let Answer { reply, reason, session, method } = answer;
        // Why a page of ours stands in for what was asked is known already.
        request.ending.reason = reason.or(request.ending.reason);
        request.tried = Some(method);
        request.session = session;
        reply
    }

    fn know<'a>(&self, request: &'a mut Request, fields: &HeaderMap) -> Result<&'a Place> {
        let place = self.state.lasting.enter(request.remembered(fields));
        request.lasting = place;
        let full = || Error::explain(ErrorType::HTTPStatus(503), "too many requests that last");
        request.lasting.as_ref().ok_or_else(full)
    }

    /// Pingora has no time for a body of HTTP/2. What lasts is looked at from time to time, and such a request with it.
    /// Calls of gRPC may be silent: their body is a stream.
    pub(super) fn await_body(&self, session: &mut Session, request: &mut Request, fields: &HeaderMap) -> Result<()> {
        if request.head.version != Version::HTTP_2 || session.is_body_empty() || classify(fields) == Client::Grpc {
            return Ok(());
        }
        let until = self.state.clock.elapsed() + pace::first(&request.live.settings.server.limits);
        self.know(request, fields)?.expect_body(Some(until));
        Ok(())
    }

    /// What lasts is known from now on, and ends here if it may not go on. `answer` is the head of the upstream's answer,
    /// when it comes; `now` is on the clock that never goes back.
    pub(super) fn go_on(
        &self,
        request: &mut Request,
        fields: &HeaderMap,
        answer: Option<&HeaderMap>,
        now: Duration,
    ) -> Result<()> {
        let Some(place) = &request.lasting else {
            let taken = now.saturating_sub(request.started);
            if request.forward.is_none() || !tunnel::lasts(taken, answer) {
                return Ok(());
            }
            return self.know(request, fields).map(drop);
        };
        match place.over() {
            Some(_) => Error::e_explain(ErrorType::HTTPStatus(403), "not let in any more"),
            None => Ok(()),
        }
    }

    async fn visit(&self, request: &Request, fields: &HeaderMap, body: Bytes) -> Answer {
        let (Some(site), Some(route), Some(location)) = (&request.site, &request.route, &request.location) else {
            unreachable!("a page of ours is served after its circuit's front rules");
        };
        let visit = Visit {
            state: &self.state,
            live: &request.live,
            site,
            gate: &route.gate,
            wanted: None,
            request: request.view(fields),
            query: request.head.uri.query(),
            secure: request.client.secure,
            authority: authority(fields),
            request_id: request.request_id(),
            time_us: request.time_us,
            location,
            session: request.session.as_ref(),
            identity: request.identity.as_ref(),
            budget: request.budget.as_ref(),
        };
        login::handle(&visit, body).await
    }
}
