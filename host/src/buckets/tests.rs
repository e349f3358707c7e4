//! What is kept, counted, refused and found again.

use super::*;
use crate::bucket::{BATCH_KEYS_MAX, Key, NumberRange, Value};
use crate::name::Name;
use tempfile::TempDir;

const BOUNDS: StateBounds =
    StateBounds { total_bytes_max: 10 << 20, buckets_max: 3, free_bytes_min: 0 };
const BYTES_MAX: u64 = 1 << 20;

fn bucket(name: &str) -> BucketName {
    BucketName::Own(Name::parse(name).unwrap())
}

fn key(text: &str) -> Key {
    Key::parse(text.to_owned()).unwrap()
}

fn value(text: &str) -> Option<Value> {
    Some(Value::check(text.as_bytes().to_vec()).unwrap())
}

fn open(folder: &TempDir) -> Buckets {
    Buckets::open(folder.path(), BOUNDS).unwrap()
}

async fn set(buckets: &Buckets, name: &str, text: &str) -> Result<Changed, StateError> {
    let change = Change::Write(vec![(key(name), value(text))]);
    buckets.change(bucket("a"), BYTES_MAX, change).await
}

async fn swap(buckets: &Buckets, expected: Option<u64>, to: Option<Value>) -> Changed {
    let change = Change::Swap { key: key("k"), expected, value: to };
    buckets.change(bucket("a"), BYTES_MAX, change).await.unwrap()
}

fn text(buckets: &Buckets, name: &str) -> Option<String> {
    let found = buckets.get(&bucket("a"), name).unwrap();
    found.map(|found| String::from_utf8(found.value).unwrap())
}

/// Waits until the thread of a closed one has let go of the file.
fn reopened(folder: &TempDir, before: Buckets) -> Buckets {
    drop(before);
    loop {
        let buckets = open(folder);
        if !matches!(&**buckets.shared.door.load(), Door::Shut(_)) {
            return buckets;
        }
    }
}

#[tokio::test]
async fn what_was_set_is_there_and_in_nobody_elses_bucket() {
    let folder = TempDir::new().unwrap();
    let buckets = open(&folder);
    assert_eq!(text(&buckets, "k"), None);
    assert!(!folder.path().join(FILE).exists(), "nothing is made for a look");
    assert_eq!(set(&buckets, "k", "one").await, Ok(Changed::Written(1)));
    assert_eq!(set(&buckets, "k", "two").await, Ok(Changed::Written(2)));
    assert_eq!(text(&buckets, "k").as_deref(), Some("two"));
    let name = Name::parse("a").unwrap();
    assert_eq!(buckets.get(&BucketName::Shared(name), "k"), Ok(None));
    let buckets = reopened(&folder, buckets);
    assert_eq!(text(&buckets, "k").as_deref(), Some("two"));
    assert_eq!(set(&buckets, "k", "three").await, Ok(Changed::Written(3)));
}

#[tokio::test]
async fn a_swap_needs_the_version_that_is_there() {
    let folder = TempDir::new().unwrap();
    let buckets = open(&folder);
    let there = |version| Changed::Differs(Some(Versioned { value: b"x".to_vec(), version }));
    assert_eq!(swap(&buckets, Some(1), value("x")).await, Changed::Differs(None));
    assert_eq!(swap(&buckets, None, value("x")).await, Changed::Written(1));
    assert_eq!(swap(&buckets, None, value("y")).await, there(1));
    assert_eq!(swap(&buckets, Some(1), None).await, Changed::Written(2));
    assert_eq!(swap(&buckets, None, value("x")).await, Changed::Written(3));
    assert_eq!(swap(&buckets, Some(1), None).await, there(3), "an old version never returns");
}

