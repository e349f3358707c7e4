//! The log: what is kept of it, who follows it, and how it is written.

use crate::kit::*;
use serde_json::{Value, json};
use std::process::Stdio;

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

pub(crate) fn traceparent() -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-01")
}

pub(crate) async fn host() -> Host {
    Host::of(&["misbehaves"]).await
}

pub(crate) async fn say(host: &Host, text: &str) {
    assert_eq!(host.send("POST", "/misbehaves/say", &[], text).await.status, 204);
}

/// Kept lines, oldest first.
pub(crate) async fn kept(host: &Host, query: &str) -> Vec<Value> {
    let listing = json(&host.admin("GET", &format!("/admin/v1/logs?{query}"), "").await, 200);
    listing["lines"].as_array().unwrap().clone()
}

/// The same as soon as the newest says this.
async fn kept_up_to(host: &Host, query: &str, message: &str) -> Vec<Value> {
    until(message, async || {
        let lines = kept(host, query).await;
        (lines.last()?["message"] == message).then_some(lines)
    })
    .await
}

async fn picolet_logs(host: &Host, args: &[&str]) -> Ran {
    let url = format!("http://{}", host.admin);
    run(picolet().arg("logs").args(args).args(["--host", &url])).await
}

#[tokio::test]
async fn a_line_of_a_guest_bears_its_service_its_revision_and_its_trace() {
    let host = host().await;
    let headers = [("traceparent", &*traceparent()), ("x-request-id", "r-1")];
    assert_eq!(host.send("GET", "/misbehaves/print/1", &headers, "").await.status, 204);
    say(&host, "of another trace").await;
    let query = format!("trace_id={TRACE}");
    let lines = kept_up_to(&host, &query, "printed 1").await;
    let [first, second] = lines.as_slice() else { panic!("{lines:?}") };
    for (line, message, stream) in [(first, "line 0", "stdout"), (second, "printed 1", "stderr")] {
        assert_eq!((&line["message"], &line["stream"]), (&json!(message), &json!(stream)));
        assert_eq!((&line["service"], &line["target"]), (&json!("misbehaves"), &json!("guest")));
        assert_eq!((&line["trace_id"], &line["request_id"]), (&json!(TRACE), &json!("r-1")));
        assert_eq!(line["level"], "info");
        assert!(line["revision"].as_str().unwrap().starts_with("sha256:"), "{line}");
        assert!(line["time_ms"].as_u64().is_some_and(|ms| 1_600_000_000_000 < ms), "{line}");
        assert_eq!(line["fields"], json!({}));
    }
    host.stop().await;
}

#[tokio::test]
async fn why_a_guest_stopped_is_kept_with_its_trace() {
    let host = host().await;
    let headers = [("traceparent", &*traceparent())];
    host.send("GET", "/misbehaves/panic", &headers, "").await;
    let query = format!("service=misbehaves&trace_id={TRACE}&level=warn");
    let lines = kept_up_to(&host, &query, "guest stopped").await;
    assert_eq!((lines.len(), &lines[0]["level"]), (1, &json!("error")), "{lines:?}");
    assert_eq!(lines[0]["fields"]["fault"], "trapped");
    assert!(lines[0]["revision"].is_string(), "{lines:?}");
    host.stop().await;
}

#[tokio::test]
async fn what_became_of_a_file_is_among_the_lines_of_its_service() {
    let host = Host::of(&["calc"]).await;
    host.folder.put("calc.wasm", "no module");
    refuses(&host, 0, "calc.wasm", "").await;
    host.folder.put("calc.wasm", guest("calc2"));
    host.line("swapped calc").await;
    host.folder.remove("calc.wasm");
    host.line("removed calc").await;
    let lines = kept_up_to(&host, "service=calc", "removed").await;
    let told: Vec<[&str; 2]> = lines
        .iter()
        .map(|line| ["level", "message"].map(|at| line[at].as_str().unwrap()))
        .collect();
    let expected =
        [["info", "serving"], ["warn", "refused"], ["info", "swapped"], ["info", "removed"]];
    assert_eq!(told, expected, "{lines:?}");
    let [_, refused, swapped, _] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(refused["fields"]["file"], "calc.wasm");
    assert!(refused["fields"]["reason"].as_str().is_some_and(|why| !why.is_empty()), "{refused}");
    assert_eq!(swapped["fields"]["version"], "1.0.0");
    assert!(swapped["fields"]["ms"].is_u64() && swapped["revision"].is_string(), "{swapped}");
    assert_eq!(host.count("picolet::state"), 0, "the state lines say it already");
    host.stop().await;
}

