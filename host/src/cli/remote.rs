//! Commands that ask a running host over its admin side.

use super::args::{RemoteArgs, ServiceArgs};
use super::link::{ANSWER_MAX, HEALTH_MAX, address, advice, send, send_within};
use super::{Failure, print};
use crate::outbound;
use crate::telemetry::printable;
use crate::travel::TRACEPARENT;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// How long an answer that goes on may bring nothing: three times as long as a
/// host lets pass before it gives a sign of life.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// One of the server-sent events of a host, which have one line of data each.
pub(super) struct Told<'l> {
    /// Of the last event that had one, this one included; else empty.
    pub(super) id: &'l str,
    /// Empty for what is told as a rule.
    pub(super) kind: &'l str,
    pub(super) data: &'l str,
}

/// Calls with each event of an answer that goes on, for as long as that wants
/// more. An error says how it broke off.
pub(super) async fn events<B>(
    response: Response<B>,
    mut call: impl FnMut(Told<'_>) -> bool,
) -> Result<(), String>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut id, mut kind) = (String::new(), String::new());
    let read = lines(response, |line| {
        if line.is_empty() {
            kind.clear();
        } else if let Some(named) = line.strip_prefix("id: ") {
            id = named.to_owned();
        } else if let Some(named) = line.strip_prefix("event: ") {
            kind = named.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            return call(Told { id: &id, kind: &kind, data });
        }
        true
    });
    read.await
}

/// The same with each line.
pub(super) async fn lines<B>(
    mut response: Response<B>,
    mut call: impl FnMut(&str) -> bool,
) -> Result<(), String>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut seen = Vec::new();
    loop {
        let Ok(frame) = timeout(SILENCE_MAX, response.body_mut().frame()).await else {
            let seconds = SILENCE_MAX.as_secs();
            return Err(format!("the host has sent nothing for {seconds} s"));
        };
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|_| "the connection to the host is lost".to_owned())?;
        seen.extend_from_slice(&frame.into_data().unwrap_or_default());
        while let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = seen.drain(..=end).collect();
            if !call(String::from_utf8_lossy(&line).trim_end()) {
                return Ok(());
            }
        }
    }
}

/// Says which version is meant.
pub(super) fn which(version: Option<&str>) -> String {
    version.map_or_else(String::new, |text| format!("?version={}", crate::path::encode(text)))
}

pub(super) fn health(args: &RemoteArgs) -> Result<(), Failure> {
    let health = block_on(async {
        let request = Request::get(address(args, "/admin/v1/health")?).body(outbound::empty());
        parse(args, send_within(args, request, HEALTH_MAX).await?).await
    })?;
    if args.json {
        print(&health.to_string());
    } else {
        let figure = |name: &str| text(&health, &format!("/{name}"));
        print(&format!(
            "{}: {} services, {} modules, {} refused, {} records, {} requests running",
            figure("status"),
            figure("services"),
            figure("modules"),
            figure("refused"),
            figure("records"),
            figure("requests"),
        ));
    }
    match health.get("status").and_then(Value::as_str) {
        Some("UP") => Ok(()),
        _ => Err(Failure::Failed("the host is going down".into())),
    }
}

/// Brings back the revision before.
pub(super) fn rollback(args: &ServiceArgs) -> Result<(), Failure> {
    let (name, version) = (crate::path::encode(&args.name), which(args.version.as_deref()));
    let path = format!("/admin/v1/services/{name}/rollback{version}");
    let done = ask(&args.remote, Method::POST, &path)?;
    if args.remote.json {
        print(&done.to_string());
        return Ok(());
    }
    let revision = |at: &str| {
        let digest = text(&done, &format!("/{at}/digest"));
        let short = digest.get(..15).unwrap_or(&digest);
        format!("{} ({short}…)", text(&done, &format!("/{at}/version")))
    };
    let service = text(&done, "/service");
    print(&format!("rolled back {service} from {} to {}", revision("from"), revision("to")));
    Ok(())
}

pub(super) fn get(args: &RemoteArgs, path: &str) -> Result<Value, Failure> {
    ask(args, Method::GET, path)
}

pub(super) fn ask(args: &RemoteArgs, verb: Method, path: &str) -> Result<Value, Failure> {
    block_on(answer(args, verb, path, None))
}

/// The same with JSON.
pub(super) fn ask_with(
    args: &RemoteArgs,
    verb: Method,
    path: &str,
    body: &Value,
) -> Result<Value, Failure> {
    block_on(answer(args, verb, path, Some(body)))
}