#[tokio::test]
async fn numbers_are_added_exactly_by_many_at_once() {
    let folder = TempDir::new().unwrap();
    let buckets = open(&folder);
    let add = async |name: &str, delta| {
        let change = Change::Add { key: key(name), delta, range: NumberRange::Unsigned };
        buckets.change(bucket("a"), BYTES_MAX, change).await
    };
    let sums = futures::future::join_all((0..500).map(|_| add("n", 2))).await;
    let mut sums: Vec<i128> = sums
        .into_iter()
        .map(|sum| match sum {
            Ok(Changed::Sum(sum)) => sum,
            other => panic!("{other:?}"),
        })
        .collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=500).map(|n| n * 2).collect::<Vec<_>>());
    assert!(buckets.counts().commits < 500, "changes share transactions");
    assert_eq!(add("n", -1_001).await, Err(StateError::NotANumber));
    set(&buckets, "t", "no number").await.unwrap();
    assert_eq!(add("t", 1).await, Err(StateError::NotANumber));
    assert_eq!(text(&buckets, "n").as_deref(), Some("1000"));
}

#[tokio::test]
async fn a_bucket_that_is_full_takes_what_makes_it_smaller() {
    let folder = TempDir::new().unwrap();
    let buckets = open(&folder);
    let large = "x".repeat(400 << 10);
    set(&buckets, "one", &large).await.unwrap();
    set(&buckets, "two", &large).await.unwrap();
    let full = StateError::BucketFull { mib_max: 1 };
    assert_eq!(set(&buckets, "three", &large).await, Err(full.clone()));
    let both = Change::Write(vec![(key("three"), value(&large)), (key("one"), None)]);
    assert_eq!(buckets.change(bucket("a"), BYTES_MAX, both).await, Ok(Changed::Written(3)));
    assert_eq!((text(&buckets, "one"), text(&buckets, "three").is_some()), (None, true));
    let batch = Change::Write(vec![(key("s"), value("small")), (key("four"), value(&large))]);
    assert_eq!(buckets.change(bucket("a"), BYTES_MAX, batch).await, Err(full));
    assert_eq!(text(&buckets, "s"), None, "a batch is made whole or not at all");
    let bytes = buckets.counts().bytes;
    assert_eq!(bytes, 2 * ((400 << 10) + 64) + "two".len() as u64 + "three".len() as u64);
    let buckets = reopened(&folder, buckets);
    assert_eq!(buckets.counts().bytes, bytes);
    set(&buckets, "three", "").await.unwrap();
    assert_eq!(buckets.counts().bytes, bytes - (400 << 10));
}

#[tokio::test]
async fn buckets_and_all_of_them_together_are_bounded() {
    let folder = TempDir::new().unwrap();
    let bounds = StateBounds { total_bytes_max: 1_000, ..BOUNDS };
    let buckets = Buckets::open(folder.path(), bounds).unwrap();
    let set = async |name: &str, text: &str| {
        let change = Change::Write(vec![(key("k"), value(text))]);
        buckets.change(bucket(name), BYTES_MAX, change).await
    };
    for name in ["a", "b", "c"] {
        assert_eq!(set(name, "").await, Ok(Changed::Written(1)));
    }
    assert_eq!(set("d", "").await, Err(StateError::TooManyBuckets { max: 3 }));
    assert_eq!(set("a", &"x".repeat(900)).await, Err(StateError::HostFull { mib_max: 0 }));
}

