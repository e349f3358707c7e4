//! Traces: what is told of a request through several services, what is kept,
//! and what a collector is sent.

use crate::kit::*;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn given() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

/// Three services that call each other: `misbehaves`, `conversion`,
/// `arbitration`.
fn three(settings: &str) -> Launch {
    let folder = Folder::of(&["misbehaves", "conversion", "arbitration"]);
    let folder = folder.deployed("arbitration").deployed("conversion");
    Launch::over(folder.with("picolet.toml", settings)).own_state()
}

/// Asks the first of the three, who asks the second, who asks the third.
async fn ask_three(host: &Host) {
    let path = "/misbehaves/call/conversion/rates";
    let reply = host.send("GET", path, &[("traceparent", &given())], "").await;
    assert_eq!(json(&reply, 200)["usd.eur"], 0.91);
}

async fn spans(host: &Host, trace: &str) -> Vec<Value> {
    let reply = host.admin("GET", &format!("/admin/v1/traces/{trace}"), "").await;
    let told = json(&reply, 200);
    assert_eq!((&told["trace_id"], &told["logs"]), (&json!(trace), &json!([])));
    told["spans"].as_array().unwrap().clone()
}

async fn list(host: &Host, query: &str) -> Vec<Value> {
    let reply = host.admin("GET", &format!("/admin/v1/traces?{query}"), "").await;
    json(&reply, 200)["traces"].as_array().unwrap().clone()
}

/// The names from a span up to where the trace began.
fn way_up<'s>(spans: &'s [Value], mut span: &'s Value) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let (name, kind) = (span["name"].as_str().unwrap(), span["kind"].as_str().unwrap());
        names.push(format!("{name} {kind}"));
        match spans.iter().find(|other| other["span_id"] == span["parent_id"]) {
            Some(parent) => span = parent,
            None => {
                assert_eq!(span["parent_id"], PARENT, "{span}");
                return names;
            }
        }
    }
}

const WAY: [&str; 8] = [
    "guest internal",
    "arbitration.rates server",
    "arbitration.rates client",
    "guest internal",
    "conversion.rates server",
    "conversion.rates client",
    "guest internal",
    "misbehaves.call server",
];

#[tokio::test]
async fn a_request_through_three_services_is_one_tree() {
    let host = three("").start().await;
    ask_three(&host).await;
    let spans = spans(&host, TRACE).await;
    let guest = |span: &&Value| span["name"] == "guest" && span["service"] == "arbitration";
    assert_eq!(way_up(&spans, spans.iter().find(guest).unwrap()), WAY);
    let count = |name: &str| spans.iter().filter(|span| span["name"] == name).count();
    assert_eq!((count("queue"), count("instance"), count("guest")), (3, 3, 3), "{spans:?}");
    assert_eq!(spans.len(), 14, "{spans:?}");
    for span in &spans {
        // Children lie within what they are done for.
        let Some(parent) = spans.iter().find(|it| it["span_id"] == span["parent_id"]) else {
            continue;
        };
        let begin = |span: &Value| span["started_us"].as_u64().unwrap();
        let end = |span: &Value| begin(span) + span["duration_us"].as_u64().unwrap();
        assert!(begin(parent) <= begin(span) && end(span) <= end(parent) + 1, "{span} {parent}");
    }
    let served = spans.iter().find(|span| span["name"] == "arbitration.rates").unwrap();
    let server = |span: &&Value| span["name"] == "misbehaves.call" && span["kind"] == "server";
    let first = spans.iter().find(server).unwrap();
    assert_eq!(
        (&first["status"], &first["fault"], &served["status"]),
        (&json!(200), &Value::Null, &json!(200))
    );
    assert!(first["revision"].as_str().unwrap().starts_with("sha256:"), "{first}");
    assert_eq!(first["attributes"]["http.route"], "/misbehaves/call/{service}/{method}");
    assert_eq!(first["attributes"]["http.request.method"], "GET");
    host.stop().await;
}

