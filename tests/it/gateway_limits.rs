//! What the gateway lets through, to whom, how fast, and in which form.

use crate::kit::*;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::io::Read;

const JSON: (&str, &str) = ("content-type", "application/json");

async fn host_with(guests: &[&str], settings: &str) -> Host {
    Host::over(Folder::of(guests).with("picolet.toml", settings)).await
}

async fn rpc(host: &Host, order: &Value) -> Reply {
    host.send("POST", "/rpc", &[JSON], &order.to_string()).await
}

#[tokio::test]
async fn an_address_that_sends_too_many_has_to_wait_and_others_do_not() {
    let settings = "[gateway]\ntrusted_proxies = \"127.0.0.1\"\n\
                    [limits]\nrequests_per_second_per_address_max = 1";
    let host = host_with(&["calc"], settings).await;
    let from = async |address: &str, path: &str| {
        host.send("GET", path, &[("x-forwarded-for", address)], "").await
    };
    for path in ["/api/add/40/2", "/services/calc/add/40/2"] {
        let refused = until("a request over the limit", async || {
            let reply = from("203.0.113.7", path).await;
            (reply.status != 200).then_some(reply)
        })
        .await;
        faults(&refused, 429, &["too-many-requests"]);
        assert_eq!(refused.header("retry-after"), "1");
    }
    assert_eq!(from("203.0.113.8", "/api/add/40/2").await.status, 200);
    // Who is on this machine is not counted.
    for _ in 0..20 {
        assert_eq!(host.get("/api/add/40/2").await.status, 200);
    }
    let again = async || (from("203.0.113.7", "/api/add/40/2").await.status == 200).then_some(());
    until("its turn", again).await;
    // Each call of a batch is a request.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "calc.add1", "params": [40, 2]});
    let batch = Value::from(vec![call; 9]).to_string();
    let headers = [JSON, ("x-forwarded-for", "203.0.113.9")];
    let told = json(&host.send("POST", "/rpc", &headers, &batch).await, 200);
    let told = told.as_array().unwrap();
    assert_eq!(told[0]["result"]["result"], 42, "{told:?}");
    let late = |answer: &&Value| answer["error"]["data"]["fault"] == "too-many-requests";
    let late = told.iter().filter(late).count() as u64;
    assert!(0 < late, "{told:?}");
    // Two were refused before.
    assert!(2 + late <= host.metric("picolet_requests_over_pace_total").await);
    assert_eq!(host.metric("picolet_service_over_pace_total").await, 0);
    host.stop().await;
}

#[tokio::test]
async fn questions_of_pages_before_their_requests_are_counted_too() {
    let settings = "[gateway]\ntrusted_proxies = \"127.0.0.1\"\n\
                    cors_origins = \"https://shop.example\"\n\
                    [limits]\nrequests_per_second_per_address_max = 1";
    let host = host_with(&["calc"], settings).await;
    let preflight = async |address: &str, path: &str| {
        let headers = [
            ("origin", "https://shop.example"),
            ("access-control-request-method", "POST"),
            ("x-forwarded-for", address),
        ];
        host.send("OPTIONS", path, &headers, "").await
    };
    for (address, path) in [
        ("203.0.113.1", "/api/add"),
        ("203.0.113.2", "/rpc"),
        ("203.0.113.3", "/services/calc/add"),
        ("203.0.113.4", "/nowhere"),
    ] {
        assert_eq!(preflight(address, path).await.status, 204, "{path}");
        let refused = until("a preflight over the limit", async || {
            let reply = preflight(address, path).await;
            (reply.status != 204).then_some(reply)
        })
        .await;
        faults(&refused, 429, &["too-many-requests"]);
        assert_eq!(refused.header("retry-after"), "1", "{path}");
        // The page can read why.
        let allowed = refused.header("access-control-allow-origin");
        assert_eq!(allowed, "https://shop.example", "{path}");
    }
    assert_eq!(preflight("203.0.113.5", "/api/add").await.status, 204);
    let again = async || (preflight("203.0.113.1", "/api/add").await.status == 204).then_some(());
    until("its turn", again).await;
    host.stop().await;
}

#[tokio::test]
async fn nobody_is_believed_who_is_no_proxy() {
    let settings = "[limits]\nrequests_per_second_per_address_max = 1";
    let host = host_with(&["calc"], settings).await;
    for _ in 0..20 {
        let claim = [("x-forwarded-for", "203.0.113.7")];
        assert_eq!(host.send("GET", "/api/add/40/2", &claim, "").await.status, 200);
    }
    assert_eq!(host.metric("picolet_requests_over_pace_total").await, 0);
    host.stop().await;
}

