//! What is in the file: tables, and how their rows are written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | bucket id, key | number of its creation, version, value |
//! | `order` | bucket id, number of its creation | key |
//! | `buckets` | name | id, bytes, keys, version, creations |
//! | `meta` | `format`, `generation`, `buckets` | a number |
//!
//! Numbers are big endian, so that rows lie in their order.

use crate::bucket::Versioned;
use redb::TableDefinition;

pub(super) const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
pub(super) const ORDER: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("order");
pub(super) const BUCKETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("buckets");
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Of the tables and rows above. A later one is refused.
pub(super) const FORMAT: u64 = 1;
pub(super) const FORMAT_KEY: &str = "format";
/// Grows with every group that was written.
pub(super) const GENERATION_KEY: &str = "generation";
/// Buckets that were ever made.
pub(super) const BUCKETS_KEY: &str = "buckets";

/// What is known of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: u32,
    /// What its entries count for.
    pub(super) bytes: u64,
    pub(super) keys: u64,
    /// Of its last change.
    pub(super) version: u64,
    /// Keys that were ever made.
    pub(super) created: u64,
}

impl Row {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = self.id.to_be_bytes().to_vec();
        for number in [self.bytes, self.keys, self.version, self.created] {
            row.extend(number.to_be_bytes());
        }
        row
    }

    /// None when it is not of this format.
    pub(super) fn decode(mut row: &[u8]) -> Option<Self> {
        Some(Self {
            id: u32::from_be_bytes(take(&mut row)?),
            bytes: number(&mut row)?,
            keys: number(&mut row)?,
            version: number(&mut row)?,
            created: number(&mut row)?,
        })
    }
}

/// An entry without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryHead {
    pub(super) created: u64,
    pub(super) version: u64,
}

/// An entry as it is written.
pub(super) fn encode_entry(head: EntryHead, value: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(16 + value.len());
    row.extend(head.created.to_be_bytes());
    row.extend(head.version.to_be_bytes());
    row.extend_from_slice(value);
    row
}

/// Head and value of an entry; none when it is not of this format.
pub(super) fn decode_entry(mut row: &[u8]) -> Option<(EntryHead, &[u8])> {
    let head = EntryHead { created: number(&mut row)?, version: number(&mut row)? };
    Some((head, row))
}

/// What callers are told of an entry.
pub(super) fn versioned(row: &[u8]) -> Option<Versioned> {
    let (head, value) = decode_entry(row)?;
    Some(Versioned { value: value.to_vec(), version: head.version })
}

/// The key of an entry.
pub(super) fn entry_key(bucket: u32, key: &str) -> Vec<u8> {
    let mut row = bucket.to_be_bytes().to_vec();
    row.extend_from_slice(key.as_bytes());
    row
}

/// The key of a row in the order of creation.
pub(super) fn order_key(bucket: u32, created: u64) -> Vec<u8> {
    let mut row = bucket.to_be_bytes().to_vec();
    row.extend(created.to_be_bytes());
    row
}

/// What follows the id of the bucket.
pub(super) fn after_bucket(row: &[u8]) -> &[u8] {
    row.get(4..).unwrap_or_default()
}

/// The number of creation in a key of that order.
pub(super) fn created_of(row: &[u8]) -> u64 {
    number(&mut after_bucket(row)).unwrap_or_default()
}

fn number(row: &mut &[u8]) -> Option<u64> {
    take(row).map(u64::from_be_bytes)
}

fn take<const N: usize>(row: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = row.split_first_chunk::<N>()?;
    *row = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let row = Row { id: 7, bytes: 1 << 40, keys: 3, version: 9, created: 4 };
        assert_eq!(Row::decode(&row.encode()), Some(row));
        assert_eq!(Row::decode(b"short"), None);
        let head = EntryHead { created: 5, version: 6 };
        let entry = encode_entry(head, b"value");
        assert_eq!(decode_entry(&entry), Some((head, &b"value"[..])));
        assert_eq!(decode_entry(b"short"), None);
        assert_eq!(after_bucket(&entry_key(7, "key")), b"key");
        assert_eq!(created_of(&order_key(7, 8)), 8);
        assert!(entry_key(7, "\u{10ffff}") < entry_key(8, ""), "buckets lie apart");
    }
}
