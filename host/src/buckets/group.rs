//! One group of changes in one transaction.

use super::layout::{
    BUCKETS, BUCKETS_KEY, ENTRIES, EntryHead, GENERATION_KEY, META, ORDER, Row, decode_entry,
    encode_entry, entry_key, order_key, versioned,
};
use super::{Order, StateBounds};
use crate::bucket::{BucketName, Change, Changed, Key, StateError, Value, charge, number};
use redb::{ReadableTable, Table, WriteTransaction};
use std::collections::{BTreeMap, HashMap};

/// The tables of a transaction, and the rows that it has looked at.
pub(super) struct Group<'t> {
    entries: Table<'t, &'static [u8], &'static [u8]>,
    order: Table<'t, &'static [u8], &'static [u8]>,
    buckets: Table<'t, &'static str, &'static [u8]>,
    meta: Table<'t, &'static str, u64>,
    rows: HashMap<BucketName, Row>,
    bounds: StateBounds,
    /// What all buckets count for.
    total: u64,
    is_disk_full: bool,
    has_changed: bool,
}

/// What a group has come to, which holds once it is committed.
pub(super) struct Grouped {
    pub(super) total: u64,
    pub(super) generation: u64,
    pub(super) ids: Vec<(BucketName, u32)>,
}

type Outcome = Result<Changed, StateError>;

