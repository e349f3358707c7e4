//! Requests to strangers.

use super::{bindings::picolet::service::outbound as wit, received};
use crate::{Fault, Response, call, fetch::Outgoing};

pub(crate) async fn fetch(request: Outgoing) -> Result<Response, Fault> {
    let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis());
    let request = wit::OutboundRequest {
        verb: request.verb,
        url: request.url,
        headers: request.headers.0.into_block(),
        body: request.body.into(),
        timeout_ms: request.timeout.map(|time| milliseconds(time).unwrap_or(u64::MAX)),
    };
    Ok(received(wit::fetch(call::current(), request).await?))
}
