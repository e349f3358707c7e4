//! Who can be called, and the watch that tells of every change.

use crate::kit::*;
use futures::future::join_all;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};

const UNCHECKED: &str =
    "[registry]\ncheck_ms = 3600000\nlease_ms = 3600000\nremoval_ms = 7200000\nfailures_down = 100";

/// A watch that is read line by line.
struct Watch {
    response: Response<Incoming>,
    seen: Vec<u8>,
}

impl Watch {
    async fn of(host: &Host) -> Self {
        let response = host.open_admin("/admin/v1/endpoints?watch").await;
        assert_eq!(response.status(), 200);
        Self { response, seen: Vec::new() }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.seen.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.seen.drain(..=end).collect();
                // A sign of life.
                if line == b"\n" {
                    continue;
                }
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = within("an event", self.response.body_mut().frame()).await?;
            self.seen.extend(frame.unwrap().into_data().unwrap());
        }
    }

    /// Checks the next event, apart from those of revisions that drain for a
    /// moment.
    async fn expect(&mut self, event: &str, service: &str, state: &str) -> Value {
        let seen = loop {
            let seen = self.next().await.unwrap();
            if state == "draining" || seen["endpoint"]["state"] != "draining" {
                break seen;
            }
        };
        let endpoint = &seen["endpoint"];
        let found = (&seen["event"], &endpoint["service"], &endpoint["state"]);
        assert_eq!(found, (&json!(event), &json!(service), &json!(state)), "{seen}");
        seen
    }
}

async fn host(guests: &[&str]) -> Host {
    Host::over(Folder::of(guests).with("picolet.toml", UNCHECKED)).await
}

async fn register(host: &Host, record: &Value) {
    assert_eq!(host.admin("POST", "/api/services", &record.to_string()).await.status, 200);
}

