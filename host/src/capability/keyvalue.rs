//! `wasi:keyvalue`, of its first draft, over the same buckets as `state`.
//!
//! Its functions are not async, so the store waits for those that write: with
//! several calls in one instance they wait for each other.

use crate::bucket::{
    BATCH_KEYS_MAX, Change, Changed, Key, NumberRange, PAGE_KEYS_MAX, StateError, Value,
};
use crate::engine::{OpenBucket, State, atomics, batch, keyvalue};
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;

type Told<T> = wasmtime::Result<Result<T, keyvalue::Error>>;

impl keyvalue::Host for State {
    fn open(&mut self, identifier: String) -> Told<Resource<OpenBucket>> {
        let access = match self.open_bucket(&identifier) {
            Ok(access) => access,
            Err(error) => return Ok(Err(error.into())),
        };
        let pushed = self.ctx().table.push(OpenBucket(access));
        let full = |_full| keyvalue::Error::Other("too many handles are open".to_owned());
        Ok(pushed.map_err(full))
    }
}

impl keyvalue::HostBucket for State {
    fn get(&mut self, bucket: Resource<OpenBucket>, key: String) -> Told<Option<Vec<u8>>> {
        let name = self.opened(&bucket)?.0.name.clone();
        let found = Key::parse(key).and_then(|key| self.host.buckets.get(&name, key.as_str()));
        told(found.map(|found| found.map(|found| found.value)))
    }

    async fn set(&mut self, bucket: Resource<OpenBucket>, key: String, value: Vec<u8>) -> Told<()> {
        let write = |(key, value)| Ok((Key::parse(key)?, Some(Value::check(value)?)));
        self.write(&bucket, vec![(key, value)], write).await
    }

    async fn delete(&mut self, bucket: Resource<OpenBucket>, key: String) -> Told<()> {
        self.write(&bucket, vec![key], |key| Ok((Key::parse(key)?, None))).await
    }

    fn exists(&mut self, bucket: Resource<OpenBucket>, key: String) -> Told<bool> {
        Ok(keyvalue::HostBucket::get(self, bucket, key)?.map(|found| found.is_some()))
    }

    fn list_keys(
        &mut self,
        bucket: Resource<OpenBucket>,
        cursor: Option<u64>,
    ) -> Told<keyvalue::KeyResponse> {
        let name = self.opened(&bucket)?.0.name.clone();
        let page = self.host.buckets.page(&name, cursor.unwrap_or(0), PAGE_KEYS_MAX);
        told(page.map(|(keys, cursor)| keyvalue::KeyResponse { keys, cursor }))
    }

    fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.ctx().table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(
        &mut self,
        bucket: Resource<OpenBucket>,
        key: String,
        delta: u64,
    ) -> Told<u64> {
        let (delta, range) = (i128::from(delta), NumberRange::Unsigned);
        let change = Key::parse(key).map(|key| Change::Add { key, delta, range });
        told(match self.change(&bucket, change).await? {
            Ok(Changed::Sum(sum)) => u64::try_from(sum).map_err(|_| StateError::NotANumber),
            Ok(_) => Err(StateError::NotANumber),
            Err(error) => Err(error),
        })
    }
}

impl batch::Host for State {
    fn get_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        keys: Vec<String>,
    ) -> Told<Vec<Option<(String, Vec<u8>)>>> {
        let name = self.opened(&bucket)?.0.name.clone();
        if let Err(error) = check_batch(keys.len()) {
            return Ok(Err(error.into()));
        }
        let get = |key: String| {
            let key = Key::parse(key)?;
            let found = self.host.buckets.get(&name, key.as_str())?;
            Ok(found.map(|found| (key.as_str().to_owned(), found.value)))
        };
        told(keys.into_iter().map(get).collect())
    }

    async fn set_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Told<()> {
        let write = |(key, value)| Ok((Key::parse(key)?, Some(Value::check(value)?)));
        self.write(&bucket, key_values, write).await
    }

    async fn delete_many(&mut self, bucket: Resource<OpenBucket>, keys: Vec<String>) -> Told<()> {
        self.write(&bucket, keys, |key| Ok((Key::parse(key)?, None))).await
    }
}

impl State {
    fn opened(&mut self, bucket: &Resource<OpenBucket>) -> wasmtime::Result<&OpenBucket> {
        Ok(self.ctx().table.get(bucket)?)
    }

    /// Writes all of these at once.
    async fn write<T>(
        &mut self,
        bucket: &Resource<OpenBucket>,
        items: Vec<T>,
        read: impl Fn(T) -> Result<(Key, Option<Value>), StateError>,
    ) -> Told<()> {
        let checked = check_batch(items.len());
        let writes = checked.and_then(|()| items.into_iter().map(read).collect());
        told(self.change(bucket, writes.map(Change::Write)).await?.map(|_changed| ()))
    }

    async fn change(
        &mut self,
        bucket: &Resource<OpenBucket>,
        change: Result<Change, StateError>,
    ) -> wasmtime::Result<Result<Changed, StateError>> {
        let access = self.opened(bucket)?.0.clone();
        let change = match access.check_write().and(change) {
            Ok(change) => change,
            Err(error) => return Ok(Err(error)),
        };
        let buckets = self.host.buckets.clone();
        Ok(buckets.change(access.name, access.bytes_max, change).await)
    }
}

fn check_batch(keys: usize) -> Result<(), StateError> {
    if BATCH_KEYS_MAX < keys { Err(StateError::BatchTooLarge(keys)) } else { Ok(()) }
}

fn told<T>(outcome: Result<T, StateError>) -> Told<T> {
    Ok(outcome.map_err(Into::into))
}

impl From<StateError> for keyvalue::Error {
    fn from(error: StateError) -> Self {
        match error {
            StateError::NotGranted(..) => Self::AccessDenied,
            other => Self::Other(other.to_string()),
        }
    }
}