#[tokio::test]
async fn traces_are_listed_by_service_and_shown_on_the_command_line() {
    let host = three("").start().await;
    ask_three(&host).await;
    let listed = list(&host, "service=arbitration&kind=newest").await;
    let one = listed.iter().find(|it| it["trace_id"] == TRACE).expect("it is listed");
    let services = json!(["arbitration", "conversion", "misbehaves"]);
    assert_eq!((&one["services"], &one["spans"]), (&services, &json!(14)), "{one}");
    assert_eq!((&one["root"], &one["service"]), (&json!("misbehaves.call"), &json!("misbehaves")));
    assert_eq!((&one["method"], &one["status"]), (&json!("call"), &json!(200)), "{one}");
    assert!(list(&host, "service=calc").await.is_empty());
    let admin = format!("http://{}", host.admin);
    let shown = run(picolet().args(["traces", TRACE, "--host", &admin])).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let deepest = shown
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with("arbitration.rates (server)"));
    let deepest = deepest.expect(&shown.stdout);
    // Below three guests, two calls and two services.
    assert_eq!(deepest.len() - deepest.trim_start().len(), 12, "{}", shown.stdout);
    let table = run(picolet().args(["traces", "--service", "arbitration", "--host", &admin])).await;
    assert!(table.stdout.contains(TRACE), "{}", table.stdout);
    host.stop().await;
}

#[tokio::test]
async fn what_was_slow_and_what_failed_stays_while_others_pass() {
    let settings = "[telemetry]\ntraces_max = 128\nslow_ms = 1000";
    let folder = Folder::of(&["misbehaves", "calc"]).with("picolet.toml", settings);
    let host = Host::over(folder).await;
    assert_eq!(host.get("/misbehaves/sleep/1200").await.status, 200);
    assert_eq!(host.get("/misbehaves/fault/503").await.status, 503);
    assert_eq!(host.get("/misbehaves/panic").await.status, 500);
    for _ in 0..400 {
        assert_eq!(host.get("/api/add/40/2").await.status, 200);
        assert_eq!(host.get("/nobody").await.status, 404);
    }
    let only = |traces: Vec<Value>, method: &str| {
        let of = |trace: &&Value| trace["method"] == method;
        traces.iter().find(of).unwrap_or_else(|| panic!("no {method} in {traces:?}")).clone()
    };
    let slow = only(list(&host, "kind=slow").await, "sleep");
    assert!(1_000_000 <= slow["duration_us"].as_u64().unwrap(), "{slow}");
    let failed = list(&host, "kind=failed").await;
    assert_eq!(only(failed.clone(), "fault")["fault"], "told-to-fail");
    assert_eq!(only(failed.clone(), "panic")["fault"], "trapped");
    // What callers do wrong is no failure.
    assert!(failed.iter().all(|trace| 500 <= trace["status"].as_u64().unwrap()), "{failed:?}");
    // Those for nobody have places of their own, one of each of sixteen parts.
    assert!(list(&host, "limit=1000").await.len() <= 128 + 16);
    assert_eq!(list(&host, "limit=3").await.len(), 3);
    host.stop().await;
}

