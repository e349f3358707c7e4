//! What answers must be.

use super::{Host, Reply};
use serde_json::Value;

/// This status and exactly this text.
#[track_caller]
pub(crate) fn answers(reply: &Reply, status: u16, text: &str) {
    let seen = String::from_utf8_lossy(&reply.body);
    assert_eq!((reply.status, seen.as_ref()), (status, text));
}

/// A body that is JSON, with this status.
#[track_caller]
pub(crate) fn json(reply: &Reply, status: u16) -> Value {
    let seen = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, status, "{seen}");
    let media_type = reply.header("content-type");
    assert!(media_type.starts_with("application/json"), "content-type {media_type:?} of {seen}");
    serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{error}: {seen}"))
}

/// A fault as every fault is told: its status, and one of these names.
#[track_caller]
pub(crate) fn faults(reply: &Reply, status: u16, names: &[&str]) {
    let fault = json(reply, status);
    assert_eq!(fault["code"], status, "{fault}");
    assert!(fault["error"].as_str().is_some_and(|text| !text.is_empty()), "{fault}");
    let name = fault["fault"].as_str().unwrap_or_default();
    assert!(names.contains(&name), "{fault}, want one of {names:?}");
    if status == 503 {
        assert_ne!(reply.header("retry-after"), "", "a 503 says when to come back");
    }
}

/// Waits until the host has refused a file, for a reason of this form.
pub(crate) async fn refuses(host: &Host, mark: usize, file: &str, form: &str) -> String {
    host.line_from(mark, &format!("refused {file}: *{form}")).await
}
