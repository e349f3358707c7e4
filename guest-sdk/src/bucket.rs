//! State that outlives the instance: values under keys, in buckets.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Bytes, Fault, Json, Text, json};

#[cfg(target_family = "wasm")]
use crate::abi::state as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::state as host;

/// Values under keys, which outlive every instance and the host.
///
/// A key is a text of 1 to 512 bytes. A value has at most 1,044,480 bytes; a
/// `String`, a `Vec<u8>`, [`Json`], [`Text`] or [`Bytes`]. When a function that
/// writes has returned, the value is on disk. Changes of one bucket, whoever
/// makes them, follow each other.
///
/// ```
/// use picolet_sdk::{prelude::*, testing::block_on};
///
/// # block_on(async {
/// let bucket = Bucket::own();
/// bucket.set("greeting", "hello".to_owned()).await?;
/// assert_eq!(bucket.get("greeting")?, Some("hello".to_owned()));
/// assert_eq!(bucket.add("visits", 1).await?, 1);
/// let next = |last: Option<Json<Vec<u32>>>| {
///     let Json(mut list) = last.unwrap_or_default();
///     list.push(7);
///     Some(Json(list))
/// };
/// assert_eq!(bucket.update("list", next).await?, Some(Json(vec![7])));
/// # Ok::<(), Fault>(())
/// # }).unwrap();
/// ```
///
/// The faults of all of them: `bad-key` (400), `bucket-not-granted` (403),
/// `value-too-large` (413), `bucket-full` and `disk-full` (507),
/// `state-unavailable` (503), and `state-unknown` (500) when the disk failed and
/// the change may have been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    name: String,
}

/// What is there under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Grows with every change of the bucket.
    pub version: u64,
}

/// What has become of a [`Bucket::swap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped<T> {
    /// The value is there, in this version.
    Done(u64),
    /// Nothing was changed: this is what is there instead.
    Differs(Option<Versioned<T>>),
}

/// What can be written as a value.
pub trait ToValue {
    /// Its bytes.
    ///
    /// # Errors
    ///
    /// The fault of what cannot be written so.
    fn to_value(&self) -> Result<Vec<u8>, Fault>;
}

/// What a value can be read as.
pub trait FromValue: Sized {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// The fault of what cannot be read so.
    fn from_value(value: Vec<u8>) -> Result<Self, Fault>;
}

impl Bucket {
    /// The bucket of this service, whatever its version.
    pub fn own() -> Self {
        Self { name: String::new() }
    }

    /// A bucket that services share. The manifest grants it:
    /// `[grants] buckets = ["rates"]`, or `"rates:ro"` for reading alone.
    pub fn shared(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// The value of a key, none when it has none.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket`], and what [`FromValue`] says of a value that is
    /// something else.
    pub fn get<T: FromValue>(&self, key: &str) -> Result<Option<T>, Fault> {
        Ok(self.versioned(key)?.map(|found| found.value))
    }

    /// The same with its version.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    pub fn versioned<T: FromValue>(&self, key: &str) -> Result<Option<Versioned<T>>, Fault> {
        host::get(&self.name, key)?.map(read).transpose()
    }

    /// Keys that begin with a prefix, in the order of their bytes, as many as
    /// asked for and at most 1,000, after a key that is not among them: `""`
    /// begins with the first.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket`].
    pub fn keys(&self, prefix: &str, after: &str, count: u32) -> Result<Vec<String>, Fault> {
        host::keys(&self.name, prefix, after, count)
    }

    /// Sets the value of a key; gives its version.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket`].
    pub async fn set(&self, key: &str, value: impl ToValue) -> Result<u64, Fault> {
        host::set(&self.name, key, value.to_value()?).await
    }

    /// Takes a key away, if it is there.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket`].
    pub async fn delete(&self, key: &str) -> Result<(), Fault> {
        host::delete(&self.name, key).await
    }

    /// Adds to the whole number under a key, a decimal text, 0 when there is
    /// none; gives the sum. Exact, however many do it at once.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket`], and `not-a-number` (409) when something else is
    /// there or the sum does not fit.
    pub async fn add(&self, key: &str, delta: i64) -> Result<i64, Fault> {
        host::add(&self.name, key, delta).await
    }

    /// Sets the value of a key if it has this version; none is that of a key
    /// without a value.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket`].
    pub async fn swap<T: FromValue + ToValue>(
        &self,
        key: &str,
        expected: Option<u64>,
        value: T,
    ) -> Result<Swapped<T>, Fault> {
        self.exchange(key, expected, Some(value)).await
    }

    /// Changes a value as a function says, which may be asked several times: it
    /// gets what is there, and gives what shall be there, nothing to take the
    /// key away. Gives what is there then.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    pub async fn update<T: FromValue + ToValue + Clone>(
        &self,
        key: &str,
        mut next: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let mut there = self.versioned::<T>(key)?;
        loop {
            let (version, value) = match there {
                Some(there) => (Some(there.version), Some(there.value)),
                None => (None, None),
            };
            let value = next(value);
            match self.exchange(key, version, value.clone()).await? {
                Swapped::Done(_) => return Ok(value),
                Swapped::Differs(other) => there = other,
            }
        }
    }

    async fn exchange<T: FromValue + ToValue>(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Option<T>,
    ) -> Result<Swapped<T>, Fault> {
        let value = value.map(|value| value.to_value()).transpose()?;
        Ok(match host::swap(&self.name, key, expected, value).await? {
            Swapped::Done(version) => Swapped::Done(version),
            Swapped::Differs(there) => Swapped::Differs(there.map(read).transpose()?),
        })
    }
}

fn read<T: FromValue>(found: Versioned<Vec<u8>>) -> Result<Versioned<T>, Fault> {
    Ok(Versioned { value: T::from_value(found.value)?, version: found.version })
}

impl ToValue for &str {
    fn to_value(&self) -> Result<Vec<u8>, Fault> {
        Ok(self.as_bytes().to_vec())
    }
}

impl ToValue for String {
    fn to_value(&self) -> Result<Vec<u8>, Fault> {
        self.as_str().to_value()
    }
}

impl FromValue for String {
    fn from_value(value: Vec<u8>) -> Result<Self, Fault> {
        Self::from_utf8(value).map_err(|_| unreadable("no text"))
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Result<Vec<u8>, Fault> {
        Ok(self.clone())
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Vec<u8>) -> Result<Self, Fault> {
        Ok(value)
    }
}

impl ToValue for Text {
    fn to_value(&self) -> Result<Vec<u8>, Fault> {
        self.0.to_value()
    }
}

impl FromValue for Text {
    fn from_value(value: Vec<u8>) -> Result<Self, Fault> {
        String::from_value(value).map(Self)
    }
}

impl ToValue for Bytes {
    fn to_value(&self) -> Result<Vec<u8>, Fault> {
        self.0.to_value()
    }
}

impl FromValue for Bytes {
    fn from_value(value: Vec<u8>) -> Result<Self, Fault> {
        Ok(Self(value))
    }
}

impl<T: Serialize> ToValue for Json<T> {
    fn to_value(&self) -> Result<Vec<u8>, Fault> {
        json::to_vec(&self.0).map_err(|error| Fault::internal(error.to_string()))
    }
}

impl<T: DeserializeOwned> FromValue for Json<T> {
    fn from_value(value: Vec<u8>) -> Result<Self, Fault> {
        let read = json::from_slice(&value);
        read.map(Self).map_err(|error| unreadable(&error.to_string()))
    }
}

#[cold]
fn unreadable(why: &str) -> Fault {
    Fault::new(500, "bad-value", format!("the value under the key is something else: {why}"))
}