#[tokio::test]
async fn a_service_has_a_pace_of_its_own_however_it_is_called() {
    let manifest = "[limits]\nrequests_per_second = 1";
    let host = Host::over(Folder::of(&["calc", "echo"]).with("calc.toml", manifest)).await;
    for path in ["/api/add/40/2", "/services/calc/add/40/2"] {
        let refused = until("a request over the limit", async || {
            let reply = host.get(path).await;
            (reply.status != 200).then_some(reply)
        })
        .await;
        faults(&refused, 429, &["too-many-requests"]);
        assert_ne!(refused.header("retry-after"), "");
    }
    assert_eq!(host.get("/echo/said").await.status, 200);
    let over = "picolet_service_over_pace_total";
    let of_calc = format!("{over}{{service=\"calc\",version=\"1.0.0\"}}");
    assert_eq!([host.metric(&of_calc).await, host.metric(over).await], [2, 2]);
    assert_eq!(host.metric("picolet_requests_over_pace_total").await, 0);
    // Who is over the pace of a service does not make it fail.
    let graph = json(&host.admin("GET", "/admin/v1/graph", "").await, 200);
    for edge in graph["edges"].as_array().unwrap() {
        assert_eq!(edge["failures"], 0, "{edge}");
    }
    host.stop().await;
}

#[tokio::test]
async fn only_listed_namespaces_are_reached_by_name() {
    let settings = "[gateway]\nnamespaces = [\"shop\"]\npaths = \"/micro\"\n\
                    paths_namespace = \"go.micro.srv\"";
    let folder = Folder::of(&["calc", "greeter", "chats"]).with("picolet.toml", settings);
    let host = Host::over(folder.with("calc.toml", "namespace = \"shop\"")).await;
    for (registration, metadata, status) in
        [("one", json!({}), 404), ("one", json!({"namespace": "shop"}), 200)]
    {
        let program = Program::start().await;
        let record = program.record_with(registration, &metadata).to_string();
        assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
        assert_eq!(host.get("/services/ext/hello").await.status, status, "{metadata}");
        let order = json!({"service": "ext", "method": "hello"});
        assert_eq!(rpc(&host, &order).await.status, status, "{metadata}");
    }
    assert_eq!(host.get("/services/calc/add/40/2").await.status, 200);
    assert_eq!(host.get("/services/calc").await.status, 200);
    let greeter = "go.micro.srv.greeter";
    for path in ["/hello", "", "/"] {
        let reply = host.get(&format!("/services/{greeter}{path}")).await;
        faults(&reply, 404, &["no-such-service"]);
    }
    // Nor by a name for several.
    faults(&host.get("/services/*/add/40/2").await, 404, &["no-such-service"]);
    let hello = json!({"service": greeter, "method": "Say.Hello", "request": {"name": "John"}});
    assert_eq!(rpc(&host, &hello).await.status, 404);
    assert_eq!(host.get("/micro/greeter/say/hello?name=John").await.status, 404);
    let socket = Wire::ask(host.services, upgrade("/services/chats/talk/r", "")).await;
    faults(&socket, 404, &["no-such-service"]);
    // Routes are not names.
    assert_eq!(host.post_json("/greeter/hello", r#"{"name":"John"}"#).await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn pages_of_listed_origins_may_read_and_no_others() {
    let settings = "[gateway]\ncors_origins = \"https://shop.example\"";
    let host = host_with(&["calc"], settings).await;
    let (shop, other) = (("origin", "https://shop.example"), ("origin", "https://evil.example"));
    let asks = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    for path in ["/api/add", "/rpc", "/services/calc/add"] {
        let preflight = host.send("OPTIONS", path, &[shop, asks[0], asks[1]], "").await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), shop.1);
        assert_eq!(preflight.header("access-control-allow-credentials"), "true");
        assert_eq!(preflight.header("access-control-allow-headers"), "content-type");
        assert!(preflight.header("access-control-allow-methods").contains("POST"));
        let refused = host.send("OPTIONS", path, &[other, asks[0]], "").await;
        faults(&refused, 403, &["origin-not-allowed"]);
        assert_eq!(refused.header("access-control-allow-origin"), "");
    }
    let vary = |reply: &Reply| {
        reply.headers.get_all("vary").iter().any(|value| value.to_str().unwrap().contains("origin"))
    };
    let reply = host.send("GET", "/api/add/40/2", &[shop], "").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, shop.1));
    assert!(vary(&reply));
    for headers in [&[other][..], &[]] {
        let reply = host.send("GET", "/api/add/40/2", headers, "").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, ""));
        assert!(vary(&reply));
    }
    // A fault can be read, too.
    let reply = host.send("GET", "/nowhere", &[shop], "").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (404, shop.1));
    // OPTIONS by who is no page is that of the route.
    let options = host.send("OPTIONS", "/api/add", &[], "").await;
    assert_eq!((options.status, options.header("access-control-allow-methods")), (204, ""));
    host.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_make_no_calls_by_what_needs_no_leave() {
    let order = json!({"service": "calc", "method": "add1", "request": {"a": 40, "b": 2}});
    for (settings, origin, status) in [
        ("", "https://shop.example", 403),
        ("", "null", 403),
        ("[gateway]\ncors_origins = \"https://shop.example\"", "https://shop.example", 200),
        ("[gateway]\ncors_origins = \"*\"", "null", 200),
    ] {
        let host = host_with(&["calc"], settings).await;
        let headers = [JSON, ("origin", origin)];
        let reply = host.send("POST", "/rpc", &headers, &order.to_string()).await;
        assert_eq!(reply.status, status, "{settings} {origin}");
        let own = format!("http://{}", host.services);
        let headers = [JSON, ("origin", own.as_str())];
        let reply = host.send("POST", "/rpc", &headers, &order.to_string()).await;
        assert_eq!(reply.status, 200, "{settings}");
        // Without the setting nothing is said of origins.
        let reply = host.send("GET", "/api/add/40/2", &[("origin", origin)], "").await;
        let allowed = reply.header("access-control-allow-origin");
        assert_eq!((reply.status, allowed.is_empty()), (200, settings.is_empty()));
        host.stop().await;
    }
}