#[tokio::test]
async fn a_filter_that_is_none_is_told_as_other_settings_are() {
    let folder = Folder::empty();
    let mut command = picolet();
    command.arg("serve").arg(folder.watched()).env("PICOLET_LOG__FILTER", "debgu");
    let ran = run(command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let complaint = "log.filter (PICOLET_LOG__FILTER): got \"debgu\", want a level (off, error";
    assert!(ran.stderr.contains(complaint), "{ran:?}");
}

#[tokio::test]
async fn an_empty_filter_is_the_usual_one_and_a_trap_tells_nothing_of_the_host() {
    let launch = Launch::over(Folder::of(&["misbehaves"]));
    let launch = launch.variable("PICOLET_LOG__FILTER", "").variable("RUST_BACKTRACE", "1");
    let host = launch.start().await;
    faults(&host.get("/misbehaves/panic").await, 500, &["trapped"]);
    let lines = kept_up_to(&host, "service=misbehaves", "guest stopped").await;
    let cause = lines.last().unwrap()["fields"]["cause"].as_str().unwrap();
    assert!(cause.contains("wasm backtrace") && cause.contains("wasm trap"), "{cause}");
    assert!(!cause.contains("Stack backtrace"), "{cause}");
    host.stop().await;
}

#[tokio::test]
async fn who_says_much_pushes_out_nobody_else_and_secrets_are_kept_from_all() {
    let folder = Folder::of(&["misbehaves", "keeper"])
        .with("keeper.toml", "[secrets]\ntoken = { env = \"KEEPER_TOKEN\" }");
    let launch = Launch::over(folder)
        .variable("KEEPER_TOKEN", "canary-of-the-log")
        .variable("PICOLET_LOG__LINES_MAX", "20");
    let host = launch.start().await;
    answers(&host.send("POST", "/keeper/print/token", &[], "").await, 200, "canary-of-the-log");
    assert_eq!(host.get("/misbehaves/print/100").await.status, 204);
    let loud = kept_up_to(&host, "service=misbehaves", "printed 100").await;
    assert_eq!((loud.len(), &loud[0]["message"]), (20, &json!("line 81")));
    let quiet = kept_up_to(&host, "service=keeper", "[redacted][redacted] twice").await;
    let said: Vec<&Value> = quiet.iter().filter(|line| line["target"] == "guest").collect();
    assert_eq!(said[0]["message"], "the secret is [redacted], or Secret", "{quiet:?}");
    let all = Value::Array(kept(&host, "limit=10000").await).to_string();
    assert!(!all.contains("canary"), "{all}");
    assert_eq!(kept(&host, "limit=3").await.len(), 3);
    assert_eq!(kept(&host, "service=nobody").await, Vec::<Value>::new());
    host.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_said() {
    let host = host().await;
    for (query, words) in [
        ("level=loud", "want error, warn, info, debug or trace"),
        ("limit=-1", "want a whole number from 0 to 10000"),
        ("limit=10001", "want a whole number from 0 to 10000"),
        ("trace_id=x", "want 32 hexadecimal digits"),
        ("follow=maybe", "want true or false"),
        ("since=1", "there is no since"),
    ] {
        let reply = host.admin("GET", &format!("/admin/v1/logs?{query}"), "").await;
        faults(&reply, 400, &["bad-request"]);
        assert!(reply.text().contains(words), "{query}: {}", reply.text());
    }
    host.stop().await;
}

#[tokio::test]
async fn a_reader_follows_the_log_until_the_host_stops() {
    let host = host().await;
    say(&host, "before").await;
    let mut reader = Reader::of_log(&host, "service=misbehaves&limit=1").await;
    assert_eq!(reader.data().await["message"], "before");
    for n in 0..3 {
        say(&host, &format!("said {n}")).await;
        assert_eq!(reader.data().await["message"], format!("said {n}"));
    }
    assert_eq!(host.metric("picolet_watches").await, 1);
    let stopping = tokio::spawn(host.stop());
    while reader.try_next().await.is_some() {}
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_nothing_that_is_kept() {
    let host = host().await;
    say(&host, "read").await;
    let mut reader = Reader::of_log(&host, "service=misbehaves&limit=1").await;
    let last = reader.next().await;
    assert_eq!(last.data["message"], "read");
    drop(reader);
    let said: Vec<String> = (0..100).map(|n| format!("missed {n}")).collect();
    say(&host, &said.join("\n")).await;
    // One of an earlier run of the host goes on with all that there is.
    for id in [last.id.as_str(), "1-7"] {
        let mut reader = Reader::of_log_after(&host, "service=misbehaves&limit=1", id).await;
        if id != last.id {
            while reader.data().await["message"] != "read" {}
        }
        for text in &said {
            assert_eq!(reader.data().await["message"], *text);
        }
    }
    host.stop().await;
}

#[tokio::test]
async fn a_reader_that_is_slow_is_told_how_much_it_missed() {
    let manifest = "[limits]\nlog_bytes_per_second = 1_000_000_000";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    let mut reader = Reader::of_log(&host, "service=misbehaves&limit=0").await;
    // More than the sockets between the two take.
    let said = vec!["x".repeat(4_000); 128].join("\n");
    for _ in 0..64 {
        say(&host, &said).await;
    }
    say(&host, "over").await;
    let (mut seen, mut missed) = (0, 0);
    loop {
        let block = reader.next().await;
        if block.kind == "missed" {
            missed += block.data["lines"].as_u64().unwrap();
            continue;
        }
        seen += 1;
        if block.data["message"] == "over" {
            break;
        }
    }
    assert!(0 < missed, "nothing was missed");
    assert_eq!(seen + missed, 64 * 128 + 1);
    host.stop().await;
}

#[tokio::test]
async fn a_guest_cannot_make_a_line_that_is_not_its_own() {
    let forged = "fine\r2026-01-01T00:00:00Z ERROR picolet: gone\u{1b}[2K\u{9b}1A\u{2028}x\u{202e}";
    let host = host().await;
    say(&host, &format!("{forged}\nstopped")).await;
    let written = host.line("fine").await;
    let escaped =
        r"fine\r2026-01-01T00:00:00Z ERROR picolet: gone\u{1b}[2K\u{9b}1A\u{2028}x\u{202e}";
    assert!(written.contains(escaped), "{written}");
    let second = host.line("guest: stopped").await;
    assert!(second.contains("service=misbehaves"), "{second}");
    assert!(!host.log.lines().iter().any(|line| line == "stopped"));
    // Programs get it as it is, people as it was written.
    let lines = kept_up_to(&host, "service=misbehaves&limit=2", "stopped").await;
    assert_eq!(lines[0]["message"], forged);
    let shown = picolet_logs(&host, &["misbehaves", "--limit", "2"]).await;
    assert!(shown.stdout.contains(escaped), "{shown:?}");
    assert_eq!(shown.stdout.lines().count(), 2, "{shown:?}");
    host.stop().await;
}

#[tokio::test]
async fn without_a_terminal_the_log_is_json_line_by_line() {
    let host = Launch::over(Folder::of(&["misbehaves"])).usual_log().start().await;
    say(&host, "a \"quote\"\u{1b}[31m and\rmore").await;
    say(&host, "over").await;
    host.log.wait(0, |line| line.contains("\"over\"")).await;
    let lines = host.log.lines();
    let lines = lines.iter().filter(|line| line.starts_with('{'));
    let parsed: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = parsed.iter().find(|line| line["target"] == "guest").unwrap();
    assert_eq!(said["message"], "a \"quote\"\u{1b}[31m and\rmore");
    for member in ["timestamp", "level", "service", "revision", "trace_id", "request_id", "stream"]
    {
        assert!(said[member].is_string(), "{member} is missing in {said}");
    }
    let state = parsed.iter().find(|line| line["target"] == "picolet::state").unwrap();
    assert_eq!((&state["message"], &state["service"]), (&json!("serving"), &json!("misbehaves")));
    host.stop().await;
}

#[tokio::test]
async fn the_command_line_prints_lines() {
    let host = host().await;
    say(&host, "for people").await;
    host.get("/misbehaves/panic").await;
    kept_up_to(&host, "service=misbehaves", "guest stopped").await;
    let shown = picolet_logs(&host, &["misbehaves"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for line in [
        "Z  INFO picolet::state: serving service=misbehaves revision=sha",
        "Z  INFO guest: for people service=misbehaves revision=sha",
    ] {
        assert!(shown.stdout.contains(line), "{line:?} is missing in {shown:?}");
    }
    let errors = picolet_logs(&host, &["--level", "error", "--json"]).await;
    let error: Value = serde_json::from_str(&errors.stdout).unwrap();
    assert_eq!(error["message"], "guest stopped");
    let trace = error["trace_id"].as_str().unwrap().to_owned();
    let of_trace = picolet_logs(&host, &["--trace", &trace, "--limit", "1"]).await;
    assert!(of_trace.stdout.contains("guest stopped"), "{of_trace:?}");
    assert_eq!(of_trace.stdout.lines().count(), 1, "{of_trace:?}");
    let wrong = picolet_logs(&host, &["--trace", "x"]).await;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("want 32 hexadecimal digits"), "{wrong:?}");
    assert_eq!(picolet_logs(&host, &["--level", "loud"]).await.code, Some(2));
    let nobody = run(picolet().args(["logs", "-f", "--host", "http://127.0.0.1:1"])).await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("no host answers"), "{nobody:?}");
    host.stop().await;
}

#[tokio::test]
async fn the_command_line_follows_over_a_restart() {
    // An address of its own keeps the port free meanwhile.
    let own = ([127, 0, 76, 1], 0).into();
    let host = Launch::over(Folder::of(&["misbehaves"])).admin(own).start().await;
    let (admin, url) = (host.admin, format!("http://{}", host.admin));
    let mut command = picolet();
    command.args(["logs", "misbehaves", "-f", "--json", "--host", &url]);
    let mut following = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let printed = Log::follow(following.stdout.take().unwrap());
    let complained = Log::follow(following.stderr.take().unwrap());
    until("the reader", async || (host.metric("picolet_watches").await == 1).then_some(())).await;
    say(&host, "before the end").await;
    printed.wait(0, |line| line.contains("before the end")).await;
    let folder = host.stopped().await;
    complained.wait(0, |line| line.contains("trying again")).await;
    let host = Launch::over(folder).admin(admin).start().await;
    say(&host, "after the start").await;
    printed.wait(0, |line| line.contains("after the start")).await;
    for line in printed.lines() {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["service"], "misbehaves");
    }
    assert_eq!(printed.lines().iter().filter(|line| line.contains("before the end")).count(), 1);
    following.kill().await.unwrap();
    host.stop().await;
}

#[tokio::test]
async fn a_closed_pipe_ends_the_command_line_quietly() {
    let host = host().await;
    let url = format!("http://{}", host.admin);
    let script = "set -o pipefail; \"$0\" logs -f --host \"$1\" | head -n 1";
    let mut shell = command("bash");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_picolet"), &url]);
    let piped = tokio::spawn(async move { run(&mut shell).await });
    until("the end of the pipe", async || {
        say(&host, "more").await;
        piped.is_finished().then_some(())
    })
    .await;
    let ran = piped.await.unwrap();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1);
    host.stop().await;
}
