//! Services that mean harm, one harm after the other: what their callers are
//! told, that a neighbour answers all the while, and that no instance which did
//! harm is used again.

use crate::kit::*;
use futures::future::{join, join_all};
use http_body_util::BodyExt;
use std::cell::Cell;
use std::time::{Duration, Instant};

const TIGHT: &str = "[limits]\ncpu_ms = 200\nwall_ms = 1000\nmemory_mib = 32";

/// For guests that compute. On a busy machine they stand back for long.
const PATIENT: &str = "[limits]\ncpu_ms = 100\nwall_ms = 25000\nmemory_mib = 32";

/// A neighbour beside a hostile service under tight limits.
async fn host(service: &str) -> Host {
    host_under(service, TIGHT).await
}

async fn host_under(service: &str, manifest: &str) -> Host {
    let folder = Folder::of(&[service, "calc"]).with(&format!("{service}.toml"), manifest);
    Host::over(folder).await
}

/// Something bad, beside a neighbour that is asked until it is over and once
/// more.
async fn beside<T>(host: &Host, bad: impl Future<Output = T>) -> T {
    let is_over = Cell::new(false);
    let bad = async {
        let outcome = bad.await;
        is_over.set(true);
        outcome
    };
    let neighbour = async {
        loop {
            let is_last = is_over.get();
            assert_eq!(host.get("/api/add/40/2").await.status, 200);
            if is_last {
                return;
            }
        }
    };
    join(bad, neighbour).await.0
}

/// The instance that answers has seen so many calls, this one included.
async fn has_seen(host: &Host, service: &str, calls: u32) {
    answers(&host.get(&format!("/{service}/state")).await, 200, &calls.to_string());
}

/// One bad call that ends in this fault, and the end of the instance that it
/// was made to.
async fn check(service: &str, path: &str, status: u16, fault: &str) {
    let manifest = if fault == "cpu-limit" { PATIENT } else { TIGHT };
    let host = host_under(service, manifest).await;
    has_seen(&host, service, 1).await;
    has_seen(&host, service, 2).await;
    let reply = beside(&host, host.get(&format!("/{service}/{path}"))).await;
    faults(&reply, status, &[fault]);
    assert!(reply.body.len() < 2_000, "{} bytes say so", reply.body.len());
    has_seen(&host, service, 1).await;
    host.stop().await;
}

/// One bad answer that is broken off, and the end of its instance.
async fn check_broken(path: &str, manifest: &str, least: usize) {
    let host = host_under("hostile", manifest).await;
    has_seen(&host, "hostile", 1).await;
    has_seen(&host, "hostile", 2).await;
    let bad = async {
        let response = host.open("GET", &format!("/hostile/{path}"), body("")).await;
        assert_eq!(response.status(), 200);
        read_to_the_break(response).await
    };
    let read = beside(&host, bad).await;
    assert!(least <= read, "{read} bytes came");
    has_seen(&host, "hostile", 1).await;
    host.stop().await;
}

/// Bytes of a body that breaks; one that ends cleanly is a failure.
async fn read_to_the_break(mut response: hyper::Response<hyper::body::Incoming>) -> usize {
    let mut read = 0;
    loop {
        match within("a part of the body", response.body_mut().frame()).await {
            Some(Ok(frame)) => read += frame.into_data().map_or(0, |chunk| chunk.len()),
            Some(Err(_broken)) => return read,
            None => panic!("the body looks whole after {read} bytes"),
        }
    }
}

#[tokio::test]
async fn a_spin_in_a_handler_is_cut_at_its_limit() {
    check("misbehaves", "spin", 504, "cpu-limit").await;
}

#[tokio::test]
async fn a_spin_in_realloc_is_cut_at_its_limit() {
    check("raw", &format!("state?{}", "x".repeat(5_000)), 504, "cpu-limit").await;
}

#[tokio::test]
async fn a_spin_in_an_answer_that_has_begun_breaks_it() {
    check_broken("begin-and-spin", TIGHT, 0).await;
}

