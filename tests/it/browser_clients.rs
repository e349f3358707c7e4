//! Real clients: the stock one of socket.io under node, and pages in a browser.

use crate::kit::*;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address that no other test listens at, so that a port of it can be left
/// and taken again.
const OWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77)), 0);

#[tokio::test]
async fn the_stock_client_calls_hears_and_comes_back() {
    let shop = "namespace = \"shop\"\nexpose = [\"shop.*\", \"events:rates.>\"]";
    let calc = "namespace = \"calc\"\nexpose = [\"calc.*\"]";
    let folder = Folder::of(&["shop", "calc"]).with("shop.toml", shop).with("calc.toml", calc);
    run_client("client.mjs", folder).await;
}

#[tokio::test]
async fn the_stock_client_uses_the_example() {
    let folder = Folder::of(&["arbitration", "conversion"]);
    run_client("example.mjs", folder.deployed("arbitration").deployed("conversion")).await;
}

/// Runs a client that wants the host restarted at the same address.
async fn run_client(script: &str, folder: Folder) {
    let host = Launch::over(folder).listen(OWN).own_state().start().await;
    let address = host.services;
    let mut client = Script::start(script, &[&format!("http://{address}")]);
    client.says("connected").await;
    let folder = host.stopped().await;
    let host = Launch::over(folder).listen(address).own_state().start().await;
    client.tell("restarted").await;
    client.ended().await;
    host.stop().await;
}

#[tokio::test]
async fn the_page_of_the_conversion_sees_rates_live() {
    let folder = Folder::of(&["arbitration", "conversion"]);
    let folder = folder.deployed("arbitration").deployed("conversion");
    std::fs::write(folder.path("conversion/socket.io.min.js"), client_script()).unwrap();
    let host = Launch::over(folder).own_state().start().await;
    check_converts(&host).await;
    run_page("conversion.mjs", &host).await;
    host.stop().await;
}

/// The same without a browser.
async fn check_converts(host: &Host) {
    let converted = json(&host.get("/conversion/convert/usd/eur?amount=100").await, 200);
    assert_eq!((&converted["rate"], &converted["result"]), (&json!(0.91), &json!(91.0)));
    let change = host.send(
        "PUT",
        "/arbitration/eur/gbp",
        &[("content-type", "application/json")],
        "{\"rate\":0.5}",
    );
    assert_eq!(change.await.status, 200);
    until("the new rate to be heard", async || {
        let converted = host.get("/conversion/convert/eur/gbp?amount=3").await;
        (json(&converted, 200)["result"] == 1.5).then_some(())
    })
    .await;
    faults(&host.get("/conversion/convert/usd/xxx?amount=1").await, 404, &["not-found"]);
    // Rates are not changed by browsers.
    let mut browser = Browser::of(host, "exchange").await;
    let change = json!({
        "call": "arbitration.update_rate", "id": 1, "data": { "from": "usd", "to": "eur", "rate": 9 },
    });
    assert_eq!(browser.ask(&change).await["fault"], "no-such-method");
    let asked = json!({
        "call": "convert", "id": 2, "data": { "from": "usd", "to": "eur", "amount": 100 },
    });
    assert_eq!(browser.ask(&asked).await["answer"]["result"], 91.0);
}

#[tokio::test]
async fn pages_of_the_chat_talk_to_each_other() {
    let host = Host::of(&["chat"]).await;
    run_page("chat.mjs", &host).await;
    host.stop().await;
}

/// Has a script drive a browser.
async fn run_page(script: &str, host: &Host) {
    let folder = screenshots();
    let folder = folder.to_str().expect("the path is text");
    Script::start(script, &[&format!("http://{}", host.services), folder]).ended().await;
}
