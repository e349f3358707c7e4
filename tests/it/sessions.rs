//! Examples that call their neighbours: sessions, streams, the directory.

use crate::kit::*;
use serde_json::json;

async fn until_idle(host: &Host, service: &str) {
    until("the calls to be over", async || {
        let detail = host.admin("GET", &format!("/admin/v1/services/{service}"), "").await;
        (json(&detail, 200)["running"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_goes_along_with_every_call() {
    let host = Host::of(&["session", "session-greeter"]).await;
    let greetings = json(&host.get("/session/hello/7?debug=true").await, 200);
    let [hello, welcome] = greetings.as_array().unwrap().as_slice() else { panic!("{greetings}") };
    assert_eq!((&hello["message"], &welcome["message"]), (&json!("Hello 7"), &json!("Welcome 7")));
    assert_eq!((&hello["caller"], &hello["debug"]), (&json!("session"), &json!(true)));
    assert!(hello["remaining_ms"].as_u64().unwrap() <= 1_000, "{hello}");
    assert_eq!(hello["trace"], welcome["trace"]);
    let trace = hello["trace"].as_str().unwrap();
    for line in ["call begins", "call is answered", "greets 7"] {
        let form = format!("*{line}*trace_id=\"{trace}\"");
        until(&form, async || (host.count(&form) == 2).then_some(())).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn a_session_is_joined_later_by_somebody_else() {
    let host = Host::of(&["session", "session-greeter"]).await;
    let job = host.send("POST", "/session/jobs/7", &[], "").await;
    assert!(job.text().ends_with(" - user=7"), "{}", job.text());
    let done = json(&host.send("POST", "/session/jobs", &[], job.text()).await, 200);
    assert_eq!(done["message"], "At last, 7", "{done}");
    assert_eq!(done["trace"].as_str(), job.text().split('-').nth(1));
    let junk = host.send("POST", "/session/jobs", &[], "junk").await;
    faults(&junk, 400, &["bad-session"]);
    let user = [("baggage", "user=7")];
    let greeted = json(&host.send("GET", "/session-greeter/greet/Hi", &user, "").await, 200);
    assert_eq!(greeted["message"], "Hi 7");
    let stranger = json(&host.get("/session-greeter/greet/Hi").await, 200);
    assert_eq!(stranger["message"], "Hi stranger");
    host.stop().await;
}

#[tokio::test]
async fn quotes_are_streamed_in_and_out_and_stop_when_nobody_reads() {
    let host = Host::of(&["stocks"]).await;
    answers(&host.get("/stocks/ACME?count=2").await, 200, "ACME 1 10010\nACME 2 10020\n");
    let trades = host.send("POST", "/stocks/average", &[], "A 1 10\nA 2 20\n").await;
    answers(&trades, 200, r#"{"count":2,"cents":15}"#);
    let piped = host.get("/stocks/ACME/average/7").await;
    answers(&piped, 200, r#"{"count":7,"cents":10030}"#);
    let first = host.get("/stocks/ACME/first/5").await;
    assert_eq!(first.text().lines().count(), 5, "{first:?}");
    until_idle(&host, "stocks").await;
    host.stop().await;
}

#[tokio::test]
async fn the_directory_knows_whom_to_call() {
    let host = Host::of(&["directory", "calc", "greeter"]).await;
    let all = json(&host.get("/directory?key=default").await, 200);
    assert!(all["calc"].is_array() && all["directory"].is_array(), "{all}");
    let calc = json(&host.get("/directory/calc").await, 200);
    assert_eq!(calc.as_array().map(Vec::len), Some(1), "{calc}");
    answers(&host.get("/directory/nobody").await, 200, "[]");
    let each = json(&host.get("/directory/directory/each/all").await, 200);
    assert_eq!(each[0]["registration"], json(&host.get("/directory/directory").await, 200)[0]);
    host.stop().await;
}

#[tokio::test]
async fn a_request_is_passed_to_a_service_by_its_name() {
    let host = Host::of(&["calc", "misbehaves", "echo"]).await;
    let answer = r#"{"message":"Hello 🌍","from":"pico","result":42}"#;
    answers(&host.get("/services/calc/add/40/2").await, 200, answer);
    let posted = host.post_json("/services/calc/add", r#"{"a":40,"b":2}"#).await;
    assert_eq!(json(&posted, 200)["result"], 42);
    answers(&host.send("POST", "/services/misbehaves/sum-body", &[], "12345").await, 200, "5");
    faults(&host.get("/services/calc/nothing").await, 404, &["no-route"]);
    faults(&host.get("/services/nobody/x").await, 404, &["no-such-service"]);
    faults(&host.get("/services/calc/add").await, 405, &["verb-not-allowed"]);
    let version = [("x-picolet-version", "^2")];
    let reply = host.send("GET", "/services/calc/add/40/2", &version, "").await;
    faults(&reply, 404, &["no-such-endpoint"]);
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    answers(&host.get("/services/ext/hello?x=1").await, 200, r#"{"hello":"from outside"}"#);
    assert_eq!(host.get("/services/ext/other").await.status, 404);
    host.stop().await;
}

#[tokio::test]
async fn a_session_goes_to_endpoints_of_the_registry_and_to_nobody_else() {
    let host = Host::of(&["misbehaves"]).await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let session = [
        ("baggage", "user=7,secret=x"),
        ("traceparent", trace),
        ("tracestate", "congo=t61,rojo=00f"),
        ("x-request-id", "r-1"),
        ("x-picolet-timeout-ms", "3000"),
    ];
    for path in ["/services/ext/hello", "/misbehaves/call/ext/hello"] {
        assert_eq!(host.send("GET", path, &session, "").await.status, 200, "{path}");
        assert_eq!(program.header("baggage"), "user=7,secret=x", "{path}");
        // The trace goes on, below the hop that leads there.
        let (there, hop) = (program.header("traceparent"), "00f067aa0ba902b7");
        assert!(there.starts_with(&trace[..36]) && there.ends_with("-01"), "{path}: {there}");
        assert!(!there.contains(hop), "{path}: {there}");
        assert_eq!(program.header("tracestate"), "congo=t61,rojo=00f", "{path}");
        assert_eq!(program.header("x-request-id"), "r-1", "{path}");
        let left: u64 = program.header("x-picolet-timeout-ms").parse().unwrap();
        assert!(left <= 3_000, "{left}");
    }
    // What is too large to be a property does not pass as a header either.
    let large = format!("big={}", "x".repeat(5_000));
    // Nor does a state without its trace.
    let sent = [("baggage", large.as_str()), ("tracestate", "congo=t61")];
    assert_eq!(host.send("GET", "/services/ext/hello", &sent, "").await.status, 200);
    assert_eq!((program.header("baggage"), program.header("tracestate")), Default::default());
    // A health check belongs to no session.
    until("a health check", async || (0 < program.checks()).then_some(())).await;
    for name in ["baggage", "traceparent", "tracestate", "x-request-id", "x-picolet-depth"] {
        assert_eq!(program.check_header(name), "", "{name}");
    }
    // An address that is not in the registry is nobody's endpoint.
    let address = program.address.to_string().replace(':', "%3A");
    faults(&host.get(&format!("/services/{address}/ext/hello")).await, 404, &["no-such-service"]);
    host.stop().await;
}
