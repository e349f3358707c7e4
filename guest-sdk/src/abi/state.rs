//! State and configuration of the host.

use super::bindings::{
    picolet::service::state::{self as wit, Versioned as WitVersioned},
    wasi::config::store as configured,
};
use crate::{Fault, Swapped, Versioned, call};

pub(crate) fn get(bucket: &str, key: &str) -> Result<Option<Versioned<Vec<u8>>>, Fault> {
    Ok(wit::get(call::current(), bucket, key)?.map(found))
}

pub(crate) fn keys(
    bucket: &str,
    prefix: &str,
    after: &str,
    count: u32,
) -> Result<Vec<String>, Fault> {
    Ok(wit::keys(call::current(), bucket, prefix, after, count)?)
}

pub(crate) async fn set(bucket: &str, key: &str, value: Vec<u8>) -> Result<u64, Fault> {
    Ok(wit::set(call::current(), bucket.to_owned(), key.to_owned(), value).await?)
}

pub(crate) async fn delete(bucket: &str, key: &str) -> Result<(), Fault> {
    Ok(wit::delete(call::current(), bucket.to_owned(), key.to_owned()).await?)
}

pub(crate) async fn add(bucket: &str, key: &str, delta: i64) -> Result<i64, Fault> {
    Ok(wit::add(call::current(), bucket.to_owned(), key.to_owned(), delta).await?)
}

pub(crate) async fn swap(
    bucket: &str,
    key: &str,
    expected: Option<u64>,
    value: Option<Vec<u8>>,
) -> Result<Swapped<Vec<u8>>, Fault> {
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    Ok(match wit::swap(call::current(), bucket, key, expected, value).await? {
        wit::Swapped::Done(version) => Swapped::Done(version),
        wit::Swapped::Differs(there) => Swapped::Differs(there.map(found)),
    })
}

pub(crate) fn config(key: &str) -> Option<String> {
    configured::get(key).ok().flatten()
}

fn found(from: WitVersioned) -> Versioned<Vec<u8>> {
    Versioned { value: from.value, version: from.version }
}
