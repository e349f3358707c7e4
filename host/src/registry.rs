//! The registry: who can be called where, kept true by leases and checks.
//!
//! One lock around a plain value; nothing waits while holding it.

mod check;
mod external;
mod leases;
mod leaving;

use crate::limits::LeaseTimes;
use crate::name::Name;
use crate::outbound::Outbound;
use crate::record::{Directory, Entry, Keeper, Lease, Now, Record, RecordError, Status, check_id};
use crate::selector::{Pattern, Selector};
use crate::traffic;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::Instant;

/// All records, local and external.
pub(crate) struct Registry {
    directory: Mutex<Directory>,
    leaving: Mutex<Vec<Endpoint>>,
    changed: watch::Sender<u64>,
    started: Instant,
    times: LeaseTimes,
    records_max: usize,
    outbound: Outbound,
}

/// Why the registry does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    BadRecord(#[from] RecordError),
    #[error("keyServices {0}")]
    BadKey(String),
    #[error("no record {id} under key {key}")]
    Unknown { key: String, id: String },
    #[error("record {0} is a service of this host and changes with its module alone")]
    Local(String),
    #[error("the registry holds {0} records and takes no more")]
    Full(usize),
}

/// A place where a service can be called.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) key: Name,
    pub(crate) record: Arc<Record>,
    pub(crate) status: Status,
    /// Whether it is a service of this host.
    pub(crate) is_local: bool,
    id: Arc<str>,
}

impl Endpoint {
    /// What it is known by. Another address makes another one of it.
    pub(crate) fn id(&self) -> Arc<str> {
        self.id.clone()
    }

    /// Its part of the calls beside others, `weight` in its metadata.
    pub(crate) fn weight(&self) -> u32 {
        let said = self.record.metadata.get("weight").and_then(Value::as_u64);
        said.map_or(1, |weight| u32::try_from(weight).unwrap_or(u32::MAX))
    }

    /// What a version of this host weighs beside the others.
    pub(crate) fn traffic(&self) -> u32 {
        let said = self.record.metadata.get("traffic").and_then(Value::as_u64);
        said.map_or(traffic::USUAL, |weight| u32::try_from(weight).unwrap_or(u32::MAX))
    }
}

impl Registry {
    /// An empty registry.
    pub(crate) fn new(times: LeaseTimes, records_max: usize, outbound: Outbound) -> Arc<Self> {
        Arc::new(Self {
            directory: Mutex::default(),
            leaving: Mutex::default(),
            changed: watch::Sender::new(0),
            started: Instant::now(),
            times,
            records_max,
            outbound,
        })
    }

