//! `picolet publish` and `picolet subscribe`.

use super::args::{PublishArgs, SubscribeArgs};
use super::link::{address, send};
use super::remote::{Told, block_on, collect, events, not_a_host, refusal, text};
use super::{Failure, complain, print, read};
use crate::outbound;
use crate::telemetry::printable;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde_json::Value;

pub(super) fn publish(args: &PublishArgs) -> Result<(), Failure> {
    let payload = match args.data.as_deref() {
        Some("-") => read("-").map_err(Failure::failed)?,
        Some(data) => data.as_bytes().to_vec(),
        None => Vec::new(),
    };
    let content_type = match &args.content_type {
        Some(content_type) => content_type,
        None if serde_json::from_slice::<Value>(&payload).is_ok() => "application/json",
        None if str::from_utf8(&payload).is_ok() => "text/plain; charset=utf-8",
        None => "application/octet-stream",
    };
    block_on(async {
        let path = format!("/admin/v1/events/{}", crate::path::encode(&args.subject));
        let request = Request::post(address(&args.remote, &path)?)
            .header(CONTENT_TYPE, content_type)
            .body(outbound::full(Bytes::from(payload)));
        let response = send(&args.remote, request).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(refusal(response).await);
        }
        let body = collect(response).await?;
        let done: Value = serde_json::from_slice(&body).map_err(|_| not_a_host(&args.remote))?;
        if args.remote.json {
            print(&done.to_string());
        } else {
            let (subject, heard_by) = (text(&done, "/subject"), text(&done, "/heard_by"));
            print(&format!("published on {subject}, heard by {heard_by}"));
        }
        Ok(())
    })
}

/// Prints a line for every event, until the host or the reader goes.
pub(super) fn subscribe(args: &SubscribeArgs) -> Result<(), Failure> {
    let mut query: Vec<String> = Vec::new();
    for subject in &args.subjects {
        query.push(format!("subject={}", crate::path::encode(subject)));
    }
    if let Some(group) = &args.group {
        query.push(format!("group={}", crate::path::encode(group)));
    }
    block_on(async {
        let path = format!("/admin/v1/events?{}", query.join("&"));
        let request = Request::get(address(&args.remote, &path)?).body(outbound::empty());
        let response = send(&args.remote, request).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let mut left = args.count.unwrap_or(u64::MAX);
        let told = events(response, |told| {
            left -= u64::from(told.kind.is_empty());
            show(&told, args.remote.json);
            0 < left
        });
        told.await.map_err(Failure::Failed)
    })
}

fn show(told: &Told<'_>, as_json: bool) {
    if as_json && told.kind.is_empty() {
        return print(told.data);
    }
    let event: Value = serde_json::from_str(told.data).unwrap_or_default();
    match told.kind {
        "" => print(&line(&event)),
        "missed" => complain(&format!("missed {} events", text(&event, "/events"))),
        other => complain(&printable(other)),
    }
}

/// An event for people. What somebody publishes does nothing to a terminal.
fn line(event: &Value) -> String {
    let payload = ["/data", "/text", "/base64"].map(|member| text(event, member)).concat();
    printable(&format!("{} {payload}", text(event, "/subject"))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let text = json!({ "subject": "notes.a", "text": "a\r\n\u{1b}[2Jb" });
        assert_eq!(line(&text), "notes.a a\\r\\n\\u{1b}[2Jb");
        let data = json!({ "subject": "notes.b", "data": { "a": "\u{9b}1m", "b": 1 } });
        assert_eq!(line(&data), r#"notes.b {"a":"\u{9b}1m","b":1}"#);
        assert_eq!(line(&json!({ "subject": "notes.c", "base64": "AA==" })), "notes.c AA==");
    }
}
