//! A module replaced while it is called: no request may notice.

use crate::kit::*;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub(crate) const BUILDS: [&str; 2] = [
    r#"{"message":"Hello 🌍","from":"pico","result":42}"#,
    r#"{"message":"Hello 🌍","from":"pico2","result":42}"#,
];

/// Steady load of 32 connections, each of which lives as long as the load.
pub(crate) struct Load {
    callers: JoinSet<Result<(), String>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicUsize,
}

impl Load {
    pub(crate) fn on(services: SocketAddr) -> Self {
        let (mut callers, shared) = (JoinSet::new(), Arc::<Shared>::default());
        for _ in 0..32 {
            callers.spawn(call(services, shared.clone()));
        }
        Self { callers, shared }
    }

    /// Waits until so many more requests are answered.
    pub(crate) async fn goes_on(&self, more: usize) {
        let enough = self.shared.answered.load(Ordering::Relaxed) + more;
        until("the load", async || {
            (enough <= self.shared.answered.load(Ordering::Relaxed)).then_some(())
        })
        .await;
    }

    /// Ends it and fails for everything that went wrong.
    pub(crate) async fn end(mut self) -> usize {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut wrong = Vec::new();
        while let Some(caller) = within("the callers", self.callers.join_next()).await {
            wrong.extend(caller.unwrap().err());
        }
        assert!(wrong.is_empty(), "{} connections failed: {wrong:#?}", wrong.len());
        self.shared.answered.load(Ordering::Relaxed)
    }
}

