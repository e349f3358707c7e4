//! Secrets: given to their guest, and to nobody else.

use crate::kit::*;

const IN_FILE: &str = "canary-of-the-file";
const IN_ENVIRONMENT: &str = "canary-of-the-environment";

async fn launch(manifest: &str) -> Host {
    let folder = Folder::of(&["keeper"]).with("keeper.toml", manifest);
    std::fs::write(folder.path("api.key"), format!("{IN_FILE}\n")).unwrap();
    Launch::over(folder).variable("KEEPER_TOKEN", IN_ENVIRONMENT).start().await
}

#[tokio::test]
async fn a_guest_gets_its_secrets_and_nothing_that_is_written_down_has_them() {
    let manifest = "[config]\nurl = \"http://a\"\n[secrets]\napi_key = { file = \"api.key\" }\n\
                    token = { env = \"KEEPER_TOKEN\" }";
    let host = launch(manifest).await;
    let mark = host.log.mark();
    for (name, secret) in [("api_key", IN_FILE), ("token", IN_ENVIRONMENT)] {
        let path = format!("/keeper/print/{name}");
        answers(&host.send("POST", &path, &[], "").await, 200, secret);
        host.line_from(mark, "*the secret is [redacted], or Secret*").await;
        host.line_from(mark, "*[redacted][redacted] twice*").await;
    }
    faults(&host.send("POST", "/keeper/print/url2", &[], "").await, 404, &["not-found"]);
    answers(&host.get("/keeper/wasi/config").await, 200, "url=http://a\n");
    let admin = [
        "/admin/v1/services",
        "/admin/v1/services/keeper",
        "/admin/v1/modules",
        "/metrics",
        "/admin/v1/openapi.json",
        "/admin/v1/endpoints",
        "/api/services",
    ];
    for path in admin {
        let reply = host.admin("GET", path, "").await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.text().contains("canary"), "{path}: {}", reply.text());
    }
    let written = host.log.lines().join("\n");
    assert!(!written.contains("canary"), "{written}");
    host.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_said_without_a_word_of_others() {
    let host = launch("").await;
    for (secrets, reason) in [
        ("a = { file = \"nowhere.key\" }", "secret a: file nowhere.key cannot be read"),
        ("a = { file = \".\" }", "secret a: file . cannot be read: it is no regular file"),
        ("a = { env = \"NOBODY_SET_THIS\" }", "secret a: the host was started without NOBODY"),
        ("a = \"canary\"", "secrets.a: want { file = "),
        ("a = { env = \"KEEPER_TOKEN\", file = \"api.key\" }", "name one"),
        ("a = { env = \"KEEPER_TOKEN\" }\n[config]\na = 1", "secrets.a: is in [config], too"),
    ] {
        let mark = host.log.mark();
        host.folder.write("keeper.toml", format!("[secrets]\n{secrets}"));
        refuses(&host, mark, "keeper.wasm", reason).await;
    }
    std::fs::write(host.folder.path("empty.key"), "\n").unwrap();
    let mark = host.log.mark();
    host.folder.write("keeper.toml", "[secrets]\na = { file = \"empty.key\" }");
    refuses(&host, mark, "keeper.wasm", "secret a: is empty").await;
    let written = host.log.lines().join("\n");
    assert!(!written.contains("canary"), "{written}");
    host.stop().await;
}
