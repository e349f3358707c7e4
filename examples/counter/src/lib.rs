//! Counts visits, page by page, for good: state that outlives the instance, the
//! module and the host.

use std::collections::BTreeMap;

use picolet_sdk::prelude::*;

/// The last visit of a page, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Visits {
    count: u64,
    last_by: String,
}

#[service(root = "/counter")]
mod counter {
    /// Counts one more visit of a page. However many come at once, none is lost.
    #[post("/{page}")]
    async fn visit(Path(page): Path<String>, Text(by): Text) -> Result<Json<Visits>, Fault> {
        let one_more = |visits: Option<Json<Visits>>| {
            let Json(Visits { count, .. }) = visits.unwrap_or_default();
            Some(Json(Visits { count: count + 1, last_by: by.clone() }))
        };
        Bucket::own().add("total", 1).await?;
        let visits = Bucket::own().update(&format!("page/{page}"), one_more).await?;
        Ok(visits.unwrap_or_default())
    }

    /// How often a page was visited, and by whom last.
    #[get("/{page}")]
    pub(super) async fn visits(Path(page): Path<String>) -> Result<Option<Json<Visits>>, Fault> {
        Bucket::own().get(&format!("page/{page}"))
    }

    /// Every page with its visits, and all of them together.
    #[get("")]
    async fn all() -> Result<Json<BTreeMap<String, u64>>, Fault> {
        let (bucket, mut all) = (Bucket::own(), BTreeMap::new());
        let total = bucket.get::<Json<u64>>("total")?.unwrap_or_default();
        for key in bucket.keys("page/", "", 1_000)? {
            let Json(visits) = bucket.get::<Json<Visits>>(&key)?.unwrap_or_default();
            all.insert(key.trim_start_matches("page/").to_owned(), visits.count);
        }
        all.insert("total".to_owned(), total.0);
        Ok(Json(all))
    }

    /// Forgets a page.
    #[delete("/{page}")]
    async fn forget(Path(page): Path<String>) -> Result<(), Fault> {
        Bucket::own().delete(&format!("page/{page}")).await
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{block_on, call, request};

    use super::{counter::Service, *};

    #[test]
    fn visits_are_counted_and_forgotten() {
        for by in ["Ann", "Ben"] {
            let request = request("POST", "/counter/home").param("page", "home").body(by).build();
            call::<Service>("visit", request).unwrap();
        }
        let home = || block_on(counter::visits(Path("home".to_owned()))).unwrap();
        let expected = Visits { count: 2, last_by: "Ben".to_owned() };
        assert_eq!(home(), Some(Json(expected)));
        let all = call::<Service>("all", request("GET", "/counter").build()).unwrap();
        assert_eq!(block_on(all.body.collect()).unwrap(), br#"{"home":2,"total":2}"#);
        let forget = request("DELETE", "/counter/home").param("page", "home").build();
        call::<Service>("forget", forget).unwrap();
        assert_eq!(home(), None);
    }
}