impl<'t> Group<'t> {
    pub(super) fn begin(
        transaction: &'t WriteTransaction,
        bounds: StateBounds,
        total: u64,
        is_disk_full: bool,
    ) -> Result<Self, redb::Error> {
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            order: transaction.open_table(ORDER)?,
            buckets: transaction.open_table(BUCKETS)?,
            meta: transaction.open_table(META)?,
            rows: HashMap::new(),
            bounds,
            total,
            is_disk_full,
            has_changed: false,
        })
    }

    /// Makes one change. An error of the state leaves everything as it was; one
    /// of the disk spoils the whole group.
    pub(super) fn change(&mut self, order: &Order) -> Result<Outcome, redb::Error> {
        let row = match self.row(&order.bucket)? {
            Ok(row) => row,
            Err(error) => return Ok(Err(error)),
        };
        let (writes, sum) = match &order.change {
            Change::Write(writes) => (writes.clone(), None),
            Change::Add { key, delta, range } => {
                let there = self.find(row, key)?;
                let before = match &there {
                    None => Some(0),
                    Some(row) => decode_entry(row).and_then(|(_, value)| number(value)),
                };
                let Some(before) = before else { return Ok(Err(StateError::NotANumber)) };
                match range.sum(before, *delta) {
                    Ok(sum) => (vec![(key.clone(), Some(Value::of_number(sum)))], Some(sum)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Change::Swap { key, expected, value } => {
                let there = self.find(row, key)?.and_then(|row| versioned(&row));
                if there.as_ref().map(|there| there.version) != *expected {
                    return Ok(Ok(Changed::Differs(there)));
                }
                (vec![(key.clone(), value.clone())], None)
            }
        };
        let written = self.write(order, row, writes)?;
        Ok(written.map(|version| sum.map_or(Changed::Written(version), Changed::Sum)))
    }

    fn find(&self, row: Row, key: &Key) -> Result<Option<Vec<u8>>, redb::Error> {
        let found = self.entries.get(&*entry_key(row.id, key.as_str()))?;
        Ok(found.map(|entry| entry.value().to_vec()))
    }

    /// What is known of a bucket, which is made if there is none.
    fn row(&mut self, name: &BucketName) -> Result<Result<Row, StateError>, redb::Error> {
        if let Some(row) = self.rows.get(name) {
            return Ok(Ok(*row));
        }
        let text = name.to_string();
        let found = self.buckets.get(&*text)?.map(|row| Row::decode(row.value()));
        let row = match found {
            Some(Some(row)) => row,
            Some(None) => return Ok(Err(StateError::Unavailable("its file has unknown rows"))),
            None => {
                let made = self.meta.get(BUCKETS_KEY)?.map_or(0, |made| made.value());
                let max = self.bounds.buckets_max;
                if max as u64 <= made {
                    return Ok(Err(StateError::TooManyBuckets { max }));
                }
                let row = Row { id: u32::try_from(made).unwrap_or(u32::MAX), ..Row::default() };
                self.meta.insert(BUCKETS_KEY, made + 1)?;
                self.buckets.insert(&*text, &*row.encode())?;
                self.has_changed = true;
                row
            }
        };
        self.rows.insert(name.clone(), row);
        Ok(Ok(row))
    }

    /// Writes all of these, or nothing when there is no room.
    fn write(
        &mut self,
        order: &Order,
        mut row: Row,
        writes: Vec<(Key, Option<Value>)>,
    ) -> Result<Result<u64, StateError>, redb::Error> {
        let writes: BTreeMap<Key, Option<Value>> = writes.into_iter().collect();
        let before = row.bytes;
        let mut heads = Vec::with_capacity(writes.len());
        for (key, value) in &writes {
            let there = self.entries.get(&*entry_key(row.id, key.as_str()))?;
            let there = there.as_ref().and_then(|entry| decode_entry(entry.value()));
            let gone = there.map_or(0, |(_, old)| charge(key.as_str(), old.len()));
            let come = value.as_ref().map_or(0, |v| charge(key.as_str(), v.bytes().len()));
            row.bytes = (row.bytes + come).saturating_sub(gone);
            row.keys = (row.keys + u64::from(0 < come)).saturating_sub(u64::from(0 < gone));
            heads.push(there.map(|(head, _)| head));
        }
        if let Err(full) = self.check_room(order.bytes_max, before, row.bytes) {
            return Ok(Err(full));
        }
        row.version += 1;
        for ((key, value), head) in writes.iter().zip(heads) {
            self.put(&mut row, key, value.as_ref(), head)?;
        }
        self.buckets.insert(&*order.bucket.to_string(), &*row.encode())?;
        self.total = (self.total + row.bytes).saturating_sub(before);
        self.has_changed = true;
        self.rows.insert(order.bucket.clone(), row);
        Ok(Ok(row.version))
    }

    /// Shrinking is always allowed.
    fn check_room(&self, bytes_max: u64, before: u64, after: u64) -> Result<(), StateError> {
        let total_max = self.bounds.total_bytes_max;
        if after <= before {
            Ok(())
        } else if self.is_disk_full {
            Err(StateError::DiskFull)
        } else if bytes_max < after {
            Err(StateError::BucketFull { mib_max: bytes_max >> 20 })
        } else if total_max < self.total + (after - before) {
            Err(StateError::HostFull { mib_max: total_max >> 20 })
        } else {
            Ok(())
        }
    }

    fn put(
        &mut self,
        row: &mut Row,
        key: &Key,
        value: Option<&Value>,
        there: Option<EntryHead>,
    ) -> Result<(), redb::Error> {
        let entry = entry_key(row.id, key.as_str());
        match (value, there) {
            (None, None) => (),
            (None, Some(head)) => {
                self.entries.remove(&*entry)?;
                self.order.remove(&*order_key(row.id, head.created))?;
            }
            (Some(value), Some(EntryHead { created, .. })) => {
                let head = EntryHead { created, version: row.version };
                self.entries.insert(&*entry, &*encode_entry(head, value.bytes()))?;
            }
            (Some(value), None) => {
                row.created += 1;
                let head = EntryHead { created: row.created, version: row.version };
                self.entries.insert(&*entry, &*encode_entry(head, value.bytes()))?;
                let order = order_key(row.id, row.created);
                self.order.insert(&*order, key.as_str().as_bytes())?;
            }
        }
        Ok(())
    }

    /// Ends the group; none when nothing was changed.
    pub(super) fn end(mut self) -> Result<Option<Grouped>, redb::Error> {
        if !self.has_changed {
            return Ok(None);
        }
        let generation = self.meta.get(GENERATION_KEY)?.map_or(0, |before| before.value()) + 1;
        self.meta.insert(GENERATION_KEY, generation)?;
        let ids = self.rows.into_iter().map(|(name, row)| (name, row.id)).collect();
        Ok(Some(Grouped { total: self.total, generation, ids }))
    }
}