/// As much as can be read of what is compressed.
fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let (mut text, mut part) = (Vec::new(), [0; 4_096]);
    let mut decoder = GzDecoder::new(bytes);
    while let Ok(read @ 1..) = decoder.read(&mut part) {
        text.extend_from_slice(&part[..read]);
    }
    text
}

#[tokio::test]
async fn large_texts_are_compressed_for_who_takes_that() {
    let host = host_with(&["echo", "calc"], "[gateway]\ncompression = true").await;
    let text = "all work and no play ".repeat(10_000);
    let echo = async |kind: &str, accepts: &str, body: &str| {
        let headers = [("content-type", kind), ("accept-encoding", accepts)];
        host.send("POST", "/echo", &headers, body).await
    };
    let reply = echo("text/plain", "br, gzip", &text).await;
    assert_eq!((reply.status, reply.header("content-encoding")), (200, "gzip"));
    assert_eq!(reply.header("vary"), "accept-encoding");
    assert!(reply.body.len() < text.len() / 10, "{}", reply.body.len());
    assert_eq!(unzipped(&reply.body), text.as_bytes());
    for (kind, accepts, body) in [
        ("text/plain", "br", text.as_str()),
        ("text/plain", "gzip;q=0", text.as_str()),
        ("image/png", "gzip", text.as_str()),
    ] {
        let reply = echo(kind, accepts, body).await;
        assert_eq!(reply.header("content-encoding"), "", "{kind} {accepts}");
        assert_eq!(reply.body, body.as_bytes());
    }
    let short = host.send("GET", "/api/add/40/2", &[("accept-encoding", "gzip")], "").await;
    assert_eq!((short.status, short.header("content-encoding")), (200, ""));
    host.stop().await;
    let host = Host::of(&["echo"]).await;
    let headers = [("content-type", "text/plain"), ("accept-encoding", "gzip")];
    let reply = host.send("POST", "/echo", &headers, &text).await;
    assert_eq!((reply.header("content-encoding"), reply.header("vary")), ("", ""));
    host.stop().await;
}

#[tokio::test]
async fn events_are_compressed_and_not_held_back() {
    let host = host_with(&["ticker"], "[gateway]\ncompression = true").await;
    let mut wire = Wire::to(host.services).await;
    let request = "GET /ticker/events/10000 HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n";
    wire.send(request).await;
    let (status, headers) = wire.head().await;
    assert_eq!((status, &headers["content-encoding"]), (200, &"gzip".parse().unwrap()));
    let mut seen = Vec::new();
    for tick in 1..=3 {
        let wanted = format!("data: tick {tick}\n");
        while !String::from_utf8_lossy(&unzipped(&seen)).contains(&wanted) {
            let chunk = wire.chunk().await;
            assert!(!chunk.is_empty(), "it ended at {tick}");
            seen.extend(chunk);
        }
    }
    drop(wire);
    host.stop().await;
}
