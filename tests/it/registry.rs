//! The registry as programs that are no WebAssembly use it.

use crate::kit::*;
use serde_json::{Value, json};

const QUICK: &str = "[registry]\ncheck_ms = 50\ncheck_timeout_ms = 500\nlease_ms = 60000\n\
                     removal_ms = 120000\nfailures_down = 2";
const SHORT: &str = "[registry]\ncheck_ms = 50\ncheck_timeout_ms = 500\nlease_ms = 1000\n\
                     removal_ms = 2000\nfailures_down = 2";

async fn host(settings: &str) -> Host {
    Host::over(Folder::of(&["misbehaves"]).with("picolet.toml", settings)).await
}

fn record(registration: &str) -> Value {
    json!({"keyServices": "k", "record": {
        "name": "ext", "domain": "http://127.0.0.1:1", "root": "/ext", "methods": [],
        "registration": registration,
    }})
}

async fn listed(host: &Host, path: &str) -> Vec<Value> {
    let list = json(&host.admin("GET", path, "").await, 200);
    list["services"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
}

async fn gone(host: &Host, path: &str) {
    until("the record to be gone", async || {
        (host.admin("GET", path, "").await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_input_that_killed_the_original_is_answered() {
    let host = host("").await;
    let sound = record("r1").to_string();
    let admin = host.admin;
    let post = |kind: &str, body: &str| {
        format!(
            "POST /api/services HTTP/1.1\r\nhost: localhost\r\n{kind}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let put_unknown_key = host.admin("PUT", "/api/services/nobody/r1", &sound).await;
    assert_eq!(json(&put_unknown_key, 404)["code"], 404);
    assert_eq!(host.admin("POST", "/api/services", &sound).await.status, 200);
    let put_unknown_id = host.admin("PUT", "/api/services/k/r2", &record("r2").to_string()).await;
    assert_eq!(json(&put_unknown_id, 404)["code"], 404);
    for bad in [r#"{"keyServices":"k"}"#, "{}", "null", "[]", "1", "{", "", "\"record\""] {
        let reply = host.admin("POST", "/api/services", bad).await;
        assert_eq!(reply.status, 400, "{bad:?}: {reply:?}");
        assert_eq!(json(&reply, 400)["code"], 400, "{bad:?}");
    }
    for kind in ["", "content-type: text/plain\r\n", "content-type: nonsense\r\n"] {
        let reply = Wire::ask(admin, post(kind, &sound)).await;
        assert!(reply.status < 500, "{kind:?}: {reply:?}");
    }
    let proto = sound.replace("\"k\"", "\"__proto__\"");
    assert!(host.admin("POST", "/api/services", &proto).await.status < 500);
    assert_eq!(listed(&host, "/api/services/k").await.len(), 1);
    host.stop().await;
}

#[tokio::test]
async fn records_that_are_none_are_bad() {
    let host = host("").await;
    let with = |name: &str, value: Value| {
        let mut record = record("r1");
        record["record"][name] = value;
        record.to_string()
    };
    let cases = [
        with("name", json!("")),
        with("name", json!("a/b")),
        with("name", json!(7)),
        with("name", json!("x".repeat(129))),
        with("domain", json!("127.0.0.1:1")),
        with("domain", json!("ftp://a")),
        with("domain", json!("http://user@a")),
        with("domain", Value::Null),
        with("root", json!("ext")),
        with("methods", json!([{"name": 1}])),
        with("methods", json!("none")),
        with("registration", json!("")),
        with("registration", json!("line\nbreak")),
        with("registration", json!("x".repeat(257))),
        record("r1").to_string().replace("\"k\"", "\"a/b\""),
        record("r1").to_string().replace("\"k\"", "7"),
    ];
    for bad in cases {
        let reply = host.admin("POST", "/api/services", &bad).await;
        assert_eq!(reply.status, 400, "{bad}: {reply:?}");
    }
    assert_eq!(listed(&host, "/api/services/k").await.len(), 0);
    let large = record(&"x".repeat(2 << 20)).to_string();
    let reply = host.admin("POST", "/api/services", &large).await;
    assert!([400, 413].contains(&reply.status), "{reply:?}");
    host.stop().await;
}

#[tokio::test]
async fn a_record_is_posted_replaced_updated_read_and_deleted() {
    let host = host(QUICK).await;
    let sound = record("any id: ü/7").to_string();
    let one = "/api/services/k/any%20id:%20%C3%BC%2F7";
    for _ in 0..2 {
        let posted = json(&host.admin("POST", "/api/services", &sound).await, 200);
        assert_eq!(posted["registration"], "any id: ü/7");
        assert_eq!(listed(&host, "/api/services/k").await.len(), 1, "the same id replaces");
    }
    let before = listed(&host, one).await.remove(0);
    assert_eq!((&before["name"], &before["root"]), (&json!("ext"), &json!("/ext")));
    let changed = sound.replace("/ext", "/changed");
    let put = json(&host.admin("PUT", one, &changed).await, 200);
    assert_eq!(put["registration"], "any id: ü/7");
    let after = listed(&host, one).await.remove(0);
    assert_eq!(after["root"], "/changed");
    assert_eq!(after["date"]["creation"], before["date"]["creation"]);
    assert!(after["date"]["lastUpdate"].is_string(), "{after}");
    for _ in 0..2 {
        assert_eq!(host.admin("DELETE", one, "").await.status, 200, "known or not");
    }
    assert_eq!(host.admin("GET", one, "").await.status, 404);
    assert_eq!(listed(&host, "/api/services/k").await.len(), 0, "an unknown key lists nothing");
    assert_eq!(host.admin("DELETE", "/api/services/nobody/x", "").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_local_service_is_listed_while_it_is_served() {
    let host = Host::of(&["calc"]).await;
    let record = listed(&host, "/api/services/default").await.remove(0);
    assert_eq!((&record["name"], &record["root"]), (&json!("calc"), &json!("/api")));
    assert_eq!(record["domain"], format!("http://{}", host.services));
    assert_eq!(
        (&record["metadata"]["kind"], &record["metadata"]["version"]),
        (&json!("wasm"), &json!("1.0.0"))
    );
    assert!(record["metadata"]["digest"].is_string() && record["metadata"]["node"].is_string());
    assert!(record["date"]["creation"].is_string() && record["registration"].is_string());
    let methods = record["methods"].as_array().unwrap();
    let add1 = methods.iter().find(|method| method["name"] == "add1").unwrap();
    let expected = json!({"name": "add1", "type": "GET", "path": "/add",
        "pattern": "/add/{a}/{b}", "params": ["a", "b"]});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&add1[key], value, "{add1}");
    }
    let all = json(&host.admin("GET", "/api/services", "").await, 200);
    assert_eq!(all["services"]["default"].as_array().map(Vec::len), Some(1), "{all}");
    // As pico.js makes a path: root, path, parameters.
    answers(
        &host.get("/api/add/40/2").await,
        200,
        r#"{"message":"Hello 🌍","from":"pico","result":42}"#,
    );
    let id = record["registration"].as_str().unwrap();
    assert_eq!(listed(&host, &format!("/api/services/default/{id}")).await.len(), 1);
    host.folder.remove("calc.wasm");
    host.line("removed calc").await;
    assert_eq!(listed(&host, "/api/services/default").await.len(), 0);
    host.stop().await;
}

#[tokio::test]
async fn a_local_record_cannot_be_changed_from_outside() {
    let host = Host::of(&["calc"]).await;
    let local = listed(&host, "/api/services/default").await.remove(0);
    let id = local["registration"].as_str().unwrap();
    let path = format!("/api/services/default/{id}");
    let mut other = record(id);
    other["keyServices"] = json!("default");
    host.admin("POST", "/api/services", &other.to_string()).await;
    host.admin("PUT", &path, &other.to_string()).await;
    host.admin("DELETE", &path, "").await;
    let after = listed(&host, "/api/services/default").await;
    let names: Vec<&Value> = after.iter().map(|record| &record["name"]).collect();
    assert!(names.contains(&&json!("calc")), "{names:?}");
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_module_may_name_its_key() {
    let host = Host::over(Folder::of(&["calc"]).with("calc.toml", "key = \"domain-demo\"")).await;
    assert_eq!(listed(&host, "/api/services/domain-demo").await.len(), 1);
    assert_eq!(listed(&host, "/api/services/default").await.len(), 0);
    host.stop().await;
}

#[tokio::test]
async fn a_guest_calls_a_program_that_registered_until_it_dies() {
    let host = host(QUICK).await;
    let program = Program::start().await;
    faults(&host.get("/misbehaves/call/ext/hello").await, 404, &["no-such-service"]);
    let record = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    answers(&host.get("/misbehaves/call/ext/hello").await, 200, r#"{"hello":"from outside"}"#);
    faults(&host.get("/misbehaves/call/ext/other").await, 404, &["no-such-method"]);
    until("a health check", async || (2 < program.checks()).then_some(())).await;
    program.die().await;
    until("the record to be down", async || {
        let listed = listed(&host, "/api/services/default/ext-1").await;
        (listed[0]["status"] == "DOWN").then_some(())
    })
    .await;
    let reply = host.get("/misbehaves/call/ext/hello").await;
    faults(&reply, 503, &["no-endpoint"]);
    assert!(reply.text().contains("these are down: ext-1"), "{}", reply.text());
    host.line("record is down*cause=*/healthcheck gave no answer, ").await;
    host.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_well_is_down_for_a_reason() {
    let host = host(QUICK).await;
    let program = Program::start().await;
    let record = program.record_with("ext-1", &json!({"health": "/elsewhere"})).to_string();
    assert_eq!(host.admin("POST", "/api/services", &record).await.status, 200);
    host.line("record is down*cause=*/elsewhere answered 404").await;
    let listed = listed(&host, "/api/services/default/ext-1").await;
    assert_eq!(listed[0]["status"], "DOWN", "{listed:?}");
    assert_eq!(listed[0]["reason"], "/elsewhere answered 404", "{listed:?}");
    let url = format!("http://{}", host.admin);
    let shown = run(picolet().args(["service", "ext", "--host", &url])).await;
    assert!(shown.stdout.contains(" down (/elsewhere answered 404)"), "{shown:?}");
    host.stop().await;
}

#[tokio::test]
async fn a_dead_program_is_gone_within_its_bound() {
    let host = host(SHORT).await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    host.admin("POST", "/api/services", &record).await;
    until("more checks than a lease lasts", async || (40 < program.checks()).then_some(())).await;
    answers(&host.get("/misbehaves/call/ext/hello").await, 200, r#"{"hello":"from outside"}"#);
    program.die().await;
    gone(&host, "/api/services/default/ext-1").await;
    faults(&host.get("/misbehaves/call/ext/hello").await, 404, &["no-such-service"]);
    host.stop().await;
}

#[tokio::test]
async fn a_failed_call_marks_a_record_at_once() {
    let settings = "[registry]\ncheck_ms = 3600000";
    let host = host(settings).await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    host.admin("POST", "/api/services", &record).await;
    answers(&host.get("/misbehaves/call/ext/hello").await, 200, r#"{"hello":"from outside"}"#);
    program.die().await;
    let first = host.get("/misbehaves/call/ext/hello").await;
    assert!([502, 503].contains(&first.status), "{first:?}");
    faults(&host.get("/misbehaves/call/ext/hello").await, 503, &["no-endpoint"]);
    assert_eq!(listed(&host, "/api/services/default/ext-1").await[0]["status"], "DOWN");
    host.stop().await;
}

#[tokio::test]
async fn a_program_that_comes_back_is_called_again() {
    let host = host(QUICK).await;
    let program = Program::start().await;
    let (address, record) = (program.address, program.record("ext-1").to_string());
    host.admin("POST", "/api/services", &record).await;
    program.die().await;
    until("the record to be down", async || {
        (host.get("/misbehaves/call/ext/hello").await.status == 503).then_some(())
    })
    .await;
    let _program = Program::at(address).await;
    until("an answer", async || {
        (host.get("/misbehaves/call/ext/hello").await.status == 200).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn heartbeats_keep_a_record_that_cannot_be_checked() {
    let host = host(SHORT).await;
    for id in ["beats", "silent"] {
        host.admin("POST", "/api/services", &record(id).to_string()).await;
    }
    until("the silent one to be gone", async || {
        let beat = host.admin("PUT", "/api/services/k/beats", &record("beats").to_string()).await;
        assert_eq!(beat.status, 200, "{beat:?}");
        let silent = host.admin("GET", "/api/services/k/silent", "").await;
        (silent.status == 404).then_some(())
    })
    .await;
    assert_eq!(listed(&host, "/api/services/k").await.len(), 1);
    gone(&host, "/api/services/k/beats").await;
    host.stop().await;
}

#[tokio::test]
async fn the_backend_says_that_it_is_up() {
    let host = host("").await;
    assert_eq!(json(&host.admin("GET", "/healthcheck", "").await, 200)["status"], "UP");
    let openapi = json(&host.admin("GET", "/admin/v1/openapi.json", "").await, 200);
    assert!(openapi["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for path in ["/api/nothing", "/admin/v1/nothing"] {
        assert_eq!(json(&host.admin("GET", path, "").await, 404)["code"], 404, "{path}");
    }
    for verb in ["HEAD", "OPTIONS", "PATCH"] {
        assert!(host.admin(verb, "/api/services", "").await.status < 500, "{verb}");
    }
    host.stop().await;
}
