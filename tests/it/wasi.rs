//! Modules that are made without the SDK's component: plain `wasi:http`, and
//! core modules.

use crate::kit::*;
use futures::future::join_all;

/// A guest under its own name, and what it says of itself.
const BOTH: [(&str, &str); 2] =
    [("hello-wasi2", "wasi:http 0.2"), ("hello-wasi3", "wasi:http 0.3")];

#[tokio::test]
async fn a_plain_component_is_mounted_at_its_name() {
    let host = Host::of(&["hello-wasi2", "hello-wasi3"]).await;
    for (name, says) in BOTH {
        for path in [format!("/{name}"), format!("/{name}/"), format!("/{name}/a/b%2Fc")] {
            answers(&host.get(&path).await, 200, &format!("Hello from {says} at {path}\n"));
        }
        let query = format!("/{name}/x?a=1&b=2");
        answers(&host.get(&query).await, 200, &format!("Hello from {says} at /{name}/x\n"));
        let echoed = host.send("POST", &format!("/{name}"), &[], "some text").await;
        answers(&echoed, 200, "some text");
        assert_eq!(host.send("DELETE", &format!("/{name}"), &[], "").await.status, 405);
        host.line(&format!("serving {name} * at /{name}")).await;
    }
    faults(&host.get("/hello-wasi22").await, 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn a_manifest_gives_a_plain_component_its_name_and_root() {
    let manifest = "name = \"front\"\nversion = \"2.1.0\"\nroot = \"/site\"\nstrip = true";
    for (name, says) in BOTH {
        let host = Host::over(Folder::of(&[name]).with(&format!("{name}.toml"), manifest)).await;
        host.line("serving front 2.1.0 * at /site").await;
        answers(&host.get("/site/x").await, 200, &format!("Hello from {says} at /x\n"));
        answers(&host.get("/site").await, 200, &format!("Hello from {says} at /\n"));
        faults(&host.get(&format!("/{name}")).await, 404, &["no-route"]);
        host.stop().await;
    }
}

#[tokio::test]
async fn a_manifest_gives_a_plain_component_its_routes() {
    let manifest = "[[routes]]\nname = \"one\"\ntype = \"GET\"\npattern = \"/one/{id}\"";
    let folder = Folder::of(&["hello-wasi2"]).with("hello-wasi2.toml", manifest);
    let host = Host::over(folder).await;
    let path = "/hello-wasi2/one/7";
    answers(&host.get(path).await, 200, &format!("Hello from wasi:http 0.2 at {path}\n"));
    faults(&host.get("/hello-wasi2/two").await, 404, &["no-route"]);
    faults(&host.send("POST", path, &[], "").await, 405, &["verb-not-allowed"]);
    host.stop().await;
}

#[tokio::test]
async fn a_plain_component_that_traps_in_the_middle_breaks_its_answer() {
    let host = Host::of(&["hello-wasi2", "hello-wasi3"]).await;
    for (name, _) in BOTH {
        let mut wire = Wire::to(host.services).await;
        wire.send(format!("GET /{name}/trap HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen);
        assert!(!seen.ends_with("0\r\n\r\n"), "{name} looks whole: {seen}");
        assert_eq!(host.get(&format!("/{name}")).await.status, 200, "{name} goes on");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_plain_component_that_spins_is_cut() {
    for (name, _) in BOTH {
        let manifest = "[limits]\ncpu_ms = 200\nwall_ms = 2000";
        let host = Host::over(Folder::of(&[name]).with(&format!("{name}.toml"), manifest)).await;
        let reply = host.get(&format!("/{name}/spin")).await;
        faults(&reply, 504, &["cpu-limit", "wall-limit"]);
        assert_eq!(host.get(&format!("/{name}")).await.status, 200, "{name} goes on");
        host.stop().await;
    }
}

#[tokio::test]
async fn a_plain_component_that_does_not_begin_to_answer_is_cut() {
    for (name, _) in BOTH {
        let manifest = "[limits]\nfirst_byte_ms = 300";
        let host = Host::over(Folder::of(&[name]).with(&format!("{name}.toml"), manifest)).await;
        let reply = host.get(&format!("/{name}/spin")).await;
        faults(&reply, 504, &["first-byte-limit"]);
        assert!(reply.text().contains("300 ms"), "{reply:?}");
        assert_eq!(host.get(&format!("/{name}")).await.status, 200, "{name} goes on");
        host.stop().await;
    }
}

#[tokio::test]
async fn idle_instances_of_plain_components_are_counted_and_give_up_their_places() {
    let mut folder = Folder::empty().with("picolet.toml", "[limits]\ninstances_max = 4");
    let names = ["one", "two", "three", "four", "five", "six"];
    for (name, (guest_name, _)) in names.iter().zip(BOTH.iter().cycle()) {
        folder = folder.with(&format!("{name}.wasm"), guest(guest_name));
    }
    let host = Host::over(folder).await;
    for _ in 0..3 {
        for name in names {
            assert_eq!(host.get(&format!("/{name}")).await.status, 200, "{name}");
        }
    }
    until("four idle instances", async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        let idle = |line: &str| {
            line.starts_with("picolet_service_idle_instances{") && line.ends_with(" 1")
        };
        (metrics.text().lines().filter(|line| idle(line)).count() == 4).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn a_plain_component_runs_apart_when_asked() {
    for (name, says) in BOTH {
        let manifest = "isolation = \"call\"";
        let host = Host::over(Folder::of(&[name]).with(&format!("{name}.toml"), manifest)).await;
        for _ in 0..5 {
            let path = format!("/{name}");
            answers(&host.get(&path).await, 200, &format!("Hello from {says} at {path}\n"));
        }
        host.stop().await;
    }
}

#[tokio::test]
async fn calc_without_the_sdk_answers_like_calc() {
    for name in ["calc-wasi2", "calc-wasi3"] {
        let manifest = "name = \"calc\"\nroot = \"/api\"";
        let host = Host::over(Folder::of(&[name]).with(&format!("{name}.toml"), manifest)).await;
        let hello = host.get("/api/add/40/2").await;
        answers(&hello, 200, r#"{"message":"Hello 🌍","from":"pico","result":42}"#);
        assert_eq!(hello.header("content-type"), "application/json");
        assert_eq!(hello.header("content-length"), "50");
        for path in ["/api/add/x/1", "/api/add/1", "/api/add/9223372036854775807/1"] {
            assert_eq!(host.get(path).await.status, 400, "{path}");
        }
        host.stop().await;
    }
}

#[tokio::test]
async fn a_plain_component_that_is_never_idle_goes_on_answering() {
    let manifest = "root = \"/api\"\n[limits]\nconcurrency = 2\nqueue = 64\nqueue_ms = 30000";
    let folder = Folder::empty().with("calc.wasm", guest("calc-wasi3"));
    let host = Host::over(folder.with("calc.toml", manifest)).await;
    let caller = async |_| {
        for _ in 0..1_000 {
            let reply = host.get("/api/add/40/2").await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    };
    join_all((0..32).map(caller)).await;
    host.stop().await;
}

#[tokio::test]
async fn a_module_whose_number_was_replaced_is_another_service() {
    let built = guest("numbered");
    let mark = b"numbered-0000";
    let mut numbered = built.clone();
    for at in 0..numbered.len() - mark.len() {
        if numbered[at..].starts_with(mark) {
            numbered[at..at + mark.len()].copy_from_slice(b"numbered-0042");
        }
    }
    let host = Host::over(Folder::of(&["numbered"])).await;
    host.folder.put("another.wasm", numbered);
    host.line("serving numbered-0042 1.0.0 * at /numbered-0042").await;
    for name in ["numbered-0000", "numbered-0042"] {
        answers(&host.get(&format!("/{name}/add/40/2")).await, 200, r#"{"result":42}"#);
        answers(&host.get(&format!("/{name}/name")).await, 200, name);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_core_module_of_the_sdk_is_the_same_service() {
    let host = Host::of(&["calc-core"]).await;
    host.line("serving calc 1.0.0 * at /api").await;
    let hello = host.get("/api/add/40/2").await;
    answers(&hello, 200, r#"{"message":"Hello 🌍","from":"pico","result":42}"#);
    let hey = host.post_json("/api/add", r#"{"a":21,"b":21}"#).await;
    answers(&hey, 200, r#"{"message":"Hey 👋","from":"pico","result":42}"#);
    host.stop().await;
}

#[test]
fn a_small_service_is_a_small_file() {
    let bytes = guest("calc").len();
    assert!(bytes <= 100_000, "calc.wasm has {bytes} bytes");
}

#[tokio::test]
async fn a_core_module_replaces_the_component_of_the_same_service() {
    let host = Host::of(&["calc"]).await;
    host.folder.put("calc.wasm", guest("calc-core"));
    host.line("swapped calc").await;
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
}
