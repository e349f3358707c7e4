//! The file that state is in: opening it, and what can be wrong with it.

use super::layout::{
    BUCKETS, ENTRIES, FORMAT, FORMAT_KEY, GENERATION_KEY, META, ORDER, Row, after_bucket,
    created_of, entry_key, order_key, versioned,
};
use crate::bucket::Versioned;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Bytes of pages that are kept in memory.
const CACHE_BYTES: usize = 64 << 20;

/// An open file.
pub(super) struct StateFile(Database);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("another host has it open; give each host a state folder of its own")]
    InUse,
    #[error(
        "it was written by another version of the host; use that one, or move the file away and \
         begin with none"
    )]
    OtherVersion,
    #[error("it is damaged ({0}); bring back a copy, or move the file away and begin with none")]
    Damaged(String),
    #[error(transparent)]
    Io(io::Error),
}

/// What a file holds.
pub(super) struct Census {
    /// What all buckets count for.
    pub(super) total: u64,
    pub(super) generation: u64,
    /// Buckets by their names as they are written.
    pub(super) ids: Vec<(String, u32)>,
}

impl StateFile {
    /// Opens a file, which is made if there is none, and counts what is in it.
    pub(super) fn open(path: &Path) -> Result<(Self, Census), FileError> {
        // Pages that are damaged make the library panic here and there.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_and_count(path)));
        opened.unwrap_or_else(|_| Err(FileError::Damaged("its pages make no sense".to_owned())))
    }

    fn open_and_count(path: &Path) -> Result<(Self, Census), FileError> {
        if !path.exists() {
            make(path)?;
        }
        let file = Self(Database::builder().set_cache_size(CACHE_BYTES).open(path)?);
        let census = file.count().map_err(damaged)?;
        Ok((file, census.ok_or(FileError::OtherVersion)?))
    }

    /// None when it is of another format.
    fn count(&self) -> Result<Option<Census>, redb::Error> {
        let reading = self.0.begin_read()?;
        let meta = reading.open_table(META)?;
        if meta.get(FORMAT_KEY)?.map(|format| format.value()) != Some(FORMAT) {
            return Ok(None);
        }
        let generation = meta.get(GENERATION_KEY)?.map_or(0, |generation| generation.value());
        let mut census = Census { total: 0, generation, ids: Vec::new() };
        for bucket in reading.open_table(BUCKETS)?.iter()? {
            let (name, row) = bucket?;
            let Some(row) = Row::decode(row.value()) else { return Ok(None) };
            census.total += row.bytes;
            census.ids.push((name.value().to_owned(), row.id));
        }
        Ok(Some(census))
    }

    pub(super) fn database(&self) -> &Database {
        &self.0
    }

    /// The value of a key.
    pub(super) fn get(&self, bucket: u32, key: &str) -> Result<Option<Versioned>, redb::Error> {
        let entries = self.0.begin_read()?.open_table(ENTRIES)?;
        let found = entries.get(&*entry_key(bucket, key))?;
        Ok(found.and_then(|entry| versioned(entry.value())))
    }

    /// Keys with a prefix, in the order of their bytes.
    pub(super) fn keys(
        &self,
        bucket: u32,
        prefix: &str,
        after: &str,
        count: usize,
    ) -> Result<Vec<String>, redb::Error> {
        let entries = self.0.begin_read()?.open_table(ENTRIES)?;
        let from = entry_key(bucket, prefix.max(after));
        let mut keys = Vec::new();
        for entry in entries.range(&*from..)? {
            let (key, _) = entry?;
            let key = key.value();
            let text = String::from_utf8_lossy(after_bucket(key));
            if keys.len() == count
                || !key.starts_with(&bucket.to_be_bytes())
                || !text.starts_with(prefix)
            {
                break;
            }
            if *text != *after {
                keys.push(text.into_owned());
            }
        }
        Ok(keys)
    }

    /// Keys in the order of their creation, after the one of this number, and
    /// the number of the last.
    pub(super) fn page(
        &self,
        bucket: u32,
        after: u64,
        count: usize,
    ) -> Result<(Vec<String>, Option<u64>), redb::Error> {
        let order = self.0.begin_read()?.open_table(ORDER)?;
        let from = order_key(bucket, after.saturating_add(1));
        let (mut keys, mut last) = (Vec::new(), after);
        for row in order.range(&*from..)? {
            let (place, key) = row?;
            if !place.value().starts_with(&bucket.to_be_bytes()) {
                break;
            }
            if keys.len() == count {
                return Ok((keys, Some(last)));
            }
            last = created_of(place.value());
            keys.push(String::from_utf8_lossy(key.value()).into_owned());
        }
        Ok((keys, None))
    }
}

/// Makes a file that nobody else reads, with all its tables. It gets its name
/// when it is whole, so that there is never half of one.
fn make(path: &Path) -> Result<(), FileError> {
    let part = part(path);
    let _ = fs::remove_file(&part);
    let made = Database::create(&part)?;
    fs::set_permissions(&part, Permissions::from_mode(0o600)).map_err(FileError::Io)?;
    initialize(&made).map_err(damaged)?;
    drop(made);
    let named = match fs::hard_link(&part, path) {
        // Another host was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        named => named,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    named
        .and_then(|()| fs::remove_file(&part))
        .and_then(|()| fs::File::open(folder)?.sync_all())
        .map_err(FileError::Io)
}

/// What a file is called by this process until it is whole.
fn part(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.part", std::process::id()))
}

fn initialize(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    writing.open_table(ENTRIES)?;
    writing.open_table(ORDER)?;
    writing.open_table(BUCKETS)?;
    writing.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    writing.commit()?;
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
fn damaged(error: redb::Error) -> FileError {
    match error {
        redb::Error::Io(error) => FileError::Io(error),
        other => FileError::Damaged(other.to_string()),
    }
}

impl From<DatabaseError> for FileError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            DatabaseError::UpgradeRequired(_) => Self::OtherVersion,
            DatabaseError::Storage(StorageError::Io(error))
                if error.kind() != io::ErrorKind::InvalidData =>
            {
                Self::Io(error)
            }
            other if other.to_string().contains("file format version") => Self::OtherVersion,
            other => Self::Damaged(other.to_string()),
        }
    }
}
