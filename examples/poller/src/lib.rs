//! Looks at a page of somebody else from time to time, keeps what it has seen,
//! and says when that has changed: a timer, a request to outside, state and an
//! event.

use std::time::Duration;

use picolet_sdk::prelude::*;

/// What came of a look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The status of the answer; none when there was no answer.
    status: Option<u16>,
    /// The answer, or why there is none.
    text: String,
}

/// What the poller knows.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    looks: u64,
    changes: u64,
    last: Look,
}

#[service(root = "/poller")]
mod poller {
    /// Looks at the page that the configuration names.
    #[every("2s")]
    pub(super) async fn look() -> Result<(), Fault> {
        let url = config("url").ok_or_else(|| Fault::internal("[config] has no url"))?;
        let look = match ask(&url).await {
            Ok(look) => look,
            Err(fault) => Look { status: None, text: fault.to_string() },
        };
        let bucket = Bucket::own();
        let known = bucket.get::<Json<Known>>("known")?.unwrap_or_default();
        let Json(Known { looks, changes, last }) = known;
        let has_changed = look != last;
        if has_changed {
            publish("poller.changed", Json(&look))?;
        }
        let changes = changes + u64::from(has_changed);
        bucket.set("known", Json(Known { looks: looks + 1, changes, last: look })).await?;
        Ok(())
    }

    /// What it has seen.
    #[get("")]
    pub(super) async fn known() -> Result<Json<Known>, Fault> {
        Ok(Bucket::own().get("known")?.unwrap_or_default())
    }
}

async fn ask(url: &str) -> Result<Look, Fault> {
    let answer = fetch(url).timeout(Duration::from_secs(1)).send().await?;
    let status = Some(answer.status.as_u16());
    let body = answer.body.collect().await?;
    Ok(Look { status, text: String::from_utf8_lossy(&body).into_owned() })
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{answer_fetch, block_on, configure, published};

    use super::*;

    #[test]
    fn says_once_that_the_page_has_changed() {
        configure("url", "https://a.example/page");
        answer_fetch("https://a.example/", |_| "one");
        for looks in 1..=2 {
            block_on(poller::look()).unwrap();
            let Json(known) = block_on(poller::known()).unwrap();
            let last = Look { status: Some(200), text: "one".into() };
            assert_eq!(known, Known { looks, changes: 1, last });
        }
        assert_eq!(published().len(), 1);
    }
}
