//! A call to a service of this host.

use super::Locals;
use super::course::{Attempt, Begun, Pending};
use super::fleets::Endpoint;
use crate::breaker::{Verdict, retry_after};
use crate::call::{Answer, Call, CallContext, CallHead, CallTarget, Entrance};
use crate::fault::{Fault, GatewayFault};
use crate::order::{self, target_of};
use crate::pool::{Served, Service};
use http::header::{HeaderMap, RETRY_AFTER};
use std::sync::Arc;

/// The live service that an endpoint stands for.
pub(super) fn find(locals: &dyn Locals, endpoint: &Endpoint) -> Option<Arc<Service>> {
    locals.find(endpoint.record.name.as_str(), &endpoint.record.registration)
}

/// Makes a call in this process.
pub(super) async fn call(
    locals: &dyn Locals,
    service: Arc<Service>,
    context: &CallContext,
    pending: &mut Pending,
) -> Attempt {
    let headers = pending.call.headers.clone();
    let Aimed { service, method, head } = match aim(locals, service, &pending.call.target, headers)
    {
        Ok(aimed) => aimed,
        // Replaced since it was listed.
        Err(fault @ Fault::NoSuchMethod { .. }) => return Attempt::declined(fault),
        Err(fault) => return Attempt::answered(Err(fault), Verdict::Nothing),
    };
    let bytes_max = service.limits().request_body_bytes;
    let body = match pending.take_body().bounded(bytes_max) {
        Ok(body) => body,
        Err(fault) => return Attempt::answered(Err(fault), Verdict::Nothing),
    };
    let call = Call { entrance: Entrance::Method(method), head, body, context: context.clone() };
    match service.call(Box::new(call)).await {
        Served::Answered(Ok(answer)) => {
            let verdict = verdict(&answer);
            Attempt::answered(Ok(answer), verdict)
        }
        Served::Answered(Err(fault)) => failed(fault),
        Served::Closing(call) => {
            pending.give_back_body(call.body);
            Attempt::again(Fault::Stopping, Begun::Moved)
        }
    }
}

/// What an answer says about who gave it.
pub(super) fn verdict(answer: &Answer) -> Verdict {
    let status = answer.status.as_u16();
    if status < 429 {
        return Verdict::Answered;
    }
    let rest = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Verdict::of_status(status, rest.and_then(|text| retry_after(text, jiff::Timestamp::now())))
}

/// What a fault instead of an answer means for the call.
fn failed(fault: Fault) -> Attempt {
    match &fault {
        Fault::Overloaded { .. }
        | Fault::HostOverloaded
        | Fault::Stopping
        | Fault::Gateway(GatewayFault::TooManyRequests { .. }) => Attempt::declined(fault),
        Fault::Guest { name, .. } if name == REJECTED => Attempt::declined(fault),
        Fault::Trapped { .. } => {
            Attempt { verdict: Verdict::Failed, outcome: Err((fault, Some(Begun::Maybe))) }
        }
        _ => {
            let verdict = Verdict::of_status(fault.reply().status.as_u16(), None);
            Attempt::answered(Err(fault), verdict)
        }
    }
}

/// The fault by which a service passes a call on to another endpoint.
pub(super) const REJECTED: &str = "rejected";

/// A method, by its index in the declaration of its service, and the head of a
/// request for it.
struct Aimed {
    service: Arc<Service>,
    method: u32,
    head: CallHead,
}

fn aim(
    locals: &dyn Locals,
    service: Arc<Service>,
    target: &CallTarget,
    headers: HeaderMap,
) -> Result<Aimed, Fault> {
    let root = &service.declaration.root;
    match target {
        CallTarget::Method { name, params, query } => {
            let Some((index, method)) = service.declaration.method(name) else {
                let (service, method) = (service.declaration.name.to_string(), name.clone());
                return Err(Fault::NoSuchMethod { service, method });
            };
            let uri = target_of(root, &method.pattern, params, query).map_err(bad)?;
            let params = params.iter().collect();
            let head = CallHead { verb: method.verb.method(), uri, params, headers };
            Ok(Aimed { service, method: index, head })
        }
        CallTarget::Path { verb, rest } => {
            let uri = order::target(&format!("{root}{rest}")).map_err(bad)?;
            // Another service may have this path below the same root.
            let (service, method, params) = locals.resolve(&service, verb, uri.path())?;
            let head = CallHead { verb: verb.clone(), uri, params, headers };
            Ok(Aimed { service, method, head })
        }
    }
}

fn bad(message: String) -> Fault {
    Fault::BadCall { message }
}
