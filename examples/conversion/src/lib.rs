//! Converts amounts of money. It keeps the rates that it hears of, asks for those
//! that it does not know, and has a page that sees them live.

use std::{collections::BTreeMap, fs, io::ErrorKind};

use picolet_sdk::prelude::*;

/// Where the host puts the folder of the page.
const FOLDER: &str = "/conversion";

/// A rate, as it is published and answered by the arbitration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub from: String,
    pub to: String,
    pub rate: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Amount {
    /// How much of the first currency.
    amount: f64,
}

/// What an amount is worth.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Converted {
    pub amount: f64,
    pub rate: f64,
    pub result: f64,
}

#[service(root = "/conversion")]
mod conversion {
    /// What was kept may be old by now: changes were missed while this was away.
    #[start]
    async fn begin() -> Result<(), Fault> {
        let bucket = Bucket::own();
        for key in bucket.keys("", "", 1_000)? {
            bucket.delete(&key).await?;
        }
        Ok(())
    }

    /// A rate has changed. Who watches it is told once it is used.
    #[on("rates.*.*")]
    async fn updated(Json(rate): Json<Rate>) -> Result<(), Fault> {
        let key = format!("{}.{}", rate.from, rate.to);
        Bucket::own().set(&key, Json(rate.rate)).await?;
        room(key).emit("rate", &rate).map(drop)
    }

    /// The browser that asks is told of this rate by the event `rate`.
    #[post("/watch/{from}/{to}")]
    async fn watch(Path((from, to)): Path<(String, String)>, socket: Socket) -> Result<(), Fault> {
        socket.join(&format!("{from}.{to}"))
    }

    /// Converts an amount of one currency into another.
    #[get("/convert/{from}/{to}", idempotent)]
    async fn convert(
        Path((from, to)): Path<(String, String)>,
        Query(Amount { amount }): Query<Amount>,
    ) -> Result<Json<Converted>, Fault> {
        let rate = rate(&from, &to).await?;
        Ok(Json(Converted { amount, rate, result: amount * rate }))
    }

    /// Every rate, by `from.to`.
    #[get("/rates", idempotent)]
    async fn rates() -> Result<Json<BTreeMap<String, f64>>, Fault> {
        Ok(Json(client("arbitration").method("rates").json().await?))
    }

    /// The page.
    #[get("")]
    async fn index() -> Result<(Headers, Bytes), Fault> {
        file("index.html")
    }

    /// What belongs to the page.
    #[get("/page/{name}")]
    async fn part(Path(name): Path<String>) -> Result<(Headers, Bytes), Fault> {
        file(&name)
    }
}

/// What is kept, or else what the arbitration says.
async fn rate(from: &str, to: &str) -> Result<f64, Fault> {
    let (bucket, key) = (Bucket::own(), format!("{from}.{to}"));
    if let Some(Json(rate)) = bucket.get(&key)? {
        return Ok(rate);
    }
    let call = client("arbitration").method("rate").params((from, to));
    let asked: Rate = call.json().await?;
    // An event that has come meanwhile is newer than this answer.
    match bucket.swap(&key, None, Json(asked.rate)).await? {
        Swapped::Differs(Some(Versioned { value: Json(newer), .. })) => Ok(newer),
        _ => Ok(asked.rate),
    }
}

fn file(name: &str) -> Result<(Headers, Bytes), Fault> {
    let content = fs::read(format!("{FOLDER}/{name}")).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Fault::not_found(format!("there is no {name}")),
        _ => Fault::internal(format!("{name}: {error}")),
    })?;
    let mut headers = Headers::new();
    headers.set("content-type", content_type(name))?;
    headers.set("cache-control", "no-cache")?;
    Ok((headers, Bytes(content)))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use picolet_sdk::testing::{Sent, answer, block_on, call, hear, request, sent};

    use super::{conversion::Service, *};

    fn convert(amount: &str) -> Result<String, Fault> {
        let target = format!("/conversion/convert/usd/eur?amount={amount}");
        let request = request("GET", &target).param("from", "usd").param("to", "eur").build();
        let response = call::<Service>("convert", request)?;
        Ok(String::from_utf8(block_on(response.body.collect())?).unwrap())
    }

    fn usd_in_eur(rate: f64) -> Rate {
        Rate { from: "usd".into(), to: "eur".into(), rate }
    }

    #[test]
    fn what_is_not_known_is_asked_for_once() {
        let asked = Rc::new(Cell::new(0));
        let count = asked.clone();
        answer("arbitration", "rate", move |call| {
            assert_eq!(call.params, ["usd", "eur"]);
            count.set(count.get() + 1);
            Json(usd_in_eur(0.5))
        });
        for _ in 0..2 {
            assert_eq!(convert("100"), Ok(r#"{"amount":100.0,"rate":0.5,"result":50.0}"#.into()));
        }
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn what_is_heard_counts() {
        assert_eq!(hear::<Service>("rates.usd.eur", Json(usd_in_eur(0.25))), Ok(1));
        assert_eq!(convert("4"), Ok(r#"{"amount":4.0,"rate":0.25,"result":1.0}"#.into()));
        assert_eq!(hear::<Service>("rates.usd.eur", Json(usd_in_eur(0.75))), Ok(1));
        assert_eq!(convert("4"), Ok(r#"{"amount":4.0,"rate":0.75,"result":3.0}"#.into()));
        assert_eq!(convert("much").unwrap_err().name(), "bad-parameter");
    }

    #[test]
    fn who_watches_a_rate_is_told_of_it_alone() {
        let watch = request("POST", "/conversion/watch/usd/eur")
            .param("from", "usd")
            .param("to", "eur")
            .socket("ann")
            .build();
        call::<Service>("watch", watch).unwrap();
        let other = Rate { from: "eur".into(), ..usd_in_eur(2.0) };
        for rate in [other, usd_in_eur(0.5)] {
            hear::<Service>(&format!("rates.{}.{}", rate.from, rate.to), Json(rate)).unwrap();
        }
        let message = Message::json(&usd_in_eur(0.5)).unwrap().named("rate");
        assert_eq!(sent(), [Sent { to: "ann".into(), message }]);
    }

    #[test]
    fn an_event_that_overtakes_an_answer_wins() {
        answer("arbitration", "rate", |_| {
            // The rate changes while the answer is on its way.
            block_on(Bucket::own().set("usd.eur", Json(2.0))).unwrap();
            Json(usd_in_eur(1.0))
        });
        assert_eq!(block_on(rate("usd", "eur")), Ok(2.0));
    }
}
