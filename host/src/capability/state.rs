//! The interface `state`: values that outlive instances and the host.

use crate::bucket::{
    BucketAccess, Change, Changed, Key, NumberRange, PAGE_KEYS_MAX, StateError, Value, Versioned,
};
use crate::engine::{State, kept, render, types};
use crate::fault::Fault;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, HasSelf};

type Told<T> = wasmtime::Result<Result<T, types::Fault>>;

impl kept::Host for State {
    fn get(&mut self, by: u64, bucket: String, key: String) -> Told<Option<kept::Versioned>> {
        let found = self.bucket(by, &bucket).and_then(|access| {
            let key = Key::parse(key)?;
            Ok(self.host.buckets.get(&access.name, key.as_str())?)
        });
        Ok(found.map(|found| found.map(shown)).map_err(|fault| render(&fault)))
    }

    fn keys(
        &mut self,
        by: u64,
        bucket: String,
        prefix: String,
        after: String,
        count: u32,
    ) -> Told<Vec<String>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(PAGE_KEYS_MAX);
        let keys = self
            .bucket(by, &bucket)
            .and_then(|access| Ok(self.host.buckets.keys(&access.name, &prefix, &after, count)?));
        Ok(keys.map_err(|fault| render(&fault)))
    }
}

impl kept::HostWithStore<State> for HasSelf<State> {
    async fn set(
        accessor: &Accessor<State, Self>,
        by: u64,
        bucket: String,
        key: String,
        value: Vec<u8>,
    ) -> Told<u64> {
        let change = || Ok(Change::Write(vec![(Key::parse(key)?, Some(Value::check(value)?))]));
        told(changed(accessor, by, &bucket, change).await, |changed| match changed {
            Changed::Written(version) => Some(version),
            _ => None,
        })
    }

    async fn delete(
        accessor: &Accessor<State, Self>,
        by: u64,
        bucket: String,
        key: String,
    ) -> Told<()> {
        let change = || Ok(Change::Write(vec![(Key::parse(key)?, None)]));
        told(changed(accessor, by, &bucket, change).await, |_changed| Some(()))
    }

    async fn add(
        accessor: &Accessor<State, Self>,
        by: u64,
        bucket: String,
        key: String,
        delta: i64,
    ) -> Told<i64> {
        let (delta, range) = (i128::from(delta), NumberRange::Signed);
        let change = || Ok(Change::Add { key: Key::parse(key)?, delta, range });
        told(changed(accessor, by, &bucket, change).await, |changed| match changed {
            Changed::Sum(sum) => i64::try_from(sum).ok(),
            _ => None,
        })
    }

    async fn swap(
        accessor: &Accessor<State, Self>,
        by: u64,
        bucket: String,
        key: String,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> Told<kept::Swapped> {
        let change = || {
            let value = value.map(Value::check).transpose()?;
            Ok(Change::Swap { key: Key::parse(key)?, expected, value })
        };
        told(changed(accessor, by, &bucket, change).await, |changed| match changed {
            Changed::Written(version) => Some(kept::Swapped::Done(version)),
            Changed::Differs(there) => Some(kept::Swapped::Differs(there.map(shown))),
            Changed::Sum(_) => None,
        })
    }
}

impl State {
    /// A bucket that a call of this guest means by a name.
    fn bucket(&self, by: u64, name: &str) -> Result<BucketAccess, Fault> {
        if self.call(by).is_none() {
            let message = format!("call {by} is not under way in this instance");
            return Err(Fault::BadCall { message });
        }
        Ok(self.open_bucket(name)?)
    }

    /// The same, whoever asks.
    pub(super) fn open_bucket(&self, name: &str) -> Result<BucketAccess, StateError> {
        let accesses = self.host.bucket_accesses.as_ref();
        accesses.ok_or(StateError::Unavailable("nothing is called"))?.find(name)
    }
}

/// Makes a change; waits beside the store.
async fn changed(
    accessor: &Accessor<State, HasSelf<State>>,
    by: u64,
    bucket: &str,
    change: impl FnOnce() -> Result<Change, StateError>,
) -> Result<Changed, Fault> {
    let (access, buckets) = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let state = store.data_mut();
        let found = state.bucket(by, bucket)?;
        found.check_write()?;
        Ok::<_, Fault>((found, state.host.buckets.clone()))
    })?;
    Ok(buckets.change(access.name, access.bytes_max, change()?).await?)
}

/// `read` knows what a change of this kind comes to.
fn told<T>(changed: Result<Changed, Fault>, read: impl FnOnce(Changed) -> Option<T>) -> Told<T> {
    let told = changed.and_then(|changed| read(changed).ok_or(Fault::Internal));
    Ok(told.map_err(|fault| render(&fault)))
}

fn shown(found: Versioned) -> kept::Versioned {
    kept::Versioned { value: found.value, version: found.version }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}
