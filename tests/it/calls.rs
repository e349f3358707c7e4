//! Services that call services.

use crate::kit::*;
use futures::future::join_all;

#[tokio::test]
async fn the_greeters_front_asks_the_greeter_by_name() {
    let host = Host::of(&["greeter", "greeter-api"]).await;
    let greeted = host.get("/greeter-api/say/hello?name=John").await;
    answers(&greeted, 200, r#"{"message":"Hello John"}"#);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let greeted = host.send("POST", "/greeter-api/say/hello", &form, "name=Ünal+%26+Co").await;
    answers(&greeted, 200, r#"{"message":"Hello Ünal & Co"}"#);
    host.stop().await;
}

#[tokio::test]
async fn a_call_inside_the_process_opens_no_socket() {
    let host = Host::of(&["greeter", "greeter-api"]).await;
    let connection = http2(host.services).await;
    let ask = async |name: u32| {
        let path = format!("/greeter-api/say/hello?name={name}");
        let asked = request("GET", host.services, &path, &[], body(""));
        let reply = Reply::read(connection.clone().send_request(asked).await.unwrap()).await;
        answers(&reply.unwrap(), 200, &format!(r#"{{"message":"Hello {name}"}}"#));
    };
    ask(0).await;
    let before = sockets(host.pid());
    join_all((1..200).map(ask)).await;
    assert_eq!(sockets(host.pid()), before);
    host.stop().await;
}

#[tokio::test]
async fn a_guest_reads_who_is_there() {
    let host = Host::of(&["calc", "misbehaves"]).await;
    let listed = host.get("/misbehaves/directory/default").await;
    answers(&listed, 200, r#"["calc 1.0.0 true","misbehaves 1.0.0 true"]"#);
    answers(&host.get("/misbehaves/directory/nothing").await, 200, "[]");
    host.stop().await;
}

#[tokio::test]
async fn a_guest_calls_only_whom_its_manifest_grants() {
    let folder = Folder::of(&["calc", "misbehaves"]);
    let folder = folder.with("misbehaves.toml", "[grants]\ncalls = [\"gre*\", \"misbehaves\"]");
    let host = Host::over(folder).await;
    faults(&host.get("/misbehaves/call/calc/add2").await, 403, &["call-not-granted"]);
    faults(&host.get("/misbehaves/call/greeter/x").await, 404, &["no-such-service"]);
    host.stop().await;
}

#[tokio::test]
async fn a_neighbour_that_comes_goes_and_returns_is_found() {
    let host = Host::of(&["greeter-api"]).await;
    let path = "/greeter-api/say/hello?name=John";
    faults(&host.get(path).await, 404, &["no-such-service"]);
    for _ in 0..2 {
        let mark = host.log.mark();
        host.folder.put("greeter.wasm", guest("greeter"));
        host.line_from(mark, "serving go.micro.srv.greeter").await;
        answers(&host.get(path).await, 200, r#"{"message":"Hello John"}"#);
        host.folder.remove("greeter.wasm");
        host.line_from(mark, "removed").await;
        faults(&host.get(path).await, 404, &["no-such-service"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_call_to_what_is_not_there_says_so() {
    let host = Host::of(&["misbehaves"]).await;
    let cases = [
        ("nobody/state", 404, "no-such-service"),
        ("misbehaves/nothing", 404, "no-such-method"),
        ("misbehaves/sleep", 400, "bad-call"),
        ("a%2Fb/state", 404, "no-such-service"),
    ];
    for (path, status, name) in cases {
        let reply = host.get(&format!("/misbehaves/call/{path}")).await;
        faults(&reply, status, &[name]);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_chain_of_calls_is_bounded() {
    let host = Host::of(&["misbehaves"]).await;
    answers(&host.get("/misbehaves/again/0").await, 200, "deep enough");
    faults(&host.get("/misbehaves/again/50").await, 508, &["call-depth", "call-cycle"]);
    answers(&host.get("/misbehaves/again/0").await, 200, "deep enough");
    host.stop().await;
}

#[tokio::test]
async fn a_circle_of_calls_cannot_wait_for_itself() {
    let manifest = "[limits]\nconcurrency = 1\nqueue = 0";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    let reply = host.get("/misbehaves/call/misbehaves/context").await;
    assert_eq!(json(&reply, 200)["caller"], "misbehaves");
    let circle = host.get("/misbehaves/again/3").await;
    if circle.status == 200 {
        answers(&circle, 200, "deep enough");
    } else {
        faults(&circle, 508, &["call-depth", "call-cycle"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_neighbour_that_fails_fails_its_own_call_only() {
    let host = Host::of(&["misbehaves"]).await;
    faults(&host.get("/misbehaves/call/misbehaves/panic").await, 500, &["trapped"]);
    faults(&host.get("/misbehaves/call/misbehaves/alloc").await, 500, &["memory-limit"]);
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn the_deadline_shrinks_along_the_chain() {
    let manifest = "[limits]\nwall_ms = 5000";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    let sent = [("x-request-id", "req-9")];
    let inner = host.send("GET", "/misbehaves/call/misbehaves/context", &sent, "").await;
    let inner = json(&inner, 200);
    assert_eq!((&inner["request_id"], &inner["caller"]), (&"req-9".into(), &"misbehaves".into()));
    assert!(inner["remaining_ms"].as_u64().is_some_and(|ms| ms <= 5_000), "{inner}");
    host.stop().await;
}

#[tokio::test]
async fn a_stream_comes_through_a_call_and_so_does_its_break() {
    let host = Host::of(&["misbehaves"]).await;
    for method in ["stream-trap", "stream-fault"] {
        let mut wire = Wire::to(host.services).await;
        wire.send(format!("GET /misbehaves/call/misbehaves/{method} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen);
        let turned_away = seen.starts_with("HTTP/1.1 50");
        assert!(turned_away || !seen.ends_with("0\r\n\r\n"), "{method} looks whole");
    }
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    host.stop().await;
}
