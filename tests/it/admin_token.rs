//! The admin side with a token: who is let in, and how.

use crate::kit::*;
use std::fs;

const TOKEN: &str = "a-token-of-some-length";
const HEALTH: &str = "/admin/v1/health";
const SESSION: &str = "/admin/v1/session";

fn bearer() -> String {
    format!("Bearer {TOKEN}")
}

/// A host that asks for the token.
async fn guarded(folder: Folder) -> Host {
    Launch::over(folder).variable("PICOLET_ADMIN_TOKEN", TOKEN).admin_everywhere().start().await
}

async fn ask(host: &Host, verb: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    host.ask_admin(verb, path, headers, body("")).await
}

/// What `serve` says to these settings, on every address of the machine.
async fn serve(folder: &Folder, variables: &[(&str, &str)]) -> Ran {
    let mut command = picolet();
    command.arg("serve").arg(folder.watched());
    command.args(["--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"]);
    run(command.envs(variables.iter().copied())).await
}

#[track_caller]
fn complains(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is missing in {ran:?}");
    }
}

#[tokio::test]
async fn no_host_starts_for_everybody_without_a_sound_token() {
    let folder = Folder::empty();
    complains(&serve(&folder, &[]).await, &["admin", "PICOLET_ADMIN_TOKEN"]);
    let short = serve(&folder, &[("PICOLET_ADMIN_TOKEN", "hunter2")]).await;
    complains(&short, &["admin_token", "7 bytes"]);
    assert!(!short.stderr.contains("hunter2"), "{short:?}");
    folder.put("picolet.toml", "admin_token = { file = \"missing.key\" }\nlisten = \"x\"");
    complains(&serve(&folder, &[]).await, &["missing.key", "admin_token"]);
    folder.put("picolet.toml", format!("admin_token = \"{TOKEN}\""));
    let plain = serve(&folder, &[]).await;
    complains(&plain, &["no place here"]);
    assert!(!plain.stderr.contains(TOKEN), "{plain:?}");
}

#[tokio::test]
async fn the_token_is_asked_for_everywhere_but_where_nothing_is_told() {
    let host = guarded(Folder::of(&["calc"])).await;
    for path in [HEALTH, "/admin/v1/services", "/api/services", "/metrics", SESSION] {
        let verb = if path == SESSION { "POST" } else { "GET" };
        let reply = ask(&host, verb, path, &[]).await;
        faults(&reply, 401, &["unauthorized"]);
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{path}");
    }
    for path in ["/livez", "/readyz", "/healthcheck"] {
        assert_eq!(ask(&host, "GET", path, &[]).await.status, 200, "{path}");
    }
    for wrong in ["Bearer wrong", "Bearer", "Basic YTpi", &format!("Bearer {TOKEN}x")] {
        let reply = ask(&host, "GET", HEALTH, &[("authorization", wrong)]).await;
        faults(&reply, 401, &["unauthorized"]);
        assert!(!reply.text().contains(TOKEN), "{}", reply.text());
    }
    let right = ask(&host, "GET", HEALTH, &[("authorization", &bearer())]).await;
    assert_eq!(json(&right, 200)["status"], "UP");
    host.line("*wrong token*").await;
    // By whatever name it is called, and not on behalf of others.
    let bearer = bearer();
    let named = [("authorization", bearer.as_str()), ("host", "admin.example")];
    assert_eq!(ask(&host, "GET", HEALTH, &named).await.status, 200);
    let foreign = [("authorization", bearer.as_str()), ("origin", "http://evil.example")];
    faults(&ask(&host, "GET", HEALTH, &foreign).await, 403, &["forbidden"]);
    host.stop().await;
}

