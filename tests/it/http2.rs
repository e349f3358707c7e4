//! Endpoints that are called over HTTP/2: programs that say so, and hosts.

use crate::kit::*;
use futures::future::join_all;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

const UNCHECKED: &str =
    "[registry]\ncheck_ms = 3600000\nlease_ms = 3600000\nremoval_ms = 7200000\nfailures_down = 100";
const HELLO: &str = r#"{"hello":"from outside"}"#;

async fn host() -> Host {
    Host::over(Folder::of(&["misbehaves"]).with("picolet.toml", UNCHECKED)).await
}

async fn register(host: &Host, record: &Value) {
    let reply = host.admin("POST", "/api/services", &record.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

async fn call(host: &Host, target: &str, options: Value) -> Reply {
    let order = json!({"target": target, "options": options}).to_string();
    host.admin("POST", "/admin/v1/call", &order).await
}

async fn program(host: &Host, registration: &str) -> Program {
    let program = Program::http2().await;
    register(host, &program.record_with(registration, &json!({"protocol": "h2c"}))).await;
    program
}

/// Registers the services of one host with another one.
async fn introduce(from: &Host, to: &Host) {
    let listed = json(&from.admin("GET", "/api/services/default", "").await, 200);
    for record in listed["services"].as_array().unwrap() {
        register(to, &json!({ "record": record })).await;
    }
}

#[tokio::test]
async fn an_endpoint_that_says_so_is_called_over_one_connection() {
    let host = host().await;
    let program = program(&host, "one").await;
    program.delay(Duration::from_millis(20));
    let ask = async |_| answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
    join_all((0..64).map(ask)).await;
    assert_eq!((program.calls(), program.connections()), (64, 1));
    host.stop().await;
}

#[tokio::test]
async fn what_a_connection_does_not_take_goes_over_the_next_one() {
    let host = host().await;
    let program = program(&host, "one").await;
    program.delay(Duration::from_millis(300));
    let ask = async |_| answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
    join_all((0..150).map(ask)).await;
    assert_eq!(program.calls(), 150);
    assert!((2..=3).contains(&program.connections()), "{}", program.connections());
    host.stop().await;
}

#[tokio::test]
async fn a_host_is_called_over_http2_with_all_that_belongs_to_a_call() {
    let (front, back) = (host().await, Host::of(&["calc", "ticker", "echo"]).await);
    introduce(&back, &front).await;
    let before = sockets(back.pid());
    let ask = async |n: usize| {
        let reply = front.get(&format!("/services/calc/add/{n}/2")).await;
        assert_eq!(json(&reply, 200)["result"], n + 2);
    };
    join_all((0..32).map(ask)).await;
    // One connection for each thread that serves takes them all.
    let cores = std::thread::available_parallelism().unwrap().get();
    let opened = sockets(back.pid()) - before;
    assert!((1..=cores).contains(&opened), "{opened}");
    // Streams in both directions, and faults with their names.
    answers(&front.get("/services/ticker/2").await, 200, "tick 1\ntick 2\n");
    let echoed = front.send("POST", "/services/echo", &[], &"x".repeat(300_000)).await;
    assert_eq!((echoed.status, echoed.body.len()), (200, 300_000));
    faults(&front.get("/services/calc/add/forty/2").await, 400, &["bad-parameter"]);
    front.stop().await;
    back.stop().await;
}

#[tokio::test]
async fn what_a_full_service_does_not_take_goes_to_another_host_and_the_session_says_so() {
    let full = "[limits]\nconcurrency = 1\nqueue = 0";
    let folder = Folder::of(&["misbehaves"]).with("misbehaves.toml", full);
    let front = Host::over(folder.with("picolet.toml", UNCHECKED)).await;
    let back = Host::of(&["misbehaves"]).await;
    introduce(&back, &front).await;
    let ask = async || {
        let session = [("baggage", "picolet.log=debug")];
        let reply = front.send("GET", "/services/misbehaves/state", &session, "").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    ask().await;
    front.line("call goes to an endpoint service=misbehaves * place=\"here\" request_id").await;
    let mark = front.log.mark();
    let mut stream = front.open("GET", "/misbehaves/stream/100000000", body("")).await;
    assert!(within("a chunk", stream.body_mut().frame()).await.is_some());
    ask().await;
    let there = format!("@http://{} place=\"there\" here=\"full\"", back.services);
    front.line_from(mark, &format!("call goes to an endpoint service=misbehaves *{there}")).await;
    drop(stream);
    front.stop().await;
    back.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_is_noticed_over_http2() {
    let (front, back) = (host().await, Host::of(&["ticker"]).await);
    introduce(&back, &front).await;
    let mut open = Vec::new();
    for _ in 0..60 {
        let mut stream = front.open("GET", "/services/ticker/1000000", body("")).await;
        assert!(within("a tick", stream.body_mut().frame()).await.is_some());
        open.push(stream);
    }
    let running = async || {
        let detail = back.admin("GET", "/admin/v1/services/ticker", "").await;
        json(&detail, 200)["running"].as_u64().unwrap()
    };
    assert_eq!(running().await, 60);
    drop(open);
    until("the places to be free", async || (running().await == 0).then_some(())).await;
    front.stop().await;
    back.stop().await;
}

#[tokio::test]
async fn readers_who_do_not_read_hold_up_nobody_else() {
    let (front, back) = (host().await, Host::of(&["misbehaves", "calc"]).await);
    introduce(&back, &front).await;
    let mut stuck = Vec::new();
    for _ in 0..40 {
        let path = "/services/misbehaves/stream/100000";
        let mut wire = Wire::to(front.services).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!(wire.head().await.0, 200);
        stuck.push(wire);
    }
    for n in 0..20 {
        let reply = front.get(&format!("/services/calc/add/{n}/2")).await;
        assert_eq!(json(&reply, 200)["result"], n + 2);
    }
    drop(stuck);
    front.stop().await;
    back.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_left_costs_no_call() {
    let host = host().await;
    let program = program(&host, "one").await;
    let asking = async |_| {
        for _ in 0..50 {
            answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
        }
    };
    let leaving = async {
        for calls in [50, 150, 250] {
            until("calls to be under way", async || (calls < program.calls()).then_some(())).await;
            program.leave_connections();
        }
    };
    tokio::join!(leaving, join_all((0..16).map(asking)));
    assert_eq!(program.calls(), 16 * 50, "none was made twice");
    assert!(1 < program.connections());
    host.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_refused_was_not_begun_and_goes_elsewhere() {
    let host = host().await;
    let refusing = program(&host, "refusing").await;
    refusing.answer_with(1);
    faults(&call(&host, "ext.store", json!({})).await, 503, &["stopping"]);
    let taking = program(&host, "taking").await;
    for _ in 0..20 {
        // A POST: it may not be made twice.
        answers(&call(&host, "ext.store", json!({})).await, 200, HELLO);
    }
    assert_eq!(taking.calls(), 20);
    host.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_reset_may_have_been_begun() {
    let host = host().await;
    let broken = program(&host, "broken").await;
    broken.answer_with(0);
    faults(&call(&host, "ext.store", json!({})).await, 502, &["bad-upstream"]);
    assert_eq!(broken.calls(), 1, "a POST is not repeated");
    let reply = call(&host, "ext.hello", json!({})).await;
    faults(&reply, 502, &["bad-upstream"]);
    assert!(reply.text().contains("(the first try: "), "{}", reply.text());
    assert_eq!(broken.calls(), 3);
    host.stop().await;
}

#[tokio::test]
async fn one_that_says_so_and_does_not_know_it_is_named() {
    let host = host().await;
    let program = Program::start().await;
    register(&host, &program.record_with("one", &json!({"protocol": "h2c"}))).await;
    let reply = call(&host, "ext.hello", json!({})).await;
    faults(&reply, 502, &["garbled-answer", "bad-upstream"]);
    assert_eq!(program.calls(), 0);
    host.stop().await;
}

#[tokio::test]
async fn programs_of_the_settings_may_take_http2() {
    let program = Program::http2().await;
    let settings = format!(
        "[registry]\ncheck_ms = 50\n[[external]]\nname = \"ext\"\naddress = \"http://{}\"\n\
         root = \"/ext\"\nprotocol = \"h2c\"\ninterval_ms = 50\n\
         methods = [{{ name = \"hello\", type = \"GET\", pattern = \"/hello\" }}]",
        program.address
    );
    let host = Host::over(Folder::of(&["misbehaves"]).with("picolet.toml", settings)).await;
    until("the program to be called", async || {
        let reply = host.get("/misbehaves/call/ext/hello").await;
        (reply.status == 200).then_some(())
    })
    .await;
    assert!(0 < program.checks());
    host.stop().await;
}
