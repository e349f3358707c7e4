//! The command line on terminals of all widths, in shells, and in the manual.

use crate::kit::*;
use rustix::process::{Pid, Signal, kill_process};

/// What tells, after a program, whether the terminal is what it was.
const AFTER: &str = "echo left with $?; stty -a | tr ' ' '\\n' | grep -xe icanon -e echo";

#[track_caller]
fn is_given_back(terminal: &Terminal) {
    let shown = terminal.contents();
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    for line in ["left with 0", "icanon", "echo"] {
        assert!(lines.contains(&line), "{line:?} is missing in\n{shown}");
    }
    assert!(!terminal.is_taken(), "{shown}");
}

/// What is typed to run a command against a host.
fn typed(host: &Host, args: &str) -> String {
    format!("{} {args} --host http://{}", env!("CARGO_BIN_EXE_picolet"), host.admin)
}

#[tokio::test]
async fn shells_understand_their_completions() {
    let folder = Folder::empty();
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(picolet().args(["completions", shell])).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for word in ["picolet", "services", "subscribe", "host"] {
            assert!(ran.stdout.contains(word), "{shell} does not know {word}");
        }
        let file = folder.beside(shell);
        std::fs::write(&file, &ran.stdout).unwrap();
        let is_there = run(command("sh").args(["-c", &format!("command -v {shell}")])).await;
        // Bash is part of every system; the others may not be there.
        if shell == "bash" || is_there.code == Some(0) {
            let parsed = run(command(shell).arg("-n").arg(&file)).await;
            assert_eq!((parsed.code, parsed.stderr.as_str()), (Some(0), ""), "{shell}");
        }
    }
}

#[tokio::test]
async fn the_manual_has_a_page_for_each_command() {
    let page = run(picolet().arg("man")).await;
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(page.stdout.contains(".TH picolet"), "{}", page.stdout);
    for command in ["serve", "new", "build", "dev", "top", "services", "subscribe"] {
        assert!(page.stdout.contains(command), "{command} is missing in {}", page.stdout);
        let own = run(picolet().args(["man", command])).await;
        assert_eq!(own.code, Some(0), "{own:?}");
        assert!(own.stdout.contains(&format!(".TH picolet-{command}")), "{}", own.stdout);
    }
}

#[tokio::test]
async fn tables_fit_the_terminal() {
    let host = Host::of(&["calc", "greeter"]).await;
    let line = typed(&host, "services");
    let mut narrow = Terminal::start(40, 20, &line);
    assert!(narrow.ended().await.success());
    let shown = narrow.contents();
    for word in ["calc", "go.micro.srv.greeter", "serving"] {
        assert!(shown.contains(word), "{word:?} is missing in\n{shown}");
    }
    assert!(!shown.contains(".wasm"), "there is no room for that in\n{shown}");
    let mut wide = Terminal::start(160, 20, &line);
    assert!(wide.ended().await.success());
    assert!(wide.contents().contains("greeter.wasm"), "{}", wide.contents());
    host.stop().await;
}

#[tokio::test]
async fn no_table_is_wider_than_a_narrow_terminal() {
    let host = Host::of(&["misbehaves", "calc", "greeter"]).await;
    answers(&host.get("/misbehaves/calls/1/1").await, 200, "1");
    assert_eq!(host.get("/misbehaves/panic").await.status, 500);
    let traced = async || {
        let listed = json(&host.admin("GET", "/admin/v1/traces?kind=failed", "").await, 200);
        listed["traces"].get(0).map(|_| ())
    };
    until("the traces", traced).await;
    for (args, title) in [
        ("services", "service"),
        ("service misbehaves", "method"),
        ("traces", "trace"),
        ("traces --failed", "trace"),
        ("top --once", "service"),
    ] {
        let mut terminal = Terminal::start(40, 200, &typed(&host, args));
        assert!(terminal.ended().await.success(), "{args}");
        let shown = terminal.contents();
        let table: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with(title)).collect();
        assert!(1 < table.len(), "there is no table in\n{shown}");
        // One that the terminal has broken is still one line here.
        for line in table {
            assert!(line.chars().count() <= 40, "{args}: {line:?} is too wide in\n{shown}");
        }
    }
    host.stop().await;
}

