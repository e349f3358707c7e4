//! What the tests are made of: hosts, folders, guests, clients, checks.
//!
//! Every wait ends by itself: with what was waited for, or with a failure that
//! shows what the host wrote.

mod browser;
mod check;
mod client;
mod collector;
mod component;
mod folder;
mod guests;
mod hand_made;
mod host;
mod log;
mod mean;
mod process;
mod program;
mod raw;
mod reader;
mod script;
mod stranger;
mod terminal;
mod tls;
mod websocket;

pub(crate) use browser::{Browser, check_works};
pub(crate) use check::{answers, faults, json, refuses};
pub(crate) use client::{Body, Client, Reply, body, chunks, http2, request};
pub(crate) use collector::Collector;
pub(crate) use component::{Component, Declaration, assembled};
pub(crate) use folder::Folder;
pub(crate) use guests::{guest, versioned};
pub(crate) use host::{Host, Launch};
pub(crate) use log::Log;
pub(crate) use mean::{Manner, Mean};
pub(crate) use process::{
    Ran, children, command, descendants, descriptors, is_stopped, picolet, resident_mib, run,
    sockets,
};
pub(crate) use program::Program;
pub(crate) use raw::Wire;
pub(crate) use reader::Reader;
pub(crate) use script::{Script, client_script, screenshots};
pub(crate) use stranger::Stranger;
pub(crate) use terminal::Terminal;
pub(crate) use tls::{AUTHORITY, secure};
pub(crate) use websocket::{Frames, WebSocket, frame, frame_head, upgrade};

use std::time::Duration;

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is there.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        loop {
            pause.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    within(what, asking).await
}

/// The result of something that must end soon.
pub(crate) async fn within<T>(what: &str, doing: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, doing).await {
        Ok(result) => result,
        Err(_elapsed) => panic!("waited {} s for {what}", PATIENCE.as_secs()),
    }
}
