//! Services that mean harm, called as often as they may be: what the host took
//! for them comes back, memory and descriptors.
//!
//! What a host keeps for good depends on how many calls were ever inside at
//! once: parts of memories, tables and stacks stay resident in the places of
//! instances, and its allocator keeps what it had to have once. So a service is
//! put in, called and taken out until one round has added nothing. What is kept
//! for good stops growing after a round or two; what is lost with each call is
//! added in every round: of 200 calls, [`GROWTH_MIB_MAX`] notices 40 KiB that
//! each of them loses. A memory, a body or ten thousand streams are many times
//! that.

use crate::kit::*;
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, interval};

const MANIFEST: &str = "[limits]
cpu_ms = 50
wall_ms = 300
memory_mib = 32
concurrency = 16
queue = 16
queue_ms = 100
log_bytes_per_second = 10000
response_body_bytes = 4000000
";
/// What a round may add and still count as one that adds nothing.
const GROWTH_MIB_MAX: usize = 8;
/// What all of them may add, with 16 calls inside and 16 in line.
const KEPT_MIB_MAX: usize = 64;
const ROUNDS_MAX: usize = 6;

const EVERY: Duration = Duration::from_millis(5);
const CONNECTIONS: usize = 48;
const LOAD: Duration = Duration::from_millis(1_000);

/// Calls a service 200 times a second, or as often as connections get free.
async fn load(host: &Host, request: &str) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let (mut pace, begun) = (interval(EVERY), Instant::now());
    let mut calls = Vec::new();
    while begun.elapsed() < LOAD {
        pace.tick().await;
        let Ok(place) = free.clone().try_acquire_owned() else { continue };
        let (to, request) = (host.services, request.to_owned());
        calls.push(tokio::spawn(async move {
            let mut wire = Wire::to(to).await;
            wire.send(request).await;
            let seen = wire.rest().await;
            drop(place);
            assert!(seen.is_empty() || seen.starts_with(b"HTTP/1.1 "), "not HTTP");
        }));
    }
    join_all(calls).await.into_iter().for_each(|ended| ended.unwrap());
}

/// What a host has of its machine.
#[derive(Clone, Copy, Debug)]
struct Taken {
    mib: usize,
    descriptors: usize,
}

impl Taken {
    /// What it has once no task is left of what was done to it.
    async fn at_rest(host: &Host) -> Self {
        assert_eq!(host.get("/api/add/40/2").await.status, 200);
        until("the host to be at rest", async || {
            let metrics = host.admin("GET", "/metrics", "").await;
            let tasks = metrics.text().lines().find_map(|line| line.strip_prefix("picolet_tasks "));
            // The connection of the neighbour's client, which is kept.
            (tasks?.parse::<usize>().ok()? <= 1).then_some(())
        })
        .await;
        Self { mib: resident_mib(host.pid()), descriptors: descriptors(host.pid()) }
    }
}

/// Does this to a host until it has cost nothing.
async fn costs_nothing(host: &Host, doing: impl AsyncFn()) {
    let start = Taken::at_rest(host).await;
    let mut seen = vec![start];
    for round in 0..ROUNDS_MAX {
        doing().await;
        let now = Taken::at_rest(host).await;
        // Either client of the test may have opened another connection.
        assert!(now.descriptors <= start.descriptors + 2, "{seen:?}, then {now:?}");
        assert!(now.mib <= start.mib + KEPT_MIB_MAX, "{seen:?}, then {now:?}");
        if 0 < round && now.mib <= seen[round].mib + GROWTH_MIB_MAX {
            return;
        }
        seen.push(now);
    }
    panic!("every round takes more: {seen:?}");
}

async fn check(module: &str, request: &str) {
    let manifest = format!("{module}.toml");
    let host = Host::over(Folder::of(&["calc"]).with(&manifest, MANIFEST)).await;
    let file = format!("{module}.wasm");
    costs_nothing(&host, async || {
        let mark = host.log.mark();
        host.folder.put(&file, guest(module));
        host.line_from(mark, &format!("serving {module} ")).await;
        load(&host, request).await;
        host.folder.remove(&file);
        host.line_from(mark, &format!("removed {module} ")).await;
    })
    .await;
    host.stop().await;
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
}

/// A request that announces more of a body than it sends.
fn post(path: &str) -> String {
    let part = "x".repeat(100_000);
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n{part}")
}

#[tokio::test]
async fn spinning_leaves_nothing_behind() {
    check("misbehaves", &get("/misbehaves/spin")).await;
}

#[tokio::test]
async fn spinning_in_realloc_leaves_nothing_behind() {
    check("raw", &get(&format!("/raw/state?{}", "x".repeat(5_000)))).await;
}

#[tokio::test]
async fn memory_that_is_filled_leaves_nothing_behind() {
    check("hostile", &get("/hostile/fill/24")).await;
}

#[tokio::test]
async fn memory_that_is_refused_leaves_nothing_behind() {
    check("misbehaves", &get("/misbehaves/alloc")).await;
}

#[tokio::test]
async fn recursion_leaves_nothing_behind() {
    check("misbehaves", &get("/misbehaves/recurse")).await;
}

#[tokio::test]
async fn streams_that_are_left_open_leave_nothing_behind() {
    check("raw", &get("/raw/streams")).await;
    check("raw", &get("/raw/some-streams")).await;
}

#[tokio::test]
async fn lists_that_cannot_be_leave_nothing_behind() {
    check("raw", &get("/raw/body")).await;
    check("raw", &get("/raw/long")).await;
}

#[tokio::test]
async fn printing_leaves_nothing_behind() {
    check("hostile", &get("/hostile/print")).await;
}

#[tokio::test]
async fn bodies_that_nobody_reads_leave_nothing_behind() {
    check("hostile", &post("/hostile/hold")).await;
    check("hostile", &post("/hostile/ignore")).await;
}

#[tokio::test]
async fn answers_that_are_not_finished_leave_nothing_behind() {
    check("hostile", &get("/hostile/unfinished")).await;
    check("hostile", &get("/hostile/endless")).await;
    check("hostile", &get("/hostile/begin-and-spin")).await;
}

#[tokio::test]
async fn sleeping_leaves_nothing_behind() {
    check("hostile", &get("/hostile/nap")).await;
    check("hostile", &get("/hostile/wait")).await;
}

#[tokio::test]
async fn trapping_leaves_nothing_behind() {
    check("misbehaves", &get("/misbehaves/stream-trap")).await;
    check("hostile", &get("/hostile/panic")).await;
}

#[tokio::test]
async fn refused_modules_leave_nothing_behind() {
    let settings = "[limits]\ndescribe_ms_max = 20";
    let host = Host::over(Folder::of(&["calc"]).with("picolet.toml", settings)).await;
    costs_nothing(&host, async || {
        for _ in 0..10 {
            for name in ["spins-describing", "spins-starting"] {
                let mark = host.log.mark();
                host.folder.put(&format!("{name}.wasm"), guest(name));
                // Now and then one that spins now and then is served.
                let is_over = |line: &str| {
                    ["refused", "serving", "swapped"].iter().any(|word| line.starts_with(word))
                        && line.contains(name)
                };
                host.log.wait(mark, is_over).await;
            }
        }
    })
    .await;
    host.stop().await;
}
