//! Commands that ask a running host over its admin side.

use super::args::{CallArgs, RemoteArgs, ServiceArgs, ServicesArgs};
use super::link::{address, advice, send};
use super::table::{Column, Listing, Paper, Tone};
use super::{Failure, print, write_out};
use crate::outbound;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    let health = get(args, "/admin/v1/health")?;
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

pub(super) fn call(args: &CallArgs) -> Result<(), Failure> {
    let data = match &args.data {
        None => Value::Null,
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Failure::Usage(vec![format!("--data is not JSON: {error}")]))?,
    };
    let mut options: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for option in &args.options {
        let (name, value) = option.split_once('=').ok_or_else(|| {
            Failure::Usage(vec![format!("--option {option:?} is not of the form NAME=VALUE")])
        })?;
        options.entry(name).or_default().push(value.to_owned());
    }
    if let Some(timeout) = args.timeout {
        options.insert("timeout-ms", vec![timeout.to_string()]);
    }
    let order =
        json!({ "target": args.target, "args": args.args, "data": data, "options": options });
    block_on(async {
        let request = Request::post(address(&args.remote, "/admin/v1/call")?)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(outbound::full(Bytes::from(order.to_string())));
        let mut response = send(&args.remote, request).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        // Chunk by chunk, so that a stream is seen while it runs.
        let mut ends_line = true;
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|_| Failure::Failed("the answer broke off".into()))?;
            if let Ok(chunk) = frame.into_data() {
                ends_line = chunk.ends_with(b"\n");
                write_out(&chunk);
            }
        }
        if !ends_line {
            write_out(b"\n");
        }
        Ok(())
    })
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
    let response = send(args, request).await?;
    if response.status() != StatusCode::OK {
        return Err(refusal(response).await);
    }
    let body = collect(response).await?;
    serde_json::from_slice(&body).map_err(|_| not_a_host(args))
}

pub(super) async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let advice = advice(status);
    let body = collect(response).await.unwrap_or_default();
    let fault: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (fault.get("error").and_then(Value::as_str), fault.get("fault").and_then(Value::as_str)) {
        (Some(error), Some(name)) => {
            Failure::Failed(format!("{error} ({} {name}){advice}", status.as_u16()))
        }
        _ => Failure::Failed(format!("{status} {}{advice}", String::from_utf8_lossy(&body))),
    }
}

pub(super) async fn collect(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let body = response.into_body().collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|_| Failure::Failed("the answer broke off".into()))
}

pub(super) fn not_a_host(args: &RemoteArgs) -> Failure {
    Failure::Failed(format!("what answers at {} is not a Picolet host", args.host))
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
