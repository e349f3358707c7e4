//! Hears, under a name that whoever deploys it may number: `hears-0000`, with
//! another number in all places where that text stands.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use picolet_sdk::prelude::*;

fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

#[service(name = "hears-0000", root = "/hears-0000")]
mod hears {
    /// Publishes so many events on `tick`.
    #[post("/ticks/{count}")]
    async fn ticks(Path(count): Path<u32>) -> Result<(), Fault> {
        for number in 0..count {
            publish("tick", number.to_string())?;
        }
        Ok(())
    }

    #[on("tick")]
    async fn tick() {}

    /// Publishes on `took` how many microseconds ago the payload was; or is
    /// stuck, when it was deployed to be.
    #[on("timed")]
    async fn timed(Text(sent_us): Text) -> Result<(), Fault> {
        if config("stuck").is_some() {
            sleep(Duration::from_secs(3_600)).await;
        }
        let sent_us: u128 = sent_us.parse().unwrap_or_default();
        publish("took", now_us().saturating_sub(sent_us).to_string())
    }
}
