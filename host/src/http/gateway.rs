//! The gateway: what is done with every request before and after the service
//! side looks at it, and the ways to a service that are no route of it.
//!
//! Routes pay for what the settings turn on, and for one look at the names of
//! their headers.

mod cors;
mod gzip;
mod micro;
mod rpc;
mod shown;

use super::respond::{self, Respond};
use super::{Front, browsers, door, head};
use crate::call::{Call, CallHead};
use crate::fault::{Fault, GatewayFault};
use crate::gate::Permit;
use crate::gateway::{Compression, Way, client, drop_claims, say};
use crate::limits::HostLimits;
use crate::registry::Endpoint;
use crate::selector::Selector;
use crate::throttle::Throttles;
use crate::upgrade::Origins;
use cors::Cors;
use gzip::Gzip;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A request as the gateway hands it to the service side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    /// The address of the client, as far as it is known.
    pub(super) from: IpAddr,
    pub(super) way: Option<Way>,
}

/// How fast the requests of each address may come.
pub(super) struct Paces {
    throttles: Throttles,
    per_second: u32,
    /// Requests that came too fast.
    over: AtomicU64,
}

impl Paces {
    /// None where they may come as fast as they do.
    pub(super) fn of(limits: &HostLimits) -> Option<Self> {
        let per_second = limits.requests_per_second_per_address_max;
        let throttles = Throttles::per_second(per_second)?;
        Some(Self { throttles, per_second, over: AtomicU64::new(0) })
    }
}

impl Front {
    /// Answers one request of whoever is at the other end of a connection.
    pub(super) async fn answer(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        peer: IpAddr,
    ) -> Response<Respond> {
        let arrived = self.arrive(&mut request, peer);
        if self.gateway.finishes() && browsers::way(request.uri().path()).is_none() {
            // Boxed: without these settings no request goes this way.
            return Box::pin(self.answer_and_finish(request, arrived)).await;
        }
        self.serve(request, arrived).await
    }

    /// The address of whoever sent a request, as far as it is known.
    pub(super) fn client_of(&self, request: &Request<Incoming>, peer: IpAddr) -> IpAddr {
        client(&self.gateway, request.headers(), peer)
    }

    /// Sees to what a request says of its client.
    fn arrive(&self, request: &mut Request<Incoming>, peer: IpAddr) -> Arrived {
        let gateway = &self.gateway;
        let way = gateway.way(request.uri().path());
        let from = self.client_of(request, peer);
        match way {
            Some(_) => say(gateway, request, peer),
            None if gateway.trusts(peer) => (),
            None => drop_claims(request.headers_mut()),
        }
        Arrived { from, way }
    }

    async fn answer_and_finish(
        self: &Arc<Self>,
        request: Request<Incoming>,
        arrived: Arrived,
    ) -> Response<Respond> {
        let cors = self.gateway.cors.as_ref().map(|origins| Cors::of(origins, &request));
        let gzip = (self.gateway.compression == Compression::Gzip).then(|| Gzip::of(&request));
        let mut response = match cors.as_ref().and_then(|cors| cors.preflight(&request)) {
            Some(judged) => match self.judge(&request, arrived.from).and(judged) {
                Ok(answer) => answer,
                Err(fault) => self.turn_away(&request, &fault),
            },
            None => self.serve(request, arrived).await,
        };
        if let Some(gzip) = gzip {
            response = gzip.apply(response);
        }
        if let Some(cors) = cors {
            cors.apply(response.headers_mut());
        }
        response
    }

    /// What every request is asked, for one that nobody else looks at.
    fn judge(&self, request: &Request<Incoming>, from: IpAddr) -> Result<(), Fault> {
        self.keep_pace(from)?;
        head::judge(request, &self.limits)
    }

    /// Turns away a request of an address that sends too many.
    pub(super) fn keep_pace(&self, from: IpAddr) -> Result<(), Fault> {
        let Some(Paces { throttles, per_second, over }) = &self.paces else { return Ok(()) };
        throttles.take(from).map_err(|wait| {
            over.fetch_add(1, Relaxed);
            GatewayFault::too_many(format!("requests of {from}"), *per_second, wait).into()
        })
    }

    /// Requests that were turned away since their address sent too many.
    pub(crate) fn over_pace(&self) -> u64 {
        self.paces.as_ref().map_or(0, |paces| paces.over.load(Relaxed))
    }

    /// To be done every second: addresses that are kept for nothing are let go of.
    pub(super) fn forget_addresses(&self) {
        if let Some(paces) = &self.paces {
            paces.throttles.forget();
        }
    }

    /// The endpoints of a service, whatever their state, when the settings let all of
    /// them be reached by name; else it is as if there were none.
    pub(super) fn reach(&self, key: Option<&str>, service: &str) -> Result<Vec<Endpoint>, Fault> {
        let unknown = || Fault::NoSuchService { name: service.to_owned() };
        let selector = Selector::parse(service).map_err(|_| unknown())?;
        let endpoints = self.registry.endpoints(key, &selector);
        // The client may choose any of them, so one that is not open closes all.
        let is_open = |endpoint: &Endpoint| self.gateway.admits(endpoint.record.namespace());
        if endpoints.is_empty() || !endpoints.iter().all(is_open) {
            return Err(unknown());
        }
        Ok(endpoints)
    }

    /// The same for whoever does not need the endpoints.
    pub(super) fn check_reach(&self, key: Option<&str>, service: &str) -> Result<(), Fault> {
        match &self.gateway.namespaces {
            None => Ok(()),
            Some(_) => self.reach(key, service).map(drop),
        }
    }

    /// Keeps pages of other origins from making calls by what browsers send without
    /// asking first.
    fn judge_origin(&self, head: &CallHead) -> Result<(), Fault> {
        let origins = self.gateway.cors.as_ref().unwrap_or(&Origins::Same);
        match origins.foreign(&head.headers, &head.uri) {
            None => Ok(()),
            Some(origin) => Err(GatewayFault::OriginNotAllowed { origin }.into()),
        }
    }
}

/// Answers a request that came by a way of the gateway.
pub(super) async fn answer(
    front: &Front,
    arrived: Arrived,
    call: Box<Call>,
    body: Incoming,
    permit: Permit,
) -> Response<Respond> {
    match arrived.way {
        // Boxed: what is passed on by the name of its service would be as large.
        Some(Way::Rpc) => {
            return Box::pin(rpc::answer(front, arrived.from, call, body, permit)).await;
        }
        Some(Way::Mapped) => {
            return Box::pin(rpc::answer_path(front, arrived.from, call, body, permit)).await;
        }
        Some(Way::Service) | None => (),
    }
    let (verb, request_id) = (call.head.verb.clone(), call.context.request_id.clone());
    match shown::find(front, &call.head) {
        Some(Ok(service)) => {
            let mut response = respond::json(StatusCode::OK, &service);
            respond::name(&mut response, &request_id);
            return response;
        }
        Some(Err(fault)) => {
            return respond::fault_of(&front.note_unmade(&call, fault), &request_id);
        }
        None => (),
    }
    match door::pass_on(front, call, body).await {
        Ok(answer) => respond::answer_of(answer, &verb, &request_id, permit),
        Err(fault) => respond::fault_of(&fault, &request_id),
    }
}