async fn watches(host: &Host, count: usize) {
    until("the watches to be so many", async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        metrics.text().contains(&format!("picolet_watches {count}\n")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_watch_begins_with_what_is_there_and_tells_every_change() {
    let host = host(&["calc"]).await;
    let mut watch = Watch::of(&host).await;
    let calc = watch.expect("added", "calc", "serving").await;
    assert_eq!(
        (&calc["endpoint"]["version"], &calc["endpoint"]["local"]),
        (&"1.0.0".into(), &true.into())
    );
    assert_eq!(watch.next().await.unwrap()["event"], "current");

    let program = Program::start().await;
    register(&host, &program.record("one")).await;
    watch.expect("added", "ext", "serving").await;
    program.answer_with(500);
    let order = json!({"target": "ext.hello"}).to_string();
    until("it to be left alone", async || {
        let reply = host.admin("POST", "/admin/v1/call", &order).await;
        (reply.status == 503).then_some(())
    })
    .await;
    let resting = watch.expect("changed", "ext", "resting").await;
    assert!(resting["endpoint"]["rests_ms"].as_u64().is_some(), "{resting}");
    assert_eq!(host.admin("DELETE", "/api/services/default/one", "").await.status, 200);
    let removed = watch.expect("removed", "ext", "resting").await;
    assert_eq!(removed["endpoint"]["registration"], "one");

    host.folder.put("echo.wasm", guest("echo"));
    watch.expect("added", "echo", "serving").await;
    host.folder.remove("echo.wasm");
    watch.expect("removed", "echo", "serving").await;
    watches(&host, 1).await;
    drop(watch);
    watches(&host, 0).await;
    host.stop().await;
}

#[tokio::test]
async fn a_revision_that_still_answers_drains_before_the_eyes_of_all() {
    let host = host(&["ticker"]).await;
    let mut watch = Watch::of(&host).await;
    watch.expect("added", "ticker", "serving").await;
    assert_eq!(watch.next().await.unwrap()["event"], "current");
    let mut stream = host.open("GET", "/ticker/100000", body("")).await;
    assert!(within("a tick", stream.body_mut().frame()).await.is_some());
    host.folder.remove("ticker.wasm");
    let (first, second) = (watch.next().await.unwrap(), watch.next().await.unwrap());
    let mut seen = [first, second].map(|seen| {
        (seen["event"].as_str().unwrap().to_owned(), seen["endpoint"]["state"].clone())
    });
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("added", json!("draining")), ("removed", json!("serving"))];
    assert_eq!(seen, expected.map(|(event, state)| (event.to_owned(), state)));
    let listed = json(&host.admin("GET", "/admin/v1/endpoints", "").await, 200);
    assert_eq!(listed["endpoints"][0]["state"], "draining", "{listed}");
    drop(stream);
    watch.expect("removed", "ticker", "draining").await;
    host.stop().await;
}

#[tokio::test]
async fn every_record_is_listed_whether_it_was_called_or_not() {
    let host = host(&["calc"]).await;
    let program = Program::start().await;
    register(&host, &program.record_with("one", &json!({"version": "3.1.0"}))).await;
    let listed = json(&host.admin("GET", "/admin/v1/endpoints", "").await, 200);
    let [calc, ext] = listed["endpoints"].as_array().unwrap().as_slice() else {
        panic!("{listed}")
    };
    assert_eq!((&calc["service"], &calc["local"]), (&json!("calc"), &json!(true)));
    assert_eq!((&ext["version"], &ext["state"]), (&json!("3.1.0"), &json!("serving")));
    assert_eq!(ext["domain"], format!("http://{}", program.address));
    host.stop().await;
}

#[tokio::test]
async fn a_reader_who_reads_nothing_is_disconnected() {
    let settings = format!("{UNCHECKED}\n[limits]\nwrite_stall_ms_max = 200");
    let host = Host::over(Folder::of(&["calc"]).with("picolet.toml", settings)).await;
    let mut deaf = Wire::to(host.admin).await;
    deaf.send("GET /admin/v1/endpoints?watch HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    deaf.head().await;
    watches(&host, 1).await;
    // Each round moves all of them, which is some megabytes of changes.
    let long = "x".repeat(4_000);
    let moved = async |round: usize, n: usize| {
        let record = json!({"record": {
            "name": format!("other-{n}"), "registration": format!("other-{n}"),
            "domain": "http://127.0.0.1:1", "root": format!("/{round}/{long}"),
        }});
        register(&host, &record).await;
    };
    let mut round = 0;
    until("the reader to be gone", async || {
        round += 1;
        join_all((0..256).map(|n| moved(round, n))).await;
        let metrics = host.admin("GET", "/metrics", "").await;
        metrics.text().contains("picolet_watches 0\n").then_some(())
    })
    .await;
    // Others are served as ever.
    assert_eq!(Watch::of(&host).await.next().await.unwrap()["event"], "added");
    host.stop().await;
}

#[tokio::test]
async fn so_many_may_watch_and_a_host_that_stops_ends_their_watches() {
    let host = host(&["calc"]).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Watch::of(&host).await);
    }
    let more = host.admin("GET", "/admin/v1/endpoints?watch=true", "").await;
    assert_eq!(json(&more, 503)["fault"], "too-many-watches");
    let wrong = host.admin("GET", "/admin/v1/endpoints?watch=maybe", "").await;
    assert_eq!(json(&wrong, 400)["error"], "watch is \"maybe\", want true or false");
    let mut last = open.pop().unwrap();
    drop(open);
    watches(&host, 1).await;
    for event in ["added", "current"] {
        assert_eq!(last.next().await.unwrap()["event"], event);
    }
    host.stop().await;
    assert_eq!(last.next().await, None, "the watch ends in order");
}

#[tokio::test]
async fn the_command_line_shows_the_watch() {
    let host = host(&["calc"]).await;
    let admin = format!("http://{}", host.admin);
    let mut command = picolet();
    command.args(["services", "--watch", "--host", &admin]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    let first = line().await;
    assert!(first.starts_with("added calc 1.0.0 serving "), "{first}");
    assert!(first.ends_with(&format!(" at http://{}/api", host.services)), "{first}");
    let program = Program::start().await;
    register(&host, &program.record("one")).await;
    let second = format!("added ext  serving one at http://{}/ext", program.address);
    assert_eq!(line().await, second);
    host.stop().await;
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_guest_follows_every_change_for_as_long_as_its_caller_reads() {
    let host = host(&["directory", "calc"]).await;
    let mut response = host.open("GET", "/directory/changes", body("")).await;
    let mut seen = String::new();
    let mut told_until = async |last: &str| {
        while !seen.contains(last) {
            let frame = within("a change", response.body_mut().frame()).await.unwrap().unwrap();
            seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
        std::mem::take(&mut seen)
    };
    let all = told_until("current\n").await;
    for service in ["calc", "directory"] {
        assert!(all.contains(&format!("added {service} ")), "{all}");
    }
    let program = Program::start().await;
    register(&host, &program.record("one")).await;
    told_until("added ext one Serving\n").await;
    host.folder.remove("calc.wasm");
    told_until("removed calc ").await;
    drop(response);
    until("the call to be over", async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        let running = "picolet_service_running{service=\"directory\",version=\"1.0.0\"} 0\n";
        metrics.text().contains(running).then_some(())
    })
    .await;
    host.stop().await;
}