#[tokio::test]
async fn a_trace_goes_on_at_whoever_is_called() {
    let host = Host::of(&["misbehaves"]).await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    let headers = [("traceparent", given()), ("tracestate", "congo=t61".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let reply = host.send("GET", "/misbehaves/call/ext/hello", &headers, "").await;
    assert_eq!(reply.status, 200);
    let spans = spans(&host, TRACE).await;
    let hop = spans.iter().find(|span| span["name"] == "ext.hello").expect("the hop is there");
    let id = hop["span_id"].as_str().unwrap();
    assert_eq!(program.header("traceparent"), format!("00-{TRACE}-{id}-01"));
    assert_eq!(program.header("tracestate"), "congo=t61");
    let at = format!("http://{}", program.address);
    assert_eq!(
        (&hop["kind"], &hop["attributes"]["server.address"]),
        (&json!("client"), &json!(at))
    );
    // A call of nobody is told, too.
    assert_eq!(host.get("/misbehaves/call/nobody/hello").await.status, 404);
    let newest = list(&host, "service=nobody").await;
    assert_eq!(newest.len(), 1, "{newest:?}");
    assert_eq!(newest[0]["fault"], "no-such-service");
    host.stop().await;
}

#[tokio::test]
async fn an_event_is_heard_below_whoever_published_it() {
    let host = Host::of(&["events"]).await;
    let headers = [("traceparent", given())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let said = host.send("POST", "/bus/publish/rates.usd", &headers, "1.15").await;
    assert_eq!(said.status, 204, "{}", said.text());
    let heard = until("the event to be heard", async || {
        let spans = spans(&host, TRACE).await;
        spans.iter().any(|span| span["kind"] == "consumer").then_some(spans)
    })
    .await;
    let named = |name: &str| heard.iter().find(|span| span["name"] == name).unwrap();
    let consumer = heard.iter().find(|span| span["kind"] == "consumer").unwrap();
    let producer = named("publish rates.usd");
    assert_eq!(consumer["parent_id"], producer["span_id"], "{heard:?}");
    assert_eq!(producer["kind"], "producer");
    host.stop().await;
}

#[tokio::test]
async fn ids_and_queries_that_are_wrong_are_told_so() {
    let host = Host::of(&[]).await;
    let ask = async |path: &str| host.admin("GET", &format!("/admin/v1/traces{path}"), "").await;
    for bad in ["/x", "/4BF92F3577B34DA6A3CE929D0E0E4736", "/00000000000000000000000000000000"] {
        faults(&ask(bad).await, 400, &["bad-request"]);
    }
    faults(&ask(&format!("/{TRACE}")).await, 404, &["not-found"]);
    for bad in ["?kind=odd", "?limit=0", "?limit=1001", "?limit=x", "?sort=up"] {
        faults(&ask(bad).await, 400, &["bad-request"]);
    }
    let admin = format!("http://{}", host.admin);
    let shown = run(picolet().args(["traces", TRACE, "--host", &admin])).await;
    assert_eq!(shown.code, Some(1), "{}", shown.stdout);
    assert!(shown.stderr.contains("nothing is kept of trace"), "{}", shown.stderr);
    host.stop().await;
}

#[tokio::test]
async fn where_nothing_is_traced_a_given_trace_is_passed_on_as_it_came() {
    let settings = "[telemetry]\ntraces = false";
    let host = Host::over(Folder::of(&["misbehaves"]).with("picolet.toml", settings)).await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    let given = given();
    let headers = [("traceparent", given.as_str())];
    let reply = host.send("GET", "/misbehaves/call/ext/hello", &headers, "").await;
    assert_eq!((reply.status, program.header("traceparent")), (200, given.clone()));
    assert!(list(&host, "").await.is_empty());
    faults(&host.admin("GET", &format!("/admin/v1/traces/{TRACE}"), "").await, 404, &["not-found"]);
    host.stop().await;
}

#[tokio::test]
async fn a_collector_gets_the_spans_of_three_services_as_one_tree() {
    let collector = Collector::start().await;
    let settings = format!("[telemetry]\notlp = \"http://{}\"", collector.address);
    let host = three(&settings).start().await;
    ask_three(&host).await;
    let unsampled = [("traceparent", "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00")];
    assert_eq!(host.send("GET", "/misbehaves/state", &unsampled, "").await.status, 200);
    let sent = until("the spans to be sent", async || {
        let spans = collector.spans_of(TRACE);
        (spans.len() == 14).then_some(spans)
    })
    .await;
    let guest = |span: &&Value| span["name"] == "guest" && span["service"] == "arbitration";
    assert_eq!(way_up(&sent, sent.iter().find(guest).unwrap()), WAY);
    assert_eq!(collector.resource("service.name"), "picolet");
    assert_eq!(collector.resource("service.instance.id"), "local");
    // The last ones are sent when the host stops.
    assert_eq!(host.get("/misbehaves/fault/503").await.status, 503);
    host.stop().await;
    let failed = collector.all();
    let failed = failed.iter().find(|span| span["name"] == "misbehaves.fault").expect("it is sent");
    assert_eq!((&failed["error"], &failed["message"]), (&json!(true), &json!("told-to-fail")));
    assert!(collector.spans_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").is_empty());
}

#[tokio::test]
async fn of_traces_that_begin_here_the_ratio_is_sent_and_of_others_what_callers_say() {
    let collector = Collector::start().await;
    let settings =
        format!("[telemetry]\notlp = \"http://{}\"\notlp_ratio = 0.0", collector.address);
    let host = three(&settings).start().await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    assert_eq!(host.get("/misbehaves/call/ext/hello").await.status, 200);
    let begun_here = program.header("traceparent");
    assert!(begun_here.ends_with("-00"), "{begun_here}");
    assert_eq!(host.get("/nobody").await.status, 404);
    ask_three(&host).await;
    assert_eq!(list(&host, "service=ext").await.len(), 1);
    until("the spans to be sent", async || (collector.spans_of(TRACE).len() == 14).then_some(()))
        .await;
    // The last ones are sent when the host stops, and these were before.
    host.stop().await;
    assert_eq!(collector.all().len(), 14, "{:?}", collector.all());
}

#[tokio::test]
async fn a_collector_behind_tls_is_told_what_lets_the_host_in() {
    let collector = Collector::behind(secure()).await;
    let folder = Folder::of(&["calc"]);
    let roots = folder.beside("roots.pem");
    std::fs::write(&roots, AUTHORITY).unwrap();
    std::fs::write(folder.path("otlp.key"), "canary of the file\n").unwrap();
    let settings = format!(
        "outbound.roots = {:?}\n[telemetry]\notlp = \"https://localhost:{}\"\n\
         otlp_headers.x-api-key = {{ file = \"otlp.key\" }}\n\
         otlp_headers.authorization = {{ env = \"COLLECTOR\" }}",
        roots.display().to_string(),
        collector.address.port()
    );
    let launch = Launch::over(folder.with("picolet.toml", settings));
    let host = launch.variable("COLLECTOR", "canary of the environment").start().await;
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    until("the spans to be sent", async || {
        collector.all().iter().any(|span| span["name"] == "calc.add1").then_some(())
    })
    .await;
    let log = host.log.clone();
    host.stop().await;
    assert_eq!(collector.header("x-api-key"), "canary of the file");
    assert_eq!(collector.header("authorization"), "canary of the environment");
    let written = log.lines().join("\n");
    assert!(!written.contains("canary"), "{written}");
}

#[tokio::test]
async fn a_header_for_a_collector_that_cannot_be_had_keeps_the_host_from_starting() {
    let any_ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    for (source, reason) in [
        ("{ file = \"nowhere\" }", "x-key: file nowhere cannot be read"),
        ("{ env = \"NOBODY_SET_THIS\" }", "x-key: there is no variable NOBODY_SET_THIS"),
        ("{ file = \"nothing\" }", "x-key: is empty"),
        ("{ file = \"two lines\" }", "x-key: has a character that no header takes"),
    ] {
        let settings = "[telemetry]\notlp = \"http://127.0.0.1:9\"\notlp_headers.x-key = ";
        let folder = Folder::empty().with("picolet.toml", format!("{settings}{source}"));
        std::fs::write(folder.path("nothing"), "\n").unwrap();
        std::fs::write(folder.path("two lines"), "a\nb\n").unwrap();
        let ran = run(picolet().arg("serve").arg(folder.watched()).args(any_ports)).await;
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let told = format!("telemetry.otlp_headers.{reason}");
        assert!(ran.stderr.contains(&told), "{told}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nobody() {
    let settings = "[telemetry]\notlp = \"http://127.0.0.1:9\"";
    let host = Host::over(Folder::of(&["calc"]).with("picolet.toml", settings)).await;
    for _ in 0..100 {
        assert_eq!(host.get("/api/add/40/2").await.status, 200);
    }
    until("spans to be given up", async || {
        (0 < host.metric("picolet_otlp_spans_total").await).then_some(())
    })
    .await;
    host.stop().await;
}
