//! What the command line says of services, and of what is none.

use crate::kit::*;
use serde_json::{Value, json};

async fn on(host: &Host, args: &[&str]) -> Ran {
    run(picolet().args(args).args(["--host", &format!("http://{}", host.admin)])).await
}

#[track_caller]
fn prints(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for word in words {
        assert!(ran.stdout.contains(word), "{word:?} is missing in {ran:?}");
    }
}

#[track_caller]
fn fails(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is missing in {ran:?}");
    }
}

#[tokio::test]
async fn a_module_that_is_in_the_way_of_another_is_taken_out_by_its_name() {
    let host = Host::of(&["calc"]).await;
    let module = host.folder.beside("other.wasm");
    let file = module.display().to_string();
    std::fs::write(&module, guest("calc")).unwrap();
    let refused = on(&host, &["deploy", &file]).await;
    let conflict = "refused other: service calc 1.0.0 is taken by calc.wasm; nothing of it is";
    fails(&refused, &[conflict, "stays in the folder", "`picolet remove other`"]);
    assert!(!refused.stderr.contains("served on"), "nothing of it was: {refused:?}");
    assert!(host.folder.path("other.wasm").is_file());
    prints(&on(&host, &["remove", "other"]).await, &["removed other; nothing of it was served"]);

    // One that was served before is served on.
    std::fs::write(&module, Component::stranger().bytes()).unwrap();
    let refused = on(&host, &["deploy", &file, "--name", "calc"]).await;
    fails(&refused, &["refused calc: ", "calc 1.0.0 is served on", "takes out both"]);
    let one = on(&host, &["service", "calc"]).await;
    prints(&one, &["refused: calc.wasm has newer content, which is not served: "]);
    host.stop().await;
}

#[tokio::test]
async fn services_are_listed_by_name_and_refusals_are_red_on_a_terminal() {
    let folder = Folder::empty().with("z.wasm", guest("calc")).with("a.wasm", guest("stocks"));
    let host = Host::over(folder.with("b.wasm", "no module")).await;
    let table = on(&host, &["services"]).await;
    let place = |word: &str| table.stdout.find(word).unwrap_or_else(|| panic!("{table:?}"));
    assert!(place("\ncalc ") < place("\nstocks "), "{table:?}");
    assert!(place("\nstocks ") < place("\nrefused b.wasm: "), "{table:?}");
    let program = env!("CARGO_BIN_EXE_picolet");
    let line = format!("env -u NO_COLOR {program} services --host http://{}", host.admin);
    let inner = format!("script -qec '{line}' /dev/null | cat -v");
    let mut terminal = Terminal::start(160, 20, &inner);
    terminal.ended().await;
    let shown = terminal.contents();
    assert!(shown.contains("^[[1;31mrefused^[[0m b.wasm: "), "{shown}");
    host.stop().await;
}

#[tokio::test]
async fn one_service_is_shown_with_its_digest_and_what_its_methods_did() {
    let host = Host::of(&["calc"]).await;
    json(&host.get("/api/add/40/2").await, 200);
    let counted = async || {
        let detail = json(&host.admin("GET", "/admin/v1/services/calc", "").await, 200);
        detail["figures"][0]["p50_us"].is_u64().then_some(detail)
    };
    let detail = until("the call to be counted", counted).await;
    let digest = format!("digest: {}", detail["digest"].as_str().unwrap());
    let shown = on(&host, &["service", "calc"]).await;
    prints(&shown, &[&digest, "median", "99 %", "memory: 128 MiB", "wall: 30000 ms"]);
    let method = shown.stdout.lines().find(|line| line.starts_with("add1 ")).unwrap();
    let cells: Vec<&str> = method.split_whitespace().collect();
    assert_eq!(cells[..5], ["add1", "GET", "/api/add/{a}/{b}", "1", "0"], "{shown:?}");
    assert_eq!(cells.len(), 9, "two times with their units: {shown:?}");

    let program = Program::start().await;
    let order = program.record("ext-1").to_string();
    assert_eq!(host.admin("POST", "/api/services", &order).await.status, 200);
    let shown = on(&host, &["service", "ext"]).await;
    let at = format!("ext at http://{}/ext ", program.address);
    prints(&shown, &[&at, ", registered as ext-1"]);
    host.stop().await;
}

