//! Commands that ask a running host over its admin side.

use super::args::{RemoteArgs, ServiceArgs, ServicesArgs};
use super::link::{ANSWER_MAX, HEALTH_MAX, address, advice, send, send_within};
use super::table::{Column, Listing, Paper, Tone};
use super::{Failure, print};
use crate::outbound;
use crate::travel::TRACEPARENT;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;

pub(super) fn services(args: &ServicesArgs) -> Result<(), Failure> {
    let ServicesArgs { watch, remote: args } = args;
    if *watch {
        return watch_endpoints(args);
    }
    let listing = get(args, "/admin/v1/services")?;
    if args.json {
        print(&listing.to_string());
        return Ok(());
    }
    let mut table = Listing::new(&SERVICES);
    for service in array(&listing, "/services") {
        let plain = |pointer: &str| (text(service, pointer), Tone::Plain);
        table.add([
            plain("/name"),
            plain("/version"),
            state(service),
            (root(service), Tone::Plain),
            plain("/calls"),
            plain("/faults"),
            plain("/module"),
        ]);
    }
    for record in listing.pointer("/external").and_then(Value::as_object).into_iter().flatten() {
        for record in record.1.as_array().into_iter().flatten() {
            let at = format!("{}{}", text(record, "/domain"), text(record, "/root"));
            let status = text(record, "/status").to_lowercase();
            let tone = if status == "up" { Tone::Good } else { Tone::Bad };
            let plain = |text: String| (text, Tone::Plain);
            table.add([
                plain(text(record, "/name")),
                plain(text(record, "/metadata/version")),
                (status, tone),
                plain(at),
            ]);
        }
    }
    print(&table.render(Paper::stdout()));
    for service in array(&listing, "/services") {
        if service.get("withdrawn").is_some() {
            let (name, version) = (text(service, "/name"), text(service, "/version"));
            print(&format!("withdrawn {name} {version}: {}", text(service, "/withdrawn")));
        }
    }
    for module in array(&listing, "/pinned") {
        print(&format!("pinned {}: {}", text(module, "/file"), text(module, "/pinned")));
    }
    for module in array(&listing, "/refused") {
        print(&format!("refused {}: {}", text(module, "/file"), text(module, "/refusal")));
    }
    Ok(())
}

/// What is shown of services, and what goes first where there is no room.
const SERVICES: [Column; 7] = [
    Column::text("service", 0),
    Column::text("version", 2),
    Column::text("state", 0),
    Column::text("at", 1),
    Column::number("calls", 3),
    Column::number("faults", 4),
    Column::text("module", 5),
];

/// What a version does for callers who ask for none.
pub(super) fn state(service: &Value) -> (String, Tone) {
    let is_warm = service.get("traffic") == Some(&json!(0));
    let (state, tone) = match service.get("withdrawn") {
        Some(_) => ("withdrawn", Tone::Bad),
        None if is_warm => ("warm", Tone::Doubtful),
        None => ("serving", Tone::Good),
    };
    (state.to_owned(), tone)
}

/// Prints a line for every endpoint, and then for every change, until the host
/// or the reader goes.
fn watch_endpoints(args: &RemoteArgs) -> Result<(), Failure> {
    block_on(async {
        let request =
            Request::get(address(args, "/admin/v1/endpoints?watch")?).body(outbound::empty());
        let response = send(args, request).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let mut unread = Ok(());
        lines(response, |line| {
            match serde_json::from_str(line) {
                Ok(event) => watch_line(&event, args.json).iter().for_each(|line| print(line)),
                Err(_) => unread = Err(not_a_host(args)),
            }
            unread.is_ok()
        })
        .await?;
        unread
    })
}

/// Calls with each line of an answer that goes on, for as long as that wants more.
pub(super) async fn lines(
    mut response: Response<Incoming>,
    mut call: impl FnMut(&str) -> bool,
) -> Result<(), Failure> {
    let mut seen = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|_| Failure::Failed("the answer broke off".into()))?;
        seen.extend_from_slice(&frame.into_data().unwrap_or_default());
        while let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = seen.drain(..=end).collect();
            if !call(String::from_utf8_lossy(&line).trim_end()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// One event for people, or as it came.
fn watch_line(event: &Value, as_json: bool) -> Option<String> {
    if as_json {
        return Some(event.to_string());
    }
    let endpoint = event.get("endpoint")?;
    let get = |name: &str| text(endpoint, &format!("/{name}"));
    let (at, kind) = (format!("{}{}", get("domain"), get("root")), text(event, "/event"));
    let rests = match endpoint.get("rests_ms").and_then(Value::as_u64) {
        Some(ms) => format!(" for {ms} ms"),
        None => String::new(),
    };
    let (service, version, state) = (get("service"), get("version"), get("state"));
    Some(format!("{kind} {service} {version} {state}{rests} {} at {at}", get("registration")))
}

pub(super) fn service(args: &ServiceArgs) -> Result<(), Failure> {
    let name = crate::path::encode(&args.name);
    let path = format!("/admin/v1/services/{name}{}", which(args.version.as_deref()));
    let detail = get(&args.remote, &path)?;
    if args.remote.json {
        print(&detail.to_string());
        return Ok(());
    }
    if let Some(records) = detail.get("records").and_then(Value::as_array) {
        for record in records {
            let (domain, root) = (text(record, "/domain"), text(record, "/root"));
            let why = match text(record, "/reason") {
                reason if reason.is_empty() => reason,
                reason => format!(": {reason}"),
            };
            print(&format!("{} {domain}{root} {}{why}", args.name, text(record, "/status")));
        }
        return Ok(());
    }
    let (name, version) = (text(&detail, "/name"), text(&detail, "/version"));
    print(&format!("{name} {version} at {} from {}", root(&detail), text(&detail, "/module")));
    let description = text(&detail, "/description");
    if !description.is_empty() {
        print(&description);
    }
    let columns = [Column::text("method", 0), Column::text("verb", 0), Column::text("path", 0)];
    let mut table = Listing::new(&columns);
    for method in array(&detail, "/routes") {
        let path = format!("{}{}", text(&detail, "/root"), text(method, "/pattern"));
        table.add_plain([text(method, "/name"), text(method, "/type"), path]);
    }
    print(&table.render(Paper::stdout()));
    for figure in
        ["traffic", "calls", "faults", "running", "waiting", "idle_instances", "isolation"]
    {
        print(&format!("{figure}: {}", text(&detail, &format!("/{figure}"))));
    }
    print("limits:");
    for (name, value) in detail.get("limits").and_then(Value::as_object).into_iter().flatten() {
        print(&format!("  {name}: {value}"));
    }
    Ok(())
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
    Failure::Failed(match said {
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
    })
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

pub(super) fn root(value: &Value) -> String {
    let root = text(value, "/root");
    if root.is_empty() { "/".to_owned() } else { root }
}
