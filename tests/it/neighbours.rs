//! Calls that are wrong, and neighbours that do not behave: each has a fault of
//! its own, and nobody else feels it.

use crate::kit::*;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// Nobody is checked, so that callers alone find out.
const UNCHECKED: &str =
    "[registry]\ncheck_ms = 3600000\nlease_ms = 3600000\nremoval_ms = 7200000\nfailures_down = 100";
const HELLO: &str = r#"{"hello":"from outside"}"#;

async fn host() -> Host {
    Host::over(Folder::of(&["misbehaves", "calc"]).with("picolet.toml", UNCHECKED)).await
}

/// A record with the method `hello`.
fn record(name: &str, address: SocketAddr, registration: &str) -> Value {
    json!({"record": {
        "name": name, "domain": format!("http://{address}"), "root": "/ext",
        "methods": [{"name": "hello", "type": "GET", "path": "/hello"}],
        "registration": registration,
    }})
}

async fn register(host: &Host, record: &Value) {
    let reply = host.admin("POST", "/api/services", &record.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

async fn call(host: &Host, target: &str, args: &[&str], options: Value) -> Reply {
    let order = json!({"target": target, "args": args, "options": options}).to_string();
    host.admin("POST", "/admin/v1/call", &order).await
}

/// A fault of this status and name, whose text has this in it.
#[track_caller]
fn says(reply: &Reply, status: u16, name: &str, text: &str) {
    faults(reply, status, &[name]);
    let told = json(reply, status);
    assert!(told["error"].as_str().is_some_and(|told| told.contains(text)), "{told}");
}

/// What a caller in a guest is told who reads the answer of a neighbour of this
/// manner within 300 ms.
async fn check_mean(manner: Manner, status: u16, name: &str, text: &str) {
    let host = host().await;
    let mean = Mean::start(manner).await;
    register(&host, &record("ext", mean.address, "mean")).await;
    let reply = host.get("/misbehaves/read/ext/hello/300").await;
    says(&reply, status, name, text);
    let text = reply.text();
    assert!(text.contains("endpoint mean of service ext") && !text.contains("http:"), "{text}");
    // With an endpoint that behaves beside it there is somebody to call.
    let program = Program::start().await;
    register(&host, &program.record("sound")).await;
    until("the sound one to be called", async || {
        let reply = host.get("/misbehaves/read/ext/hello/300").await;
        (reply.status == 200).then_some(())
    })
    .await;
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_service_that_nobody_has_is_named() {
    let host = host().await;
    let reply = host.get("/misbehaves/call/nobody/hello").await;
    says(&reply, 404, "no-such-service", "no such service: nobody");
    host.stop().await;
}

#[tokio::test]
async fn a_method_that_the_service_lacks_is_named() {
    let host = host().await;
    let local = host.get("/misbehaves/call/calc/subtract").await;
    says(&local, 404, "no-such-method", "service calc has no method subtract");
    let program = Program::start().await;
    register(&host, &program.record("one")).await;
    let remote = host.get("/misbehaves/call/ext/other").await;
    says(&remote, 404, "no-such-method", "service ext has no method other");
    assert_eq!(program.calls(), 0);
    host.stop().await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_before_or_by_the_service() {
    let host = host().await;
    let few = call(&host, "calc.add1", &["40"], json!({})).await;
    says(&few, 400, "bad-call", "takes 2 parameters, 1 were given");
    let many = call(&host, "calc.add1", &["40", "2", "1"], json!({})).await;
    says(&many, 400, "bad-call", "takes 2 parameters, 3 were given");
    let other = call(&host, "calc.add1", &["forty", "2"], json!({})).await;
    says(&other, 400, "bad-parameter", "path parameter `a`: `forty` is not a whole number");
    let none = call(&host, "calc.add2", &[], json!({})).await;
    says(&none, 400, "bad-json", "");
    let option = call(&host, "calc.add1", &["40", "2"], json!({"speed": "fast"})).await;
    says(&option, 400, "bad-call", "there is no option speed");
    host.stop().await;
}

#[tokio::test]
async fn a_version_that_nobody_has_is_named() {
    let host = host().await;
    let reply = call(&host, "calc.add1", &["40", "2"], json!({"version": "^7.1"})).await;
    says(&reply, 404, "no-such-endpoint", "service calc has no endpoint of version ^7.1");
    let reply = call(&host, "calc.add1", &["40", "2"], json!({"version": "newest"})).await;
    says(&reply, 400, "bad-call", "version \"newest\" is no requirement such as ^1.2");
    host.stop().await;
}

#[tokio::test]
async fn a_circle_is_told_with_its_way() {
    let host = host().await;
    let reply = host.get("/misbehaves/again/50").await;
    let way = "calls go in a circle: misbehaves.again -> misbehaves.again";
    says(&reply, 508, "call-cycle", way);
    host.stop().await;
}

#[tokio::test]
async fn a_circle_through_other_processes_ends_by_its_depth() {
    let host = host().await;
    // A neighbour that is this host again, reached over the network.
    let around = json!({"record": {
        "name": "around", "domain": format!("http://{}", host.services), "root": "/misbehaves",
        "methods": [{"name": "on", "type": "GET", "path": "/call/around/on"}],
        "registration": "around",
    }});
    register(&host, &around).await;
    let reply = host.get("/misbehaves/call/around/on").await;
    says(&reply, 508, "call-depth", "calls are more than 8 deep");
    host.stop().await;
}

#[tokio::test]
async fn a_chain_deeper_than_the_bound_is_told() {
    let host = host().await;
    let deep = [("x-picolet-depth", "8")];
    let path = "/misbehaves/call/misbehaves/state";
    let reply = host.send("GET", path, &deep, "").await;
    let way = "calls are more than 8 deep: misbehaves.call -> misbehaves.state";
    says(&reply, 508, "call-depth", way);
    let less = [("x-picolet-depth", "7")];
    assert_eq!(host.send("GET", path, &less, "").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_named() {
    check_mean(Manner::Silent, 504, "no-answer", "gave no answer in the time of the call").await;
}

#[tokio::test]
async fn an_endpoint_that_never_answers_rests_after_some_callers() {
    let host = host().await;
    let mean = Mean::start(Manner::Silent).await;
    register(&host, &record("ext", mean.address, "mean")).await;
    let reply = until("it to be left alone", async || {
        let reply = call(&host, "ext.hello", &[], json!({"timeout-ms": "50"})).await;
        (reply.status != 504).then_some(reply)
    })
    .await;
    says(&reply, 503, "resting", "the next probe is due in ");
    assert!(5 <= mean.asked(), "{}", mean.asked());
    host.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_answers_garbage_is_named() {
    check_mean(Manner::Garbage, 502, "garbled-answer", "cannot be read: it is no HTTP").await;
}

#[tokio::test]
async fn an_endpoint_whose_head_is_too_large_is_named() {
    let text = "cannot be read: its head is too large";
    check_mean(Manner::LargeHead, 502, "garbled-answer", text).await;
}

#[tokio::test]
async fn an_endpoint_that_ends_in_the_middle_of_its_answer_is_named() {
    check_mean(Manner::Half, 502, "broken-answer", "broke its answer off").await;
}

#[tokio::test]
async fn an_endpoint_that_stalls_in_the_middle_of_its_answer_is_named() {
    check_mean(Manner::Stall, 504, "slow-answer", "was still answering").await;
}

#[tokio::test]
async fn an_endpoint_that_resets_in_the_middle_breaks_the_answer_and_rests() {
    let host = host().await;
    let mean = Mean::start(Manner::Reset).await;
    register(&host, &record("ext", mean.address, "mean")).await;
    let reply = until("it to be left alone", async || {
        let mut wire = Wire::to(host.services).await;
        wire.send("GET /misbehaves/call/ext/hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let (status, _) = wire.head().await;
        if status == 503 {
            return Some(host.get("/misbehaves/call/ext/hello").await);
        }
        assert_eq!(status, 200);
        // The head is here, so the reset cannot overtake it.
        mean.reset();
        let rest = wire.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n") && rest.len() < 8 + 16, "it looks whole");
        None
    })
    .await;
    says(&reply, 503, "resting", "rest after failures");
    host.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_answers_slower_and_slower_loses_its_calls() {
    let host = host().await;
    let (slower, steady) = (Program::start().await, Program::start().await);
    register(&host, &slower.record("slower")).await;
    register(&host, &steady.record("steady")).await;
    steady.delay(Duration::from_millis(2));
    let mut before = 0;
    for ms in [2, 8, 32, 128] {
        slower.delay(Duration::from_millis(ms));
        before = slower.calls();
        for _ in 0..100 {
            answers(&call(&host, "ext.hello", &[], json!({})).await, 200, HELLO);
        }
    }
    let last = slower.calls() - before;
    assert!(last < 20, "the slow one still had {last} of 100");
    assert_eq!(slower.calls() + steady.calls(), 400);
    host.stop().await;
}

#[tokio::test]
async fn one_that_answers_slower_and_slower_than_its_callers_wait_rests_in_the_end() {
    let host = host().await;
    let slower = Program::start().await;
    register(&host, &slower.record("slower")).await;
    let mut delay = Duration::from_millis(10);
    let mut seen = Vec::new();
    let reply = until("it to be left alone", async || {
        slower.delay(delay);
        delay = delay.mul_f64(1.5).min(Duration::from_secs(30));
        let reply = call(&host, "ext.hello", &[], json!({"timeout-ms": "200"})).await;
        seen.push(reply.status);
        (reply.status == 503).then_some(reply)
    })
    .await;
    says(&reply, 503, "resting", "the next probe is due in ");
    assert!(seen.starts_with(&[200]) && seen.contains(&504), "{seen:?}");
    host.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_flaps_is_felt_by_nobody_who_may_call_twice_or_wait() {
    let settings = format!("{UNCHECKED}\n").replace("check_ms = 3600000", "check_ms = 50");
    let host = Host::over(Folder::of(&["misbehaves"]).with("picolet.toml", settings)).await;
    let steady = Program::start().await;
    register(&host, &steady.record("steady")).await;
    let mut flapping = Program::start().await;
    let address = flapping.address;
    register(&host, &flapping.record("flapping")).await;
    for _ in 0..3 {
        until("the one that flaps to be called", async || {
            answers(&call(&host, "ext.hello", &[], json!({})).await, 200, HELLO);
            (0 < flapping.calls()).then_some(())
        })
        .await;
        flapping.die().await;
        for _ in 0..50 {
            answers(&call(&host, "ext.hello", &[], json!({})).await, 200, HELLO);
        }
        flapping = Program::at(address).await;
    }
    // Alone it fails those who do not wait, at once, and nobody else.
    steady.die().await;
    let waits = json!({"wait": "true", "timeout-ms": "30000"});
    for _ in 0..2 {
        answers(&call(&host, "ext.hello", &[], waits.clone()).await, 200, HELLO);
        flapping.die().await;
        until("it to be known that it is gone", async || {
            let reply = call(&host, "ext.hello", &[], json!({})).await;
            assert!([502, 503].contains(&reply.status), "{}", reply.text());
            (reply.status == 503).then_some(())
        })
        .await;
        let gone = call(&host, "ext.hello", &[], json!({})).await;
        faults(&gone, 503, &["no-endpoint", "resting"]);
        assert!(gone.text().contains("flapping"), "{}", gone.text());
        flapping = Program::at(address).await;
    }
    answers(&call(&host, "ext.hello", &[], waits).await, 200, HELLO);
    host.stop().await;
}

#[tokio::test]
async fn among_ten_thousand_records_a_call_finds_its_own() {
    let host = host().await;
    let (old, new) = (Program::start().await, Program::start().await);
    register(&host, &old.record_with("old", &json!({"version": "1.0.0"}))).await;
    register(&host, &new.record_with("new", &json!({"version": "2.0.0"}))).await;
    let gone: SocketAddr = ([127, 0, 0, 1], 1).into();
    let post = async |n: usize| {
        // A tenth are endpoints of the same service, of another version.
        let name = if n.is_multiple_of(10) { "ext".into() } else { format!("other-{n}") };
        let mut other = record(&name, gone, &format!("other-{n}"));
        other["record"]["metadata"] = json!({"version": "9.0.0"});
        register(&host, &other).await;
    };
    // Two of the modules and two of the programs are there.
    for first in (0..9_996).step_by(64) {
        let some = (first..9_996).take(64).map(post);
        futures::future::join_all(some).await;
    }
    let health = json(&host.admin("GET", "/admin/v1/health", "").await, 200);
    assert_eq!(health["records"], 10_000);
    let full = host.admin("POST", "/api/services", &record("x", gone, "x").to_string()).await;
    says(&full, 507, "registry-full", "the registry holds 10000 records and takes no more");
    for _ in 0..20 {
        answers(&call(&host, "ext.hello", &[], json!({"version": "^1"})).await, 200, HELLO);
        answers(&call(&host, "ext.hello", &[], json!({"endpoint": "new"})).await, 200, HELLO);
        assert_eq!(host.get("/misbehaves/call/misbehaves/state").await.status, 200);
    }
    assert_eq!((old.calls(), new.calls()), (20, 20));
    let nobody = call(&host, "ext.hello", &[], json!({"version": "^3"})).await;
    says(&nobody, 404, "no-such-endpoint", "version ^3");
    faults(&host.get("/misbehaves/call/other/hello").await, 404, &["no-such-service"]);
    host.stop().await;
}

#[tokio::test]
async fn headers_over_the_limit_are_refused_wherever_they_come_from() {
    let host = host().await;
    let many: Vec<(String, String)> = (0..101).map(|n| (format!("x-{n}"), "1".into())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let outside = host.send("GET", "/api/add/40/2", &many, "").await;
    says(&outside, 431, "head-too-large", "more than 100 headers");
    let program = Program::start().await;
    register(&host, &program.record("one")).await;
    for neighbour in ["misbehaves/state", "ext/hello"] {
        let path = format!("/misbehaves/laden/{neighbour}/101/1");
        let reply = host.get(&path).await;
        says(&reply, 431, "head-too-large", "the call has more than 100 headers");
        let path = format!("/misbehaves/laden/{neighbour}/4/9000");
        let reply = host.get(&path).await;
        says(&reply, 431, "head-too-large", "the call has headers of more than 32768 bytes");
        let path = format!("/misbehaves/laden/{neighbour}/20/100");
        assert_eq!(host.get(&path).await.status, 200, "{path}");
    }
    assert_eq!(program.calls(), 1);
    host.stop().await;
}

#[tokio::test]
async fn a_call_whose_time_is_over_already_is_not_made() {
    let host = host().await;
    let program = Program::start().await;
    register(&host, &program.record("one")).await;
    let over = [("x-picolet-timeout-ms", "0")];
    for path in ["/misbehaves/state", "/services/ext/hello", "/services/misbehaves/state"] {
        let reply = host.send("GET", path, &over, "").await;
        says(&reply, 504, "too-late", "deadline had passed before service ");
    }
    let reply = call(&host, "ext.hello", &[], json!({"timeout-ms": "0"})).await;
    says(&reply, 504, "too-late", "deadline had passed before service ext was called");
    let reply = host.get("/misbehaves/read/misbehaves/state/0").await;
    says(&reply, 504, "too-late", "before service misbehaves was called");
    assert_eq!(program.calls(), 0);
    answers(&host.get("/misbehaves/state").await, 200, "2");
    host.stop().await;
}
