//! WebSockets outlive what attends to them: instances that fail, modules that
//! are replaced. What they do not outlive is the service and the host.

use crate::kit::*;
use crate::websockets::{chats, closed, talker};
use futures::future::join_all;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A module with bytes of its own: an empty custom section more.
fn distinct(module: &[u8], mark: u8) -> Vec<u8> {
    [module, &[0, 2, 1, mark]].concat()
}

#[tokio::test]
async fn an_instance_that_fails_takes_no_socket_along() {
    let host = chats("[limits]\ncpu_ms = 50").await;
    let (mut one, mut other) = (talker(&host, "r").await, talker(&host, "r").await);
    for bad in ["trap", "spin", "fault"] {
        one.say(bad).await;
        assert_eq!(one.answers("still here").await, "still here", "after {bad}");
        assert_eq!(other.answers("here, too").await, "here, too", "after {bad}");
    }
    assert_eq!(other.answers("count").await, "2 of 2");
    host.stop().await;
}

/// Sends numbered messages, several at once, and checks every echo.
async fn counting(
    mut socket: WebSocket,
    is_over: Arc<AtomicBool>,
    echoes: Arc<AtomicUsize>,
) -> WebSocket {
    let mut next = 0..;
    while !is_over.load(Ordering::Relaxed) {
        let numbers: Vec<String> =
            next.by_ref().take(8).map(|number: u64| number.to_string()).collect();
        for number in &numbers {
            socket.say(number).await;
        }
        for number in &numbers {
            assert_eq!(&socket.text().await, number);
            echoes.fetch_add(1, Ordering::Relaxed);
        }
    }
    socket
}

#[tokio::test]
async fn a_swap_keeps_every_socket_and_every_message() {
    let host = chats("").await;
    let (is_over, echoes) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let mut talking = Vec::new();
    for room in 0..20 {
        let socket = talker(&host, &room.to_string()).await;
        talking.push(tokio::spawn(counting(socket, is_over.clone(), echoes.clone())));
    }
    let module = guest("chats");
    let builds = [distinct(&module, 1), distinct(&module, 2)];
    for swap in 0..10 {
        let (mark, before) = (host.log.mark(), echoes.load(Ordering::Relaxed));
        host.folder.put("chats.wasm", &builds[swap % 2]);
        host.line_from(mark, "swapped chats 1.0.0*").await;
        until("echoes of the new one", async || {
            (before + 100 <= echoes.load(Ordering::Relaxed)).then_some(())
        })
        .await;
    }
    is_over.store(true, Ordering::Relaxed);
    let mut sockets = Vec::new();
    for socket in talking {
        sockets.push(within("the last echo", socket).await.unwrap());
    }
    let mark = host.log.mark();
    host.folder.write("chats.toml", "[config]\nversion = \"2\"");
    host.line_from(mark, "swapped chats 1.0.0*").await;
    for socket in &mut sockets {
        assert_eq!(socket.answers("version").await, "2");
        assert_eq!(socket.answers("count").await, "1 of 20");
    }
    assert_eq!(closed(&host).await, BTreeMap::new());
    host.stop().await;
}

#[tokio::test]
async fn a_host_that_stops_closes_its_sockets() {
    let mut host = chats("").await;
    let mut sockets = Vec::new();
    for room in 0..10 {
        sockets.push(talker(&host, &room.to_string()).await);
    }
    host.signal(Signal::TERM);
    let closings = sockets.into_iter().map(WebSocket::closing);
    for (code, _) in join_all(closings).await {
        assert_eq!(code, 1001);
    }
    assert_eq!(host.ended().await.code(), Some(0));
}

#[tokio::test]
async fn who_does_not_answer_the_close_of_a_host_holds_it_up_for_no_longer_than_its_drain() {
    let folder = Folder::of(&["chats"]).with("picolet.toml", "[limits]\ndrain_ms_max = 1000");
    let mut host = Host::over(folder).await;
    let mut silent = Frames::open(host.services, "/chats/echo").await;
    host.signal(Signal::TERM);
    assert_eq!(silent.closing().await, 1001);
    assert_eq!(host.ended().await.code(), Some(0));
    silent.ended().await;
}

#[tokio::test]
async fn a_module_that_is_removed_takes_its_sockets_along() {
    let host = chats("").await;
    let (socket, other) = (talker(&host, "r").await, talker(&host, "s").await);
    let mark = host.log.mark();
    host.folder.remove("chats.wasm");
    host.line_from(mark, "removed chats 1.0.0*").await;
    // Neither has said anything.
    let gone = (1001, "the service is gone".to_owned());
    assert_eq!(socket.closing().await, gone);
    assert_eq!(other.closing().await, gone);
    let removed = "picolet_websockets_closed_total{service=\"chats\",cause=\"removed\"} 2\n";
    until("the ends to be counted", async || {
        host.admin("GET", "/metrics", "").await.text().contains(removed).then_some(())
    })
    .await;
    let reply = Wire::ask(host.services, upgrade("/chats/talk/r", "")).await;
    assert_eq!(reply.status, 404);
    host.stop().await;
}