#[tokio::test]
async fn of_ten_thousand_buckets_none_is_lost_and_one_more_is_refused() {
    const COUNT: usize = 10_000;
    let folder = TempDir::new().unwrap();
    let bounds = StateBounds { buckets_max: COUNT, ..BOUNDS };
    let buckets = Buckets::open(folder.path(), bounds).unwrap();
    let set = async |number: usize| {
        let change = Change::Write(vec![(key("k"), value(&number.to_string()))]);
        buckets.change(bucket(&format!("b{number}")), BYTES_MAX, change).await
    };
    let written = futures::future::join_all((0..COUNT).map(set)).await;
    assert!(written.iter().all(|written| matches!(written, Ok(Changed::Written(_)))));
    assert_eq!(set(COUNT).await, Err(StateError::TooManyBuckets { max: COUNT }));
    assert!(set(7).await.is_ok(), "those that are there may change");
    assert_eq!(buckets.counts().buckets, COUNT);
    for number in 0..COUNT {
        let found = buckets.get(&bucket(&format!("b{number}")), "k").unwrap();
        assert_eq!(found.map(|found| found.value), Some(number.to_string().into_bytes()));
    }
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_what_makes_state_smaller() {
    let folder = TempDir::new().unwrap();
    let buckets = open(&folder);
    set(&buckets, "k", "long").await.unwrap();
    drop(reopened(&folder, buckets));
    let bounds = StateBounds { free_bytes_min: u64::MAX, ..BOUNDS };
    let buckets = loop {
        let buckets = Buckets::open(folder.path(), bounds).unwrap();
        if !matches!(&**buckets.shared.door.load(), Door::Shut(_)) {
            break buckets;
        }
    };
    assert_eq!(set(&buckets, "k", "longer").await, Err(StateError::DiskFull));
    assert_eq!(set(&buckets, "k", "less").await, Ok(Changed::Written(2)));
    assert_eq!(text(&buckets, "k").as_deref(), Some("less"));
}

#[tokio::test]
async fn keys_come_in_order_and_page_by_page() {
    let folder = TempDir::new().unwrap();
    let buckets = open(&folder);
    let (a, b) = (bucket("a"), bucket("b"));
    let names: Vec<String> = (0..BATCH_KEYS_MAX).map(|n| format!("k{}", 999 - n)).collect();
    let writes = |prefix: &str| {
        let write = |name: &String| (key(&format!("{prefix}{name}")), value("v"));
        Change::Write(names.iter().map(write).collect())
    };
    buckets.change(a.clone(), BYTES_MAX, writes("")).await.unwrap();
    buckets.change(b.clone(), BYTES_MAX, writes("b")).await.unwrap();
    buckets.change(a.clone(), BYTES_MAX, writes("z")).await.unwrap();
    let keys = |prefix: &str, after: &str, count| buckets.keys(&a, prefix, after, count).unwrap();
    assert_eq!(keys("", "", 2), ["k0", "k1"]);
    assert_eq!(keys("k1", "k11", 2), ["k110", "k111"]);
    assert_eq!(keys("k99", "", 100).len(), 11);
    assert_eq!(keys("zk", "zk999", 10), [""; 0]);
    let (mut seen, mut cursor) = (Vec::new(), 0);
    loop {
        let (page, next) = buckets.page(&a, cursor, 300).unwrap();
        seen.extend(page);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 2_000);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 2_000);
    assert_eq!(buckets.page(&b, 0, 2_000).unwrap().0.len(), 1_000);
}

#[tokio::test]
async fn a_file_that_is_none_or_of_another_format_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(&path, b"something else").unwrap();
    let refused =
        |folder: &TempDir| Buckets::open(folder.path(), BOUNDS).err().unwrap().to_string();
    assert!(refused(&folder).starts_with("it is damaged"), "{}", refused(&folder));
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
    std::fs::remove_file(&path).unwrap();
    {
        let later = redb::Database::create(&path).unwrap();
        let writing = later.begin_write().unwrap();
        writing.open_table(layout::META).unwrap().insert(layout::FORMAT_KEY, 2).unwrap();
        writing.open_table(layout::BUCKETS).unwrap();
        writing.commit().unwrap();
    }
    assert!(refused(&folder).starts_with("it was written by another version"));
}

#[tokio::test]
async fn what_was_left_of_making_a_file_is_in_nobodys_way() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(FILE);
    let part = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, b"half of one").unwrap();
    let buckets = open(&folder);
    assert_eq!(set(&buckets, "k", "v").await, Ok(Changed::Written(1)));
    assert!(!part.exists());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn who_has_no_file_to_write_to_is_told_and_served_again() {
    let folder = TempDir::new().unwrap();
    let first = open(&folder);
    set(&first, "k", "v").await.unwrap();
    let second = open(&folder);
    let in_use = StateError::Unavailable("another host has its file open");
    assert_eq!(second.get(&bucket("a"), "k"), Err(in_use.clone()));
    assert_eq!(set(&second, "k", "w").await, Err(in_use));
    drop(first);
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while set(&second, "k", "w").await.is_err() {
        assert!(tokio::time::Instant::now() < until);
    }
    assert_eq!(text(&second, "k").as_deref(), Some("w"));
}
