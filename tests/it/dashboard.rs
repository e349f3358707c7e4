//! The dashboard: its files, its stream, and all of it in a browser.

use crate::kit::*;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address that no other test listens at, so that its ports can be left and
/// taken again.
const OWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 78)), 0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_shows_what_happens_while_it_is_open() {
    let folder = Folder::of(&["calc", "misbehaves", "arbitration", "conversion"]);
    let folder = folder.deployed("arbitration").deployed("conversion");
    let folder = folder.with("broken.wasm", "this is not a module");
    let host = Launch::over(folder).listen(OWN).admin(OWN).own_state().start().await;
    let (services, admin) = (host.services, host.admin);
    let seen = screenshots();
    let seen = seen.to_str().expect("the path is text");
    let addresses = [format!("http://{admin}"), format!("http://{services}")];
    let mut script = Script::start("dashboard.mjs", &[&addresses[0], &addresses[1], seen]);
    script.says("drop").await;
    host.folder.put("greeter.wasm", guest("greeter"));
    script.tell("drop done").await;
    script.says("swap").await;
    host.folder.put("calc.wasm", versioned("calc2", "2.0.0"));
    host.line("swapped calc 2.0.0").await;
    script.tell("swap done").await;
    script.says("restart").await;
    let folder = host.stopped().await;
    let host = Launch::over(folder).listen(services).admin(admin).own_state().start().await;
    script.tell("restart done").await;
    script.ended().await;
    host.stop().await;
}

#[tokio::test]
async fn the_dashboard_asks_for_the_token_once() {
    const TOKEN: &str = "a-token-of-some-length";
    let folder = Folder::of(&["calc"]);
    let host = Launch::over(folder).variable("PICOLET_ADMIN_TOKEN", TOKEN).start().await;
    let admin = format!("http://{}", host.admin);
    Script::start("dashboard_token.mjs", &[&admin, TOKEN]).ended().await;
    host.stop().await;
}

#[tokio::test]
async fn files_of_the_dashboard_are_kept_by_browsers_and_held_to_their_host() {
    let host = Host::of(&[]).await;
    let page = host.admin("GET", "/", "").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let script = host.admin("GET", "/dashboard/main.js", "").await;
    assert!(script.header("content-type").starts_with("text/javascript"));
    faults(&host.admin("GET", "/dashboard/nothing.js", "").await, 404, &["not-found"]);
    faults(&host.admin("GET", "/dashboard/..%2fadmin.rs", "").await, 404, &["not-found"]);
    host.stop().await;
}

#[tokio::test]
async fn the_stream_begins_with_everything_and_goes_on_with_what_changes() {
    let host = Host::of(&["calc"]).await;
    let mut reader = Reader::of_dashboard(&host).await;
    let first = reader.next().await;
    assert_eq!(first.kind, "whole");
    let services = first.data["services"].as_object().unwrap();
    let (id, calc) = services.iter().next().unwrap();
    assert_eq!((&calc["name"], &calc["root"]), (&json!("calc"), &json!("/api")));
    assert_eq!(first.data["figures"][id]["calls"], 0);

    for _ in 0..20 {
        assert_eq!(host.get("/api/add/40/2").await.status, 200);
    }
    let figures = until_told(&mut reader, "the calls", |change| {
        // What stays as it is does not come again.
        assert_eq!(change["services"], Value::Null);
        let figures = change["figures"][id].clone();
        (figures["calls"] == 20).then_some(figures)
    })
    .await;
    assert!(0.0 < figures["rate"].as_f64().unwrap(), "{figures}");

    host.folder.put("broken.wasm", "this is not a module");
    until_told(&mut reader, "the refusal", |change| {
        change["modules"]["broken.wasm"]["refusal"].as_str().map(str::to_owned)
    })
    .await;
    host.folder.remove("calc.wasm");
    until_told(&mut reader, "that calc is gone", |change| {
        change["services"].get(id).is_some_and(Value::is_null).then_some(())
    })
    .await;
    drop(reader);
    // Who comes after everybody left is told everything, too.
    let mut reader = Reader::of_dashboard(&host).await;
    let again = reader.next().await;
    assert_eq!((again.kind.as_str(), &again.data["services"]), ("whole", &json!({})));
    host.stop().await;
}

/// Reads on until a change tells what is waited for.
async fn until_told<T>(
    reader: &mut Reader,
    what: &str,
    mut found: impl FnMut(&Value) -> Option<T>,
) -> T {
    until(what, async || {
        let block = reader.next().await;
        assert_eq!(block.kind, "change");
        found(&block.data)
    })
    .await
}

#[tokio::test]
async fn the_graph_counts_who_calls_whom_and_what_fails() {
    let host = Host::of(&["calc", "misbehaves"]).await;
    answers(&host.get("/misbehaves/calls/2/5").await, 200, "10");
    assert_eq!(host.get("/misbehaves/panic").await.status, 500);
    let graph = json(&host.admin("GET", "/admin/v1/graph", "").await, 200);
    let expected = json!([
        { "from": "", "to": "misbehaves", "calls": 2, "failures": 1 },
        { "from": "misbehaves", "to": "calc", "calls": 10, "failures": 0 },
    ]);
    assert_eq!(graph, json!({ "edges": expected, "is_full": false }));
    host.stop().await;
}

#[tokio::test]
async fn a_call_of_the_admin_side_names_its_trace() {
    let host = Host::of(&["calc"]).await;
    let order = r#"{"target":"calc.add1","args":["40","2"]}"#;
    let answer = host.admin("POST", "/admin/v1/call", order).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.header("x-request-id").is_empty());
    assert_eq!(answer.header("traceparent").len(), 55);
    let missing = host.admin("POST", "/admin/v1/call", r#"{"target":"calc.sub"}"#).await;
    faults(&missing, 404, &["no-such-method"]);
    host.stop().await;
}
