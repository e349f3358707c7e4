//! State and configuration of native tests: in memory, of this thread.

#![cfg_attr(target_family = "wasm", allow(dead_code, reason = "a guest asks its host"))]

use std::{cell::RefCell, collections::BTreeMap};

use crate::{Fault, FromValue, Swapped, Versioned};

type Bucket = BTreeMap<String, Versioned<Vec<u8>>>;

thread_local! {
    static BUCKETS: RefCell<BTreeMap<String, Bucket>> = const { RefCell::new(BTreeMap::new()) };
    static CONFIG: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// Gives a key of the configuration its value, on this thread.
pub fn configure(key: &str, value: &str) {
    CONFIG.with_borrow_mut(|config| config.insert(key.to_owned(), value.to_owned()));
}

pub(crate) fn config(key: &str) -> Option<String> {
    CONFIG.with_borrow(|config| config.get(key).cloned())
}

fn within<T>(bucket: &str, act: impl FnOnce(&mut Bucket) -> T) -> T {
    BUCKETS.with_borrow_mut(|buckets| act(buckets.entry(bucket.to_owned()).or_default()))
}

fn check(key: &str) -> Result<(), Fault> {
    match key.len() {
        1..=512 => Ok(()),
        len => Err(Fault::new(400, "bad-key", format!("a key has 1 to 512 bytes, not {len}"))),
    }
}

pub(crate) fn get(bucket: &str, key: &str) -> Result<Option<Versioned<Vec<u8>>>, Fault> {
    check(key)?;
    Ok(within(bucket, |bucket| bucket.get(key).cloned()))
}

pub(crate) fn keys(
    bucket: &str,
    prefix: &str,
    after: &str,
    count: u32,
) -> Result<Vec<String>, Fault> {
    Ok(within(bucket, |bucket| {
        let fits = |key: &&String| key.starts_with(prefix) && key.as_str() > after;
        bucket.keys().filter(fits).take(count.min(1_000) as usize).cloned().collect()
    }))
}

pub(crate) async fn set(bucket: &str, key: &str, value: Vec<u8>) -> Result<u64, Fault> {
    check(key)?;
    Ok(within(bucket, |bucket| put(bucket, key, Some(value))))
}

pub(crate) async fn delete(bucket: &str, key: &str) -> Result<(), Fault> {
    check(key)?;
    within(bucket, |bucket| put(bucket, key, None));
    Ok(())
}

pub(crate) async fn add(bucket: &str, key: &str, delta: i64) -> Result<i64, Fault> {
    let number: Option<i64> = match get(bucket, key)? {
        Some(there) => String::from_value(there.value).ok().and_then(|text| text.parse().ok()),
        None => Some(0),
    };
    let sum = number.and_then(|number| number.checked_add(delta));
    let sum = sum.ok_or_else(|| Fault::new(409, "not-a-number", "no number, or none that fits"))?;
    set(bucket, key, sum.to_string().into_bytes()).await?;
    Ok(sum)
}

pub(crate) async fn swap(
    bucket: &str,
    key: &str,
    expected: Option<u64>,
    value: Option<Vec<u8>>,
) -> Result<Swapped<Vec<u8>>, Fault> {
    let there = get(bucket, key)?;
    if there.as_ref().map(|there| there.version) != expected {
        return Ok(Swapped::Differs(there));
    }
    Ok(Swapped::Done(within(bucket, |bucket| put(bucket, key, value))))
}

/// Gives the version, which is larger than any there was.
fn put(bucket: &mut Bucket, key: &str, value: Option<Vec<u8>>) -> u64 {
    let version = VERSION.get() + 1;
    VERSION.set(version);
    match value {
        Some(value) => drop(bucket.insert(key.to_owned(), Versioned { value, version })),
        None => drop(bucket.remove(key)),
    }
    version
}

thread_local! {
    static VERSION: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bucket, Json, testing::block_on};

    #[test]
    fn a_bucket_behaves_as_it_does_in_a_host() {
        block_on(async {
            let bucket = Bucket::own();
            assert_eq!(bucket.get::<String>("k"), Ok(None));
            let first = bucket.set("k", "one").await.unwrap();
            let there = Versioned { value: "one".to_owned(), version: first };
            assert_eq!(bucket.versioned("k"), Ok(Some(there.clone())));
            let swapped = bucket.swap("k", None, "two".to_owned()).await;
            assert_eq!(swapped, Ok(Swapped::Differs(Some(there))));
            let swapped = bucket.swap("k", Some(first), "two".to_owned()).await.unwrap();
            assert!(matches!(swapped, Swapped::Done(version) if first < version));
            assert_eq!(bucket.get::<Json<u8>>("k").unwrap_err().name(), "bad-value");
            assert_eq!(bucket.add("k", 1).await.unwrap_err().name(), "not-a-number");
            assert_eq!((bucket.add("n", 2).await, bucket.add("n", -3).await), (Ok(2), Ok(-1)));
            assert_eq!(bucket.keys("", "k", 10), Ok(vec!["n".to_owned()]));
            let gone = bucket.update("n", |there: Option<String>| {
                assert_eq!(there.as_deref(), Some("-1"));
                None
            });
            assert_eq!(gone.await, Ok(None));
            assert_eq!(bucket.get::<String>("n"), Ok(None));
            assert_eq!(Bucket::shared("s").get::<String>("k"), Ok(None));
            assert_eq!(bucket.set("", "x").await.unwrap_err().name(), "bad-key");
            bucket.delete("k").await.unwrap();
            assert_eq!(bucket.keys("", "", 10), Ok(Vec::new()));
        });
        configure("url", "http://localhost");
        assert_eq!(crate::config("url").as_deref(), Some("http://localhost"));
        assert_eq!(crate::config("other"), None);
    }
}
