//! Requests that are turned away before a service is called: each leaves one span,
//! and its answer names it.

use crate::kit::*;
use serde_json::{Value, json};

const PARENT: &str = "00f067aa0ba902b7";

/// One trace for each request.
fn trace(number: u32) -> String {
    format!("{number:032x}")
}

/// What names a request.
fn names(number: u32) -> [(&'static str, String); 2] {
    let traceparent = format!("00-{}-{PARENT}-01", trace(number));
    [("x-request-id", format!("r-{number}")), ("traceparent", traceparent)]
}

async fn send(host: &Host, number: u32, ask: (&str, &str), more: &[(&str, &str)]) -> Reply {
    let names = names(number);
    let named = names.iter().map(|(name, value)| (*name, value.as_str()));
    let headers: Vec<_> = named.chain(more.iter().copied()).collect();
    host.send(ask.0, ask.1, &headers, "").await
}

/// Sends a head as it is, with its names behind.
async fn send_head(host: &Host, number: u32, head: &str) -> Reply {
    let named = names(number).map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    Wire::ask(host.services, format!("{head}\r\nhost: a\r\n{named}\r\n")).await
}

/// The one span of a request.
async fn only_span(host: &Host, number: u32) -> Value {
    let reply = host.admin("GET", &format!("/admin/v1/traces/{}", trace(number)), "").await;
    let told = json(&reply, 200);
    let [span] = &told["spans"].as_array().unwrap()[..] else { panic!("want one span: {told}") };
    span.clone()
}

/// A request was turned away, and its span says the same as its answer.
async fn check(host: &Host, number: u32, reply: &Reply, (status, fault): (u16, &str)) {
    faults(reply, status, &[fault]);
    assert_eq!(reply.header("x-request-id"), format!("r-{number}"));
    let span = only_span(host, number).await;
    assert_eq!((&span["status"], &span["fault"]), (&json!(status), &json!(fault)), "{span}");
    assert_eq!((&span["kind"], &span["parent_id"]), (&json!("server"), &json!(PARENT)), "{span}");
}

async fn listed(host: &Host, kind: &str) -> Vec<String> {
    let reply = host.admin("GET", &format!("/admin/v1/traces?kind={kind}"), "").await;
    let traces = json(&reply, 200)["traces"].as_array().unwrap().clone();
    traces.iter().map(|trace| trace["trace_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_is_turned_away_for_what_it_sends_leaves_a_span_and_is_named() {
    let settings = "[gateway]\ncors_origins = \"https://shop.example\"";
    let folder = Folder::of(&["misbehaves"]).with("picolet.toml", settings);
    let host = Host::over(folder).await;
    let path = send_head(&host, 1, "GET /misbehaves/../state HTTP/1.1").await;
    check(&host, 1, &path, (400, "bad-request")).await;
    let body = "POST /misbehaves/sum-body HTTP/1.1\r\ncontent-length: 999999999";
    let body = send_head(&host, 2, body).await;
    check(&host, 2, &body, (413, "body-too-large")).await;
    let evil = ("origin", "https://evil.example");
    let asks = [evil, ("access-control-request-method", "POST")];
    let preflight = send(&host, 3, ("OPTIONS", "/misbehaves/state"), &asks).await;
    check(&host, 3, &preflight, (403, "origin-not-allowed")).await;
    let page = send(&host, 4, ("GET", "/events?subject=a"), &[evil]).await;
    check(&host, 4, &page, (403, "origin-not-allowed")).await;
    let rpc = send(&host, 5, ("POST", "/rpc"), &[evil]).await;
    assert_eq!((rpc.status, rpc.header("x-request-id")), (403, "r-5"));
    assert_eq!(only_span(&host, 5).await["fault"], "origin-not-allowed");
    let nobody = send(&host, 6, ("GET", "/nobody"), &[]).await;
    check(&host, 6, &nobody, (404, "no-route")).await;
    let verb = send(&host, 7, ("DELETE", "/healthcheck"), &[]).await;
    check(&host, 7, &verb, (405, "verb-not-allowed")).await;
    let newest = listed(&host, "newest").await;
    assert!((1..=7).all(|number| newest.contains(&trace(number))), "{newest:?}");
    assert!(listed(&host, "failed").await.is_empty(), "what callers do wrong is no failure");
    host.stop().await;
}

#[tokio::test]
async fn who_comes_too_fast_leaves_a_span_and_is_named() {
    // Who is on the same machine is not counted, but may speak for others.
    let settings = "[limits]\nrequests_per_second_per_address_max = 1\n\
                    [gateway]\ntrusted_proxies = [\"127.0.0.1\"]";
    let folder = Folder::of(&["misbehaves"]).with("picolet.toml", settings);
    let host = Host::over(folder).await;
    let refused = until("a request to be turned away", async || {
        let from = [("x-forwarded-for", "203.0.113.9")];
        let reply = send(&host, 1, ("GET", "/nobody"), &from).await;
        (reply.status == 429).then_some(reply)
    })
    .await;
    faults(&refused, 429, &["too-many-requests"]);
    assert_eq!(refused.header("x-request-id"), "r-1");
    let reply = host.admin("GET", &format!("/admin/v1/traces/{}", trace(1)), "").await;
    let spans = json(&reply, 200)["spans"].clone();
    let spans = spans.as_array().unwrap();
    assert!(spans.iter().any(|span| span["fault"] == "too-many-requests"), "{spans:?}");
    host.stop().await;
}

#[tokio::test]
async fn a_request_that_finds_the_host_full_is_among_the_failed() {
    let settings = "[limits]\nrequests_max = 1";
    let folder = Folder::of(&["misbehaves"]).with("picolet.toml", settings);
    let host = Host::over(folder).await;
    let mut busy = Wire::to(host.services).await;
    busy.send("POST /misbehaves/duplex HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    busy.send("1\r\nx\r\n").await;
    busy.head().await;
    let full = send(&host, 1, ("GET", "/misbehaves/state"), &[]).await;
    check(&host, 1, &full, (503, "host-overloaded")).await;
    // It has waited in line.
    let waited = only_span(&host, 1).await["duration_us"].as_u64().unwrap();
    assert!((50_000..30_000_000).contains(&waited), "{waited}");
    assert_eq!(listed(&host, "failed").await, [trace(1)]);
    busy.send("0\r\n\r\n").await;
    busy.until("0\r\n\r\n").await;
    host.stop().await;
}

#[tokio::test]
async fn who_does_not_send_on_leaves_a_span_of_the_time_it_took() {
    let settings = "[limits]\nbody_idle_ms_max = 400\n[telemetry]\nslow_ms = 300";
    let folder = Folder::of(&["misbehaves"]).with("picolet.toml", settings);
    let host = Host::over(folder).await;
    let head = "POST /misbehaves/sum-body HTTP/1.1\r\ncontent-length: 10";
    let slow = send_head(&host, 1, head).await;
    check(&host, 1, &slow, (408, "slow-sender")).await;
    let took = only_span(&host, 1).await["duration_us"].as_u64().unwrap();
    assert!((400_000..60_000_000).contains(&took), "{took}");
    assert_eq!(listed(&host, "slow").await, [trace(1)]);
    host.stop().await;
}

#[tokio::test]
async fn a_call_waits_for_an_instance_of_any_kind() {
    let shared = "[limits]\ncalls_per_instance = 4";
    let guests = ["misbehaves", "hello-wasi2", "hello-wasi3"];
    let folder = Folder::of(&guests).with("misbehaves.toml", shared);
    let host = Host::over(folder).await;
    let paths = ["/misbehaves/state", "/hello-wasi2", "/hello-wasi3"];
    // The first call has a new instance, the second mostly an idle one.
    for (number, path) in (1..).zip(paths.iter().chain(&paths)) {
        assert_eq!(send(&host, number, ("GET", path), &[]).await.status, 200, "{path}");
        let reply = host.admin("GET", &format!("/admin/v1/traces/{}", trace(number)), "").await;
        let told = json(&reply, 200);
        let spans = told["spans"].as_array().unwrap();
        let part = |name: &str| {
            let found = spans.iter().find(|span| span["name"] == name);
            let found = found.unwrap_or_else(|| panic!("no {name} for {path}: {told}"));
            let number = |field: &str| found[field].as_u64().unwrap();
            (number("started_us"), number("duration_us"))
        };
        let ((begun, waited), (entered, _)) = (part("instance"), part("guest"));
        assert!(begun + waited <= entered + 1, "{told}");
    }
    host.stop().await;
}