#[tokio::test]
async fn traces_fit_the_terminal_and_their_ids_are_never_broken() {
    const ID: &str = "0af7651916cd43dd8448eb211c80319c";
    let host = Host::of(&["calc"]).await;
    let headers = [("traceparent", &*format!("00-{ID}-b7ad6b7169203331-01"))];
    json(&host.send("GET", "/api/add/40/2", &headers, "").await, 200);
    let path = format!("/admin/v1/traces/{ID}");
    let kept = async || (host.admin("GET", &path, "").await.status == 200).then_some(());
    until("the trace", kept).await;
    for width in [20, 40, 80, 100] {
        let mut list = Terminal::start(width, 20, &typed(&host, "traces"));
        assert!(list.ended().await.success());
        // What only the terminal has broken is one line here, and for who copies it.
        assert!(list.contents().contains(ID), "{}", list.contents());
        let mut tree = Terminal::start(width, 20, &typed(&host, &format!("traces {ID}")));
        assert!(tree.ended().await.success());
        let shown = tree.contents();
        let mut lines = shown.lines();
        assert_eq!(lines.next(), Some(&*format!("trace {ID}")), "{shown}");
        assert!(shown.contains("calc"), "{shown}");
        for line in lines {
            assert!(line.chars().count() <= usize::from(width), "{line:?} is too wide in\n{shown}");
        }
    }
    host.stop().await;
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let host = Host::of(&["calc"]).await;
    let line = typed(&host, "services");
    // Of what a terminal gets, one line is read as it is.
    let raw = |variable: &str| format!("env {variable} {line} | cat -v");
    let piped = Terminal::start(80, 20, &raw("-u NO_COLOR"));
    let shown = piped.shows(|shown| shown.contains("calc")).await;
    assert!(!shown.contains("^["), "{shown}");
    let seen = async |variable: &str| {
        let inner = format!("script -qec 'env {variable} {line}' /dev/null | cat -v");
        let mut terminal = Terminal::start(160, 20, &inner);
        terminal.ended().await;
        terminal.contents()
    };
    let coloured = seen("-u NO_COLOR").await;
    assert!(coloured.contains("^[["), "{coloured}");
    let plain = seen("NO_COLOR=1").await;
    assert!(plain.contains("calc") && !plain.contains("^[["), "{plain}");
    host.stop().await;
}

#[tokio::test]
async fn top_draws_filters_and_gives_the_terminal_back() {
    let host = Host::of(&["calc", "greeter"]).await;
    let line = format!("{}; {AFTER}", typed(&host, "top"));
    let mut terminal = Terminal::start(40, 40, &line);
    let all = ["calc", "go.micro.srv", "2 services", "q quit"];
    terminal.shows(|shown| all.iter().all(|word| shown.contains(word))).await;
    assert!(terminal.is_taken());

    terminal.press("/cal\r").await;
    terminal.shows(|shown| shown.contains("calc") && !shown.contains("go.micro")).await;
    terminal.press("\r").await;
    terminal.shows(|shown| shown.contains("calc 1.0.0") && shown.contains("/add/{a}/{b}")).await;
    terminal.press("\u{1b}").await;
    terminal.shows(|shown| shown.contains("/cal") && !shown.contains("/add/{a}/{b}")).await;

    host.folder.put("stocks.wasm", guest("stocks"));
    terminal.shows(|shown| shown.contains("3 services")).await;
    terminal.press("q").await;
    assert!(terminal.ended().await.success());
    is_given_back(&terminal);
    host.stop().await;
}

#[tokio::test]
async fn top_gives_the_terminal_back_on_a_signal() {
    let host = Host::of(&["calc"]).await;
    let line = format!("{}; {AFTER}", typed(&host, "top"));
    let mut terminal = Terminal::start(80, 24, &line);
    terminal.shows(|shown| shown.contains("calc")).await;
    let binary = std::fs::canonicalize(env!("CARGO_BIN_EXE_picolet")).unwrap();
    let is_top = |pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == binary)
    };
    let top = descendants(terminal.pid()).into_iter().find(is_top).expect("top runs");
    let top = i32::try_from(top).ok().and_then(Pid::from_raw).unwrap();
    kill_process(top, Signal::TERM).unwrap();
    assert!(terminal.ended().await.success());
    is_given_back(&terminal);
    host.stop().await;
}

#[tokio::test]
async fn top_outlives_the_host_and_needs_one_to_begin() {
    // On an address of its own nobody else gets the port that is left.
    let own = ([127, 0, 77, 1], 0).into();
    let host = Launch::over(Folder::of(&["calc"])).admin(own).start().await;
    let line = typed(&host, "top");
    let mut terminal = Terminal::start(80, 24, &line);
    terminal.shows(|shown| shown.contains("1 service at")).await;
    host.stop().await;
    terminal.shows(|shown| shown.contains("no answer for") && shown.contains("calc")).await;
    terminal.press("q").await;
    assert!(terminal.ended().await.success());

    let mut nobody = Terminal::start(80, 24, &line);
    assert_eq!(nobody.ended().await.code(), Some(1));
    assert!(nobody.contents().contains("picolet serve"), "{}", nobody.contents());
    assert!(!nobody.is_taken());
}

#[tokio::test]
async fn top_without_a_terminal_prints_one_table() {
    let host = Host::of(&["calc"]).await;
    let url = format!("http://{}", host.admin);
    let ran = run(picolet().args(["top", "--host", &url])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for word in ["calls/s", "calc", "serving", "0.0"] {
        assert!(ran.stdout.contains(word), "{word:?} is missing in {ran:?}");
    }
    let json = run(picolet().args(["top", "--json", "--host", &url])).await;
    assert!(serde_json::from_str::<serde_json::Value>(&json.stdout).is_ok(), "{json:?}");
    host.stop().await;
}
