//! Several calls in one instance: what they share, and what a trap of one of
//! them does to the others.

use crate::kit::*;
use crate::streams::check_broken;
use futures::future::join_all;

async fn host_with(calls_per_instance: usize, more: &str) -> Host {
    let manifest = format!("[limits]\ncalls_per_instance = {calls_per_instance}\n{more}");
    Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await
}

/// Waits until so many calls are inside, or more.
async fn until_running(host: &Host, calls: u64) {
    until("the calls to be inside", async || {
        let detail = host.admin("GET", "/admin/v1/services/misbehaves", "").await;
        let running = json(&detail, 200)["running"].as_u64().unwrap();
        (calls <= running).then_some(())
    })
    .await;
}

#[tokio::test]
async fn calls_that_wait_share_an_instance() {
    let host = host_with(8, "").await;
    let sleeps = (0..8).map(async |_| host.get("/misbehaves/sleep/700").await);
    for reply in join_all(sleeps).await {
        answers(&reply, 200, "slept 700 ms");
    }
    answers(&host.get("/misbehaves/state").await, 200, "9");
    let metrics = host.admin("GET", "/metrics", "").await;
    let idle = "picolet_service_idle_instances{service=\"misbehaves\",version=\"1.0.0\"} 1\n";
    assert!(metrics.text().contains(idle), "{}", metrics.text());
    host.stop().await;
}

#[tokio::test]
async fn a_trap_takes_along_the_calls_of_its_instance_alone() {
    let host = host_with(2, "").await;
    let sleep = async |ms| host.get(&format!("/misbehaves/sleep/{ms}")).await;
    let trap = async {
        until_running(&host, 3).await;
        host.get("/misbehaves/panic").await
    };
    // The first two have one instance, the third shares another with the trap.
    let (first, second, third, trapped) = tokio::join!(
        sleep(1_500),
        sleep(1_500),
        async {
            until_running(&host, 2).await;
            sleep(20_000).await
        },
        trap
    );
    answers(&first, 200, "slept 1500 ms");
    answers(&second, 200, "slept 1500 ms");
    faults(&third, 500, &["trapped"]);
    faults(&trapped, 500, &["trapped"]);
    host.stop().await;
}

#[tokio::test]
async fn a_call_that_a_trap_kept_out_is_made_elsewhere() {
    let host = host_with(64, "cpu_ms = 600").await;
    let wait = async |_| {
        until_running(&host, 1).await;
        host.get("/misbehaves/state").await
    };
    let (spun, waited) = tokio::join!(host.get("/misbehaves/spin"), join_all((0..8).map(wait)));
    faults(&spun, 504, &["cpu-limit"]);
    let mut seen = [0; 9];
    for reply in &waited {
        seen[reply.text().parse::<usize>().expect("a count")] += 1;
    }
    // One that comes when the others have left may find none that is idle yet.
    assert_eq!(seen[1..].iter().sum::<u32>(), 8, "in new instances: {seen:?}");
    assert!(seen[1..].is_sorted_by(|a, b| a >= b), "each of them with its first calls: {seen:?}");
    host.stop().await;
}

#[tokio::test]
async fn an_instance_whose_caller_left_serves_those_inside_and_nobody_else() {
    let host = host_with(8, "wall_ms = 2000").await;
    let (late, in_time) =
        tokio::join!(host.get("/misbehaves/sleep/20000"), host.get("/misbehaves/sleep/1900"));
    faults(&late, 504, &["wall-limit", "deadline"]);
    answers(&in_time, 200, "slept 1900 ms");
    answers(&host.get("/misbehaves/state").await, 200, "1");
    host.stop().await;
}

#[tokio::test]
async fn streams_of_one_instance_are_whole() {
    let host = host_with(8, "").await;
    let streams = (0..8).map(async |_| host.get("/misbehaves/stream/50").await);
    let replies = join_all(streams).await;
    for reply in &replies {
        answers(reply, 200, replies[0].text());
    }
    check_broken(&host, "/misbehaves/stream-trap").await;
    check_broken(&host, "/misbehaves/stream-fault").await;
    host.stop().await;
}

#[tokio::test]
async fn calls_of_one_instance_call_their_neighbours_and_themselves() {
    let manifest = "[limits]\ncalls_per_instance = 16";
    let folder = Folder::of(&["greeter", "greeter-api", "misbehaves"]);
    let folder = folder.with("greeter-api.toml", manifest).with("greeter.toml", manifest);
    let host = Host::over(folder.with("misbehaves.toml", manifest)).await;
    let greet = async |n| {
        let reply = host.get(&format!("/greeter-api/say/hello?name=n{n}")).await;
        answers(&reply, 200, &format!("{{\"message\":\"Hello n{n}\"}}"));
    };
    join_all((0..50).map(greet)).await;
    let deep = join_all((0..8).map(async |_| host.get("/misbehaves/again/4").await)).await;
    for reply in deep {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn sharing_is_refused_where_it_makes_no_sense() {
    let folder = Folder::of(&["calc", "hello-wasi2"]);
    let apart = "isolation = \"call\"\n[limits]\ncalls_per_instance = 2";
    let folder = folder.with("calc.toml", apart);
    let host =
        Host::over(folder.with("hello-wasi2.toml", "[limits]\ncalls_per_instance = 2")).await;
    let apart = "limits.calls_per_instance: isolation \"call\" gives every call";
    refuses(&host, 0, "calc.wasm", apart).await;
    let not_ours = "limits.calls_per_instance (hello-wasi2.toml): is for modules of picolet";
    refuses(&host, 0, "hello-wasi2.wasm", not_ours).await;
    host.stop().await;
}
