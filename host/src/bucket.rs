//! Buckets of state: names, keys, bounds, and what a change to one comes to.

use crate::name::Name;
use std::fmt;

/// Which bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum BucketName {
    /// Of one service alone.
    Own(Name),
    /// Of whoever is granted it.
    Shared(Name),
}

/// A key that was checked: 1 to 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(String);

/// A value that was checked: at most [`VALUE_BYTES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value(Vec<u8>);

/// What is there under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versioned {
    pub(crate) value: Vec<u8>,
    pub(crate) version: u64,
}

/// A change to one bucket; happens whole or not at all.
#[derive(Debug)]
pub(crate) enum Change {
    /// Sets or, without a value, takes away. Of a key that comes twice the last
    /// one counts.
    Write(Vec<(Key, Option<Value>)>),
    /// Adds to the number under a key.
    Add { key: Key, delta: i128, range: NumberRange },
    /// Writes if the key has this version.
    Swap { key: Key, expected: Option<u64>, value: Option<Value> },
}

/// Which sums a caller can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberRange {
    Signed,
    Unsigned,
}

/// What has become of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// What was written has this version.
    Written(u64),
    Sum(i128),
    /// Nothing was changed.
    Differs(Option<Versioned>),
}

/// Why state was not read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    #[error("bucket {0:?} is not granted to this service{1}")]
    NotGranted(String, &'static str),
    #[error("a key has 1 to {KEY_BYTES_MAX} bytes, this one has {0}")]
    BadKey(usize),
    #[error("a value has at most {VALUE_BYTES_MAX} bytes, this one has {0}")]
    ValueTooLarge(usize),
    #[error("at most {BATCH_KEYS_MAX} keys are changed at once, these are {0}")]
    BatchTooLarge(usize),
    #[error("bucket is at its limit of {mib_max} MiB")]
    BucketFull { mib_max: u64 },
    #[error("all buckets together are at the limit of {mib_max} MiB")]
    HostFull { mib_max: u64 },
    #[error("there are {max} buckets already")]
    TooManyBuckets { max: usize },
    #[error("the disk that keeps state is nearly full; only what makes state smaller is taken")]
    DiskFull,
    #[error("what is under the key is no whole number, or the sum would be none that fits")]
    NotANumber,
    #[error("state cannot be used now: {0}")]
    Unavailable(&'static str),
    #[error("the disk that keeps state failed; the change may have been made")]
    Unknown,
}

pub(crate) const KEY_BYTES_MAX: usize = 512;
/// A little under 1 MiB, of which the disk would take 2.
pub(crate) const VALUE_BYTES_MAX: usize = (1 << 20) - (4 << 10);
pub(crate) const BATCH_KEYS_MAX: usize = 1_000;
/// Keys of one page.
pub(crate) const PAGE_KEYS_MAX: usize = 1_000;
/// What an entry counts for beside its key and its value.
const ENTRY_BYTES: u64 = 64;

impl Key {
    /// Checks a text.
    pub(crate) fn parse(text: String) -> Result<Self, StateError> {
        match text.len() {
            1..=KEY_BYTES_MAX => Ok(Self(text)),
            len => Err(StateError::BadKey(len)),
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value {
    /// Checks bytes.
    pub(crate) fn check(bytes: Vec<u8>) -> Result<Self, StateError> {
        match bytes.len() {
            len if VALUE_BYTES_MAX < len => Err(StateError::ValueTooLarge(len)),
            _ => Ok(Self(bytes)),
        }
    }

    /// Of a number, as [`number`] reads it.
    pub(crate) fn of_number(number: i128) -> Self {
        Self(number.to_string().into_bytes())
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What an entry counts for.
pub(crate) fn charge(key: &str, value_len: usize) -> u64 {
    (key.len() + value_len) as u64 + ENTRY_BYTES
}

/// The whole number that a value stands for.
pub(crate) fn number(value: &[u8]) -> Option<i128> {
    str::from_utf8(value).ok()?.parse().ok()
}

impl NumberRange {
    /// The sum, if it fits.
    pub(crate) fn sum(self, number: i128, delta: i128) -> Result<i128, StateError> {
        let sum = number.checked_add(delta).ok_or(StateError::NotANumber)?;
        let fits = match self {
            Self::Signed => i64::try_from(sum).is_ok(),
            Self::Unsigned => u64::try_from(sum).is_ok(),
        };
        if fits { Ok(sum) } else { Err(StateError::NotANumber) }
    }
}

impl Change {
    /// Bytes that it brings.
    pub(crate) fn weight(&self) -> usize {
        let of = |value: &Option<Value>| value.as_ref().map_or(0, |value| value.bytes().len());
        match self {
            Self::Write(writes) => writes.iter().map(|(_, value)| of(value)).sum(),
            Self::Add { .. } => 0,
            Self::Swap { value, .. } => of(value),
        }
    }
}

/// Services and those who share are told apart, whatever their names are.
impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => write!(f, "s/{name}"),
            Self::Shared(name) => write!(f, "b/{name}"),
        }
    }
}

/// A bucket that a guest may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketAccess {
    pub(crate) name: BucketName,
    pub(crate) may_write: bool,
    /// What it may count for.
    pub(crate) bytes_max: u64,
}

/// The buckets that a service may use.
#[derive(Clone, Debug)]
pub(crate) struct BucketAccesses {
    pub(crate) service: Name,
    pub(crate) shared: Vec<BucketGrant>,
    /// What each of them may count for.
    pub(crate) bytes_max: u64,
}

impl BucketAccesses {
    /// The bucket that a guest means by a name.
    pub(crate) fn find(&self, name: &str) -> Result<BucketAccess, StateError> {
        let bytes_max = self.bytes_max;
        if name.is_empty() || name == "default" {
            let name = BucketName::Own(self.service.clone());
            return Ok(BucketAccess { name, may_write: true, bytes_max });
        }
        match self.shared.iter().find(|grant| grant.name.as_str() == name) {
            Some(BucketGrant { name, may_write }) => {
                let name = BucketName::Shared(name.clone());
                Ok(BucketAccess { name, may_write: *may_write, bytes_max })
            }
            None => Err(StateError::NotGranted(name.chars().take(64).collect(), "")),
        }
    }
}

impl BucketAccess {
    /// Whether it may be changed.
    pub(crate) fn check_write(&self) -> Result<(), StateError> {
        let (BucketName::Own(name) | BucketName::Shared(name)) = &self.name;
        if self.may_write {
            return Ok(());
        }
        Err(StateError::NotGranted(name.to_string(), " for writing"))
    }
}

/// A shared bucket that a manifest grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketGrant {
    pub(crate) name: Name,
    pub(crate) may_write: bool,
}

impl BucketGrant {
    /// Checks `name` or `name:ro`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, may_write) = match text.strip_suffix(":ro") {
            Some(name) => (name, false),
            None => (text, true),
        };
        match Name::parse(name) {
            Ok(_) if name == "default" => Err("\"default\" is the bucket of the service".into()),
            Ok(name) => Ok(Self { name, may_write }),
            Err(error) => Err(format!("bucket {name:?} {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_grants_are_checked() {
        assert_eq!(Key::parse(String::new()), Err(StateError::BadKey(0)));
        assert_eq!(Key::parse("k".repeat(513)), Err(StateError::BadKey(513)));
        assert!(Key::parse("k".repeat(512)).is_ok());
        let large = Value::check(vec![0; VALUE_BYTES_MAX + 1]);
        assert_eq!(large, Err(StateError::ValueTooLarge(1_044_481)));
        let grant = |text| BucketGrant::parse(text).map(|g| (g.name.to_string(), g.may_write));
        assert_eq!(grant("rates"), Ok(("rates".into(), true)));
        assert_eq!(grant("rates:ro"), Ok(("rates".into(), false)));
        assert_eq!(grant("default"), Err("\"default\" is the bucket of the service".into()));
        assert!(grant("a/b").is_err_and(|text| text.starts_with("bucket \"a/b\" has '/'")));
    }

    #[test]
    fn sums_fit_or_are_none() {
        let (signed, unsigned) = (NumberRange::Signed, NumberRange::Unsigned);
        assert_eq!(signed.sum(2, -3), Ok(-1));
        assert_eq!(unsigned.sum(2, -3), Err(StateError::NotANumber));
        assert_eq!(unsigned.sum(u64::MAX.into(), 0), Ok(u64::MAX.into()));
        assert_eq!(unsigned.sum(u64::MAX.into(), 1), Err(StateError::NotANumber));
        assert_eq!(signed.sum(i64::MAX.into(), 1), Err(StateError::NotANumber));
        assert_eq!(number(b"-12"), Some(-12));
        assert_eq!((number(b"1.5"), number(b""), number(b"\xff")), (None, None, None));
    }
}