/// Puts a module in that spins while it is loaded: it is refused in time, and
/// nothing changes for a service of its name or for its neighbour.
async fn check_refused(module: &[u8]) {
    let settings = "[limits]\ndescribe_ms_max = 300";
    let folder = Folder::of(&["calc", "raw"]).with("picolet.toml", settings);
    let host = Host::over(folder).await;
    for file in ["other.wasm", "raw.wasm"] {
        let begun = Instant::now();
        host.folder.put(file, module);
        let refused = refuses(&host, 0, file, "describe takes longer than 300 ms");
        beside(&host, refused).await;
        // Beside the bound there is the time to compile it on a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert_eq!(host.get("/raw/state").await.status, 200);
    }
    let listed = json(&host.admin("GET", "/admin/v1/services", "").await, 200);
    let names = listed["services"].as_array().unwrap().iter().map(|one| one["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["calc", "raw"], "{listed}");
    host.stop().await;
}

#[tokio::test]
async fn a_spin_in_describe_is_a_refusal() {
    check_refused(&guest("spins-describing")).await;
}

#[tokio::test]
async fn a_spin_in_a_start_function_is_a_refusal() {
    check_refused(&Component::declaring(&Declaration::default()).starting("(loop (br 0))").bytes())
        .await;
}

#[tokio::test]
async fn a_start_function_that_spins_later_is_cut_at_its_limit() {
    let host = host_under("calc", "isolation = \"call\"").await;
    let manifest = format!("isolation = \"call\"\n{PATIENT}");
    host.folder.put("spins-starting.toml", manifest);
    // Three in four of its instances begin well, the one that describes it too.
    let module = guest("spins-starting");
    loop {
        let mark = host.log.mark();
        host.folder.put("spins-starting.wasm", &module);
        let line = host.line_from(mark, "*ing*").await;
        if line.starts_with("serving spins-starting") {
            break;
        }
    }
    let (mut good, mut late) = (0, 0);
    while good == 0 || late == 0 {
        let reply = beside(&host, host.get("/spins-starting/good")).await;
        if reply.status == 200 {
            good += 1;
        } else {
            faults(&reply, 504, &["cpu-limit"]);
            late += 1;
        }
    }
    host.stop().await;
}

#[tokio::test]
async fn memory_up_to_the_limit_is_given_and_beyond_it_is_not() {
    let host = host("hostile").await;
    answers(&host.get("/hostile/fill/24").await, 200, "filled 24 MiB");
    has_seen(&host, "hostile", 2).await;
    faults(&host.get("/hostile/fill/40").await, 500, &["memory-limit"]);
    has_seen(&host, "hostile", 1).await;
    host.stop().await;
}

#[tokio::test]
async fn allocating_without_end_is_cut_at_its_limit() {
    check("misbehaves", "alloc", 500, "memory-limit").await;
}

#[tokio::test]
async fn recursion_without_end_is_a_trap() {
    check("misbehaves", "recurse", 500, "trapped").await;
}

#[tokio::test]
async fn ten_thousand_streams_are_more_than_an_instance_may_have() {
    check("raw", "streams", 500, "trapped").await;
}

#[tokio::test]
async fn streams_that_are_left_open_add_up_until_their_instance_ends() {
    let host = host("raw").await;
    let mut ends = Vec::new();
    for _ in 0..10 {
        ends.push(host.get("/raw/some-streams").await.status);
    }
    // A stream is two handles; what is left of the limit is not enough.
    assert_eq!(ends, [200, 200, 200, 200, 500, 200, 200, 200, 200, 500]);
    host.stop().await;
}

#[tokio::test]
async fn lists_of_4_gib_are_traps() {
    for list in ["head", "body", "fault"] {
        check("raw", list, 500, "trapped").await;
    }
}

#[tokio::test]
async fn a_list_that_is_more_than_is_handed_over_at_once_is_a_trap() {
    check("raw", "long", 500, "trapped").await;
}

#[tokio::test]
async fn a_stream_that_does_not_exist_is_a_trap() {
    check("raw", "handle", 500, "trapped").await;
}

#[tokio::test]
async fn printing_without_end_is_cut_and_the_log_stays_short() {
    let host = host_under("hostile", &format!("{TIGHT}\nlog_bytes_per_second = 1000")).await;
    has_seen(&host, "hostile", 1).await;
    let reply = beside(&host, host.get("/hostile/print")).await;
    faults(&reply, 504, &["cpu-limit", "wall-limit"]);
    has_seen(&host, "hostile", 1).await;
    host.line("there is always more to say").await;
    let lines = host.count("there is always more to say");
    assert!((1..1_000).contains(&lines), "{lines} lines");
    host.stop().await;
}

#[tokio::test]
async fn a_panic_with_4_mib_to_say_is_a_trap_and_the_log_is_bounded() {
    let host = host("hostile").await;
    faults(&host.get("/hostile/panic").await, 500, &["trapped"]);
    has_seen(&host, "hostile", 1).await;
    host.line("guest stopped*trapped").await;
    let lines = host.log.lines();
    let written: usize = lines.iter().map(String::len).sum();
    let longest = lines.iter().map(String::len).max();
    // A second's worth of what it prints, which each line says more about.
    assert!(written < 3 << 20, "{written} bytes");
    assert!(longest < Some(16 << 10), "a line of {longest:?} bytes");
    host.stop().await;
}

#[tokio::test]
async fn a_blocking_sleep_is_cut_at_its_limit() {
    check("hostile", "nap", 504, "wall-limit").await;
}

#[tokio::test]
async fn waiting_without_end_is_cut_at_the_limit_and_at_the_deadline() {
    check("hostile", "wait", 504, "wall-limit").await;
    let host = host("hostile").await;
    let deadline = [("x-picolet-timeout-ms", "100")];
    let reply = beside(&host, host.send("GET", "/hostile/wait", &deadline, "")).await;
    faults(&reply, 504, &["deadline"]);
    host.stop().await;
}

/// A request with the beginning of a body that is never sent whole.
async fn begin(host: &Host, path: &str) -> Wire {
    let mut wire = Wire::to(host.services).await;
    wire.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 8000000\r\n\r\n")).await;
    wire.send(vec![b'x'; 128 << 10]).await;
    wire
}

#[tokio::test]
async fn a_body_that_is_never_read_is_cut_off_with_its_call() {
    let host = host("hostile").await;
    has_seen(&host, "hostile", 1).await;
    has_seen(&host, "hostile", 2).await;
    let mut wire = begin(&host, "/hostile/hold").await;
    faults(&beside(&host, wire.reply()).await, 504, &["wall-limit"]);
    has_seen(&host, "hostile", 1).await;
    host.stop().await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_body_that_nobody_reads() {
    let host = host("hostile").await;
    for calls in 1..=20 {
        let mut wire = begin(&host, "/hostile/ignore").await;
        assert_eq!(wire.reply().await.status, 204, "call {calls}");
    }
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    has_seen(&host, "hostile", 21).await;
    host.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_never_finished_is_broken_off() {
    check_broken("unfinished", TIGHT, "a beginning\n".len()).await;
}

#[tokio::test]
async fn an_answer_without_end_is_broken_off_at_its_length_or_its_time() {
    let manifest = "[limits]\nresponse_body_bytes = 10_000_000";
    // All of it but the chunk that is too much, and what was on its way then.
    check_broken("endless", manifest, 9_000_000).await;
    check_broken("endless", "[limits]\nwall_ms = 300\ncpu_ms = 300", 1).await;
}

#[tokio::test]
async fn a_trap_in_the_middle_of_an_answer_ends_its_instance() {
    let host = host("misbehaves").await;
    has_seen(&host, "misbehaves", 1).await;
    has_seen(&host, "misbehaves", 2).await;
    let bad = async {
        let response = host.open("GET", "/misbehaves/stream-trap", body("")).await;
        assert_eq!(response.status(), 200);
        read_to_the_break(response).await
    };
    beside(&host, bad).await;
    has_seen(&host, "misbehaves", 1).await;
    host.stop().await;
}

#[tokio::test]
async fn a_service_whose_permits_are_all_held_turns_away_until_they_are_free() {
    let manifest = "[limits]\nconcurrency = 4\nqueue = 4\nqueue_ms = 100\nwall_ms = 1000";
    let host = host_under("hostile", manifest).await;
    let calls = (0..20).map(|_| host.get("/hostile/wait"));
    let replies = beside(&host, join_all(calls)).await;
    let (held, turned): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 504);
    assert_eq!((held.len(), turned.len()), (4, 16), "{replies:?}");
    held.into_iter().for_each(|reply| faults(reply, 504, &["wall-limit"]));
    turned.into_iter().for_each(|reply| faults(reply, 503, &["overloaded"]));
    has_seen(&host, "hostile", 1).await;
    host.stop().await;
}
