//! Requests of guests to strangers: what is granted, what is not, and what
//! becomes of those who do not answer.

use crate::kit::*;
use std::fmt::Write;

const WASI: [&str; 2] = ["fetches-wasi2", "fetches-wasi3"];

/// A host whose guests may ask these origins, under these limits.
async fn host(origins: &[&str], more: &str) -> Host {
    let mut folder = Folder::empty();
    for name in ["fetches", "fetches-wasi2", "fetches-wasi3"] {
        let manifest = format!("[grants]\noutbound = {origins:?}\n{more}");
        folder = folder.with(&format!("{name}.wasm"), guest(name));
        folder = folder.with(&format!("{name}.toml"), manifest);
    }
    Host::over(folder).await
}

/// A host that may ask this one.
async fn host_for(stranger: &Stranger) -> Host {
    host(&[&stranger.url("")], "").await
}

/// What the SDK's guest does with a URL.
async fn ask(host: &Host, what: &str, url: &str) -> Reply {
    host.get(&sdk_path(what, url)).await
}

fn sdk_path(what: &str, url: &str) -> String {
    let mut path = format!("/fetches/{what}?url=");
    for byte in url.bytes() {
        write!(path, "%{byte:02x}").unwrap();
    }
    path
}

/// The same of a `wasi:http` guest, for a URL that a query may have as it is.
async fn ask_wasi(host: &Host, guest: &str, what: &str, url: &str) -> Reply {
    host.get(&format!("/{guest}/{what}?{url}")).await
}

#[track_caller]
fn says(reply: &Reply, status: u16, text: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert!(reply.text().contains(text), "{reply:?}");
}