    /// A number that grows with every change of who may be called.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// That number.
    pub(crate) fn version(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Takes a record from outside; the same registration replaces.
    pub(crate) fn post(&self, key: Option<&str>, record: Value) -> Result<String, RegistryError> {
        let key = check_key(key.unwrap_or("default"))?;
        let mut record = Record::check(record, || uuid::Uuid::new_v4().to_string())?;
        let id = record.registration.clone();
        let date = now_text();
        record.date.creation.clone_from(&date);
        record.date.last_update = date;
        let mut directory = self.lock();
        match directory.find(key.as_str(), &id) {
            Some(Entry { keeper: Keeper::Host, .. }) => return Err(RegistryError::Local(id)),
            Some(_) => (),
            None if self.records_max <= directory.len() => {
                return Err(RegistryError::Full(self.records_max));
            }
            None => (),
        }
        let keeper = Keeper::Outside(Lease::new(self.now()));
        directory.put(&key, Entry { record: Arc::new(record), keeper });
        drop(directory);
        self.note_change();
        Ok(id)
    }

    /// Updates a record and renews its lease. No record is a heartbeat alone.
    pub(crate) fn put(
        &self,
        key: &str,
        id: &str,
        record: Option<Value>,
    ) -> Result<String, RegistryError> {
        check_id(id)?;
        let record = record.map(|record| Record::check(record, || id.to_owned())).transpose()?;
        let now = self.now();
        let mut directory = self.lock();
        let unknown = || RegistryError::Unknown { key: key.to_owned(), id: id.to_owned() };
        let Entry { record: before, keeper } =
            directory.find(key, id).cloned().ok_or_else(unknown)?;
        let Keeper::Outside(mut lease) = keeper else {
            return Err(RegistryError::Local(id.to_owned()));
        };
        let key = check_key(key)?;
        let was = lease.status(&self.times, now);
        lease.heartbeat(now);
        let is = lease.status(&self.times, now);
        let mut next = record.unwrap_or_else(|| (*before).clone());
        next.date.creation.clone_from(&before.date.creation);
        next.date.last_update = now_text();
        let called_elsewhere = next.domain != before.domain
            || next.methods != before.methods
            || next.name != before.name;
        let new_id = next.registration.clone();
        if new_id != id {
            directory.remove(key.as_str(), id);
        }
        let entry = Entry { record: Arc::new(next), keeper: Keeper::Outside(lease) };
        directory.put(&key, entry);
        drop(directory);
        if was != is || called_elsewhere || new_id != id {
            self.note_change();
        }
        Ok(new_id)
    }

    /// Takes a record out. Removing what is not there is done, too.
    pub(crate) fn delete(&self, key: &str, id: &str) -> Result<(), RegistryError> {
        let mut directory = self.lock();
        if let Some(Entry { keeper: Keeper::Host, .. }) = directory.find(key, id) {
            return Err(RegistryError::Local(id.to_owned()));
        }
        let removed = directory.remove(key, id);
        drop(directory);
        if removed.is_some() {
            self.note_change();
        }
        Ok(())
    }

    /// Lists or updates a service of this host.
    pub(crate) fn put_local(&self, key: &Name, mut record: Record) {
        let mut directory = self.lock();
        record.date.last_update = now_text();
        let known = directory.find(key.as_str(), &record.registration);
        record.date.creation = match known {
            Some(entry) => entry.record.date.creation.clone(),
            None => record.date.last_update.clone(),
        };
        directory.put(key, Entry { record: Arc::new(record), keeper: Keeper::Host });
        drop(directory);
        self.note_change();
    }

    /// Unlists a service of this host.
    pub(crate) fn remove_local(&self, key: &Name, id: &str) {
        self.lock().remove(key.as_str(), id);
        self.note_change();
    }

    /// The records of one key as JSON; an unknown key has none.
    pub(crate) fn list(&self, key: &str) -> Vec<Value> {
        let now = self.now();
        self.lock().of(key).map(|entry| self.render(entry, now)).collect()
    }

    /// The records of every key as JSON.
    pub(crate) fn list_all(&self) -> Map<String, Value> {
        self.list_those(|_| true)
    }

    /// The same without services of this host, and keys that have no others.
    pub(crate) fn list_outside(&self) -> Map<String, Value> {
        let mut lists = self.list_those(|entry| matches!(entry.keeper, Keeper::Outside(_)));
        lists.retain(|_, list| list.as_array().is_some_and(|records| !records.is_empty()));
        lists
    }

    fn list_those(&self, is_meant: impl Fn(&Entry) -> bool) -> Map<String, Value> {
        let now = self.now();
        let directory = self.lock();
        let lists = directory.keys().map(|key| {
            let entries = directory.of(key.as_str()).filter(|entry| is_meant(entry));
            let list: Vec<Value> = entries.map(|entry| self.render(entry, now)).collect();
            (key.to_string(), Value::from(list))
        });
        lists.collect()
    }

    /// One record as JSON.
    pub(crate) fn find(&self, key: &str, id: &str) -> Option<Value> {
        let now = self.now();
        self.lock().find(key, id).map(|entry| self.render(entry, now))
    }

    fn render(&self, entry: &Entry, now: Now) -> Value {
        let mut value = serde_json::to_value(&*entry.record).unwrap_or_default();
        if let Value::Object(object) = &mut value {
            let status = serde_json::to_value(entry.status(&self.times, now));
            object.insert("status".to_owned(), status.unwrap_or_default());
            if let Some(why) = entry.why_down(&self.times, now) {
                object.insert("reason".to_owned(), why.into());
            }
        }
        value
    }

    /// Endpoints of the services that a caller names, whatever their state:
    /// those under the key, `default` when there is none, and without a key all
    /// of this host.
    pub(crate) fn endpoints(&self, key: Option<&str>, selector: &Selector) -> Vec<Endpoint> {
        let now = self.now();
        let directory = self.lock();
        let asked = key.unwrap_or("default");
        let is_offered = |(key_of, entry): &(&Name, &Entry)| {
            key_of.as_str() == asked || key.is_none() && entry.keeper == Keeper::Host
        };
        let is_there = |name: &&Pattern| directory.named(name).any(|found| is_offered(&found));
        let exact = selector.wanted().exact().map(|name| Pattern::from(name.clone()));
        let meant = match &exact {
            // Who asks for one name need not look at the others.
            Some(name) if is_there(&name) => vec![name],
            Some(_) => selector.pick(directory.names_of_many().filter(is_there)),
            None => selector.pick(directory.names().filter(is_there)),
        };
        let found = meant.into_iter().flat_map(|name| directory.named(name)).filter(is_offered);
        found.map(|(key, entry)| self.endpoint(key, entry, now)).collect()
    }

    /// Every endpoint that is listed.
    pub(crate) fn all(&self) -> Vec<Endpoint> {
        let now = self.now();
        let directory = self.lock();
        directory.iter().map(|(key, entry)| self.endpoint(key, entry, now)).collect()
    }

    fn endpoint(&self, key: &Name, entry: &Entry, now: Now) -> Endpoint {
        let record = entry.record.clone();
        let id = format!("{}@{}", record.registration, record.domain).into();
        let (status, is_local) = (entry.status(&self.times, now), entry.keeper == Keeper::Host);
        Endpoint { key: key.clone(), record, status, is_local, id }
    }

    /// Every record of a key with its state.
    pub(crate) fn entries(&self, key: &str) -> Vec<(Arc<Record>, Status)> {
        let now = self.now();
        let directory = self.lock();
        let entries = directory.of(key);
        entries.map(|entry| (entry.record.clone(), entry.status(&self.times, now))).collect()
    }

    /// A call could not reach an endpoint: it is not called again until it
    /// shows that it lives.
    pub(crate) fn call_failed(&self, endpoint: &Endpoint) {
        let mut directory = self.lock();
        let id = &endpoint.record.registration;
        if let Some(Keeper::Outside(lease)) = directory.keeper_mut(endpoint.key.as_str(), id) {
            lease.call_failed();
        }
        drop(directory);
        self.note_change();
    }

    /// How a record fares, if it is listed.
    fn status(&self, key: &str, id: &str) -> Option<Status> {
        let now = self.now();
        self.lock().find(key, id).map(|entry| entry.status(&self.times, now))
    }

    /// Records in all.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Tells those who wait for an endpoint to look again.
    pub(crate) fn note_change(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn now(&self) -> Now {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_key(key: &str) -> Result<Name, RegistryError> {
    Name::parse(key).map_err(|error| RegistryError::BadKey(format!("{key:?} {error}")))
}

/// ISO 8601 in UTC with milliseconds, as JavaScript prints it.
fn now_text() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