#[tokio::test]
async fn nothing_is_changed_without_the_token_or_with_another() {
    let host = guarded(Folder::of(&["calc"])).await;
    // As few as a wrong token may be tried in a minute.
    let changes = [
        ("PUT", "modules/calc", "\0asm\x01\0\0\0"),
        ("PUT", "modules/other", "\0asm\x01\0\0\0"),
        ("PUT", "modules/calc/manifest", "traffic = 7"),
        ("DELETE", "modules/calc", ""),
        ("POST", "services/calc/restart", ""),
        ("POST", "services/calc/rollback", ""),
        ("PATCH", "services/calc/limits", r#"{"concurrency":7}"#),
        ("PATCH", "services/calc/traffic", r#"{"traffic":7}"#),
    ];
    let view = async |headers: &[(&str, &str)]| {
        ask(&host, "GET", "/admin/v1/services/calc", headers).await
    };
    let bearer = bearer();
    let right = [("authorization", bearer.as_str())];
    let before = json(&view(&right).await, 200);
    for headers in [&[][..], &[("authorization", "Bearer not-this-one-at-all")]] {
        for (verb, path, content) in changes {
            let path = format!("/admin/v1/{path}");
            let reply = host.ask_admin(verb, &path, headers, body(content)).await;
            faults(&reply, 401, &["unauthorized"]);
        }
    }
    let after = json(&view(&right).await, 200);
    for same in ["registration", "digest", "limits", "traffic"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(fs::read(host.folder.path("calc.wasm")).unwrap(), guest("calc"));
    let files = fs::read_dir(host.folder.watched()).unwrap().flatten();
    let files: Vec<_> = files.map(|file| file.file_name()).collect();
    assert_eq!(files, ["calc.wasm"]);
    let path = "/admin/v1/services/calc/restart";
    assert_eq!(ask(&host, "POST", path, &right).await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn it_is_asked_for_on_loopback_too_and_may_be_in_a_file() {
    let folder = Folder::empty().with("admin.key", format!("{TOKEN}\n"));
    folder.put("picolet.toml", "admin_token = { file = \"admin.key\" }");
    let host = Host::over(folder).await;
    faults(&host.admin("GET", HEALTH, "").await, 401, &["unauthorized"]);
    let right = ask(&host, "GET", HEALTH, &[("authorization", &bearer())]).await;
    assert_eq!(right.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_the_right_one_is_let_in_all_the_same() {
    let host = guarded(Folder::empty()).await;
    let mut statuses = Vec::new();
    for _ in 0..15 {
        statuses.push(ask(&host, "GET", HEALTH, &[("authorization", "Bearer x")]).await.status);
    }
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 5]].concat());
    let many = ask(&host, "GET", HEALTH, &[("authorization", "Bearer x")]).await;
    faults(&many, 429, &["too-many-tries"]);
    assert_ne!(many.header("retry-after"), "");
    let right = ask(&host, "GET", HEALTH, &[("authorization", &bearer())]).await;
    assert_eq!(right.status, 200);
    host.line("*wrong tokens, more are not logged*").await;
    assert_eq!(host.count("*wrong token*"), 10);
    host.stop().await;
}

#[tokio::test]
async fn an_open_registry_takes_records_and_nothing_else_without_the_token() {
    let folder = Folder::of(&["calc"]).with("picolet.toml", "[registry]\nopen = true");
    let host = guarded(folder).await;
    let program = Program::start().await;
    let record = program.record("ext-1").to_string();
    let registered = host.admin("POST", "/api/services", &record).await;
    assert_eq!(json(&registered, 200)["registration"], "ext-1");
    assert_eq!(ask(&host, "GET", "/api/services", &[]).await.status, 200);
    assert_eq!(ask(&host, "DELETE", "/api/services/default/ext-1", &[]).await.status, 200);
    // A page that has this host under a name of its own is no program.
    let page = [("host", "evil.example"), ("origin", "http://evil.example")];
    faults(&ask(&host, "DELETE", "/api/services/default/x", &page).await, 401, &["unauthorized"]);
    for path in [HEALTH, "/metrics", "/admin/v1/modules"] {
        faults(&ask(&host, "GET", path, &[]).await, 401, &["unauthorized"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_browser_shows_the_token_once() {
    let host = guarded(Folder::of(&["calc"])).await;
    let begun = ask(&host, "POST", SESSION, &[("authorization", &bearer())]).await;
    assert!(json(&begun, 200)["seconds"].as_u64().is_some());
    let set = begun.header("set-cookie").to_owned();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/admin/v1", "Max-Age="] {
        assert!(set.contains(word), "{set}");
    }
    let cookie = set.split(';').next().unwrap();
    let own = format!("http://{}", host.admin);
    assert_eq!(ask(&host, "GET", HEALTH, &[("cookie", cookie)]).await.status, 200);
    let limits = "/admin/v1/services/calc/limits";
    let change = async |headers: &[(&str, &str)]| {
        host.ask_admin("PATCH", limits, headers, body("{\"concurrency\":7}")).await
    };
    faults(&change(&[("cookie", cookie)]).await, 403, &["forbidden"]);
    let foreign = [("cookie", cookie), ("origin", "http://evil.example")];
    faults(&change(&foreign).await, 403, &["forbidden"]);
    let other_port = format!("http://{}", host.services);
    let neighbour = [("cookie", cookie), ("origin", other_port.as_str())];
    faults(&change(&neighbour).await, 403, &["forbidden"]);
    assert_eq!(change(&[("cookie", cookie), ("origin", &own)]).await.status, 200);
    // A session begins no other one, and what it says is not believed blindly.
    let again = ask(&host, "POST", SESSION, &[("cookie", cookie), ("origin", &own)]).await;
    faults(&again, 403, &["forbidden"]);
    let (name, mac) = cookie.split_once('.').unwrap();
    let later = format!("{name}9.{mac}");
    faults(&ask(&host, "GET", HEALTH, &[("cookie", &later)]).await, 401, &["unauthorized"]);
    let ended = ask(&host, "DELETE", SESSION, &[("cookie", cookie), ("origin", &own)]).await;
    assert!(ended.header("set-cookie").contains("Max-Age=0"));
    host.stop().await;
}

#[tokio::test]
async fn commands_take_the_token_and_say_when_it_is_missing() {
    let host = guarded(Folder::of(&["calc"])).await;
    let url = format!("http://127.0.0.1:{}", host.admin.port());
    let command = |args: &[&str]| {
        let mut command = picolet();
        command.args(args).args(["--host", &url]);
        command
    };
    let without = run(&mut command(&["services"])).await;
    assert_eq!(without.code, Some(1), "{without:?}");
    for word in ["401", "--token", "PICOLET_TOKEN"] {
        assert!(without.stderr.contains(word), "{without:?}");
    }
    let wrong = run(&mut command(&["services", "--token", "not-this-one-at-all"])).await;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(!wrong.stderr.contains("not-this-one"), "{wrong:?}");
    let flag = run(&mut command(&["services", "--token", TOKEN])).await;
    assert!(flag.stdout.contains("calc"), "{flag:?}");
    let variable = run(command(&["health"]).env("PICOLET_TOKEN", TOKEN)).await;
    assert_eq!(variable.code, Some(0), "{variable:?}");
    let file = host.folder.path("calc.wasm").display().to_string();
    let mut deploy = command(&["deploy", &file, "--name", "other"]);
    let deployed = run(deploy.env("PICOLET_TOKEN", TOKEN)).await;
    assert_eq!(deployed.code, Some(1), "the same service twice is a conflict: {deployed:?}");
    assert!(deployed.stderr.contains("is taken by calc.wasm"), "{deployed:?}");
    host.stop().await;
}
