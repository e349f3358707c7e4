//! A call to an endpoint, from its choice to its end.

use super::fleets::{Crowd, Endpoint};
use crate::breaker::Verdict;
use crate::call::{Answer, AnswerBody};
use crate::fault::Fault;
use crate::fleet::{Place, Ticket};
use bytes::Bytes;
use futures::StreamExt;
use std::sync::Arc;
use tokio::time::Instant;

/// A call to an endpoint that has begun. One that is dropped is taken for one
/// whose caller left.
pub(super) struct Begun {
    pub(super) endpoint: Endpoint,
    pub(super) place: Place,
    pub(super) at: Instant,
    pub(super) crowd: Arc<Crowd>,
    pub(super) open: Option<Ticket>,
}

impl Begun {
    /// The call is over.
    pub(super) fn end(&mut self, verdict: Verdict) {
        if let Some(ticket) = self.open.take() {
            self.crowd.ended(ticket, verdict, self.at.elapsed());
        }
    }

    /// Whether this endpoint of the same name is not called for a while.
    pub(super) fn rests(&self, other: &Endpoint) -> bool {
        self.crowd.rests(&other.id())
    }

    /// The answer of the call. One that breaks off is a failure of its
    /// endpoint after all.
    pub(super) fn follow(self, answer: Answer) -> Answer {
        match answer.body {
            AnswerBody::Stream(chunks) if self.place == Place::There => {
                let (crowd, id) = (self.crowd.clone(), self.endpoint.id());
                let follow = move |chunk: &Result<Bytes, Fault>| {
                    if let Err(Fault::BrokenAnswer { .. }) = chunk {
                        crowd.broke_off(&id);
                    }
                };
                let body = AnswerBody::Stream(chunks.inspect(follow).boxed());
                Answer { body, ..answer }
            }
            _ => answer,
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(ticket) = self.open.take() {
            self.crowd.abandoned(ticket);
        }
    }
}
