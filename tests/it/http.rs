//! Ordinary requests: routes, verbs, paths, protocols.

use crate::kit::*;
use futures::future::join_all;
use serde_json::json;

#[tokio::test]
async fn the_session_of_picos_readme_gets_the_answers_it_prints() {
    let host = Host::of(&["calc"]).await;
    let hello = host.get("/api/add/40/2").await;
    answers(&hello, 200, r#"{"message":"Hello 🌍","from":"pico","result":42}"#);
    let hey = host.post_json("/api/add", r#"{"a":21,"b":21}"#).await;
    answers(&hey, 200, r#"{"message":"Hey 👋","from":"pico","result":42}"#);
    assert!(hello.header("content-type").starts_with("application/json"));
    host.stop().await;
}

#[tokio::test]
async fn the_host_says_that_it_is_up_and_what_it_serves() {
    let host = Host::of(&["calc", "echo"]).await;
    let health = json(&host.get("/healthcheck").await, 200);
    assert_eq!(health["status"], "UP");
    assert_eq!(health["services"].as_array().map(Vec::len), Some(2), "{health}");
    for path in ["/livez", "/readyz"] {
        assert_eq!(host.admin("GET", path, "").await.status, 200, "{path}");
    }
    host.stop().await;
}

#[tokio::test]
async fn the_health_of_a_root_is_the_record_of_its_service() {
    let host = Host::of(&["calc"]).await;
    let health = json(&host.get("/api/healthcheck").await, 200);
    assert_eq!((&health["name"], &health["status"]), (&"calc".into(), &"UP".into()), "{health}");
    host.stop().await;
}

#[tokio::test]
async fn services_that_share_a_root_share_its_health() {
    let manifest = |path: &str| {
        format!("root = \"/both\"\n[[routes]]\nname = \"x\"\ntype = \"GET\"\npattern = \"{path}\"")
    };
    let folder = Folder::empty().with("a.toml", manifest("/a")).with("b.toml", manifest("/b"));
    folder.put("a.wasm", guest("hello-wasi2"));
    folder.put("b.wasm", guest("hello-wasi2"));
    let host = Host::over(folder).await;
    let health = json(&host.get("/both/healthcheck").await, 200);
    assert_eq!(health["services"].as_array().map(Vec::len), Some(2), "{health}");
    answers(&host.get("/both/a").await, 200, "Hello from wasi:http 0.2 at /both/a\n");
    host.stop().await;
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let host = Host::of(&["calc"]).await;
    let get = host.get("/api/add/40/2").await;
    let mut wire = Wire::to(host.services).await;
    wire.send("HEAD /api/add/40/2 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let head = wire.reply_to_head().await;
    assert_eq!((head.status, head.header("content-type")), (200, get.header("content-type")));
    wire.send("GET /api/add/1/1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let next = wire.reply().await;
    assert!(next.text().ends_with(r#""result":2}"#), "the connection goes on: {next:?}");
    host.stop().await;
}

#[tokio::test]
async fn options_and_a_wrong_verb_tell_the_verbs() {
    let host = Host::of(&["calc"]).await;
    let options = host.send("OPTIONS", "/api/add/40/2", &[], "").await;
    assert!((200..300).contains(&options.status), "{options:?}");
    assert_eq!(options.header("allow"), "GET, HEAD, OPTIONS");
    let wrong = host.send("DELETE", "/api/add/40/2", &[], "").await;
    faults(&wrong, 405, &["verb-not-allowed"]);
    assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS");
    let wrong = host.get("/api/add").await;
    faults(&wrong, 405, &["verb-not-allowed"]);
    assert_eq!(wrong.header("allow"), "POST, OPTIONS");
    host.stop().await;
}

#[tokio::test]
async fn what_is_not_known_is_not_found() {
    let host = Host::of(&["calc"]).await;
    for path in ["/", "/api", "/api/add/1", "/api/add/1/2/3", "/api/add/1/2/", "/API/add/1/2"] {
        faults(&host.get(path).await, 404, &["no-route"]);
    }
    faults(&host.send("OPTIONS", "/nowhere", &[], "").await, 404, &["no-route"]);
    faults(&host.get("/healthcheckfoo").await, 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn a_segment_is_decoded_once_and_keeps_its_slash() {
    let host = Host::of(&["echo"]).await;
    let cases = [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("%E2%82%AC", "€"),
        ("100%25", "100%"),
        ("%2525", "%25"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("a;b=c", "a;b=c"),
        ("a..b", "a..b"),
        ("...", "..."),
    ];
    for (segment, expected) in cases {
        answers(&host.get(&format!("/echo/{segment}")).await, 200, expected);
    }
    host.stop().await;
}

async fn get_raw(host: &Host, path: &str) -> Reply {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    Wire::ask(host.services, head).await
}

#[tokio::test]
async fn paths_that_climb_or_hide_are_bad() {
    let host = Host::of(&["echo", "calc"]).await;
    let paths = [
        "/api/../api/add/40/2",
        "/api/./add/40/2",
        "/api/%2e%2e/api/add/40/2",
        "/api/%2E./add/40/2",
        "/echo/..",
        "/echo/a%2f..%2fb",
        "/echo/a%00b",
        "/echo/a\\b",
        "/echo/a%5Cb",
        "/nowhere/..",
    ];
    for path in paths {
        faults(&get_raw(&host, path).await, 400, &["bad-request"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_bad_escape_is_bad() {
    let host = Host::of(&["echo"]).await;
    for path in ["/echo/%", "/echo/%4", "/echo/%zz", "/echo/a%2", "/echo/%ff", "/echo/%C3%28"] {
        faults(&get_raw(&host, path).await, 400, &["bad-request"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn slashes_are_not_collapsed() {
    let host = Host::of(&["calc"]).await;
    for path in ["/api//add/40/2", "//api/add/40/2", "/api/add//40/2"] {
        faults(&get_raw(&host, path).await, 404, &["no-route"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_parameter_of_the_wrong_kind_is_named() {
    let host = Host::of(&["calc"]).await;
    for path in ["/api/add/forty/2", "/api/add/1/2.5", "/api/add/1/9223372036854775808"] {
        faults(&host.get(path).await, 400, &["bad-parameter"]);
    }
    faults(&host.get("/api/add/9223372036854775807/1").await, 422, &["unprocessable"]);
    host.stop().await;
}

#[tokio::test]
async fn a_connection_carries_many_requests_even_sent_together() {
    let host = Host::of(&["calc"]).await;
    let mut wire = Wire::to(host.services).await;
    let request = |n: u32| format!("GET /api/add/{n}/1 HTTP/1.1\r\nhost: localhost\r\n\r\n");
    wire.send((0..50).map(request).collect::<String>()).await;
    for n in 0..50 {
        let reply = wire.reply().await;
        assert!(reply.text().ends_with(&format!(r#""result":{}}}"#, n + 1)), "{reply:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn the_whole_form_of_a_target_is_served() {
    let host = Host::of(&["calc"]).await;
    let head = "GET http://example.com/api/add/40/2 HTTP/1.1\r\nhost: other.example\r\n\r\n";
    assert_eq!(Wire::ask(host.services, head).await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_chunked_body_is_a_body() {
    let host = Host::of(&["calc"]).await;
    let request = "POST /api/add HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                   transfer-encoding: chunked\r\n\r\n\
                   7\r\n{\"a\":40\r\n1\r\n,\r\n6\r\n\"b\":2}\r\n0\r\n\r\n";
    let reply = Wire::ask(host.services, request).await;
    answers(&reply, 200, r#"{"message":"Hey 👋","from":"pico","result":42}"#);
    host.stop().await;
}

#[tokio::test]
async fn http2_by_prior_knowledge_carries_requests_side_by_side() {
    let host = Host::of(&["calc"]).await;
    let connection = http2(host.services).await;
    let ask = async |n: u32| {
        let path = format!("/api/add/{n}/1");
        let asked = request("GET", host.services, &path, &[], body(""));
        let response = within("an answer", connection.clone().send_request(asked)).await.unwrap();
        let reply = Reply::read(response).await.unwrap();
        assert!(reply.text().ends_with(&format!(r#""result":{}}}"#, n + 1)), "{reply:?}");
    };
    join_all((0..100).map(ask)).await;
    let missing = request("GET", host.services, "/nowhere", &[], body(""));
    let missing = connection.clone().send_request(missing).await.unwrap();
    faults(&Reply::read(missing).await.unwrap(), 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn no_body_follows_a_head_over_http2_nor_an_answer_without_content() {
    let host = Host::of(&["calc", "misbehaves"]).await;
    let mut connection = http2(host.services).await;
    let length = host.get("/api/add/40/2").await.body.len().to_string();
    let nowhere = host.send("HEAD", "/nowhere", &[], "").await;
    for (verb, path, status, length) in [
        ("HEAD", "/api/add/40/2", 200, length.as_str()),
        ("HEAD", "/nowhere", 404, nowhere.header("content-length")),
        ("HEAD", "/misbehaves/stream/3", 200, ""),
        ("POST", "/misbehaves/say", 204, ""),
    ] {
        let asked = request(verb, host.services, path, &[], body(""));
        let response = within("an answer", connection.send_request(asked)).await.unwrap();
        let reply = Reply::read(response).await.unwrap();
        assert_eq!((reply.status, reply.header("content-length")), (status, length), "{path}");
        assert!(reply.body.is_empty(), "{path}: {reply:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_header_list_of_http2_over_16_kib_is_refused_and_the_connection_goes_on() {
    let host = Host::of(&["calc"]).await;
    let mut connection = http2(host.services).await;
    for (bytes, status) in [(12 << 10, 200), (20 << 10, 431), (12 << 10, 200)] {
        let long = "v".repeat(bytes);
        let asked = request("GET", host.services, "/api/add/40/2", &[("x-long", &long)], body(""));
        let response = within("an answer", connection.send_request(asked)).await.unwrap();
        assert_eq!(response.status(), status, "{bytes} bytes");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_guest_sees_headers_as_they_came_and_none_of_the_connection() {
    let host = Host::of(&["misbehaves"]).await;
    let sent = [("x-twice", "1"), ("x-twice", "2"), ("x-empty", "")];
    let seen = json(&host.send("GET", "/misbehaves/headers", &sent, "").await, 200);
    let pairs = seen.as_array().unwrap();
    for (name, value) in sent {
        assert!(pairs.contains(&json!([name, value])), "{seen}");
    }
    assert!(!pairs.iter().any(|pair| pair[0] == "connection"), "{seen}");
    host.stop().await;
}

#[tokio::test]
async fn a_guest_knows_what_it_is_called_for() {
    let host = Host::of(&["misbehaves"]).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = [("x-request-id", "req-1"), ("traceparent", trace)];
    let reply = host.send("GET", "/misbehaves/context", &sent, "").await;
    let seen = json(&reply, 200);
    assert_eq!((&seen["request_id"], reply.header("x-request-id")), (&"req-1".into(), "req-1"));
    assert!(seen["trace"].as_str().unwrap().contains("4bf92f3577b34da6a3ce929d0e0e4736"), "{seen}");
    assert!(seen["remaining_ms"].as_u64().is_some_and(|ms| 0 < ms && ms <= 30_000), "{seen}");
    assert!(seen["caller"].is_null(), "{seen}");
    host.stop().await;
}
