//! Starts, stops, and does something from time to time, well and badly. What
//! happens it counts in its bucket, so that a test can see it.

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use picolet_sdk::prelude::*;

/// Counts that something happened.
async fn note(what: &str) -> Result<(), Fault> {
    Bucket::own().add(what, 1).await.map(drop)
}

/// Does what the configuration says.
#[allow(clippy::panic, reason = "what it is for")]
async fn behave(key: &str) -> Result<(), Fault> {
    match config(key).as_deref() {
        Some("fault") => Err(Fault::unavailable("told to fail")),
        Some("trap") => panic!("told to panic"),
        Some("spin") => loop {
            black_box(());
        },
        Some("slow") => {
            sleep(Duration::from_millis(350)).await;
            Ok(())
        }
        Some("stuck") => {
            sleep(Duration::from_secs(3_600)).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

#[service(root = "/alive")]
mod alive {
    /// What happened how often.
    #[get("")]
    async fn counts() -> Result<Json<BTreeMap<String, u64>>, Fault> {
        let (bucket, mut counts) = (Bucket::own(), BTreeMap::new());
        for key in bucket.keys("", "", 1_000)? {
            let Json(count) = bucket.get::<Json<u64>>(&key)?.unwrap_or_default();
            counts.insert(key, count);
        }
        Ok(Json(counts))
    }

    /// Answers after so many milliseconds, and counts it.
    #[post("/wait/{ms}")]
    async fn wait(Path(ms): Path<u64>) -> Result<(), Fault> {
        sleep(Duration::from_millis(ms)).await;
        note(if Bucket::own().get::<Json<u64>>("stopped")?.is_some() {
            "answered late"
        } else {
            "answered"
        })
        .await
    }

    #[start]
    async fn begin(cause: StartCause) -> Result<(), Fault> {
        behave("start").await?;
        note(&format!("start {cause:?}")).await
    }

    #[stop]
    async fn end(cause: StopCause) -> Result<(), Fault> {
        note("stopped").await?;
        note(&format!("stop {cause:?}")).await?;
        behave("stop").await
    }

    /// Never twice at once.
    #[every("100ms")]
    async fn tick(tick: Tick) -> Result<(), Fault> {
        let running = Bucket::own().add("ticking", 1).await?;
        if 1 < running {
            note("overlap").await?;
        }
        let ended = behave("tick").await;
        Bucket::own().add("ticking", -1).await?;
        note(&tick.timer).await?;
        ended
    }

    #[every("100ms", name = "at-once", overlap)]
    async fn tick_at_once() -> Result<(), Fault> {
        if 1 < Bucket::own().add("ticking at once", 1).await? {
            note("overlap wanted").await?;
        }
        let ended = behave("at-once").await;
        Bucket::own().add("ticking at once", -1).await?;
        ended
    }

    /// At each second.
    #[cron("* * * * * *")]
    async fn second(tick: Tick) -> Result<(), Fault> {
        let due = tick.due.duration_since(std::time::SystemTime::UNIX_EPOCH);
        let is_whole = due.is_ok_and(|due| due.subsec_millis() == 0);
        note(if is_whole { "second" } else { "crooked second" }).await
    }
}
