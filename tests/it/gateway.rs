//! The gateway: calls by `/rpc`, by paths and by the names of services, and what
//! a service is told of who calls it.

use crate::kit::*;
use serde_json::{Value, json};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

async fn host_with(guests: &[&str], settings: &str) -> Host {
    Host::over(Folder::of(guests).with("picolet.toml", settings)).await
}

async fn rpc(host: &Host, body: &str) -> Reply {
    host.send("POST", "/rpc", &[JSON], body).await
}

/// An error as Micro's clients read it.
#[track_caller]
fn fails(reply: &Reply, code: u16, status: &str, fault: &str) {
    let error = json(reply, code);
    assert_eq!((&error["id"], &error["code"]), (&json!("go.micro.rpc"), &json!(code)), "{error}");
    assert_eq!(error["status"], status, "{error}");
    assert!(error["detail"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    assert_eq!(reply.header("x-picolet-fault"), fault, "{error}");
    assert_ne!(reply.header("x-request-id"), "");
}

#[tokio::test]
async fn micros_own_example_is_answered_as_it_prints_it() {
    let host = Host::of(&["greeter"]).await;
    // What curl makes of three times `-d`.
    let form = "service=go.micro.srv.greeter&method=Say.Hello&request={\"name\": \"John\"}";
    let reply = host.send("POST", "/rpc", &[FORM], form).await;
    answers(&reply, 200, r#"{"msg":"Hello John"}"#);
    assert!(reply.header("content-type").starts_with("application/json"), "{reply:?}");
    assert_eq!(reply.header("x-request-id").len(), 16, "{reply:?}");
    let mut order = json!({"service": "go.micro.srv.greeter", "method": "Say.Hello"});
    for request in [json!({"name": "John"}), json!("{\"name\":\"John\"}")] {
        order["request"] = request;
        answers(&rpc(&host, &order.to_string()).await, 200, r#"{"msg":"Hello John"}"#);
    }
    order["address"] = host.services.to_string().into();
    answers(&rpc(&host, &order.to_string()).await, 200, r#"{"msg":"Hello John"}"#);
    order["address"] = "192.0.2.1:80".into();
    fails(&rpc(&host, &order.to_string()).await, 404, "Not Found", "no-such-endpoint");
    host.stop().await;
}

#[tokio::test]
async fn members_go_where_the_method_wants_them() {
    let host = Host::of(&["calc"]).await;
    let program = Program::start().await;
    let record = program.record("one").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    for method in ["add1", "add2"] {
        let order = json!({"service": "calc", "method": method, "request": {"a": 40, "b": 2}});
        assert_eq!(json(&rpc(&host, &order.to_string()).await, 200)["result"], 42, "{method}");
    }
    let order = json!({"service": "ext", "method": "hello"}).to_string();
    answers(&rpc(&host, &order).await, 200, r#"{"hello":"from outside"}"#);
    program.answer_with(500);
    let refused = json(&rpc(&host, &order).await, 500);
    assert_eq!(refused["status"], "Internal Server Error", "{refused}");
    host.stop().await;
}

#[tokio::test]
async fn what_cannot_be_called_is_told_in_micros_words() {
    let host = Host::of(&["calc"]).await;
    for (body, code, status, fault) in [
        (r#"{"service":"nobody","method":"a"}"#, 404, "Not Found", "no-such-service"),
        (r#"{"service":"a b/../","method":"a"}"#, 404, "Not Found", "no-such-service"),
        (r#"{"service":"calc","method":"Nothing"}"#, 404, "Not Found", "no-such-method"),
        (r#"{"service":"calc","method":"add1"}"#, 400, "Bad Request", "bad-call"),
        (r#"{"service":"calc","method":"add1","request":7}"#, 400, "Bad Request", "bad-call"),
        (r#"{"service":"calc"}"#, 400, "Bad Request", "bad-request"),
        (r#"{"service":7,"method":"add1"}"#, 400, "Bad Request", "bad-request"),
        (r#"{"service":"calc","method":"add1","request":"{"}"#, 400, "Bad Request", "bad-request"),
        ("{\"service\":", 400, "Bad Request", "bad-request"),
        ("7", 400, "Bad Request", "bad-request"),
        ("", 400, "Bad Request", "bad-request"),
    ] {
        fails(&rpc(&host, body).await, code, status, fault);
    }
    let deep = "[".repeat(10_000);
    assert_eq!(json(&rpc(&host, &deep).await, 200)["error"]["code"], -32_700);
    let odd = host.send("POST", "/rpc", &[("content-type", "text/plain")], "service=calc").await;
    fails(&odd, 400, "Bad Request", "bad-request");
    for verb in ["GET", "PUT", "DELETE"] {
        let reply = host.send(verb, "/rpc", &[], "").await;
        fails(&reply, 405, "Method Not Allowed", "verb-not-allowed");
        assert_eq!(reply.header("allow"), "POST, OPTIONS");
    }
    assert_eq!(host.send("OPTIONS", "/rpc", &[], "").await.status, 204);
    host.stop().await;
}

#[tokio::test]
async fn bodies_of_rpc_have_an_end_and_a_bound() {
    let host = host_with(&["calc"], "[limits]\nbody_idle_ms_max = 200").await;
    let head = "POST /rpc HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let mut wire = Wire::to(host.services).await;
    wire.send(format!("{head}content-length: 100\r\n\r\n{{\"service\":")).await;
    fails(&wire.reply().await, 408, "Request Timeout", "slow-sender");
    let reply = Wire::ask(host.services, format!("{head}content-length: 1048577\r\n\r\n")).await;
    fails(&reply, 413, "Payload Too Large", "body-too-large");
    // One whose length nobody knows.
    let mut wire = Wire::to(host.services).await;
    wire.send(format!("{head}transfer-encoding: chunked\r\n\r\n")).await;
    for _ in 0..16 {
        wire.send(format!("10000\r\n{}\r\n", " ".repeat(64 << 10))).await;
    }
    wire.send("1\r\n ").await;
    fails(&wire.reply().await, 413, "Payload Too Large", "body-too-large");
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn json_rpc_is_spoken_where_the_body_says_so() {
    let host = Host::of(&["calc", "greeter", "misbehaves"]).await;
    let ask = async |method: &str, params: Value| {
        let call = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let told = json(&rpc(&host, &call.to_string()).await, 200);
        assert_eq!((&told["jsonrpc"], &told["id"]), (&json!("2.0"), &json!(7)), "{told}");
        told
    };
    assert_eq!(ask("calc.add1", json!({"a": 40, "b": 2})).await["result"]["result"], 42);
    assert_eq!(ask("calc.add1", json!([40, "2"])).await["result"]["result"], 42);
    assert_eq!(ask("calc.add2", json!([{"a": 40, "b": 2}])).await["result"]["result"], 42);
    let hello = ask("go.micro.srv.greeter.Say.Hello", json!({"name": "John"})).await;
    assert_eq!(hello["result"], json!({"msg": "Hello John"}));
    for (method, params, code) in [
        ("nobody.add", json!([]), -32_601),
        ("calc.nothing", json!([]), -32_601),
        ("calc", json!([]), -32_601),
        ("calc.add1", json!([1, 2, 3]), -32_602),
        ("calc.add1", json!([1]), -32_602),
        ("calc.add1", json!({"a": 1}), -32_602),
        ("misbehaves.panic", json!([]), -32_000),
        ("misbehaves.fault", json!([503]), -32_001),
    ] {
        let error = ask(method, params).await["error"].clone();
        assert_eq!(error["code"], code, "{method}: {error}");
        assert!(error["message"].is_string() && error["data"]["fault"].is_string(), "{error}");
    }
    // What the caller did wrong and only the service can tell.
    let error = ask("calc.add1", json!(["x", 1])).await["error"].clone();
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32_000), &json!(400)), "{error}");
    host.stop().await;
}

#[tokio::test]
async fn batches_are_answered_in_order_and_notifications_not_at_all() {
    let host = Host::of(&["calc", "misbehaves"]).await;
    let note = json!({"jsonrpc": "2.0", "method": "misbehaves.state"});
    let reply = rpc(&host, &note.to_string()).await;
    answers(&reply, 204, "");
    let reply = rpc(&host, &json!([note]).to_string()).await;
    answers(&reply, 204, "");
    answers(&host.get("/misbehaves/state").await, 200, "3");
    let call =
        |n: usize| json!({"jsonrpc": "2.0", "id": n, "method": "calc.add1", "params": [n, 1]});
    let mut calls: Vec<Value> = (0..62).map(call).collect();
    calls.insert(5, json!({"jsonrpc": "2.0", "id": "bad", "method": 7}));
    calls.insert(9, note);
    let told = json(&rpc(&host, &Value::from(calls.clone()).to_string()).await, 200);
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), 63, "{told:?}");
    assert_eq!((&told[5]["id"], &told[5]["error"]["code"]), (&json!("bad"), &json!(-32_600)));
    for answer in told.iter().filter(|answer| answer["id"] != "bad") {
        assert_eq!(answer["result"]["result"], answer["id"].as_u64().unwrap() + 1, "{answer}");
    }
    calls.push(call(64));
    for body in [Value::from(calls).to_string(), "[]".to_owned()] {
        let told = json(&rpc(&host, &body).await, 200);
        assert_eq!((&told["id"], &told["error"]["code"]), (&Value::Null, &json!(-32_600)));
    }
    let told = json(&rpc(&host, "[{\"jsonrpc\": \"2.0\",").await, 200);
    assert_eq!(told["error"]["code"], -32_700, "{told}");
    host.stop().await;
}

#[tokio::test]
async fn a_service_is_shown_to_who_wants_to_call_it() {
    let host = Host::of(&["calc", "echo"]).await;
    let program = Program::start().await;
    let metadata = json!({"version": "3.1.0", "password": "hunter2"});
    let record = program.record_with("one", &metadata).to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    let calc = json(&host.get("/services/calc").await, 200);
    assert_eq!((&calc["name"], &calc["versions"][0]), (&json!("calc"), &json!("1.0.0")), "{calc}");
    let names = |shown: &Value| -> Vec<String> {
        let methods = shown["methods"].as_array().unwrap().iter();
        methods.map(|method| method["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names(&calc).contains(&"add1".to_owned()), "{calc}");
    assert_eq!(calc["endpoints"][0]["local"], true, "{calc}");
    let shown = host.get("/services/ext").await;
    let ext = json(&shown, 200);
    assert_eq!(names(&ext), ["hello", "store"]);
    assert_eq!(
        (&ext["endpoints"][0]["status"], &ext["versions"][0]),
        (&json!("UP"), &json!("3.1.0"))
    );
    for secret in ["hunter2", "127.0.0.1"] {
        assert!(!shown.text().contains(secret), "{ext}");
    }
    faults(&host.get("/services/nobody").await, 404, &["no-such-service"]);
    // Any other verb is one of the service's own.
    answers(&host.send("POST", "/services/echo", &[], "said").await, 200, "said");
    host.stop().await;
}

/// The value of a header as a guest saw it, joined where it came several times.
#[track_caller]
fn seen(reply: &Reply, name: &str) -> String {
    let pairs: Vec<(String, String)> = serde_json::from_value(json(reply, 200)).unwrap();
    let values = pairs.into_iter().filter(|(own, _)| own == name).map(|(_, value)| value);
    values.collect::<Vec<_>>().join(" | ")
}

const CLAIMS: [(&str, &str); 6] = [
    ("x-forwarded-for", "198.51.100.1, 203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("x-forwarded-prefix", "/admin"),
    ("x-real-ip", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9"),
];

#[tokio::test]
async fn what_strangers_claim_of_themselves_is_not_passed_on() {
    let host = Host::of(&["misbehaves"]).await;
    let program = Program::start().await;
    let record = program.record("one").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    let by_route = host.send("GET", "/misbehaves/headers", &CLAIMS, "").await;
    for (name, _) in CLAIMS {
        assert_eq!(seen(&by_route, name), "", "{name}");
    }
    let by_name = host.send("GET", "/services/misbehaves/headers", &CLAIMS, "").await;
    let own = host.services.to_string();
    let expected = [("for", "127.0.0.1"), ("proto", "http"), ("host", own.as_str())];
    for (name, value) in expected {
        assert_eq!(seen(&by_name, &format!("x-forwarded-{name}")), value);
    }
    for name in ["x-forwarded-prefix", "x-real-ip", "forwarded"] {
        assert_eq!(seen(&by_name, name), "", "{name}");
    }
    let order = r#"{"service":"ext","method":"hello"}"#;
    let headers: Vec<(&str, &str)> = CLAIMS.into_iter().chain([JSON]).collect();
    assert_eq!(host.send("POST", "/rpc", &headers, order).await.status, 200);
    for (name, value) in expected {
        assert_eq!(program.header(&format!("x-forwarded-{name}")), value);
    }
    assert_eq!(program.header("x-real-ip"), "");
    host.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_nothing_gets_in_by_it() {
    let settings = "[gateway]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]";
    let host = host_with(&["misbehaves"], settings).await;
    let program = Program::start().await;
    let record = program.record("one").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    let by_name = host.send("GET", "/services/misbehaves/headers", &CLAIMS, "").await;
    let chain = "198.51.100.1, 203.0.113.9, 127.0.0.1";
    for (name, value) in [("for", chain), ("proto", "https"), ("host", "shop.example")] {
        assert_eq!(seen(&by_name, &format!("x-forwarded-{name}")), value);
    }
    let by_route = host.send("GET", "/misbehaves/headers", &CLAIMS, "").await;
    assert_eq!(seen(&by_route, "x-forwarded-for"), "198.51.100.1, 203.0.113.9");
    // What is no address, no scheme and no host is not passed on, whatever it is.
    let odd = [
        ("x-forwarded-for", "203.0.113.1, 1.2.3.4\tx-evil: 1, 10.0.0.1, junk, 203.0.113.9"),
        ("x-forwarded-proto", "https\tx-evil: 1"),
        ("x-forwarded-host", "shop.example/../x?y=\"z\""),
    ];
    assert_eq!(host.send("GET", "/services/ext/hello", &odd, "").await.status, 200);
    let own = host.services.to_string();
    let expected = [("for", "203.0.113.9, 127.0.0.1"), ("proto", "http"), ("host", own.as_str())];
    for (name, value) in expected {
        assert_eq!(program.header(&format!("x-forwarded-{name}")), value);
    }
    assert_eq!(program.header("x-evil"), "");
    // Lines that are no lines do not get that far.
    for value in ["1.2.3.4\rx-evil: 1", "1.2.3.4\n x-evil: 1", "1.2.3.4\0"] {
        let request = format!(
            "GET /services/ext/hello HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {value}\r\n\
             connection: close\r\n\r\n"
        );
        let mut wire = Wire::to(host.services).await;
        wire.send(request).await;
        let answer = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{value:?}: {answer}");
    }
    assert_eq!(program.calls(), 1);
    host.stop().await;
}

#[tokio::test]
async fn paths_stand_for_methods_where_the_settings_say_so() {
    let settings = "[gateway]\npaths = \"/micro\"\npaths_namespace = \"go.micro.srv\"";
    let host = host_with(&["greeter", "calc"], settings).await;
    let john = r#"{"msg":"Hello John"}"#;
    answers(&host.get("/micro/greeter/say/hello?name=John").await, 200, john);
    let path = "/micro/greeter/say/hello";
    answers(&host.send("POST", path, &[FORM], "name=John").await, 200, john);
    answers(&host.post_json(path, r#"{"name":"John"}"#).await, 200, john);
    // What the body says counts.
    answers(&host.post_json(&format!("{path}?name=Jane"), r#"{"name":"John"}"#).await, 200, john);
    for (reply, code) in [
        (host.get("/micro/nobody/say/hello").await, 404),
        (host.get("/micro/greeter/say/nothing").await, 404),
        (host.get("/micro/greeter").await, 404),
        (host.post_json(path, "[]").await, 400),
        (host.post_json(path, "{").await, 400),
        (host.send("POST", path, &[("content-type", "image/png")], "x").await, 400),
    ] {
        let error = json(&reply, code);
        assert_eq!((&error["id"], &error["code"]), (&json!("go.micro.api"), &json!(code)));
    }
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
    let host = Host::of(&["greeter"]).await;
    faults(&host.get("/micro/greeter/say/hello?name=John").await, 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn websockets_are_opened_by_the_name_of_a_service() {
    let host = Host::of(&["chats"]).await;
    let program = Program::start().await;
    let record = program.record("one").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    let mut socket = WebSocket::open(host.services, "/services/chats/talk/r").await;
    assert_eq!(socket.answers("hello").await, "hello");
    let ask = async |path: &str| Wire::ask(host.services, upgrade(path, "")).await;
    faults(&ask("/services/ext/hello").await, 501, &["socket-elsewhere"]);
    faults(&ask("/services/nobody/hello").await, 404, &["no-such-service"]);
    faults(&ask("/services/chats/nothing").await, 404, &["no-route"]);
    assert_eq!(program.calls(), 0);
    host.stop().await;
}
