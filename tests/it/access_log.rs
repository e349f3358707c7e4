//! The access log: a line for each request, by a setting.

use crate::kit::*;
use crate::logs::{TRACE, host, kept, say, traceparent};
use serde_json::{Value, json};

/// The next line of a log in JSON that is of this target and about this path.
async fn access_of(host: &Host, path: &str) -> Value {
    let line = host
        .log
        .wait(0, |line| {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            line["target"] == "access" && line["path"] == path
        })
        .await;
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request() {
    let launch = Launch::over(Folder::of(&["misbehaves", "hostile", "calc"]));
    let launch = launch.variable("PICOLET_LOG__ACCESS", "true");
    let host = launch.variable("PICOLET_LOG__JSON", "true").start().await;
    let headers = [
        ("traceparent", &*traceparent()),
        ("x-request-id", "r-7"),
        ("user-agent", "a test \"agent\""),
    ];
    answers(&host.send("GET", "/misbehaves/state?x=secret", &headers, "").await, 200, "1");
    let line = access_of(&host, "/misbehaves/state").await;
    for (member, expected) in [
        ("service", json!("misbehaves")),
        ("method", json!("state")),
        ("verb", json!("GET")),
        ("status", json!(200)),
        ("bytes", json!(1)),
        ("end", json!("whole")),
        ("request_id", json!("r-7")),
        ("trace_id", json!(TRACE)),
        ("peer", json!("127.0.0.1")),
        ("agent", json!("a test \"agent\"")),
        ("fault", Value::Null),
    ] {
        assert_eq!(line[member], expected, "{member} of {line}");
    }
    assert!(line["duration_us"].is_u64() && line["revision"].is_string(), "{line}");
    assert!(!line.to_string().contains("secret"), "{line}");

    faults(&host.get("/misbehaves/panic").await, 500, &["trapped"]);
    let line = access_of(&host, "/misbehaves/panic").await;
    assert_eq!((&line["status"], &line["fault"]), (&json!(500), &json!("trapped")), "{line}");
    faults(&host.get("/nowhere").await, 404, &["no-route"]);
    let line = access_of(&host, "/nowhere").await;
    assert_eq!((&line["fault"], &line["service"]), (&json!("no-route"), &Value::Null), "{line}");
    assert_eq!(host.get("/services/calc/add/40/2").await.status, 200);
    assert_eq!(access_of(&host, "/services/calc/add/40/2").await["service"], "calc");

    // A body that is broken off, and one that nobody reads to its end.
    let broken = request("GET", host.services, "/misbehaves/stream-fault", &[], body(""));
    assert!(Client::default().try_ask(broken).await.is_err());
    let line = access_of(&host, "/misbehaves/stream-fault").await;
    assert_eq!((&line["end"], &line["status"]), (&json!("broken-off"), &json!(200)), "{line}");
    drop(host.open("GET", "/hostile/endless", body("")).await);
    let line = access_of(&host, "/hostile/endless").await;
    assert_eq!((&line["end"], &line["service"]), (&json!("left"), &json!("hostile")), "{line}");

    // A long path is cut, and none of all these push out what services say.
    let long = format!("/{}", "x".repeat(2_000));
    assert_eq!(host.get(&long).await.status, 404);
    let cut = access_of(&host, &format!("{}…", &long[..512])).await;
    assert_eq!(cut["status"], 404);
    let all = kept(&host, "limit=10000").await;
    assert!(all.iter().all(|line| line["target"] != "access"), "{all:?}");
    host.stop().await;
}

#[tokio::test]
async fn requests_are_not_logged_when_nobody_asks_for_it() {
    let host = host().await;
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    say(&host, "over").await;
    host.line("guest: over").await;
    assert_eq!(host.count("access:"), 0);
    assert_eq!(host.metric("picolet_log_lines_dropped_total").await, 0);
    host.stop().await;
}
