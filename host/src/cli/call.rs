//! `picolet call`: one call of a method.

use super::args::CallArgs;
use super::link::{address, send, send_within};
use super::remote::{block_on, refusal};
use super::{Failure, read, write_out};
use crate::outbound;
use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a host has beyond the time of a call to say that it is over.
const GRACE: Duration = Duration::from_secs(5);

pub(super) fn call(args: &CallArgs) -> Result<(), Failure> {
    let order = order(args)?;
    block_on(async {
        let request = Request::post(address(&args.remote, "/admin/v1/call")?)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(outbound::full(Bytes::from(order.to_string())));
        let mut response = match args.timeout.map(Duration::from_millis) {
            Some(time) => send_within(&args.remote, request, time.saturating_add(GRACE)).await?,
            None => send(&args.remote, request).await?,
        };
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        // Chunk by chunk, so that a stream is seen while it runs.
        let mut ends_line = true;
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|_| Failure::Failed("the answer broke off".into()))?;
            if let Ok(chunk) = frame.into_data() {
                ends_line = chunk.ends_with(b"\n");
                write_out(&chunk);
            }
        }
        if !ends_line {
            write_out(b"\n");
        }
        Ok(())
    })
}

/// What the host is told to call.
fn order(args: &CallArgs) -> Result<Value, Failure> {
    let data = args.data.as_deref().map_or(Ok(Value::Null), data)?;
    let mut options: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for option in &args.options {
        let (name, value) = option.split_once('=').ok_or_else(|| {
            Failure::Usage(vec![format!("--option {option:?} is not of the form NAME=VALUE")])
        })?;
        options.entry(name).or_default().push(value.to_owned());
    }
    if let Some(timeout) = args.timeout {
        options.insert("timeout-ms", vec![timeout.to_string()]);
    }
    Ok(json!({ "target": args.target, "args": args.args, "data": data, "options": options }))
}

/// JSON as it was typed, or where that says it is.
fn data(typed: &str) -> Result<Value, Failure> {
    let content = match typed.strip_prefix('@') {
        Some(file) => read(file),
        None if typed == "-" => read(typed),
        None => Ok(typed.as_bytes().to_vec()),
    };
    let content = content
        .map_err(|error| Failure::Failed(format!("--data {typed} cannot be read: {error}")))?;
    serde_json::from_slice(&content).map_err(|error| {
        let text = "@FILE is JSON in a file, and - that of standard input";
        Failure::Usage(vec![format!("--data is not JSON: {error}; {text}")])
    })
}
