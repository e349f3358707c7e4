//! `picolet publish` and `picolet subscribe`.

use super::args::{PublishArgs, SubscribeArgs};
use super::link::{address, send};
use super::remote::{block_on, collect, lines, not_a_host, refusal, text};
use super::{Failure, print};
use crate::outbound;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde_json::Value;
use std::io::Read;

pub(super) fn publish(args: &PublishArgs) -> Result<(), Failure> {
    let payload = match args.data.as_deref() {
        Some("-") => {
            let mut payload = Vec::new();
            std::io::stdin().read_to_end(&mut payload).map_err(Failure::failed)?;
            payload
        }
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
        let mut kind = String::new();
        lines(response, |line| {
            if line.is_empty() {
                kind.clear();
            } else if let Some(named) = line.strip_prefix("event: ") {
                kind = named.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                left -= u64::from(kind.is_empty());
                show(&kind, data, args.remote.json);
            }
            0 < left
        })
        .await
    })
}

fn show(kind: &str, data: &str, as_json: bool) {
    if as_json && kind.is_empty() {
        return print(data);
    }
    let event: Value = serde_json::from_str(data).unwrap_or_default();
    match kind {
        "" => {
            let payload = ["/data", "/text", "/base64"].map(|member| text(&event, member)).concat();
            print(&format!("{} {payload}", text(&event, "/subject")));
        }
        "missed" => super::complain(&format!("missed {} events", text(&event, "/events"))),
        other => super::complain(other),
    }
}
