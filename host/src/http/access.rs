//! One line of the log for each request, where the settings ask for that. It is
//! written when the answer is over, however that came about.

use super::door;
use super::respond::Respond;
use crate::call::{Call, RequestId};
use crate::declaration::Place;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::live::Target;
use crate::name::Name;
use crate::telemetry::ACCESS;
use crate::travel::FAULT;
use bytes::Bytes;
use http::header::{HeaderName, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::net::IpAddr;
use tokio::time::Instant;
use tracing::info;

/// Bytes of a path that are written.
const PATH_BYTES_MAX: usize = 512;
/// Bytes of a verb, and of what a client calls itself.
const TEXT_BYTES_MAX: usize = 128;

/// A request whose line is to be written. Dropping it writes the line.
pub(super) struct Access {
    verb: Method,
    path: String,
    agent: Option<String>,
    peer: IpAddr,
    began: Instant,
    status: Option<StatusCode>,
    fault: Option<String>,
    whose: Option<Box<Whose>>,
    bytes: u64,
    end: End,
}

/// A frame of an answer, or its end.
pub(super) type Piece = Option<Result<Frame<Bytes>, Fault>>;

/// What of an answer is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// As far as can be said.
    More,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    /// The service did not finish it.
    BrokenOff,
    /// The connection ended before it did.
    Left,
}

/// Whom a request went to, and its names. It comes along with the response.
#[derive(Clone)]
pub(super) struct Whose {
    request_id: RequestId,
    called: Option<Called>,
}

#[derive(Clone)]
struct Called {
    service: Name,
    /// Or the WebSocket.
    method: Option<Name>,
    /// Not known of calls by name, which may go elsewhere.
    revision: Option<Digest>,
}

impl Whose {
    /// Of a call that was not made yet.
    pub(super) fn of(call: &Call) -> Self {
        let named = |(name, _)| Name::parse(&crate::path::decode(name).ok()?).ok();
        let service = door::split(call.head.uri.path()).and_then(named);
        let called = service.map(|service| Called { service, method: None, revision: None });
        Self { request_id: call.context.request_id.clone(), called }
    }

    /// Of a request that was turned away before it was known whose it is.
    pub(super) fn nobodys(request_id: RequestId) -> Self {
        Self { request_id, called: None }
    }

    /// Of a call to a route.
    pub(super) fn to(target: &Target, request_id: &RequestId) -> Self {
        let mut whose = Self { request_id: request_id.clone(), called: None };
        whose.note(target);
        whose
    }

    /// It goes to a route.
    pub(super) fn note(&mut self, target: &Target) {
        let declaration = &target.service.declaration;
        let method = match target.place {
            Place::Method(index) => declaration.methods.get(index as usize).map(|m| &m.name),
            Place::WebSocket(index) => declaration.websockets.get(index as usize).map(|w| &w.name),
        };
        let (service, revision) = (declaration.name.clone(), Some(target.service.digest));
        self.called = Some(Called { service, method: method.cloned(), revision });
    }
}

impl Access {
    /// A request that has come.
    pub(super) fn begin(request: &Request<Incoming>, peer: IpAddr) -> Self {
        Self {
            verb: request.method().clone(),
            path: shorten(request.uri().path(), PATH_BYTES_MAX),
            agent: text(request.headers(), &USER_AGENT),
            peer,
            began: Instant::now(),
            status: None,
            fault: None,
            whose: None,
            bytes: 0,
            end: End::Left,
        }
    }

    /// The head of its answer is there.
    pub(super) fn answered(&mut self, response: &mut Response<Respond>) {
        let status = response.status();
        self.status = Some(status);
        self.fault = text(response.headers(), &FAULT);
        self.whose = response.extensions_mut().remove::<Box<Whose>>();
        // Nobody will ask for a body of these.
        let is_bodiless = self.verb == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.body().is_end_stream();
        if is_bodiless {
            self.end = End::Whole;
        }
    }

    /// A piece of its answer goes to the connection.
    pub(super) fn passed(&mut self, piece: &Piece, left: Left) {
        match piece {
            Some(Ok(frame)) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if left == Left::Nothing {
                    self.end = End::Whole;
                }
            }
            Some(Err(_)) => self.end = End::BrokenOff,
            None if self.end == End::Left => self.end = End::Whole,
            None => (),
        }
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        let whose = self.whose.as_deref();
        let (request_id, trace_id) = match whose {
            Some(Whose { request_id, .. }) => {
                (Some(request_id.to_string()), Some(request_id.trace_id()))
            }
            None => (None, None),
        };
        let called = whose.and_then(|whose| whose.called.as_ref());
        let end = match self.end {
            End::Whole => "whole",
            End::BrokenOff => "broken-off",
            End::Left => "left",
        };
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        info!(
            target: ACCESS,
            service = called.map(|called| called.service.as_str()),
            revision = called.and_then(|called| called.revision).map(|digest| digest.to_string()),
            method = called.and_then(|called| called.method.as_ref()).map(Name::as_str),
            request_id,
            trace_id,
            verb = shorten(self.verb.as_str(), TEXT_BYTES_MAX),
            path = self.path,
            status = self.status.map(|status| status.as_u16()),
            fault = self.fault,
            bytes = self.bytes,
            end,
            duration_us = micros,
            peer = %self.peer,
            agent = self.agent,
            "request"
        );
    }
}

/// A header as text, the beginning of it where it is long.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(shorten(&String::from_utf8_lossy(value.as_bytes()), TEXT_BYTES_MAX))
}

fn shorten(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let beginning = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    format!("{beginning}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        assert_eq!(shorten("/short", 6), "/short");
        assert_eq!(shorten("/longer", 6), "/longe…");
        assert_eq!(shorten("/aé", 3), "/a…");
    }
}
