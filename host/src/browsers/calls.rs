//! Calls that browsers make, of methods that a service of their namespace
//! exposes.

use super::Browsers;
use super::space::Space;
use crate::block::Params;
use crate::call::{Answer, Call, CallContext, CallHead, Entrance, RequestId};
use crate::edges::{OUTSIDE, Went};
use crate::fault::{BrowserFault, Fault};
use crate::name::Name;
use crate::order::{Filled, fill, split_target, target_of};
use crate::payload::Content;
use crate::pool::{Served, Service};
use crate::sockets::SocketId;
use crate::traffic::Asked;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::Instant;

/// A call that a browser makes.
#[derive(Debug)]
pub(crate) struct Order {
    /// `SERVICE.METHOD`, or `METHOD` where only one service has it.
    pub(crate) target: String,
    pub(crate) data: Option<Value>,
    /// The socket that it came by.
    pub(crate) socket: Option<SocketId>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    /// Bytes of its body.
    pub(crate) bytes: usize,
}

impl Browsers {
    /// Makes a call for a browser in a namespace. A service that is replaced
    /// before it takes the call is looked for again.
    pub(crate) async fn call(&self, space: &Space, order: Order) -> Result<Answered, Fault> {
        self.shared.calls.fetch_add(1, Relaxed);
        let request_id = self.shared.ids.next(None, None);
        loop {
            let (service, index) = self.find(space, &order.target, request_id.bits())?;
            let call = call(&service, index, &order, request_id.clone())?;
            match service.call(Box::new(call)).await {
                Served::Answered(outcome) => {
                    let name = service.declaration.name.as_str();
                    self.shared.edges.count(OUTSIDE, name, Went::of(&outcome));
                    return whole(outcome?, self.answer_bytes_max()).await;
                }
                Served::Closing(_) => (),
            }
        }
    }

    /// The version of a service that is called, and which of its methods.
    fn find(&self, space: &Space, target: &str, random: u64) -> Result<(Arc<Service>, u32), Fault> {
        let (live, shown) = (self.shared.live.peek(), space.shown());
        let names = || shown.services.iter().map(Name::as_str);
        let has = |(service, method): &(&str, &str)| {
            let mut versions = live.versions(service).iter();
            versions.any(|version| shown_index(version, &space.name, method).is_some())
        };
        let named = split_target(target, names()).filter(has);
        let alone = || names().map(|service| (service, target)).filter(has);
        let (service, method) = named.or_else(|| alone().next()).ok_or_else(|| {
            let (namespace, method) = (space.name.to_string(), target.to_owned());
            BrowserFault::NotExposed { namespace, method }
        })?;
        if named.is_none() && 1 < alone().count() {
            let message =
                format!("several services have a method {target}; say which: SERVICE.{target}");
            return Err(Fault::BadCall { message });
        }
        let asked = Asked { version: None, random };
        live.draw(service, &asked, |version| shown_index(version, &space.name, method))
            .ok_or_else(|| Fault::NoTraffic { service: service.to_owned() })
    }
}

/// The index of a method that a version shows to a namespace.
fn shown_index(version: &Service, namespace: &Name, method: &str) -> Option<u32> {
    let exposed = &version.declaration.exposed;
    let is_shown = exposed.namespace() == Some(namespace) && exposed.has_method(method);
    let (index, _) = is_shown.then(|| version.declaration.method(method))??;
    Some(index)
}

fn call(
    service: &Service,
    index: u32,
    order: &Order,
    request_id: RequestId,
) -> Result<Call, Fault> {
    let bad = |message: String| Fault::BadCall { message };
    let method = service.declaration.methods.get(index as usize).ok_or(Fault::Internal)?;
    let filled = fill(&method.record(), Vec::new(), order.data.clone()).map_err(bad)?;
    let root = &service.declaration.root;
    let uri = target_of(root, &method.pattern, &filled.params, &filled.query).map_err(bad)?;
    let deadline = Instant::now() + service.limits().wall();
    let mut context = CallContext::outermost(request_id, deadline);
    context.socket = order.socket.clone();
    let Filled { params, headers, body, .. } = filled;
    let params: Params = params.iter().collect();
    let head = CallHead { verb: method.verb.method(), uri, params, headers };
    Ok(Call { entrance: Entrance::Method(index), head, body, context })
}

/// An answer as a browser gets it: all of it at once.
async fn whole(answer: Answer, bytes_max: usize) -> Result<Answered, Fault> {
    let Answer { status, headers, body } = answer;
    let bytes = body.whole(bytes_max).await?;
    let content = Content::of_answer(headers.get(CONTENT_TYPE), &bytes);
    Ok(Answered { status, content, bytes: bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::AnswerBody;
    use bytes::Bytes;
    use futures::StreamExt;
    use http::{HeaderMap, HeaderValue};

    fn answer(body: AnswerBody) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Answer { status: StatusCode::OK, headers, body }
    }

    #[tokio::test]
    async fn answers_are_gathered_up_to_their_bound() {
        let chunks = || {
            let chunks = ["{\"a\":", "1}"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())));
            answer(AnswerBody::Stream(futures::stream::iter(chunks).boxed()))
        };
        let answered = whole(chunks(), 7).await.unwrap();
        assert_eq!(answered.content, Content::Json(serde_json::json!({"a": 1})));
        let fault = whole(chunks(), 6).await.unwrap_err();
        assert_eq!(fault, Fault::AnswerTooLarge { bytes_max: 6 });
        let large = answer(AnswerBody::Bytes(Bytes::from_static(b"1234567")));
        assert_eq!(whole(large, 6).await.unwrap_err(), fault);
        let empty = whole(answer(AnswerBody::Empty), 0).await.unwrap();
        assert_eq!(empty.content, Content::Json(Value::Null));
    }
}
