//! Decides what currencies are worth, and says when that changes: state, an event,
//! and a method that browsers do not reach.

use std::collections::BTreeMap;

use picolet_sdk::prelude::*;

/// What one unit of a currency is worth in another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub from: String,
    pub to: String,
    pub rate: f64,
}

/// What an administrator sends.
#[derive(Debug, Deserialize)]
struct Change {
    rate: f64,
}

/// What is there before anybody has decided.
const FIRST: [(&str, &str, f64); 2] = [("usd", "eur", 0.91), ("eur", "usd", 1.1)];

#[service(root = "/arbitration")]
mod arbitration {
    /// A new state begins with a few rates.
    #[start]
    async fn begin() -> Result<(), Fault> {
        for (from, to, rate) in FIRST {
            let key = format!("{from}.{to}");
            // Whoever was first has decided; nothing is overwritten.
            Bucket::own().swap(&key, None, Json(rate)).await?;
        }
        Ok(())
    }

    /// Every rate there is, by `from.to`.
    #[get("")]
    async fn rates() -> Result<Json<BTreeMap<String, f64>>, Fault> {
        let (bucket, mut rates) = (Bucket::own(), BTreeMap::new());
        for key in bucket.keys("", "", 1_000)? {
            if let Some(Json(rate)) = bucket.get(&key)? {
                rates.insert(key, rate);
            }
        }
        Ok(Json(rates))
    }

    /// One rate.
    #[get("/{from}/{to}", idempotent)]
    async fn rate(Path((from, to)): Path<(String, String)>) -> Result<Json<Rate>, Fault> {
        let found = Bucket::own().get(&format!("{from}.{to}"))?;
        let Json(rate) =
            found.ok_or_else(|| Fault::not_found(format!("there is no rate of {from} to {to}")))?;
        Ok(Json(Rate { from, to, rate }))
    }

    /// Changes a rate, and tells everybody who wants to know.
    #[put("/{from}/{to}")]
    async fn update_rate(
        Path((from, to)): Path<(String, String)>,
        Json(Change { rate }): Json<Change>,
    ) -> Result<Json<Rate>, Fault> {
        for currency in [&from, &to] {
            check(currency)?;
        }
        if !rate.is_finite() || rate <= 0.0 {
            return Err(Fault::unprocessable(format!("{rate} is no rate")));
        }
        let subject = format!("rates.{from}.{to}");
        Bucket::own().set(&format!("{from}.{to}"), Json(rate)).await?;
        let changed = Rate { from, to, rate };
        publish(&subject, Json(&changed))?;
        Ok(Json(changed))
    }
}

fn check(currency: &str) -> Result<(), Fault> {
    if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(Fault::unprocessable(format!("{currency:?} is no currency; want three small letters")))
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{block_on, call, published, request};

    use super::{arbitration::Service, *};

    fn update(from: &str, to: &str, rate: &str) -> Result<Response, Fault> {
        let target = format!("/arbitration/{from}/{to}");
        let request = request("PUT", &target).param("from", from).param("to", to);
        let json = format!("{{\"rate\":{rate}}}");
        let request = request.header("content-type", "application/json").body(json).build();
        call::<Service>("update_rate", request)
    }

    #[test]
    fn a_change_is_kept_and_published() {
        update("usd", "eur", "0.93").unwrap();
        let events = published();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].subject, "rates.usd.eur");
        assert_eq!(events[0].payload, br#"{"from":"usd","to":"eur","rate":0.93}"#);
        let all = call::<Service>("rates", request("GET", "/arbitration").build()).unwrap();
        assert_eq!(block_on(all.body.collect()).unwrap(), br#"{"usd.eur":0.93}"#);
    }

    #[test]
    fn what_is_no_rate_changes_nothing() {
        for (from, to, rate) in [
            ("usd", "eur", "0"),
            ("usd", "eur", "-1"),
            ("USD", "eur", "1"),
            ("usd", "e.r", "1"),
            ("usd", "euro", "1"),
        ] {
            assert_eq!(update(from, to, rate).unwrap_err().status(), 422, "{from} {to} {rate}");
        }
        assert!(published().is_empty());
    }

    #[test]
    fn a_rate_that_nobody_has_decided_is_not_there() {
        let request = request("GET", "/arbitration/usd/xxx").param("from", "usd");
        let request = request.param("to", "xxx").build();
        assert_eq!(call::<Service>("rate", request).unwrap_err().status(), 404);
    }
}
