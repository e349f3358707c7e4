//! Versions that fail more than the old one are taken out of traffic.

use crate::kit::*;
use crate::swaps::BUILDS;
use serde_json::json;

const SUM: &str = "/api/add/40/2";
const SERVICE: &str = "/admin/v1/services/calc?version=2.0.0";
/// Every answer is too large for it.
const FAILS: &str = "[limits]\nresponse_body_bytes = 1\n";
const RULE: &str = "[withdraw]\nmore_failures_percent = 10\nat_least_calls = 20\nwindow_s = 600\n";

/// Calc, and beside it a next version with this manifest.
fn beside(manifest: &str) -> Folder {
    Folder::of(&["calc"]).with("next.wasm", versioned("calc2", "2.0.0")).with("next.toml", manifest)
}

/// Makes requests until the host writes a line of this form.
async fn called_until(host: &Host, form: &str) {
    until(form, async || {
        for _ in 0..10 {
            host.get(SUM).await;
        }
        (0 < host.count(form)).then_some(())
    })
    .await;
}

/// Lines of the listing that begin so.
async fn listed(host: &Host, beginning: &str) -> Vec<String> {
    let admin = format!("http://{}", host.admin);
    let listing = run(picolet().args(["services", "--host", &admin])).await.stdout;
    listing.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_version_that_fails_more_than_the_old_one_is_withdrawn_until_it_changes() {
    let host = Launch::over(beside(&format!("{RULE}{FAILS}"))).own_state().start().await;
    called_until(&host, "withdrew calc 2.0.0 (*): it failed 100% of * calls, the old one 0%").await;
    for _ in 0..50 {
        answers(&host.get(SUM).await, 200, BUILDS[0]);
    }
    let detail = json(&host.admin("GET", SERVICE, "").await, 200);
    assert_eq!(detail["traffic"], 0);
    let why = detail["withdrawn"].as_str().unwrap_or_default();
    assert!(why.starts_with("it failed 100% of "), "{detail}");
    assert_eq!(listed(&host, "withdrawn calc 2.0.0: it failed 100% of ").await.len(), 1);
    let asked = host.send("GET", SUM, &[("x-picolet-version", "^2")], "").await;
    faults(&asked, 500, &["answer-too-large"]);
    let path = "/admin/v1/services/calc/traffic?version=2.0.0";
    faults(&host.admin("PATCH", path, r#"{"traffic": 100}"#).await, 409, &["withdrawn"]);
    let folder = host.stopped().await;

    let host = Launch::over(folder).own_state().start().await;
    for _ in 0..50 {
        answers(&host.get(SUM).await, 200, BUILDS[0]);
    }
    assert_eq!(listed(&host, "withdrawn ").await.len(), 1);
    host.folder.put("next.toml", RULE);
    host.line("swapped calc 2.0.0").await;
    assert_eq!(listed(&host, "withdrawn ").await, [""; 0]);
    until("the new version", async || (host.get(SUM).await.text() == BUILDS[1]).then_some(()))
        .await;
    host.stop().await;
}

#[tokio::test]
async fn a_revision_that_fails_more_than_the_one_before_is_rolled_back() {
    let host = Launch::over(Folder::of(&["calc"])).own_state().start().await;
    for _ in 0..30 {
        answers(&host.get(SUM).await, 200, BUILDS[0]);
    }
    host.folder.put("calc.toml", format!("{RULE}{FAILS}"));
    host.line("swapped calc 1.0.0").await;
    called_until(&host, "withdrew calc 1.0.0 (*): it failed * the old one 0% of 30; back to").await;
    for _ in 0..50 {
        answers(&host.get(SUM).await, 200, BUILDS[0]);
    }
    let shown = listed(&host, "pinned calc.wasm: withdrew 1.0.0 (").await;
    assert!(shown[0].contains("it failed 100% of"), "{shown:?}");

    let mark = host.log.mark();
    host.folder.put("calc.toml", RULE);
    host.line_from(mark, "swapped calc 1.0.0").await;
    assert_eq!(listed(&host, "pinned ").await, [""; 0]);
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    host.stop().await;
}

#[tokio::test]
async fn nothing_is_withdrawn_unasked_or_without_another_to_take_its_place() {
    let host = Host::over(beside(FAILS)).await;
    for _ in 0..100 {
        host.get(SUM).await;
    }
    let change = async |version: &str, traffic: u32| {
        let path = format!("/admin/v1/services/calc/traffic?version={version}");
        let body = json!({"traffic": traffic}).to_string();
        assert_eq!(host.admin("PATCH", &path, &body).await.status, 200);
    };
    change("1.0.0", 0).await;
    // The same version again, which asks for it now and is the only one in traffic.
    host.folder.remove("next.wasm");
    host.line("removed calc 2.0.0").await;
    host.folder.put("next.toml", format!("{RULE}{FAILS}"));
    let mark = host.log.mark();
    host.folder.put("next.wasm", versioned("calc2", "2.0.0"));
    host.line_from(mark, "serving calc 2.0.0").await;
    for _ in 0..100 {
        faults(&host.get(SUM).await, 500, &["answer-too-large"]);
    }
    assert_eq!(host.count("withdrew"), 0);
    change("1.0.0", 100).await;
    called_until(&host, "withdrew calc 2.0.0").await;
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    host.stop().await;
}
