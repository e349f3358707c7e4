//! `POST /rpc`, and paths that stand for methods: calls that say themselves what
//! they call, made as `picolet call` makes them.

mod caller;

use super::micro::Teller;
use crate::call::{Call, CallHead, RequestId};
use crate::fault::Fault;
use crate::gate::Permit;
use crate::gateway::{Asked, Entry, MicroOrder, RpcError, Unread, is_form, members, read};
use crate::http::respond::{self, Respond};
use crate::http::{ALLOW_ALL, Front, body};
use crate::payload::is_json;
use caller::Caller;
use futures::{StreamExt, stream};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Method, Response, StatusCode, Uri};
use hyper::body::Incoming;
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of a body that says what is called, and of one answer of JSON-RPC.
const BYTES_MAX: u64 = 1 << 20;
/// Bytes of all answers to one batch, as text.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Calls of one batch that are under way at once.
const AT_ONCE: usize = 8;

/// Answers `/rpc`.
pub(super) async fn answer(
    front: &Front,
    from: IpAddr,
    call: Box<Call>,
    body: Incoming,
    permit: Permit,
) -> Response<Respond> {
    const ALLOW: &str = "POST, OPTIONS";
    let (teller, request_id) = (Teller::Rpc, call.context.request_id.clone());
    match call.head.verb {
        Method::POST => (),
        Method::OPTIONS => return respond::options(ALLOW),
        ref verb => {
            let (verb, path) = (verb.to_string(), "/rpc".to_owned());
            let fault = Fault::VerbNotAllowed { verb, path, allow: ALLOW.to_owned() };
            return teller.fault(&front.note_unmade(&call, fault), &request_id);
        }
    }
    let gathered = match front.judge_origin(&call.head) {
        Ok(()) => body::gather(body, &call.head.headers, BYTES_MAX, &front.limits).await,
        Err(fault) => Err(fault),
    };
    let bytes = match gathered {
        Ok(bytes) => bytes,
        Err(fault) => return teller.fault(&front.note_unmade(&call, fault), &request_id),
    };
    let asked = read(content_type(&call.head.headers), &bytes);
    let caller = Caller::new(front, from, *call, &"/rpc");
    let told = match asked {
        Asked::Micro(order) => {
            let outcome = caller.order(order).await;
            return teller.tell(outcome, &Method::POST, &request_id, permit).await;
        }
        Asked::Nothing(Unread::Micro(message)) => {
            let fault = Fault::BadRequest { message };
            caller.note_unmade(&fault);
            return teller.fault(&fault, &request_id);
        }
        Asked::Nothing(Unread::JsonRpc(error)) => Some(error.render(&Value::Null).to_string()),
        Asked::JsonRpc(entry) => {
            let answer = entry_answer(&caller, entry, BYTES_MAX as usize).await;
            answer.map(|answer| answer.to_string())
        }
        Asked::Batch(entries) => batch_answer(&caller, entries).await,
    };
    tell(told, &request_id)
}

/// What JSON-RPC is told, if there is anything to tell.
fn tell(told: Option<String>, request_id: &RequestId) -> Response<Respond> {
    let mut response = match told {
        Some(text) => respond::json_text(text.into()),
        None => {
            let mut response = Response::new(Respond::bytes(""));
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    };
    respond::name(&mut response, request_id);
    response
}

async fn entry_answer(caller: &Caller<'_>, entry: Entry, bytes_max: usize) -> Option<Value> {
    let Entry { id, asked } = entry;
    let result = match asked {
        Ok((target, arguments)) => caller.result(&target, arguments, bytes_max).await,
        Err(error) => Err(error),
    };
    Entry::answer(id, result)
}

/// Every call of a batch counts as a request of its sender. What is kept of the answers
/// is text, which is a fraction of what it stands for.
async fn batch_answer(caller: &Caller<'_>, entries: Vec<Entry>) -> Option<String> {
    let room = Room::new(BATCH_BYTES_MAX);
    let one = |(index, mut entry): (usize, Entry)| {
        let room = &room;
        async move {
            if let (Ok(_), Err(error)) = (&entry.asked, caller.keep_pace(index)) {
                entry.asked = Err(error);
            }
            let id = entry.id.clone();
            let bytes_max = room.left().min(BYTES_MAX as usize);
            let answer = entry_answer(caller, entry, bytes_max).await?.to_string();
            Some(if room.take(answer.len()) { answer } else { no_room(&id.unwrap_or_default()) })
        }
    };
    let answers = stream::iter(entries).enumerate().map(one).buffered(AT_ONCE);
    let answers: Vec<String> = answers.filter_map(std::future::ready).collect().await;
    (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
}

fn no_room(id: &Value) -> String {
    let fault = Fault::AnswerTooLarge { bytes_max: BATCH_BYTES_MAX as u64 };
    RpcError::of(&fault).render(id).to_string()
}

/// Bytes that the answers of a batch may still have.
struct Room(AtomicUsize);

impl Room {
    fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    fn left(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Takes as many, if they are left.
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// Answers a path that stands for a method.
pub(super) async fn answer_path(
    front: &Front,
    from: IpAddr,
    call: Box<Call>,
    body: Incoming,
    permit: Permit,
) -> Response<Respond> {
    let (teller, request_id) = (Teller::Api, call.context.request_id.clone());
    let verb = call.head.verb.clone();
    if verb == Method::OPTIONS {
        return respond::options(ALLOW_ALL);
    }
    let outcome = match mapped(front, &call.head, body).await {
        Ok(order) => Caller::new(front, from, *call, &"/{service}/{method}").order(order).await,
        Err(fault) => Err(front.note_unmade(&call, fault)),
    };
    teller.tell(outcome, &verb, &request_id, permit).await
}

/// The call that a path, its query and its body are.
async fn mapped(front: &Front, head: &CallHead, body: Incoming) -> Result<MicroOrder, Fault> {
    front.judge_origin(head)?;
    let (uri, headers) = (&head.uri, &head.headers);
    let found = front.gateway.paths.as_ref().and_then(|paths| paths.find(uri.path()));
    let (service, method) = found.ok_or_else(|| no_route(&head.verb, uri))?;
    let bytes = body::gather(body, headers, BYTES_MAX, &front.limits).await?;
    let mut all = Map::new();
    members(uri.query().unwrap_or_default().as_bytes(), &mut all);
    let bad = |message: String| Fault::BadRequest { message };
    match content_type(headers) {
        _ if bytes.is_empty() => (),
        Some(said) if is_form(said) => members(&bytes, &mut all),
        Some(said) if is_json(said) => match serde_json::from_slice(&bytes) {
            Ok(Value::Object(own)) => all.extend(own),
            Ok(_) => return Err(bad("the body is no object".to_owned())),
            Err(error) => return Err(bad(format!("the body is no JSON: {error}"))),
        },
        _ => return Err(bad("the body is neither JSON nor a form, as its type says".to_owned())),
    }
    let request = Some(Value::Object(all));
    Ok(MicroOrder { service, method, address: None, request })
}

fn no_route(verb: &Method, uri: &Uri) -> Fault {
    Fault::NoRoute { verb: verb.to_string(), path: uri.path().to_owned() }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_room_for_so_much() {
        let room = Room::new(10);
        assert!(room.take(7));
        assert!(!room.take(4));
        assert_eq!(room.left(), 3);
        assert!(room.take(3));
        let told: Value = serde_json::from_str(&no_room(&Value::from(7))).unwrap();
        assert_eq!(told["id"], 7);
        assert!(told["error"]["code"].is_i64(), "{told}");
    }
}
