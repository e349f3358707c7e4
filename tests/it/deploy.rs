//! Modules that come and go by the admin side.

use crate::kit::*;
use crate::swaps::{BUILDS, Load};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

pub(crate) const CALC: &str = "/admin/v1/modules/calc";
pub(crate) const SUM: &str = "/api/add/40/2";

pub(crate) async fn put(host: &Host, path: &str, content: impl Into<Bytes>) -> Reply {
    host.ask_admin("PUT", path, &[], body(content)).await
}

/// Files of uploads that were not put in their place.
pub(crate) fn drafts(host: &Host) -> usize {
    fs::read_dir(host.folder.path(".uploads")).map_or(0, Iterator::count)
}

#[track_caller]
pub(crate) fn judged(reply: &Reply, status: u16, verdict: &str) -> Value {
    let told = json(reply, status);
    assert_eq!(told["verdict"], verdict, "{told}");
    told
}

#[tokio::test]
async fn a_module_is_served_swapped_and_unchanged() {
    let host = Host::over(Folder::empty()).await;
    let told = judged(&put(&host, CALC, guest("calc")).await, 200, "serving");
    assert_eq!((&told["service"], &told["version"]), (&"calc".into(), &"1.0.0".into()));
    assert_eq!((&told["module"], &told["root"]), (&"calc".into(), &"/api".into()));
    assert!(told["digest"].as_str().unwrap().starts_with("sha256:"), "{told}");
    assert!(told["ms"].is_u64(), "{told}");
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    judged(&put(&host, CALC, guest("calc")).await, 200, "unchanged");
    judged(&put(&host, CALC, guest("calc2")).await, 200, "swapped");
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    let listed = json(&host.admin("GET", "/admin/v1/modules", "").await, 200);
    assert_eq!(listed["modules"][0]["revisions"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(fs::read(host.folder.path("calc.wasm")).unwrap(), guest("calc2"));
    assert_eq!(drafts(&host), 0);
    host.stop().await;
}

#[tokio::test]
async fn a_manifest_comes_with_its_module_or_alone() {
    let host = Host::over(Folder::empty()).await;
    let early = put(&host, &format!("{CALC}/manifest"), "traffic = 5").await;
    judged(&early, 202, "stored");
    let manifest = b"traffic = 7\n";
    let both: Bytes = [manifest.as_slice(), &guest("calc")].concat().into();
    let path = format!("{CALC}?manifest_bytes={}", manifest.len());
    judged(&put(&host, &path, both.clone()).await, 200, "serving");
    let traffic = async || {
        json(&host.admin("GET", "/admin/v1/services/calc", "").await, 200)["traffic"].clone()
    };
    assert_eq!(traffic().await, 7);
    judged(&put(&host, &path, both).await, 200, "unchanged");
    judged(&put(&host, &format!("{CALC}/manifest"), "traffic = 9").await, 200, "swapped");
    assert_eq!(traffic().await, 9);
    let wrong = put(&host, &format!("{CALC}/manifest"), "traffic = \"much\"").await;
    let told = judged(&wrong, 422, "refused");
    assert!(told["reason"].as_str().unwrap().contains("traffic"), "{told}");
    faults(&wrong, 422, &["refused"]);
    assert_eq!(traffic().await, 9);
    let large = put(&host, &format!("{CALC}/manifest"), "#".repeat((256 << 10) + 1)).await;
    faults(&large, 413, &["too-large"]);
    let short = put(&host, &format!("{CALC}?manifest_bytes=99"), "x").await;
    faults(&short, 400, &["bad-request"]);
    // One serves; nothing was loaded in between of one part without the other.
    assert_eq!((host.count("serving calc *"), host.count("swapped calc *")), (1, 1));
    assert_eq!(drafts(&host), 0);
    host.stop().await;
}

#[tokio::test]
async fn what_is_refused_changes_nothing_for_callers() {
    let host = Host::of(&["calc"]).await;
    let text = put(&host, CALC, "no module").await;
    let told = judged(&text, 422, "refused");
    assert_eq!(told["reason"], "file is not WebAssembly");
    judged(&put(&host, CALC, "").await, 422, "refused");
    // What can be told from its bytes alone is not put in its place.
    assert_eq!(fs::read(host.folder.path("calc.wasm")).unwrap(), guest("calc"));
    let stranger = put(&host, CALC, Component::stranger().bytes()).await;
    let told = judged(&stranger, 422, "refused");
    assert!(told["reason"].as_str().unwrap().contains("exports nothing"), "{told}");
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    let taken = put(&host, "/admin/v1/modules/other", guest("calc")).await;
    let told = judged(&taken, 422, "refused");
    assert!(told["reason"].as_str().unwrap().contains("is taken by calc.wasm"), "{told}");
    judged(&put(&host, CALC, guest("calc2")).await, 200, "swapped");
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    host.stop().await;
}

#[tokio::test]
async fn names_are_judged_as_those_of_files_are() {
    let host = Host::over(Folder::empty()).await;
    let long = "x".repeat(129);
    let names = [
        "..",
        "%2e%2e",
        "..%2Fout",
        "a%2Fb",
        "%2Fetc%2Fx",
        "picolet",
        ".a",
        "a%20b",
        "a%00",
        &long,
    ];
    for name in names {
        let reply = put(&host, &format!("/admin/v1/modules/{name}"), guest("calc")).await;
        faults(&reply, 400, &["bad-name"]);
        let gone = host.admin("DELETE", &format!("/admin/v1/modules/{name}"), "").await;
        faults(&gone, 400, &["bad-name"]);
    }
    faults(&put(&host, "/admin/v1/modules/../x", "").await, 404, &["not-found"]);
    assert_eq!(fs::read_dir(host.folder.beside("")).unwrap().count(), 1);
    judged(&put(&host, "/admin/v1/modules/calc.wasm", guest("calc")).await, 200, "serving");
    assert!(host.folder.path("calc.wasm").is_file());
    host.stop().await;
}

#[tokio::test]
async fn an_upload_that_is_cut_leaves_nothing() {
    let host = Host::of(&["calc"]).await;
    let mut wire = Wire::to(host.admin).await;
    let head =
        format!("PUT {CALC} HTTP/1.1\r\nhost: {}\r\ncontent-length: 9000\r\n\r\n", host.admin);
    wire.send(head).await;
    wire.send(b"\0asm\x0d\0\x01\0").await;
    until("the upload to begin", async || (drafts(&host) == 1).then_some(())).await;
    drop(wire);
    until("it to be removed", async || (drafts(&host) == 0).then_some(())).await;
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    assert_eq!(fs::read(host.folder.path("calc.wasm")).unwrap(), guest("calc"));
    host.stop().await;
}

#[tokio::test]
async fn an_upload_is_bounded_in_size_time_and_number() {
    let settings = "[limits]\nmodule_bytes_max = 1000\nbody_idle_ms_max = 300";
    let host = Host::over(Folder::empty().with("picolet.toml", settings)).await;
    faults(&put(&host, CALC, vec![0; 1_001]).await, 413, &["too-large"]);
    faults(&put(&host, CALC, vec![0; 9_000_000]).await, 413, &["too-large"]);
    let endless = chunks(futures::stream::repeat_with(|| Bytes::from_static(&[0; 100])).take(11));
    faults(&host.ask_admin("PUT", CALC, &[], endless).await, 413, &["too-large"]);
    let stalled = chunks(
        futures::stream::iter([Bytes::from_static(b"\0asm")]).chain(futures::stream::pending()),
    );
    faults(&host.ask_admin("PUT", CALC, &[], stalled).await, 408, &["slow-request"]);
    assert_eq!(drafts(&host), 0);
    assert_eq!(host.count("*refused calc*"), 0);
    host.stop().await;

    let host = Host::over(Folder::empty()).await;
    let mut wires = Vec::new();
    for _ in 0..8 {
        let mut wire = Wire::to(host.admin).await;
        let head =
            format!("PUT {CALC} HTTP/1.1\r\nhost: {}\r\ncontent-length: 9\r\n\r\n", host.admin);
        wire.send(head).await;
        wires.push(wire);
    }
    until("the uploads to begin", async || (drafts(&host) == 8).then_some(())).await;
    faults(&put(&host, CALC, guest("calc")).await, 503, &["too-many-uploads"]);
    drop(wires);
    until("them to end", async || (drafts(&host) == 0).then_some(())).await;
    judged(&put(&host, CALC, guest("calc")).await, 200, "serving");
    host.stop().await;
}

#[tokio::test]
async fn two_deploys_of_one_name_each_get_their_own_verdict() {
    let host = Launch::over(Folder::empty()).own_state().start().await;
    let builds: Vec<Vec<u8>> = (1..=4).map(|n| versioned("calc2", &format!("{n}.0.0"))).collect();
    let uploads = builds.iter().map(|build| put(&host, CALC, build.clone()));
    let replies = futures::future::join_all(uploads).await;
    let mut seen = Vec::new();
    for (number, reply) in (1..).zip(&replies) {
        let told = json(reply, 200);
        assert_eq!(told["version"], format!("{number}.0.0"), "{told}");
        seen.push(told["verdict"].as_str().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["serving", "swapped", "swapped", "swapped"]);
    // Whichever was the last is what is in the folder, too.
    let live = json(&host.admin("GET", "/admin/v1/services/calc", "").await, 200);
    let file = fs::read(host.folder.path("calc.wasm")).unwrap();
    let last = builds.iter().position(|build| *build == file).unwrap() + 1;
    assert_eq!(live["version"], format!("{last}.0.0"), "{live}");
    assert_eq!(drafts(&host), 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_and_restarts_under_load_lose_no_request() {
    let host = Host::of(&["calc"]).await;
    let load = Load::on(host.services);
    for round in 0..10 {
        load.goes_on(50).await;
        let build = guest(["calc2", "calc"][round % 2]);
        judged(&put(&host, CALC, build).await, 200, "swapped");
        let restarted = host.admin("POST", "/admin/v1/services/calc/restart", "").await;
        assert_eq!(json(&restarted, 200)["service"], "calc");
    }
    load.goes_on(50).await;
    load.end().await;
    host.stop().await;
}

#[tokio::test]
async fn a_restart_makes_new_instances_of_the_same_content() {
    let host = Launch::over(Folder::of(&["calc"])).own_state().start().await;
    host.admin("PATCH", "/admin/v1/services/calc/limits", r#"{"concurrency":7}"#).await;
    let view = async || json(&host.admin("GET", "/admin/v1/services/calc", "").await, 200);
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    let before = view().await;
    // What the file holds by now was not asked for.
    host.folder.put("calc.wasm", "no module");
    refuses(&host, 0, "calc.wasm", "").await;
    let restarted = json(&host.admin("POST", "/admin/v1/services/calc/restart", "").await, 200);
    assert_eq!(restarted["version"], "1.0.0");
    host.line("restarted calc 1.0.0 (*").await;
    let after = view().await;
    for same in ["digest", "registration", "traffic", "version"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!((&before["calls"], &after["calls"]), (&1.into(), &0.into()));
    assert_eq!(after["limits"]["concurrency"], 7);
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    let listed = json(&host.admin("GET", "/admin/v1/modules", "").await, 200);
    let module = &listed["modules"][0];
    assert_eq!((&module["state"], &module["revisions"][1]), (&"refused".into(), &Value::Null));
    let nobody = host.admin("POST", "/admin/v1/services/nobody/restart", "").await;
    faults(&nobody, 404, &["not-found"]);
    host.stop().await;
}

#[tokio::test]
async fn a_module_is_taken_out_with_its_manifest() {
    let host = Host::over(Folder::of(&["calc"]).with("calc.toml", "traffic = 7")).await;
    let gone = json(&host.admin("DELETE", CALC, "").await, 200);
    assert_eq!((&gone["service"], &gone["version"]), (&"calc".into(), &"1.0.0".into()));
    faults(&host.get(SUM).await, 404, &["no-route"]);
    assert!(!host.folder.path("calc.wasm").exists() && !host.folder.path("calc.toml").exists());
    faults(&host.admin("DELETE", CALC, "").await, 404, &["not-found"]);
    judged(&put(&host, CALC, guest("calc")).await, 200, "serving");
    host.stop().await;
}

#[tokio::test]
async fn what_was_rolled_back_stays_so_until_other_content_is_deployed() {
    let host = Launch::over(Folder::of(&["calc"])).own_state().start().await;
    let second = versioned("calc2", "2.0.0");
    judged(&put(&host, CALC, second.clone()).await, 200, "swapped");
    let rolled = host.admin("POST", "/admin/v1/services/calc/rollback", "").await;
    assert_eq!(rolled.status, 200, "{}", rolled.text());
    let told = judged(&put(&host, CALC, second).await, 200, "unchanged");
    assert_eq!(told["version"], "1.0.0");
    assert!(told["reason"].as_str().unwrap().contains("rolled back from 2.0.0"), "{told}");
    let third = put(&host, CALC, versioned("calc2", "3.0.0")).await;
    assert_eq!(judged(&third, 200, "swapped")["version"], "3.0.0");
    host.stop().await;
}

#[tokio::test]
async fn a_full_disk_and_a_folder_that_cannot_be_written_are_told() {
    let host = Launch::over(Folder::of(&["calc"])).own_state().file_kib_max(6 << 10).start().await;
    faults(&put(&host, CALC, vec![0; 7 << 20]).await, 507, &["disk-full"]);
    assert_eq!(drafts(&host), 0);
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    fs::create_dir(host.folder.path("dir.wasm")).unwrap();
    let blocked = put(&host, "/admin/v1/modules/dir", b"\0asm\x01\0\0\0".as_slice()).await;
    faults(&blocked, 409, &["in-the-way"]);
    let folder = host.folder.watched();
    let _ = fs::remove_dir(host.folder.path(".uploads"));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let is_writable = fs::write(folder.join("probe"), "").is_ok();
    if !is_writable {
        // Root writes everywhere.
        faults(&put(&host, CALC, guest("calc2")).await, 409, &["folder-read-only"]);
        faults(&host.admin("DELETE", CALC, "").await, 409, &["folder-read-only"]);
        answers(&host.get(SUM).await, 200, BUILDS[0]);
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    host.stop().await;
}

#[tokio::test]
async fn what_a_host_that_died_left_behind_is_removed() {
    let folder = Folder::empty();
    fs::create_dir(folder.path(".uploads")).unwrap();
    folder.write(".uploads/half", "\0asm");
    let host = Host::over(folder).await;
    assert_eq!(drafts(&host), 0);
    host.stop().await;
}

async fn on(host: &Host, args: &[&str]) -> Ran {
    run(picolet().args(args).args(["--host", &format!("http://{}", host.admin)])).await
}

#[track_caller]
fn prints(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for word in words {
        let seen = if code == 0 { &ran.stdout } else { &ran.stderr };
        assert!(seen.contains(word), "{word:?} is missing in {ran:?}");
    }
}

#[tokio::test]
async fn the_command_line_deploys_restarts_and_removes() {
    // On an address of its own nobody else gets the port that is left.
    let own = ([127, 0, 77, 2], 0).into();
    let host = Launch::over(Folder::empty()).admin(own).start().await;
    let module = host.folder.beside("calc.wasm");
    let file = module.display().to_string();
    fs::write(&module, guest("calc")).unwrap();
    fs::write(host.folder.beside("calc.toml"), "traffic = 7").unwrap();
    let done = on(&host, &["deploy", &file]).await;
    prints(&done, 0, &["serving calc 1.0.0 (sha256:", ") at /api in ", " ms"]);
    assert_eq!(done.stderr, "", "no bar where there is no terminal");
    assert_eq!(fs::read(host.folder.path("calc.toml")).unwrap(), b"traffic = 7");
    prints(&on(&host, &["deploy", &file]).await, 0, &["unchanged calc 1.0.0"]);
    fs::write(&module, guest("calc2")).unwrap();
    let done = on(&host, &["deploy", &file, "--json"]).await;
    prints(&done, 0, &["\"swapped\""]);
    fs::write(&module, "no module").unwrap();
    let refused = on(&host, &["deploy", &file]).await;
    let words = ["refused calc: file is not WebAssembly", "folder, and calc 1.0.0 is served on"];
    prints(&refused, 1, &words);
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    let missing = on(&host, &["deploy", "/nowhere/calc.wasm"]).await;
    prints(&missing, 1, &["/nowhere/calc.wasm cannot be read"]);
    fs::write(&module, guest("echo")).unwrap();
    let manifest = host.folder.beside("other.toml");
    fs::write(&manifest, "traffic = 3").unwrap();
    let manifest = manifest.display().to_string();
    let args = ["deploy", &file, "--name", "echo", "--manifest", &manifest, "--no-wait"];
    prints(&on(&host, &args).await, 0, &["loading echo (sha256:", "picolet services"]);
    host.line("serving echo *").await;
    prints(&on(&host, &["deploy", &file, "--name", "../x"]).await, 1, &["400 bad-name"]);

    prints(&on(&host, &["restart", "calc"]).await, 0, &["restarted calc 1.0.0 in "]);
    prints(&on(&host, &["remove", "echo"]).await, 0, &["removed echo; echo 1.0.0 is served no"]);
    prints(&on(&host, &["remove", "echo"]).await, 1, &["no module echo"]);
    let admin = format!("http://{}", host.admin);
    // The folder goes with the host.
    let elsewhere = TempDir::new().unwrap();
    let module = elsewhere.path().join("calc.wasm");
    fs::write(&module, guest("calc")).unwrap();
    let file = module.display().to_string();
    host.stop().await;
    let nobody = run(picolet().args(["deploy", &file, "--host", &admin])).await;
    prints(&nobody, 1, &["no host answers", "picolet serve", "--host"]);
}

#[tokio::test]
async fn the_command_line_registers_programs() {
    let host = Host::over(Folder::empty()).await;
    let program = Program::start().await;
    let file = host.folder.beside("record.json");
    let order = program.record("ext-1");
    fs::write(&file, order["record"].to_string()).unwrap();
    let file = file.display().to_string();
    let done = on(&host, &["register", &file, "--key", "side"]).await;
    prints(&done, 0, &["registered ext under side as ext-1"]);
    let listed = json(&host.admin("GET", "/api/services/side", "").await, 200);
    assert_eq!(listed["services"][0]["registration"], "ext-1");
    let done = on(&host, &["unregister", "side", "ext-1"]).await;
    prints(&done, 0, &["unregistered ext-1 under side"]);
    prints(&on(&host, &["unregister", "side", "ext-1"]).await, 1, &["404"]);
    prints(&on(&host, &["register", "/nowhere.json"]).await, 1, &["cannot be read"]);
    fs::write(&file, "{").unwrap();
    prints(&on(&host, &["register", &file]).await, 1, &["is not JSON"]);
    fs::write(&file, "{}").unwrap();
    prints(&on(&host, &["register", &file]).await, 1, &["400 bad-request"]);
    host.stop().await;
}
