//! Which endpoint of a service gets a call, and what becomes of the call when
//! endpoints are slow, fail, die and return.

use crate::kit::*;
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENT: &str = "[registry]\nlease_ms = 60000\nremoval_ms = 120000\nfailures_down = 100";
const HELLO: &str = r#"{"hello":"from outside"}"#;

async fn host() -> Host {
    Host::over(Folder::of(&["misbehaves"]).with("picolet.toml", PATIENT)).await
}

async fn register(host: &Host, program: &Program, registration: &str, metadata: &Value) {
    let record = program.record_with(registration, metadata).to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
}

/// Programs that are registered as `one`, `two`, `three`.
async fn programs<const N: usize>(host: &Host) -> [Program; N] {
    let mut programs = Vec::new();
    for name in ["one", "two", "three"].into_iter().take(N) {
        let program = Program::start().await;
        register(host, &program, name, &json!({})).await;
        programs.push(program);
    }
    programs.try_into().ok().expect("as many as were asked for")
}

async fn call(host: &Host, target: &str, options: Value) -> Reply {
    let order = json!({"target": target, "options": options}).to_string();
    host.admin("POST", "/admin/v1/call", &order).await
}

async fn state_of(host: &Host, registration: &str) -> Value {
    let listed = json(&host.admin("GET", "/admin/v1/endpoints", "").await, 200);
    let endpoints = listed["endpoints"].as_array().unwrap_or_else(|| panic!("{listed}"));
    let found = endpoints.iter().find(|endpoint| endpoint["registration"] == registration);
    found.unwrap_or_else(|| panic!("{registration} is not in {listed}")).clone()
}

#[tokio::test]
async fn a_slow_endpoint_gets_few_of_the_calls() {
    let host = host().await;
    let [fast, slow] = programs(&host).await;
    fast.delay(Duration::from_millis(1));
    slow.delay(Duration::from_millis(100));
    let caller = async |_| {
        for _ in 0..125 {
            answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
        }
    };
    join_all((0..16).map(caller)).await;
    assert_eq!(fast.calls() + slow.calls(), 2_000);
    assert!(slow.calls() < 60, "the slow one had {} of 2,000", slow.calls());
    host.stop().await;
}

#[tokio::test]
async fn a_caller_says_which_endpoints_it_means() {
    let host = host().await;
    let (old, new) = (Program::start().await, Program::start().await);
    let facts = json!({"version": "1.2.0", "zone": "a", "environment": "prod", "subset": "left"});
    register(&host, &old, "old", &facts).await;
    register(&host, &new, "new", &json!({"version": "2.0.0", "zone": "b"})).await;
    let old_ones = [
        ("ext.hello", json!({"version": "^1"})),
        ("ext.hello", json!({"label": "zone=a"})),
        ("ext.hello", json!({"subset": "left"})),
        ("ext.hello", json!({"environment": "prod"})),
        ("ext.hello", json!({"environment": "prod:nowhere"})),
        ("ext.hello", json!({"endpoint": "old"})),
        ("ext.hello", json!({"label": ["zone=a", "environment=prod"]})),
    ];
    for (target, options) in &old_ones {
        for _ in 0..4 {
            answers(&call(&host, target, options.clone()).await, 200, HELLO);
        }
    }
    // And so does a request at the door.
    for (_, options) in &old_ones[..6] {
        let (name, value) = options.as_object().unwrap().iter().next().unwrap();
        let asked = (&*format!("x-picolet-{name}"), value.as_str().unwrap());
        answers(&host.send("GET", "/services/ext/hello", &[asked], "").await, 200, HELLO);
    }
    assert_eq!((old.calls(), new.calls()), (4 * old_ones.len() + 6, 0));
    for service in ["ext@^2", "ex*", "ext"] {
        let path = format!("/misbehaves/call/{}/hello", service.replace('^', "%5E"));
        answers(&host.get(&path).await, 200, HELLO);
    }
    assert_ne!(new.calls(), 0);
    let nobody = [
        (json!({"version": "^3"}), "service ext has no endpoint of version ^3"),
        (json!({"label": "zone=c"}), "service ext has no endpoint of label zone=c"),
        (json!({"endpoint": "other"}), "service ext has no endpoint of registration other"),
        (json!({"environment": "test"}), "service ext has no endpoint of environment test"),
    ];
    for (options, text) in nobody {
        let reply = call(&host, "ext.hello", options).await;
        faults(&reply, 404, &["no-such-endpoint"]);
        assert_eq!(json(&reply, 404)["error"], text);
    }
    let asked = [("x-picolet-retry", "many")];
    let reply = host.send("GET", "/services/ext/hello", &asked, "").await;
    faults(&reply, 400, &["bad-call"]);
    host.stop().await;
}

