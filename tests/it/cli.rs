//! The command line: what it prints, and how it ends.

use crate::kit::*;
use serde_json::Value;
use std::net::TcpListener;

async fn on(host: &Host, args: &[&str]) -> Ran {
    run(picolet().args(args).args(["--host", &format!("http://{}", host.admin)])).await
}

#[track_caller]
fn printed(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[track_caller]
fn complains(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is missing in {ran:?}");
    }
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

#[tokio::test]
async fn services_and_their_methods_are_listed() {
    let host = Host::of(&["calc", "greeter"]).await;
    let table = on(&host, &["services"]).await;
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(table.stdout.contains("calc") && table.stdout.contains("go.micro.srv.greeter"));
    let listed = printed(&on(&host, &["services", "--json"]).await).to_string();
    assert!(listed.contains("\"calc\"") && listed.contains("go.micro.srv.greeter"), "{listed}");
    let one = on(&host, &["service", "calc"]).await;
    assert_eq!(one.code, Some(0), "{one:?}");
    assert!(one.stdout.contains("add1") && one.stdout.contains("/add/{a}/{b}"), "{one:?}");
    let one = printed(&on(&host, &["service", "calc", "--json"]).await).to_string();
    assert!(one.contains("add2"), "{one}");
    complains(&on(&host, &["service", "nobody"]).await, 1, &["nobody"]);
    host.stop().await;
}

#[tokio::test]
async fn methods_are_called_by_name() {
    let host = Host::of(&["calc", "greeter"]).await;
    let file = host.folder.beside("order.json");
    std::fs::write(&file, r#"{"a":40,"b":2}"#).unwrap();
    let at_file = format!("@{}", file.display());
    let cases: [(&[&str], &str, Value); 6] = [
        (&["call", "calc.add1", "40", "2"], "result", 42.into()),
        (&["call", "calc.add1", "1", "-2"], "result", (-1).into()),
        (&["call", "calc.add1", "--data", &at_file], "result", 42.into()),
        (&["call", "calc.add1", "--data", r#"{"a":40,"b":2}"#], "result", 42.into()),
        (&["call", "calc.add2", "--data", r#"{"a":21,"b":21}"#], "result", 42.into()),
        (
            &["call", "go.micro.srv.greeter.Say.Hello", "--data", r#"{"name":"John"}"#],
            "msg",
            "Hello John".into(),
        ),
    ];
    for (args, member, expected) in cases {
        assert_eq!(printed(&on(&host, args).await)[member], expected, "{args:?}");
    }
    let mut command = picolet();
    command.args(["call", "calc.add1", "--data", "-", "--host", &format!("http://{}", host.admin)]);
    let piped = run(command.stdin(std::fs::File::open(&file).unwrap())).await;
    assert_eq!(printed(&piped)["result"], 42);
    host.stop().await;
}

#[tokio::test]
async fn a_call_that_fails_ends_with_one_and_says_why() {
    let host = Host::of(&["calc", "misbehaves"]).await;
    complains(&on(&host, &["call", "nobody.at"]).await, 1, &["nobody", "`picolet services`"]);
    complains(&on(&host, &["call", "calc"]).await, 1, &["which method? calc has add1, add2"]);
    let no_method = on(&host, &["call", "calc.nothing"]).await;
    complains(&no_method, 1, &["no method nothing", "calc has add1, add2", "no-such-method"]);
    let missing = on(&host, &["call", "calc.add1", "--data", "@missing.json"]).await;
    complains(&missing, 1, &["--data @missing.json"]);
    complains(&on(&host, &["call", "calc.add1", "--timeout", "0"]).await, 2, &["--timeout"]);
    complains(&on(&host, &["call", "calc.add1", "forty", "2"]).await, 1, &["forty"]);
    complains(&on(&host, &["call", "misbehaves.panic"]).await, 1, &["misbehaves"]);
    let few = on(&host, &["call", "calc.add1", "40"]).await;
    assert!([Some(1), Some(2)].contains(&few.code), "{few:?}");
    let wrong = on(&host, &["call", "calc.add2", "--data", "{"]).await;
    assert!([Some(1), Some(2)].contains(&wrong.code), "{wrong:?}");
    host.stop().await;
}

#[tokio::test]
async fn health_is_told_and_a_host_that_is_not_there_too() {
    let host = Host::of(&["calc"]).await;
    let health = on(&host, &["health"]).await;
    assert_eq!(health.code, Some(0), "{health:?}");
    assert!(health.stdout.contains("UP"), "{health:?}");
    assert_eq!(printed(&on(&host, &["health", "--json"]).await)["status"], "UP");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    complains(
        &run(picolet().args(["services", "--host", &url])).await,
        1,
        &[&url["http://".len()..]],
    );
    host.stop().await;
}

#[tokio::test]
async fn a_module_is_inspected_without_a_host() {
    let folder = Folder::of(&["calc", "hello-wasi2"]);
    folder.put("broken.wasm", "no module");
    let inspect = async |file: &str| run(picolet().arg("inspect").arg(folder.path(file))).await;
    let calc = inspect("calc.wasm").await;
    assert_eq!(calc.code, Some(0), "{calc:?}");
    for word in ["calc", "1.0.0", "/api", "add1", "sha256"] {
        assert!(calc.stdout.contains(word), "{word:?} is missing in {calc:?}");
    }
    let hello = inspect("hello-wasi2.wasm").await;
    assert_eq!(hello.code, Some(0), "{hello:?}");
    assert!(hello.stdout.contains("wasi:http"), "{hello:?}");
    complains(&inspect("broken.wasm").await, 1, &["broken.wasm"]);
    complains(&inspect("missing.wasm").await, 1, &["missing.wasm"]);
}

#[tokio::test]
async fn who_types_nothing_or_something_wrong_is_told_what_there_is() {
    let nothing = run(&mut picolet()).await;
    complains(&nothing, 2, &["Usage", "serve", "picolet new hello", "picolet dev"]);
    complains(&run(picolet().arg("serv")).await, 2, &["serve"]);
    complains(&run(picolet().args(["completions", "cmd.com"])).await, 2, &["bash", "fish"]);
    complains(&run(picolet().args(["man", "nothing"])).await, 2, &["--help"]);
    let folder = Folder::empty();
    for command in ["build", "dev"] {
        let ran = run(picolet().arg(command).current_dir(folder.beside(""))).await;
        complains(&ran, 1, &["Cargo.toml", "picolet new"]);
    }
}

/// Runs a command whose result nobody reads: how it ended, and what it wrote
/// beside that.
async fn unread(args: &[&str]) -> (Option<i32>, String) {
    let mut command = picolet();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command.args(args).stdout(writer).stderr(std::process::Stdio::piped());
    let child = child.spawn().unwrap();
    // The command holds the other end until here.
    drop(command);
    let ended = within("the command to end", child.wait_with_output()).await.unwrap();
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

const QUIETLY: (Option<i32>, String) = (Some(0), String::new());

/// A trace that there is, and a line of the log.
async fn trace_and_line(host: &Host) -> String {
    assert_eq!(host.get("/misbehaves/print/1").await.status, 204);
    let first = async |path: &str, of: &str| {
        let listed = json(&host.admin("GET", path, "").await, 200);
        listed[of].get(0).cloned()
    };
    until("a line", async || first("/admin/v1/logs?service=misbehaves", "lines").await).await;
    let trace = until("a trace", async || first("/admin/v1/traces", "traces").await).await;
    trace["trace_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_it_quietly() {
    let host = Host::of(&["calc", "misbehaves"]).await;
    let url = format!("http://{}", host.admin);
    let calc = host.folder.path("calc.wasm").display().to_string();
    let trace = trace_and_line(&host).await;
    let commands: [&[&str]; 24] = [
        &["--help"],
        &["--version"],
        &["services", "--host", &url],
        &["services", "--json", "--host", &url],
        &["services", "--watch", "--host", &url],
        &["service", "calc", "--host", &url],
        &["service", "calc", "--json", "--host", &url],
        &["traces", "--host", &url],
        &["traces", "--json", "--host", &url],
        &["traces", &trace, "--host", &url],
        &["logs", "misbehaves", "--host", &url],
        &["logs", "--json", "--host", &url],
        &["logs", "--follow", "--host", &url],
        &["call", "calc.add1", "40", "2", "--host", &url],
        &["health", "--host", &url],
        &["top", "--host", &url],
        &["top", "--json", "--host", &url],
        &["publish", "a.b", "1", "--host", &url],
        &["restart", "calc", "--host", &url],
        &["deploy", &calc, "--host", &url],
        &["inspect", &calc],
        &["inspect", &calc, "--json"],
        &["completions", "zsh"],
        &["man"],
    ];
    for args in commands {
        assert_eq!(unread(args).await, QUIETLY, "{args:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_reader_of_events_that_goes_away_ends_it_with_the_next_one() {
    let host = Host::over(Folder::empty()).await;
    for form in [&[][..], &["--json"]] {
        let url = format!("http://{}", host.admin);
        let subscribing = tokio::spawn(async move {
            unread(&[&["subscribe", "a.>", "--host", &url], form].concat()).await
        });
        until("the subscriber to leave", async || {
            assert_eq!(host.admin("POST", "/admin/v1/events/a.b", "1").await.status, 202);
            subscribing.is_finished().then_some(())
        })
        .await;
        assert_eq!(subscribing.await.unwrap(), QUIETLY, "{form:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = picolet();
    command.arg("man").stdout(full).stderr(std::process::Stdio::piped());
    let ended = within("the command to end", command.spawn().unwrap().wait_with_output()).await;
    let ended = ended.unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot be written"), "{stderr}");
}

#[tokio::test]
async fn the_version_names_engine_and_sdk() {
    let ran = run(picolet().arg("--version")).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for word in ["picolet", "48.", "sdk"] {
        assert!(ran.stdout.to_lowercase().contains(word), "{word:?} is missing in {ran:?}");
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_two() {
    let cases: [&[&str]; 5] =
        [&["dance"], &["serve", "--loud"], &["call"], &["inspect"], &["serve", "a", "b"]];
    for args in cases {
        complains(&run(picolet().args(args)).await, 2, &["Usage"]);
    }
}

async fn serve(folder: &Folder, args: &[&str]) -> Ran {
    run(picolet().arg("serve").arg(folder.watched()).args(args)).await
}

#[tokio::test]
async fn every_mistake_in_the_settings_is_listed_at_once() {
    let settings = "listne = \"127.0.0.1:0\"\nlinks_out = 7\n[limits]\nrequests_max = 0\n\
                    [registry]\nlease_ms = \"soon\"";
    let folder = Folder::empty().with("picolet.toml", settings);
    let args = ["--listen", "here", "--admin", "127.0.0.1:0"];
    let words = ["listne", "links_out", "limits.requests_max", "registry.lease_ms", "here"];
    complains(&serve(&folder, &args).await, 2, &words);
}

#[tokio::test]
async fn settings_that_are_no_settings_are_told() {
    let folder = Folder::empty().with("picolet.toml", "listen = \n");
    complains(&serve(&folder, &[]).await, 2, &["picolet.toml"]);
    let folder = Folder::empty();
    let config = folder.beside("missing.toml").display().to_string();
    let ran = serve(&folder, &["--config", &config]).await;
    assert!([Some(1), Some(2)].contains(&ran.code), "{ran:?}");
    assert!(ran.stderr.contains("missing.toml"), "{ran:?}");
}

#[tokio::test]
async fn addresses_that_need_more_are_told() {
    let folder = Folder::empty();
    let wild = serve(&folder, &["--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"]).await;
    complains(&wild, 2, &["--advertise"]);
    let open = serve(&folder, &["--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"]).await;
    complains(&open, 2, &["admin", "PICOLET_ADMIN_TOKEN"]);
}

#[tokio::test]
async fn an_address_in_use_names_its_flag() {
    let folder = Folder::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = serve(&folder, &["--listen", &address, "--admin", "127.0.0.1:0"]).await;
    complains(&ran, 1, &["--listen", &address]);
    let ran = serve(&folder, &["--listen", "127.0.0.1:0", "--admin", &address]).await;
    complains(&ran, 1, &["--admin", &address]);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let folder = Folder::empty();
    let missing = folder.beside("missing");
    let args = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let ran = run(picolet().arg("serve").arg(&missing).args(args)).await;
    assert!([Some(1), Some(2)].contains(&ran.code), "{ran:?}");
    assert!(ran.stderr.contains("missing"), "{ran:?}");
    let file = folder.beside("file");
    std::fs::write(&file, "").unwrap();
    let ran = run(picolet().arg("serve").arg(&file).args(args)).await;
    assert!([Some(1), Some(2)].contains(&ran.code), "{ran:?}");
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = Folder::empty().with("picolet.toml", "listen = \"file\"\nadmin = \"file\"");
    let mut command = picolet();
    command.arg("serve").arg(folder.watched()).args(["--listen", "flag"]);
    let ran = run(command.env("PICOLET_ADMIN", "environment")).await;
    complains(&ran, 2, &["\"flag\"", "\"environment\""]);
    assert!(!ran.stderr.contains("\"file\""), "{ran:?}");
}