#[tokio::test]
async fn where_nothing_is_kept_it_says_so_and_whether_there_is_such_a_service() {
    let host = Host::of(&["calc"]).await;
    let told = async |args: &[&str], code: i32, words: &[&str]| {
        let ran = on(&host, args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{args:?}: {ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{word:?} is missing in {args:?}: {ran:?}");
        }
    };
    let nobody = "there is no such service; `picolet services`";
    told(&["logs", "nope"], 1, &["nothing is kept of service nope", nobody]).await;
    told(&["traces", "--service", "nope"], 1, &["no trace is kept of service nope", nobody]).await;
    told(&["traces", "--service", "calc"], 0, &["no trace is kept of service calc\n"]).await;
    let narrowed = ["logs", "calc", "--level", "error"];
    told(&narrowed, 0, &["no such line is kept of service calc\n"]).await;
    for args in [&["logs", "nope", "--json"][..], &["traces", "--service", "nope", "--json"]] {
        let ran = on(&host, args).await;
        assert!(ran.code == Some(1) && ran.stderr.contains(nobody), "{ran:?}");
        let listing = serde_json::from_str::<Value>(&ran.stdout);
        assert!(ran.stdout.is_empty() || listing.is_ok(), "{ran:?}");
    }
    host.stop().await;
}

#[track_caller]
fn is_harmless(ran: &Ran, words: &[&str]) {
    prints(ran, words);
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
}

#[tokio::test]
async fn what_programs_register_does_nothing_to_a_terminal() {
    let host = Host::of(&["calc"]).await;
    let program = Program::start().await;
    for (id, version) in [("a", "1.10.0"), ("b", "1.9.0"), ("c", "2\n\u{1b}[2J")] {
        let mut record = program.record_with(id, &json!({ "version": version }));
        record["record"]["root"] = "/e\u{1b}[1m".into();
        let registered = host.admin("POST", "/api/services", &record.to_string()).await;
        assert_eq!(registered.status, 200, "{}", registered.text());
    }
    let words = ["2\\n\\u{1b}[2J", "/e\\u{1b}[1m"];
    is_harmless(&on(&host, &["service", "ext"]).await, &words);
    let table = on(&host, &["services"]).await;
    is_harmless(&table, &words);
    let rows = table.stdout.lines().filter(|line| line.starts_with("ext "));
    let versions: Vec<&str> = rows.filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(versions, [words[0], "1.9.0", "1.10.0"], "{table:?}");
    host.stop().await;
}

#[tokio::test]
async fn what_is_published_does_nothing_to_a_terminal_and_is_whole_as_json() {
    let host = Host::of(&["calc"]).await;
    let url = format!("http://{}", host.admin);
    let heard = |form: &[&str]| {
        let mut subscribe = picolet();
        subscribe.args(["subscribe", "notes.>", "--count", "1", "--host", &url]).args(form);
        tokio::spawn(async move { run(&mut subscribe).await })
    };
    let (shown, whole) = (heard(&[]), heard(&["--json"]));
    until("the readers to be there", async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        metrics.text().contains("picolet_watches 2\n").then_some(())
    })
    .await;
    let text = "a\n\u{1b}[2Jb";
    prints(&on(&host, &["publish", "notes.a", text]).await, &["heard by 2"]);
    let (shown, whole) = (shown.await.unwrap(), whole.await.unwrap());
    assert_eq!(shown.stdout, "notes.a a\\n\\u{1b}[2Jb\n", "{shown:?}");
    let event: Value = serde_json::from_str(&whole.stdout).unwrap();
    assert_eq!(event["text"], text, "{whole:?}");
    host.stop().await;
}
