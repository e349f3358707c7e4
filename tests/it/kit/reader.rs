//! A reader of server-sent events, of the admin side or of the services' side.

use super::{Client, Host, body, request, within};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::Value;

/// A response that is read as it comes.
pub(crate) struct Reader {
    response: Response<Incoming>,
    seen: Vec<u8>,
}

/// One block of lines: its kind, its id, its data.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Reader {
    /// Hears on the admin side.
    pub(crate) async fn of(host: &Host, query: &str) -> Self {
        Self::over(host.open_admin(&format!("/admin/v1/events?{query}")).await)
    }

    /// Follows the log.
    pub(crate) async fn of_log(host: &Host, query: &str) -> Self {
        Self::over(host.open_admin(&format!("/admin/v1/logs?follow=true&{query}")).await)
    }

    /// Hears for one who has seen an event before.
    pub(crate) async fn after(host: &Host, query: &str, id: &str) -> Self {
        Self::past(host, &format!("/admin/v1/events?{query}"), id).await
    }

    /// Follows the log for one who has read a line before.
    pub(crate) async fn of_log_after(host: &Host, query: &str, id: &str) -> Self {
        Self::past(host, &format!("/admin/v1/logs?follow=true&{query}"), id).await
    }

    async fn past(host: &Host, path: &str, id: &str) -> Self {
        let last = [("last-event-id", id)];
        let request = request("GET", host.admin, path, &last, body(""));
        Self::over(Client::default().open(request).await)
    }

    /// Hears on the services' side, as browsers do.
    pub(crate) async fn of_browser(host: &Host, query: &str, headers: &[(&str, &str)]) -> Self {
        let path = format!("/events?{query}");
        let request = request("GET", host.services, &path, headers, body(""));
        Self::over(Client::default().open(request).await)
    }

    /// Reads what the dashboard is told.
    pub(crate) async fn of_dashboard(host: &Host) -> Self {
        Self::over(host.open_admin("/admin/v1/live").await)
    }

    #[track_caller]
    fn over(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, seen: Vec::new() }
    }

    /// The next block that is no heartbeat.
    pub(crate) async fn next(&mut self) -> Block {
        self.try_next().await.expect("the reader is not sent away")
    }

    /// The same; none when the host ends the response.
    pub(crate) async fn try_next(&mut self) -> Option<Block> {
        loop {
            if let Some(end) = self.seen.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.seen.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().to_owned()
                };
                if block.starts_with(':') {
                    continue;
                }
                let data = serde_json::from_str(&field("data: ")).expect("JSON");
                return Some(Block { kind: field("event: "), id: field("id: "), data });
            }
            let frame = within("an event", self.response.body_mut().frame()).await?.ok()?;
            self.seen.extend(frame.into_data().unwrap());
        }
    }

    /// The data of the next event.
    pub(crate) async fn data(&mut self) -> Value {
        let block = self.next().await;
        assert_eq!(block.kind, "", "{block:?}");
        block.data
    }
}
