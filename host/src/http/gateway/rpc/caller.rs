//! Makes the calls that a request asks for, all with what it brings along.

use crate::call::{Answer, Call, CallContext, CallTarget, Deed, End, OutgoingCall};
use crate::fault::Fault;
use crate::gateway::{Arguments, MicroOrder, RpcError};
use crate::http::Front;
use crate::http::door::{option, take_options};
use crate::name::Name;
use crate::payload::Content;
use crate::registry::Endpoint;
use http::Method;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
    TRANSFER_ENCODING,
};
use serde_json::Value;
use std::net::IpAddr;
use tokio::time::Instant;

/// Whoever sent a request that makes calls.
pub(super) struct Caller<'f> {
    front: &'f Front,
    from: IpAddr,
    context: CallContext,
    verb: Method,
    /// What stands for the path in traces.
    route: &'static &'static str,
    /// Those of the request but [`WITHHELD`].
    headers: HeaderMap,
    options: Vec<(String, String)>,
}

/// What is said of the body, and what would have an answer that is not whole and plain: answers
/// are read here.
const WITHHELD: [HeaderName; 12] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    TRANSFER_ENCODING,
    EXPECT,
    ACCEPT_ENCODING,
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

/// What is called, and with what.
struct Order<'o> {
    service: &'o str,
    method: &'o str,
    arguments: Arguments,
    /// Host and port of the one endpoint that is meant.
    address: Option<&'o str>,
}

impl<'f> Caller<'f> {
    pub(super) fn new(
        front: &'f Front,
        from: IpAddr,
        call: Call,
        route: &'static &'static str,
    ) -> Self {
        let Call { head, context, .. } = call;
        let (verb, mut headers) = (head.verb, head.headers);
        for name in WITHHELD {
            headers.remove(name);
        }
        let options = take_options(&mut headers);
        Self { front, from, context, verb, route, headers, options }
    }

    /// Notes why there is nothing to call.
    pub(super) fn note_unmade(&self, fault: &Fault) {
        self.front.note_refused(&self.verb, &self.context.request_id, Instant::now(), fault);
    }

    /// Makes a call as Micro's clients ask for it.
    pub(super) async fn order(&self, order: MicroOrder) -> Result<Answer, Fault> {
        let MicroOrder { service, method, address, request } = order;
        let (service, method, address) = (service.as_str(), method.as_str(), address.as_deref());
        let arguments = Arguments::Data(request);
        self.call(Order { service, method, arguments, address }).await
    }

    /// Makes a call of JSON-RPC, and gathers what comes of it.
    pub(super) async fn result(
        &self,
        target: &str,
        arguments: Arguments,
        bytes_max: usize,
    ) -> Result<Value, RpcError> {
        let error = |fault: Fault| RpcError::of(&fault);
        let (service, method) = self.split(target).map_err(error)?;
        let order = Order { service, method, arguments, address: None };
        let Answer { status, headers, body } = self.call(order).await.map_err(error)?;
        let bytes = body.whole(bytes_max).await.map_err(error)?;
        let content = Content::of_answer(headers.get(CONTENT_TYPE), &bytes).into_value();
        if status.as_u16() < 400 {
            Ok(content)
        } else {
            Err(RpcError::of_answer(status.as_u16(), content))
        }
    }

    /// Whether a call of a batch may be made; the first came with the request.
    pub(super) fn keep_pace(&self, index: usize) -> Result<(), RpcError> {
        if index == 0 {
            return Ok(());
        }
        self.front.keep_pace(self.from).map_err(|fault| RpcError::of(&fault))
    }

    fn key(&self) -> Option<&str> {
        option(&self.options, "key")
    }

    /// Splits `SERVICE.METHOD` at the longest name that somebody has, since both may
    /// hold dots.
    fn split<'t>(&self, target: &'t str) -> Result<(&'t str, &'t str), Fault> {
        let unknown = || Fault::NoSuchService { name: target.to_owned() };
        if 2 * Name::BYTES_MAX < target.len() {
            return Err(Fault::BadCall { message: "the name of the method is too long".into() });
        }
        let dots = target.rmatch_indices('.').map(|(at, _)| at);
        let mut splits = dots.filter_map(|at| Some((target.get(..at)?, target.get(at + 1..)?)));
        let is_there = |(name, _): &(&str, &str)| self.front.reach(self.key(), name).is_ok();
        splits.find(is_there).ok_or_else(unknown)
    }

    async fn call(&self, order: Order<'_>) -> Result<Answer, Fault> {
        let mut context = self.context.clone();
        let deed = || Deed::Request { verb: self.verb.clone(), path: Some(self.route) };
        let open = self.front.traces.begin(&mut context, Instant::now(), deed);
        let outcome = self.ask(context, order).await;
        if let Some(open) = open {
            open.end(Instant::now(), End::of(&outcome));
        }
        outcome
    }

    async fn ask(&self, context: CallContext, order: Order<'_>) -> Result<Answer, Fault> {
        let Order { service, method, arguments, address } = order;
        let endpoints = self.front.reach(self.key(), service)?;
        let mut options = self.options.clone();
        if let Some(address) = address {
            options.push(("endpoint".to_owned(), registration(&endpoints, service, address)?));
        }
        let known = endpoints.iter().find_map(|endpoint| endpoint.record.method(method));
        let known = known.ok_or_else(|| {
            let (service, method) = (service.to_owned(), method.to_owned());
            Fault::NoSuchMethod { service, method }
        })?;
        let filled = arguments.fill(known).map_err(|message| Fault::BadCall { message })?;
        let mut headers = self.headers.clone();
        headers.extend(filled.headers);
        let target = CallTarget::Method {
            name: method.to_owned(),
            params: filled.params,
            query: filled.query,
        };
        let service = service.to_owned();
        let timeout = Some(self.front.bounds(&service).timeout);
        let body = filled.body;
        let outgoing = OutgoingCall { service, options, timeout, target, headers, body };
        self.front.client.call(context, None, outgoing).await
    }
}

/// The registration of the endpoint at an address. One that nobody has registered
/// is not called.
fn registration(endpoints: &[Endpoint], service: &str, address: &str) -> Result<String, Fault> {
    let is_meant = |endpoint: &&Endpoint| {
        let domain = &endpoint.record.domain;
        domain.split_once("://").is_some_and(|(_, authority)| authority == address)
    };
    let found = endpoints.iter().find(is_meant);
    found.map(|endpoint| endpoint.record.registration.clone()).ok_or_else(|| {
        let (service, wanted) = (service.to_owned(), format!("address {address}"));
        Fault::NoSuchEndpoint { service, wanted }
    })
}
