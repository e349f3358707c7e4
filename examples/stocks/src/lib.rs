//! Streams in both directions: quotes as partial replies, a streamed request
//! with one final reply, and a caller that has heard enough and leaves.

use std::time::Duration;

use picolet_sdk::prelude::*;

const PAUSE: Duration = Duration::from_millis(10);

#[derive(Deserialize, Serialize)]
struct Wanted {
    count: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Average {
    count: u64,
    cents: u64,
}

#[service(root = "/stocks")]
mod stocks {
    /// Quotes of a symbol, one every 10 ms, each a line `SYMBOL NUMBER CENTS`.
    #[get("/{symbol}", idempotent)]
    async fn quotes(
        Path(symbol): Path<String>,
        Query(Wanted { count }): Query<Wanted>,
    ) -> Result<(Headers, Body), Fault> {
        let quotes = Body::stream(async move |mut writer| {
            for n in 1..=count {
                writer.write(quote(&symbol, n)).await?;
                sleep(PAUSE).await;
            }
            Ok(())
        });
        Ok((Headers::new().with("content-type", "text/plain; charset=utf-8")?, quotes))
    }

    /// The average of quotes that arrive one by one.
    #[post("/average", idempotent)]
    async fn average(quotes: Body) -> Result<Json<Average>, Fault> {
        let (mut lines, mut average) = (Lines::of(quotes), Average { count: 0, cents: 0 });
        while let Some(line) = lines.next().await? {
            average.count += 1;
            average.cents += cents_of(&line)?;
        }
        average.cents /= average.count.max(1);
        Ok(Json(average))
    }

    /// The first quotes of an endless row. The rest is dropped, and so the one
    /// who writes it learns that nobody listens any more.
    #[get("/{symbol}/first/{count}")]
    async fn first(Path((symbol, count)): Path<(String, u32)>) -> Result<String, Fault> {
        let mut lines = Lines::of(ask(&symbol, u32::MAX).await?);
        let mut first = String::new();
        for _ in 0..count {
            let Some(line) = lines.next().await? else { break };
            first.push_str(&line);
        }
        Ok(first)
    }

    /// The average of some quotes: the body of one answer becomes the body of
    /// the next call, and the host passes it on.
    #[get("/{symbol}/average/{count}")]
    async fn averaged(Path((symbol, count)): Path<(String, u32)>) -> Result<Json<Average>, Fault> {
        let quotes = ask(&symbol, count).await?;
        Ok(Json(client("stocks").method("average").body(quotes).json().await?))
    }
}

/// Asks for quotes and gives them as they arrive.
async fn ask(symbol: &str, count: u32) -> Result<Body, Fault> {
    let call = client("stocks").method("quotes").param(symbol).query(&Wanted { count });
    Ok(call.send().await?.success().await?.body)
}

/// No real prices: the same row for every caller.
fn quote(symbol: &str, n: u32) -> String {
    format!("{symbol} {n} {}\n", 10_000 + n % 7 * 10)
}

fn cents_of(quote: &str) -> Result<u64, Fault> {
    let (_, cents) = quote.trim_end().rsplit_once(' ').unwrap_or_default();
    Ok(cents.parse()?)
}

/// Cuts a body into lines, however its chunks fall.
struct Lines {
    body: Body,
    rest: Vec<u8>,
}

impl Lines {
    fn of(body: Body) -> Self {
        Self { body, rest: Vec::new() }
    }

    /// The next line with its end; none at the end of the body.
    async fn next(&mut self) -> Result<Option<String>, Fault> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let after = self.rest.split_off(end + 1);
                let line = std::mem::replace(&mut self.rest, after);
                return Ok(Some(String::from_utf8(line)?));
            }
            match self.body.next().await? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None if self.rest.is_empty() => return Ok(None),
                None => return Ok(Some(String::from_utf8(std::mem::take(&mut self.rest))?)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{answer, block_on, call, request, serve};

    use super::*;

    #[track_caller]
    fn check(method: &str, request: Request, expected: &str) {
        let response = call::<stocks::Service>(method, request).unwrap();
        let body = block_on(response.body.collect()).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    fn of_acme(target: &str, count: &str) -> Request {
        request("GET", target).param("symbol", "ACME").param("count", count).build()
    }

    #[test]
    fn quotes_are_partial_replies() {
        let quotes = request("GET", "/stocks/ACME?count=2").param("symbol", "ACME").build();
        check("quotes", quotes, "ACME 1 10010\nACME 2 10020\n");
    }

    #[test]
    fn a_streamed_request_has_one_final_reply() {
        let streamed = Body::stream(async |mut writer| {
            for part in ["A 1 1", "0\nA 2", " 20\nA 3 60"] {
                writer.write(part).await?;
            }
            Ok(())
        });
        let request = request("POST", "/stocks/average").body(streamed).build();
        check("average", request, r#"{"count":3,"cents":30}"#);
    }

    #[test]
    fn one_answer_is_the_next_request() {
        serve::<stocks::Service>();
        let request = of_acme("/stocks/ACME/average/3", "3");
        check("averaged", request, r#"{"count":3,"cents":10020}"#);
    }

    #[test]
    fn who_has_heard_enough_leaves() {
        // Ends, unlike the real one.
        answer("stocks", "quotes", |call| {
            assert_eq!(call.query, [("count".to_owned(), u32::MAX.to_string())]);
            "ACME 1 10010\nACME 2 10020\nACME 3"
        });
        check("first", of_acme("/stocks/ACME/first/2", "2"), "ACME 1 10010\nACME 2 10020\n");
    }
}