#[tokio::test]
async fn a_granted_origin_is_asked_by_every_kind_of_guest() {
    let stranger = Stranger::start().await;
    let host = host_for(&stranger).await;
    let hello = ask(&host, "get", &stranger.url("/hello")).await;
    answers(&hello, 200, "hello");
    assert_eq!(hello.header("x-stranger"), "1");
    assert_eq!(hello.header("keep-alive"), "", "that is of another connection");
    answers(&ask(&host, "get", &stranger.url("/missing?a=1")).await, 404, "not here");
    for guest in WASI {
        answers(&ask_wasi(&host, guest, "get", &stranger.url("/hello")).await, 200, "hello");
        answers(&ask_wasi(&host, guest, "get", &stranger.url("/missing")).await, 404, "not here");
    }
    answers(&ask(&host, "verb/PURGE", &stranger.url("/verb")).await, 200, "PURGE");
    for verb in ["CONNECT", "GE%20T", "%00"] {
        let reply = ask(&host, &format!("verb/{verb}"), &stranger.url("/verb")).await;
        faults(&reply, 400, &["bad-call", "bad-request"]);
    }
    let echoed = host.send("POST", &sdk_path("send", &stranger.url("/echo")), &[], "some").await;
    answers(&echoed, 200, "some");
    host.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_without_a_grant() {
    let (stranger, other) = (Stranger::start().await, Stranger::start().await);
    for origins in [vec![], vec![other.url("")], vec!["https://127.0.0.1".to_owned()]] {
        let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
        let host = host(&origins, "").await;
        let url = stranger.url("/hello");
        faults(&ask(&host, "get", &url).await, 403, &["outbound-not-granted"]);
        for guest in WASI {
            says(&ask_wasi(&host, guest, "get", &url).await, 502, "HttpRequestDenied");
        }
        host.stop().await;
    }
    assert_eq!((stranger.connections(), other.connections()), (0, 0));
}

/// Ways to write this machine, or what some take for it.
const WAYS: &[&str] = &[
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "00127.0.0.1",
    "127.0.0.01",
    "127.000.000.001",
    "0",
    "0.0.0.0",
    "0x0",
    "127.127.127.127",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
    "[fe80::1]",
    "api.example.com@127.0.0.1",
    "api.example.com:80@127.0.0.1",
    "@127.0.0.1",
    "api.example.com#@127.0.0.1",
    "127.0.0.1#.example.com",
    "127.0.0.1\\.example.com",
    "127.0.0.1/.example.com",
    "127.0.0.1?.example.com",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "\u{2460}\u{2461}\u{2466}.0.0.1",
    "api.example.com\t@127.0.0.1",
    "127.0.0.1\r\n",
    "127.0.0.1 ",
    " 127.0.0.1",
    "api.example.com.127.0.0.1",
    "127.0.0.1.example.com.",
];

#[tokio::test]
async fn no_way_of_writing_an_address_leads_past_the_grants() {
    let canary = Stranger::start().await;
    let port = canary.address.port();
    let granted = [
        format!("http://api.example.com:{port}"),
        format!("http://*.example.com:{port}"),
        format!("http://127.0.0.3:{port}"),
    ];
    let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
    let host = host(&granted, "").await;
    for named in WAYS {
        for url in [format!("http://{named}:{port}/hello"), format!("http://{named}")] {
            let reply = ask(&host, "get", &url).await;
            faults(&reply, reply.status, &["outbound-not-granted", "bad-call"]);
        }
        for guest in WASI {
            let bare = named.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
            let url = format!("http://{named}:{port}/hello");
            if bare {
                let reply = ask_wasi(&host, guest, "get", &url).await;
                assert_ne!(reply.status, 200, "{guest} {url}");
            }
        }
    }
    for url in ["", "/hello", "//127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "http:"] {
        faults(&ask(&host, "get", url).await, 400, &["bad-call"]);
    }
    assert_eq!(canary.connections(), 0);
    host.stop().await;
}

#[tokio::test]
async fn localhost_is_this_machine_and_another_origin_than_its_address() {
    let stranger = Stranger::start().await;
    let port = stranger.address.port();
    let host = host(&[&format!("http://localhost:{port}")], "").await;
    let url = format!("http://localhost:{port}/hello");
    answers(&ask(&host, "get", &url).await, 200, "hello");
    for guest in WASI {
        answers(&ask_wasi(&host, guest, "get", &url).await, 200, "hello");
    }
    faults(&ask(&host, "get", &stranger.url("/hello")).await, 403, &["outbound-not-granted"]);
    let headers = ask(&host, "get", &format!("http://LocalHost:{port}/headers")).await;
    assert_eq!(json_of(&headers)["host"], format!("localhost:{port}"));
    host.stop().await;
}

fn json_of(reply: &Reply) -> serde_json::Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test]
async fn the_admin_side_is_closed_whatever_is_granted() {
    let host = host(&[], "").await;
    let mark = host.log.mark();
    let origin = format!("http://{}", host.admin);
    let manifest =
        format!("[grants]\noutbound = {:?}\noutbound_private = \"127.0.0.0/8\"", [&origin]);
    for name in ["fetches", "fetches-wasi2", "fetches-wasi3"] {
        host.folder.write(&format!("{name}.toml"), &manifest);
        host.line_from(mark, &format!("swapped {name} ")).await;
    }
    let url = format!("{origin}/readyz");
    faults(&ask(&host, "get", &url).await, 403, &["outbound-address-prohibited"]);
    for guest in WASI {
        says(&ask_wasi(&host, guest, "get", &url).await, 502, "DestinationIpProhibited");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_redirect_is_handed_over_and_following_it_is_judged_anew() {
    let (stranger, canary) = (Stranger::start().await, Stranger::start().await);
    let host = host_for(&stranger).await;
    let elsewhere = stranger.url(&format!("/to?{}", canary.url("/hello")));
    let reply = ask(&host, "get", &elsewhere).await;
    answers(&reply, 302, "");
    assert_eq!(reply.header("location"), canary.url("/hello"));
    faults(&ask(&host, "follow", &elsewhere).await, 403, &["outbound-not-granted"]);
    let here = stranger.url(&format!("/to?{}", stranger.url("/hello")));
    answers(&ask(&host, "follow", &here).await, 200, "hello");
    assert_eq!(canary.connections(), 0);
    host.stop().await;
}

#[tokio::test]
async fn nothing_of_the_call_and_of_its_connection_goes_along() {
    let stranger = Stranger::start().await;
    let host = host_for(&stranger).await;
    let own = [
        ("x-request-id", "mine"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("baggage", "user=7"),
    ];
    let path = sdk_path("headers", &stranger.url("/headers"));
    let seen = json_of(&host.send("GET", &path, &own, "").await);
    let mut names: Vec<&String> = seen.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["host", "x-own"], "{seen}");
    assert_eq!(seen["host"], stranger.address.to_string());
    for guest in WASI {
        let seen = json_of(&ask_wasi(&host, guest, "get", &stranger.url("/headers")).await);
        assert_eq!(seen.as_object().unwrap().len(), 1, "{seen}");
        assert_eq!(seen["host"], stranger.address.to_string());
    }
    host.stop().await;
}

#[tokio::test]
async fn whoever_never_answers_costs_the_time_that_was_given() {
    let silent = Mean::start(Manner::Silent).await;
    let origin = format!("http://{}", silent.address);
    let host = host(&[&origin], "[limits]\nwall_ms = 2000").await;
    let reply = ask(&host, "within/300", &origin).await;
    faults(&reply, 504, &["outbound-timeout"]);
    assert!(!reply.text().contains("2000"), "{reply:?}");
    let late = ["wall-limit", "outbound-timeout", "deadline"];
    faults(&ask(&host, "get", &origin).await, 504, &late);
    for guest in WASI {
        let reply = ask_wasi(&host, guest, "get", &origin).await;
        assert!([502, 504].contains(&reply.status), "{guest}: {reply:?}");
    }
    assert!(0 < silent.asked(), "it was asked");
    host.stop().await;
}

#[tokio::test]
async fn answers_that_break_off_or_are_none_are_faults() {
    for manner in [Manner::Half, Manner::Garbage, Manner::LargeHead, Manner::Stall] {
        let mean = Mean::start(manner).await;
        let origin = format!("http://{}", mean.address);
        let host = host(&[&origin], "[limits]\nwall_ms = 5000").await;
        let reply = ask(&host, "within/1000", &origin).await;
        let (status, name) = match manner {
            Manner::Stall => (504, "outbound-timeout"),
            _ => (502, "outbound-failed"),
        };
        faults(&reply, status, &[name]);
        if !matches!(manner, Manner::Stall) {
            for guest in WASI {
                let reply = ask_wasi(&host, guest, "get", &origin).await;
                assert_eq!(reply.status, 502, "{guest} {manner:?}: {reply:?}");
            }
        }
        host.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_whole_when_it_is_passed_on() {
    let half = Mean::start(Manner::Half).await;
    let origin = format!("http://{}", half.address);
    let host = host(&[&origin], "").await;
    let mut wire = Wire::to(host.services).await;
    let path = sdk_path("get", &origin);
    wire.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    let seen = wire.rest().await;
    let seen = String::from_utf8_lossy(&seen);
    assert!(!seen.ends_with("0\r\n\r\n"), "{seen}");
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_a_guest_does_not_finish_is_broken_off() {
    let stranger = Stranger::start().await;
    let host = host_for(&stranger).await;
    let url = stranger.url("/echo");
    let reply = host.send("POST", &sdk_path("unfinished", &url), &[], "").await;
    assert_ne!(reply.status, 200, "{reply:?}");
    until("a broken body", async || (stranger.broken_bodies() == 1).then_some(())).await;
    let reply = host.send("POST", &sdk_path("trap", &url), &[], "").await;
    faults(&reply, 500, &["trapped"]);
    until("another", async || (stranger.broken_bodies() == 2).then_some(())).await;
    for (guest, count) in WASI.into_iter().zip(3..) {
        let reply = ask_wasi(&host, guest, "trap", &url).await;
        faults(&reply, 500, &["trapped"]);
        until(guest, async || (stranger.broken_bodies() == count).then_some(())).await;
    }
    assert_eq!(stranger.requests(), 4);
    host.stop().await;
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    let stranger = Stranger::start().await;
    let host = host_for(&stranger).await;
    let reply = ask(&host, "repeat/5", &stranger.url("/hello")).await;
    answers(&reply, 200, &"hello".repeat(5));
    assert_eq!((stranger.requests(), stranger.connections()), (5, 1));
    host.stop().await;
}

#[tokio::test]
async fn a_call_has_a_bounded_number_of_requests_under_way() {
    let stranger = Stranger::start().await;
    let host = host_for(&stranger).await;
    let url = stranger.url("/wait");
    let (reply, ()) = tokio::join!(ask(&host, "at-once/33", &url), async {
        until("32 requests", async || (stranger.requests() == 32).then_some(())).await;
        stranger.release();
    });
    let text = reply.text();
    let count = |outcome: &str| text.split(' ').filter(|one| *one == outcome).count();
    assert_eq!((count("200"), count("outbound-limit")), (32, 1), "{text}");
    assert_eq!(stranger.requests(), 32);
    host.stop().await;
}

#[tokio::test]
async fn a_grant_that_is_no_origin_is_refused() {
    let host = host(&[], "").await;
    for (grant, reason) in [
        ("outbound = \"api.example.com\"", "it does not begin with http:// or https://"),
        ("outbound = [\"ftp://a\"]", "it does not begin with http:// or https://"),
        ("outbound = [\"https://a/b\"]", "it has more than scheme, host and port"),
        ("outbound = [\"https://u@a\"]", "it has a user name"),
        ("outbound = [\"https://a:99999\"]", "its port is no number from 1 to 65535"),
        ("outbound = [\"*\"]", "it does not begin with http:// or https://"),
        ("outbound = [\"https://*\"]", "its host is neither a name nor an address"),
        ("outbound = [\"https://*.com\"]", "its host is neither a name nor an address"),
        ("outbound = [\"http://127.1\"]", "its host is neither a name nor an address"),
        ("outbound = [7]", "got 7, want a text"),
        ("outbound_private = [\"10.0.0.1/8\"]", "whose first address is 10.0.0.0"),
        ("outbound_private = [\"everything\"]", "want a network such as"),
    ] {
        let mark = host.log.mark();
        host.folder.write("fetches.toml", format!("[grants]\n{grant}"));
        refuses(&host, mark, "fetches.wasm", reason).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn requests_are_counted_by_what_they_came_to() {
    let stranger = Stranger::start().await;
    let host = host_for(&stranger).await;
    for url in [stranger.url("/hello"), stranger.url("/missing"), "http://a.example".to_owned()] {
        ask(&host, "get", &url).await;
    }
    let metrics = host.admin("GET", "/metrics", "").await;
    for (outcome, count) in [("answered", 2), ("not-granted", 1), ("failed", 0), ("timeout", 0)] {
        let line = format!(
            "picolet_outbound_requests_total{{service=\"fetches\",outcome=\"{outcome}\"}} {count}"
        );
        assert!(metrics.text().lines().any(|seen| seen == line), "{line}: {}", metrics.text());
    }
    host.stop().await;
}
