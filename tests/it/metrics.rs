//! Metrics: what they say of traffic, and that a stock reader likes them.

use crate::kit::*;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

/// The value of the one line that begins like this.
async fn value(host: &Host, line: &str) -> f64 {
    let metrics = host.admin("GET", "/metrics", "").await;
    let text = metrics.text().to_owned();
    let rest = text.lines().find_map(|it| it.strip_prefix(line));
    let rest = rest.unwrap_or_else(|| panic!("no line {line} in\n{text}"));
    rest.trim().parse().expect(line)
}

#[tokio::test]
async fn calls_are_counted_by_method_and_faults_by_their_name() {
    let host = Host::of(&["misbehaves", "calc"]).await;
    for _ in 0..5 {
        assert_eq!(host.get("/api/add/40/2").await.status, 200);
    }
    assert_eq!(host.get("/misbehaves/sleep/120").await.status, 200);
    assert_eq!(host.get("/misbehaves/fault/404").await.status, 404);
    assert_eq!(host.get("/misbehaves/fault/500").await.status, 500);
    assert_eq!(host.get("/misbehaves/panic").await.status, 500);
    let calc = "service=\"calc\",version=\"1.0.0\",method=\"add1\"";
    let times = "picolet_method_duration_seconds";
    assert_eq!(value(&host, &format!("{times}_count{{{calc}}}")).await, 5.0);
    assert_eq!(value(&host, &format!("{times}_bucket{{{calc},le=\"+Inf\"}}")).await, 5.0);
    let metrics = host.admin("GET", "/metrics", "").await;
    let of = |start: &str| {
        let all = metrics.text().lines().filter(|line| line.starts_with(start));
        all.map(str::to_owned).collect::<Vec<String>>()
    };
    let line = |start: &str, has: &[&str]| {
        let found = of(start);
        let found = found.iter().find(|line| has.iter().all(|text| line.contains(text)));
        let line = found.unwrap_or_else(|| panic!("no {start} with {has:?}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    let sleep = "method=\"sleep\"";
    let bucket = format!("{times}_bucket");
    assert_eq!(line(&bucket, &[sleep, "le=\"0.1\""]), 0.0);
    assert_eq!(line(&bucket, &[sleep, "le=\"10\""]), 1.0);
    assert!((0.12..10.0).contains(&line(&format!("{times}_sum"), &[sleep])));
    assert_eq!(line("picolet_method_faults_total", &["method=\"fault\""]), 2.0);
    assert_eq!(line("picolet_method_failures_total", &["method=\"fault\""]), 1.0);
    assert_eq!(line("picolet_method_failures_total", &["method=\"panic\""]), 1.0);
    let faults = "picolet_service_faults_total";
    assert_eq!(line(faults, &["service=\"misbehaves\"", "fault=\"guest\""]), 2.0);
    assert_eq!(line(faults, &["service=\"misbehaves\"", "fault=\"trapped\""]), 1.0);
    // What was never called is not there.
    assert!(!of(times).iter().any(|line| line.contains("method=\"add2\"")));
    host.stop().await;
}

#[tokio::test]
async fn instances_and_their_memory_are_counted_until_they_are_gone() {
    let host = Host::of(&["calc"]).await;
    assert_eq!(host.metric("picolet_service_instances").await, 0);
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    assert_eq!(host.metric("picolet_service_instances").await, 1);
    let bytes = host.metric("picolet_service_memory_bytes").await;
    assert!(65_536 <= bytes, "{bytes}");
    host.stop().await;
}

#[tokio::test]
async fn guests_that_compute_are_seen_to() {
    let host =
        Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", "[limits]\ncpu_ms = 100"))
            .await;
    assert_eq!(host.get("/misbehaves/spin").await.status, 504);
    let line = "picolet_service_cpu_seconds_total{service=\"misbehaves\"";
    let metrics = host.admin("GET", "/metrics", "").await;
    let found = metrics.text().lines().find(|it| it.starts_with(line)).map(str::to_owned);
    let seconds: f64 = found.expect("it is there").rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!((0.05..10.0).contains(&seconds), "{seconds}");
    host.stop().await;
}

#[tokio::test]
async fn loads_are_counted_by_what_came_of_them() {
    let host = Host::of(&["calc"]).await;
    let mark = host.log.mark();
    host.folder.put("bad.wasm", b"no wasm");
    refuses(&host, mark, "bad.wasm", "").await;
    host.folder.put("calc.wasm", guest("calc2"));
    host.line("swapped calc *").await;
    let count = async |outcome: &str| {
        let line = format!("picolet_load_duration_seconds_count{{outcome=\"{outcome}\"}}");
        value(&host, &line).await
    };
    assert_eq!(count("served").await, 1.0);
    assert_eq!(count("swapped").await, 1.0);
    assert_eq!(count("refused").await, 1.0);
    host.stop().await;
}

#[tokio::test]
async fn calls_that_are_turned_away_are_counted() {
    let manifest = "[limits]\nconcurrency = 1\nqueue = 0";
    let folder = Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest);
    let host = Host::over(folder).await;
    let slow = host.get("/misbehaves/sleep/10000");
    let shed = async {
        until("the slow call to have the place", async || {
            (host.metric("picolet_service_running").await == 1).then_some(())
        })
        .await;
        until("a call to be turned away", async || {
            (host.get("/misbehaves/state").await.status == 503).then_some(())
        })
        .await;
    };
    tokio::select! {
        _ = slow => panic!("it was to sleep"),
        () = shed => (),
    }
    assert!(0 < host.metric("picolet_service_sheds_total").await);
    host.stop().await;
}

#[tokio::test]
async fn a_stock_reader_finds_nothing_to_complain_of() {
    let settings = "[telemetry]\notlp = \"http://127.0.0.1:9\"";
    let folder = Folder::of(&["misbehaves", "calc", "alive", "events"]);
    let host = Host::over(folder.with("picolet.toml", settings)).await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    for path in ["/api/add/40/2", "/misbehaves/panic", "/misbehaves/call/ext/hello", "/nobody"] {
        host.get(path).await;
    }
    let metrics = host.admin("GET", "/metrics", "").await;
    let mut check = command("promtool");
    check.args(["check", "metrics"]);
    check.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().expect("promtool is installed: `cargo xtask test` does that");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&metrics.body).await.unwrap();
    drop(stdin);
    let output = within("promtool", child.wait_with_output()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(output.status.success());
    host.stop().await;
}
