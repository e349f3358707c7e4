//! Counts, slowly: bodies that are written while they are read.

use std::time::Duration;

use picolet_sdk::prelude::*;

const PAUSE: Duration = Duration::from_millis(10);

#[service(root = "/ticker")]
mod ticker {
    /// So many lines, one every 10 ms.
    #[get("/{count}")]
    async fn lines(Path(count): Path<u32>) -> (Headers, Body) {
        let mut headers = Headers::new();
        // A literal that is a header cannot be refused.
        let _ = headers.set("content-type", "text/plain; charset=utf-8");
        // The handler returns at once; this goes on while the caller reads.
        let body = Body::stream(move |mut writer| async move {
            for tick in 1..=count {
                writer.write(format!("tick {tick}\n")).await?;
                sleep(PAUSE).await;
            }
            Ok(())
        });
        (headers, body)
    }

    /// The same as server-sent events.
    #[get("/events/{count}")]
    async fn events(Path(count): Path<u32>) -> Sse {
        Sse::new(move |mut events| async move {
            for tick in 1..=count {
                events.send(Event::data(format!("tick {tick}")).id(tick.to_string())).await?;
                sleep(PAUSE).await;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{block_on, call, request};

    use super::*;

    #[track_caller]
    fn check(method: &str, expected: &str) {
        let request = request("GET", "/ticker").param("count", "2").build();
        let response = call::<ticker::Service>(method, request).unwrap();
        let body = block_on(response.body.collect()).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn every_tick_is_a_line_or_an_event() {
        check("lines", "tick 1\ntick 2\n");
        check("events", "data: tick 1\nid: 1\n\ndata: tick 2\nid: 2\n\n");
    }
}