async fn call(services: SocketAddr, shared: Arc<Shared>) -> Result<(), String> {
    let stream = TcpStream::connect(services).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake::<_, Body>(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    while !shared.is_over.load(Ordering::Relaxed) {
        // A connection is closed in order after its number of requests.
        if sender.ready().await.is_err() {
            return Box::pin(call(services, shared)).await;
        }
        let asked = request("GET", services, "/api/add/40/2", &[("host", "a")], body(""));
        let response = sender.send_request(asked).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status != 200 || !BUILDS.contains(&body.as_str()) {
            return Err(format!("{status} {body}"));
        }
        shared.answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_under_load_lose_nothing() {
    const SWAPS: usize = 200;
    let host = Host::of(&["calc"]).await;
    let builds = [guest("calc"), guest("calc2")];
    let load = Load::on(host.services);
    let mut seventh = tokio::time::interval(Duration::from_millis(1_000 / 7));
    let mut after_ten = 0;
    for swap in 1..=SWAPS {
        seventh.tick().await;
        host.folder.put("calc.wasm", &builds[swap % 2]);
        if swap == 11 {
            after_ten = resident_kib(host.pid());
        }
    }
    let last = BUILDS[SWAPS % 2];
    until("the last build", async || {
        (host.get("/api/add/40/2").await.text() == last).then_some(())
    })
    .await;
    for _ in 0..200 {
        answers(&host.get("/api/add/40/2").await, 200, last);
    }
    let at_end = resident_kib(host.pid());
    let answered = load.end().await;
    println!("{answered} answers over {SWAPS} swaps, {after_ten} kB then, {at_end} kB at the end");
    assert!(at_end * 10 <= after_ten * 11, "{after_ten} kB became {at_end} kB");
    assert_eq!(host.count("refused"), 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_files_in_its_place_change_nothing_for_the_callers() {
    let host = Host::of(&["calc"]).await;
    let good = guest("calc");
    let bad = [
        Vec::new(),
        good[..good.len() / 2].to_vec(),
        b"a text".to_vec(),
        assembled("(module)"),
        Component::stranger().bytes(),
        Component::describing("unreachable").importing("acme:magic@1.0.0", "wand").bytes(),
        Component::describing("unreachable").bytes(),
        Component::describing("(loop (br 0)) unreachable").bytes(),
        Component::declaring(&Declaration { name: String::new(), ..Default::default() }).bytes(),
        Component::declaring(&Declaration { root: "/rpc".into(), ..Default::default() }).bytes(),
    ];
    let load = Load::on(host.services);
    for (turn, bytes) in bad.iter().enumerate() {
        let mark = host.log.mark();
        host.folder.put("calc.wasm", bytes);
        refuses(&host, mark, "calc.wasm", "").await;
        load.goes_on(100).await;
        let mark = host.log.mark();
        let build = if turn % 2 == 0 { "calc2" } else { "calc" };
        host.folder.put("calc.wasm", guest(build));
        host.line_from(mark, "swapped calc").await;
        load.goes_on(100).await;
    }
    load.end().await;
    host.stop().await;
}

/// A stream that has begun, and what is left of it.
async fn begin(host: &Host) -> Wire {
    let mut wire = Wire::to(host.services).await;
    wire.send("GET /ticker/150 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    wire.until("tick 1\n").await;
    wire
}

#[tokio::test]
async fn a_request_that_runs_is_finished_by_the_revision_it_began_with() {
    let host = Host::of(&["ticker"]).await;
    let mut running = begin(&host).await;
    host.folder.put("ticker.toml", "[limits]\nconcurrency = 63");
    host.line("swapped ticker").await;
    running.until("tick 150\n").await;
    running.until("0\r\n\r\n").await;
    host.stop().await;
}

#[tokio::test]
async fn a_request_that_runs_is_finished_after_its_module_was_removed() {
    let host = Host::of(&["ticker"]).await;
    let mut running = begin(&host).await;
    host.folder.remove("ticker.wasm");
    host.line("removed ticker").await;
    faults(&host.get("/ticker/1").await, 404, &["no-route"]);
    running.until("tick 150\n").await;
    running.until("0\r\n\r\n").await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_code_serves_first_and_better_code_takes_its_place() {
    let folder = Folder::of(&["calc"]).with("picolet.toml", "fast_reload = true");
    let host = Launch::over(folder).own_state().start().await;
    let detail = async || json(&host.admin("GET", "/admin/v1/services/calc", "").await, 200);
    let (before, load) = (detail().await, Load::on(host.services));
    assert!(["baseline", "optimized"].contains(&before["tier"].as_str().unwrap()), "{before}");
    host.line("optimized calc 1.0.0").await;
    let after = detail().await;
    assert_eq!(after["tier"], "optimized");
    assert_eq!(after["registration"], before["registration"]);
    assert_eq!(after["digest"], before["digest"]);
    load.goes_on(500).await;

    // Content that is known by now needs no hurry; other content does.
    let mark = host.log.mark();
    host.folder.put("calc.wasm", guest("calc2"));
    host.line_from(mark, "optimized calc").await;
    let mark = host.log.mark();
    host.folder.put("calc.wasm", guest("calc"));
    host.line_from(mark, "swapped calc").await;
    assert_eq!(detail().await["tier"], "optimized");
    load.goes_on(500).await;
    load.end().await;
    // One revision for each content that was live, however often it was compiled.
    let modules = json(&host.admin("GET", "/admin/v1/modules", "").await, 200);
    let listed = modules["modules"][0]["revisions"].as_array().map(Vec::len);
    assert_eq!(listed, Some(3), "{modules}");
    assert_eq!(host.count("optimized"), 2);
    host.stop().await;
}

#[tokio::test]
async fn a_manifest_decides_whether_quick_code_serves() {
    let settings = "fast_reload = true";
    let folder = Folder::of(&["calc", "echo"]).with("picolet.toml", settings);
    let folder = folder.with("calc.toml", "fast_reload = false");
    let host = Launch::over(folder).own_state().start().await;
    host.line("optimized echo").await;
    assert_eq!(host.count("optimized calc"), 0);
    let calc = json(&host.admin("GET", "/admin/v1/services/calc", "").await, 200);
    assert_eq!(calc["tier"], "optimized");
    host.stop().await;
}
