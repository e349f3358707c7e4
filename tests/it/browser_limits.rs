//! How much and how fast browsers may ask, and what becomes of them when their
//! namespace goes.

use crate::kit::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

const MANIFEST: &str = "namespace = \"shop\"\nexpose = [\"shop.*\", \"events:rates.>\"]";

async fn shop_host(settings: &str) -> Host {
    let folder = Folder::of(&["shop"]).with("shop.toml", MANIFEST);
    Host::over(folder.with("picolet.toml", settings)).await
}

#[track_caller]
fn check_fault(heard: &Value, code: u16, name: &str) {
    assert_eq!((&heard["code"], &heard["fault"]), (&json!(code), &json!(name)), "{heard}");
}

/// Waits until as many have gone for this cause.
async fn closed(host: &Host, cause: &str, count: usize) {
    let line = format!("picolet_browsers_closed_total{{cause=\"{cause}\"}} {count}");
    until(&line, async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        metrics.text().lines().any(|known| known == line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_over_the_limit_closes_its_socket_alone() {
    let host = shop_host("[limits]\nwebsocket_message_bytes_max = 2000").await;
    let mut other = Browser::of(&host, "shop").await;
    let mut browser = Browser::of(&host, "shop").await;
    let text = |len: usize| format!("{{\"call\":\"{}\"}}", "x".repeat(len - 11));
    browser.say(text(2_000)).await;
    assert_eq!(browser.hear().await["code"].as_u64().map(|code| code / 100), Some(4));
    browser.say(text(2_001)).await;
    assert_eq!(browser.closed().await, 1009);
    check_works(&mut other).await;
    host.stop().await;
}

#[tokio::test]
async fn who_sends_too_fast_to_a_plain_socket_is_read_more_slowly_and_loses_nothing() {
    let host = shop_host("[limits]\nwebsocket_messages_per_second_max = 20").await;
    let mut browser = Browser::of(&host, "shop").await;
    let began = Instant::now();
    for number in 0..60 {
        let data = json!({ "a": number, "b": 0 });
        browser.say(json!({ "call": "shop.add", "data": data, "id": number }).to_string()).await;
    }
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let heard = browser.hear().await;
        assert_eq!(heard["answer"]["sum"], heard["id"], "{heard}");
        seen.insert(heard["id"].as_u64());
    }
    assert_eq!(seen.len(), 60);
    // One second's worth is let in at once, the rest as time goes by.
    assert!(Duration::from_secs(1) < began.elapsed(), "{:?}", began.elapsed());
    check_works(&mut browser).await;
    host.stop().await;
}

#[tokio::test]
async fn who_sends_too_fast_by_socket_io_is_told_so_and_then_sent_away() {
    let host = shop_host("[limits]\nwebsocket_messages_per_second_max = 10").await;
    let mut other = Browser::of(&host, "shop").await;
    let mut browser = Browser::of_socket_io(&host, "shop").await;
    let (mut answered, mut refused) = (0, 0);
    let call = Message::text(r#"42/shop,1["shop.add",{"a":1,"b":0}]"#);
    for _ in 0..1_000 {
        if browser.try_say(call.clone()).await.is_err() {
            break;
        }
    }
    while let Some(heard) = browser.packet().await {
        match heard.as_str() {
            r#"43/shop,1[{"sum":1},200]"# => answered += 1,
            heard => {
                assert!(heard.contains("too-many-messages") && heard.ends_with(",429]"), "{heard}");
                refused += 1;
            }
        }
    }
    // What is in line when it is cut off is lost.
    assert!(answered + refused < 1_000, "{answered} answered, {refused} refused");
    closed(&host, "flood", 1).await;
    check_works(&mut other).await;
    host.stop().await;
}

#[tokio::test]
async fn leaving_and_entering_again_is_no_way_around_the_rate() {
    let host = shop_host("[limits]\nwebsocket_messages_per_second_max = 10").await;
    let mut browser = Browser::of_socket_io(&host, "shop").await;
    let mut is_refused = false;
    for _ in 0..10_000 {
        if !is_refused {
            browser.say("41/shop,").await;
        }
        if browser.try_say(Message::text("40/shop,")).await.is_err() {
            break;
        }
        // One that comes while the one before is attended to has no answer.
        match tokio::time::timeout(Duration::from_millis(500), browser.packet()).await {
            Ok(Some(heard)) if heard.starts_with("44/shop,") => {
                assert!(heard.contains("messages in a second"), "{heard}");
                is_refused = true;
            }
            Ok(Some(_entered)) => is_refused = false,
            Ok(None) => break,
            Err(_elapsed) => (),
        }
    }
    assert!(is_refused);
    closed(&host, "flood", 1).await;
    host.stop().await;
}

#[tokio::test]
async fn no_more_than_64_calls_of_a_browser_are_under_way() {
    let host = shop_host("").await;
    let mut browser = Browser::of_socket_io(&host, "shop").await;
    for number in 0..64 {
        browser.say(format!(r#"42/shop,{number}["shop.nap",{{"ms":3000}}]"#)).await;
    }
    // Nor does it help to enter anew.
    browser.say("41/shop,").await;
    browser.say("40/shop,").await;
    let entered = browser.packet().await.unwrap();
    assert!(entered.starts_with("40/shop,{"), "{entered}");
    browser.say(r#"42/shop,99["shop.add",{"a":1,"b":0}]"#).await;
    let fault = browser.packet().await.unwrap();
    assert!(fault.starts_with("43/shop,99[{") && fault.contains("too-many-calls"), "{fault}");
    assert!(fault.ends_with(",429]"), "{fault}");
    host.stop().await;
}

#[tokio::test]
async fn a_browser_has_at_most_64_subscriptions() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    for number in 0..64 {
        let subject = format!("rates.n{number}");
        let heard = browser.ask(&json!({ "subscribe": subject, "id": number })).await;
        assert_eq!(heard["subscribed"], json!(subject), "{heard}");
    }
    let more = json!({ "subscribe": "rates.more", "id": 64 });
    check_fault(&browser.ask(&more).await, 429, "too-many-subscriptions");
    // One that it has already is none more, and one that it gives up makes room.
    let again = browser.ask(&json!({ "subscribe": "rates.n1", "id": 65 })).await;
    assert_eq!(again["subscribed"], "rates.n1");
    browser.ask(&json!({ "unsubscribe": "rates.n1", "id": 66 })).await;
    assert_eq!(browser.ask(&more).await["subscribed"], "rates.more");
    host.stop().await;
}

#[tokio::test]
async fn a_namespace_that_goes_sends_its_browsers_away() {
    let host = shop_host("").await;
    let mut plain = Browser::of(&host, "shop").await;
    check_works(&mut plain).await;
    let mut other = Browser::of_socket_io(&host, "shop").await;
    assert_eq!(host.metric("picolet_browsers").await, 2);
    assert_eq!(host.metric("picolet_browser_calls_total").await, 1);
    let mark = host.log.mark();
    host.folder.write("shop.toml", "");
    host.line_from(mark, "swapped shop*").await;
    assert_eq!(plain.closed().await, 4404);
    assert_eq!(other.packet().await.as_deref(), Some("41/shop,"));
    drop((plain, other));
    closed(&host, "namespace", 2).await;
    assert_eq!(host.metric("picolet_browsers").await, 0);
    assert_eq!(Browser::try_at(&host, "/ws?namespace=shop", &[]).await.err(), Some(404));
    host.stop().await;
}

#[tokio::test]
async fn browsers_over_the_limit_are_turned_away_until_others_go() {
    let host = shop_host("[limits]\nbrowsers_max = 3").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Browser::of(&host, "shop").await);
    }
    let path = "/ws?namespace=shop";
    let refused = Browser::try_at(&host, path, &[]).await.err();
    assert!(refused.is_some_and(|status| [429, 503].contains(&status)), "{refused:?}");
    check_works(&mut open[0]).await;
    open.pop();
    let mut browser =
        until("a free place", async || Browser::try_at(&host, path, &[]).await.ok()).await;
    check_works(&mut browser).await;
    host.stop().await;
}

#[tokio::test]
async fn a_browser_that_is_idle_is_closed() {
    let host = shop_host("[limits]\nwebsocket_idle_ms_max = 1000").await;
    let mut browser = Browser::of(&host, "shop").await;
    assert_eq!(browser.closed().await, 1000);
    host.stop().await;
}

#[tokio::test]
async fn browsers_are_let_in_when_everything_is_there() {
    let stuck = "[config]\nstart = \"stuck\"\n[limits]\nstart_ms = 8000";
    let folder = Folder::of(&["shop", "alive"]).with("shop.toml", MANIFEST);
    let host = Launch::over(folder.with("alive.toml", stuck)).start_unready().await;
    let path = "/ws?namespace=shop";
    assert_eq!(Browser::try_at(&host, path, &[]).await.err(), Some(503));
    let polled = host.get("/socket.io/?EIO=4&transport=polling").await;
    faults(&polled, 503, &["not-ready"]);
    host.log.wait(0, |line| line == "ready").await;
    check_works(&mut Browser::of(&host, "shop").await).await;
    host.stop().await;
}