/// What a host says to a `GET`.
pub(super) async fn fetch(args: &RemoteArgs, path: &str) -> Result<Value, Failure> {
    answer(args, Method::GET, path, None).await
}

async fn answer(
    args: &RemoteArgs,
    verb: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let builder = Request::builder().method(verb).uri(address(args, path)?);
    let request = match body {
        None => builder.body(outbound::empty()),
        Some(body) => builder
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(outbound::full(Bytes::from(body.to_string()))),
    };
    parse(args, send(args, request).await?).await
}

async fn parse(args: &RemoteArgs, response: Response<Incoming>) -> Result<Value, Failure> {
    if response.status() != StatusCode::OK {
        return Err(refusal(response).await);
    }
    let body = collect(response).await?;
    serde_json::from_slice(&body).map_err(|_| not_a_host(args))
}

pub(super) async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    // Which the host puts on what a method answers, whatever that is.
    let is_of_method = response.headers().contains_key(&TRACEPARENT);
    let body = collect(response).await.unwrap_or_default();
    let fault: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = ["error", "fault"].map(|name| fault.get(name).and_then(Value::as_str));
    let told = match said {
        // The admin side never says this of itself.
        [Some(error), Some("no-route")] if !is_of_method => format!(
            "{error}: services are served at this address; that of the admin side is another \
             one, as a rule http://127.0.0.1:9099: name it with --host"
        ),
        [Some(error), Some(name)] => {
            format!("{error} ({} {name}){}", status.as_u16(), advice(status, name))
        }
        _ if is_of_method => format!("{status} {}", String::from_utf8_lossy(&body)),
        _ => format!("what answers there ({status}) is no Picolet host; {NAME_ONE}"),
    };
    Failure::Failed(printable(&told).into_owned())
}

/// The whole of an answer, of which something comes all the time.
pub(super) async fn collect(mut response: Response<Incoming>) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    loop {
        let frame = timeout(ANSWER_MAX, response.body_mut().frame()).await;
        match frame.map_err(|_elapsed| Failure::Failed("the answer stopped half-way".into()))? {
            None => return Ok(whole.freeze()),
            Some(Ok(frame)) => whole.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(_)) => return Err(Failure::Failed("the answer broke off".into())),
        }
    }
}

const NAME_ONE: &str =
    "name the admin address of one with --host or PICOLET_HOST, such as http://127.0.0.1:9099";

pub(super) fn not_a_host(args: &RemoteArgs) -> Failure {
    Failure::Failed(format!("what answers at {} is no Picolet host; {NAME_ONE}", args.host))
}

pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(work)
}

pub(super) fn array<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The same for people: what others wrote does nothing to a terminal.
pub(super) fn shown(value: &Value, pointer: &str) -> String {
    printable(&text(value, pointer)).into_owned()
}

pub(super) fn root(value: &Value) -> String {
    let root = text(value, "/root");
    if root.is_empty() { "/".to_owned() } else { root }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::outbound::OutBody;
    use futures::{StreamExt, stream};
    use tokio::time::{Instant, sleep};

    /// An answer that brings a chunk every 40 s, and then nothing any more.
    fn fading(chunks: &'static [&'static str]) -> Response<OutBody> {
        let chunks = stream::iter(chunks).then(|chunk| async move {
            sleep(Duration::from_secs(40)).await;
            Ok::<_, Fault>(Bytes::from_static(chunk.as_bytes()))
        });
        Response::new(outbound::streamed(chunks.chain(stream::pending()).boxed()))
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_any_more_is_not_waited_for() {
        let (begun, mut seen) = (Instant::now(), Vec::new());
        let ended = lines(fading(&["a\n\nb", "c\n", "d"]), |line| {
            seen.push(line.to_owned());
            true
        });
        assert_eq!(ended.await, Err("the host has sent nothing for 45 s".to_owned()));
        assert_eq!(seen, ["a", "", "bc"]);
        assert_eq!(begun.elapsed().as_secs(), 3 * 40 + 45);
    }

    #[tokio::test(start_paused = true)]
    async fn events_have_the_last_id_and_their_own_kind() {
        let chunks = &["id: 1\nda", "ta: {}\n\n: \n\nevent: missed\n", "data: 3\n\ndata: 4\n\n"];
        let mut seen = Vec::new();
        let ended = events(fading(chunks), |Told { id, kind, data }| {
            seen.push([id, kind, data].join("|"));
            seen.len() < 3
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(seen, ["1||{}", "1|missed|3", "1||4"]);
    }
}