#[tokio::test]
async fn callers_of_what_may_be_called_twice_see_nothing_of_a_death() {
    let host = host().await;
    let [one, two, three] = programs(&host).await;
    let address = one.address;
    let until_dead = async {
        until("calls to be under way", async || (100 < one.calls()).then_some(())).await;
        one.die().await;
    };
    let caller = async |_| {
        for _ in 0..50 {
            answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
        }
    };
    tokio::join!(until_dead, join_all((0..64).map(caller)));
    assert!(0 < two.calls() && 0 < three.calls());
    let returned = Program::at(address).await;
    until("the one that returned to be called", async || {
        answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
        (0 < returned.calls()).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn with_all_of_them_gone_a_call_fails_at_once_and_one_that_waits_is_made() {
    let host = host().await;
    let [one, two] = programs(&host).await;
    let address = one.address;
    answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
    one.die().await;
    two.die().await;
    faults(&call(&host, "ext.hello", json!({})).await, 502, &["unreachable"]);
    for _ in 0..20 {
        let reply = call(&host, "ext.hello", json!({})).await;
        faults(&reply, 503, &["no-endpoint"]);
        assert!(reply.text().contains("these are down: one, two"), "{}", reply.text());
    }
    let patient = async |_| {
        let options = json!({"wait": "true", "timeout-ms": "20000"});
        answers(&call(&host, "ext.hello", options).await, 200, HELLO);
    };
    let waiting = async |count: usize| {
        until("calls to wait", async || {
            let metrics = host.admin("GET", "/metrics", "").await;
            metrics.text().contains(&format!("picolet_client_waiting {count}\n")).then_some(())
        })
        .await;
    };
    let returned = async {
        waiting(20).await;
        Program::at(address).await
    };
    let (program, _) = tokio::join!(returned, join_all((0..20).map(patient)));
    assert_eq!(program.calls(), 20);
    waiting(0).await;
    host.stop().await;
}

#[tokio::test]
async fn a_call_that_waits_in_vain_ends_with_its_time() {
    let host = host().await;
    let asked = Instant::now();
    let path = "/misbehaves/call/nobody/hello";
    faults(&host.get(path).await, 404, &["no-such-service"]);
    let [one] = programs(&host).await;
    one.die().await;
    faults(&call(&host, "ext.hello", json!({})).await, 502, &["unreachable"]);
    let options = json!({"wait": "true", "timeout-ms": "300"});
    let reply = call(&host, "ext.hello", options).await;
    faults(&reply, 504, &["deadline"]);
    assert!(reply.text().contains("a service was waited for"), "{}", reply.text());
    assert!(Duration::from_millis(300) < asked.elapsed());
    host.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_fails_rests_and_says_until_when() {
    let host = host().await;
    let [only] = programs(&host).await;
    only.answer_with(500);
    let reply = until("it to be left alone", async || {
        let reply = call(&host, "ext.hello", json!({})).await;
        (reply.status != 500).then_some(reply)
    })
    .await;
    faults(&reply, 503, &["resting"]);
    assert!(reply.text().contains("rest after failures: one; "), "{}", reply.text());
    assert!(reply.text().contains("the next probe is due in "), "{}", reply.text());
    assert!(5 <= only.calls(), "{} calls", only.calls());
    assert_eq!(state_of(&host, "one").await["state"], "resting");
    only.answer_with(200);
    let options = json!({"wait": "true", "timeout-ms": "20000"});
    answers(&call(&host, "ext.hello", options).await, 200, HELLO);
    assert_eq!(state_of(&host, "one").await["state"], "serving");
    host.stop().await;
}

#[tokio::test]
async fn what_callers_do_wrong_is_no_failure_of_the_endpoint() {
    let host = host().await;
    let [only] = programs(&host).await;
    only.answer_with(404);
    for _ in 0..20 {
        assert_eq!(call(&host, "ext.hello", json!({})).await.status, 404);
    }
    assert_eq!(state_of(&host, "one").await["state"], "serving");
    host.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_asks_for_rest_gets_it() {
    let host = host().await;
    let [one, two] = programs(&host).await;
    one.answer_with(429);
    until("a call to the busy one", async || {
        call(&host, "ext.hello", json!({})).await;
        (one.calls() == 1).then_some(())
    })
    .await;
    let before = two.calls();
    for _ in 0..20 {
        answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
    }
    assert_eq!((one.calls(), two.calls()), (1, before + 20));
    host.stop().await;
}

#[tokio::test]
async fn only_what_may_be_done_twice_is_tried_again() {
    let host = host().await;
    let [broken, sound] = programs(&host).await;
    broken.answer_with(0);
    until("the broken one to be tried", async || {
        answers(&call(&host, "ext.hello", json!({})).await, 200, HELLO);
        (0 < broken.calls()).then_some(())
    })
    .await;
    let only = json!({"endpoint": "one"});
    let (before, others) = (broken.calls(), sound.calls());
    faults(&call(&host, "ext.store", only).await, 502, &["bad-upstream"]);
    assert_eq!(broken.calls(), before + 1, "a POST is not repeated");
    let vouched = json!({"endpoint": "one", "idempotent": "true"});
    let reply = call(&host, "ext.store", vouched).await;
    faults(&reply, 502, &["bad-upstream"]);
    assert!(reply.text().contains("(the first try: "), "{}", reply.text());
    assert_eq!((broken.calls(), sound.calls()), (before + 3, others));
    host.stop().await;
}

#[tokio::test]
async fn a_call_whose_instance_dies_is_made_in_another() {
    let host = host().await;
    let reply = host.get("/misbehaves/call/misbehaves/panic").await;
    faults(&reply, 500, &["trapped"]);
    assert!(reply.text().contains("(the first try: "), "{}", reply.text());
    let tries = async || (2 <= host.count("told to panic")).then_some(());
    until("both tries", tries).await;
    host.stop().await;
}

#[tokio::test]
async fn a_call_has_five_seconds_when_nobody_says() {
    let host = host().await;
    let reply = host.get("/misbehaves/call/misbehaves/context").await;
    let remaining = json(&reply, 200)["remaining_ms"].as_u64().unwrap();
    assert!(0 < remaining && remaining <= 5_000, "{remaining} ms");
    host.stop().await;
}

#[tokio::test]
async fn a_call_that_is_rejected_goes_to_another_endpoint_and_back_when_there_is_none() {
    let host = host().await;
    let reply = host.get("/misbehaves/call/misbehaves/reject").await;
    faults(&reply, 503, &["rejected"]);
    assert_eq!(json(&reply, 503)["error"], "not here");
    let program = Program::start().await;
    let mut record = program.record("elsewhere");
    record["record"]["name"] = json!("misbehaves");
    record["record"]["methods"][0]["name"] = json!("reject");
    assert_eq!(host.admin("POST", "/api/services", &record.to_string()).await.status, 200);
    for _ in 0..5 {
        answers(&host.get("/misbehaves/call/misbehaves/reject").await, 200, HELLO);
    }
    assert_eq!(program.calls(), 5);
    assert_eq!(state_of(&host, "elsewhere").await["state"], "serving");
    host.stop().await;
}

#[tokio::test]
async fn a_name_with_a_star_stands_for_those_that_begin_so() {
    let host = host().await;
    let (wide, narrow) = (Program::start().await, Program::start().await);
    for (program, name) in [(&wide, "stock-*"), (&narrow, "stock-ny-*")] {
        let mut record = program.record(name);
        record["record"]["name"] = json!(name);
        assert_eq!(host.admin("POST", "/api/services", &record.to_string()).await.status, 200);
    }
    answers(&host.get("/misbehaves/call/stock-la/hello").await, 200, HELLO);
    answers(&host.get("/misbehaves/call/stock-ny-7/hello").await, 200, HELLO);
    assert_eq!((wide.calls(), narrow.calls()), (1, 1), "the longest one counts");
    faults(&host.get("/misbehaves/call/stoc/hello").await, 404, &["no-such-service"]);
    host.stop().await;
}

#[tokio::test]
async fn programs_of_the_settings_are_registered_while_they_are_well() {
    let program = Program::start().await;
    let address = program.address;
    let settings = format!(
        "{PATIENT}\ncheck_ms = 50\n[[external]]\nname = \"ext\"\naddress = \"http://{address}\"\n\
         root = \"/ext\"\ninterval_ms = 50\n\
         methods = [{{ name = \"hello\", type = \"GET\", pattern = \"/hello\" }}]"
    );
    let settings = settings.replace("failures_down = 100", "failures_down = 2");
    let host = Host::over(Folder::of(&["misbehaves"]).with("picolet.toml", settings)).await;
    let found = async || {
        let reply = host.get("/misbehaves/call/ext/hello").await;
        (reply.status == 200).then_some(())
    };
    until("the program to be called", found).await;
    program.die().await;
    until("the program to be withdrawn", async || {
        let reply = host.get("/misbehaves/call/ext/hello").await;
        (reply.status == 404).then_some(())
    })
    .await;
    let _returned = Program::at(address).await;
    until("the program to be called again", found).await;
    host.stop().await;
}
