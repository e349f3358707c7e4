//! All records, found by registration and by name without looking at the others.

use super::{Entry, Keeper, Now};
use crate::limits::LeaseTimes;
use crate::name::Name;
use crate::selector::Pattern;
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// All records, by key.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Those of a key by their registrations, in the order they came.
    keys: BTreeMap<Name, IndexMap<String, Entry>>,
    /// Keys and registrations of the records of each name.
    named: BTreeMap<Pattern, Vec<(Name, String)>>,
}

impl Directory {
    /// Puts a record in, in place of one with the same registration. The one
    /// before is given back.
    pub(crate) fn put(&mut self, key: &Name, entry: Entry) -> Option<Entry> {
        let (id, name) = (entry.record.registration.clone(), entry.record.name.clone());
        let before = self.keys.entry(key.clone()).or_default().insert(id.clone(), entry);
        if before.as_ref().is_none_or(|before| before.record.name != name) {
            if let Some(before) = &before {
                self.unname(key.as_str(), before);
            }
            self.named.entry(name).or_default().push((key.clone(), id));
        }
        before
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, key: &str, id: &str) -> Option<Entry> {
        let entries = self.keys.get_mut(key)?;
        let removed = entries.shift_remove(id)?;
        if entries.is_empty() {
            self.keys.remove(key);
        }
        self.unname(key, &removed);
        Some(removed)
    }

    fn unname(&mut self, key: &str, entry: &Entry) {
        let record = &entry.record;
        let Some(places) = self.named.get_mut(&record.name) else { return };
        places.retain(|(key_of, id)| key_of.as_str() != key || *id != record.registration);
        if places.is_empty() {
            self.named.remove(&record.name);
        }
    }

    /// One record.
    pub(crate) fn find(&self, key: &str, id: &str) -> Option<&Entry> {
        self.keys.get(key)?.get(id)
    }

    /// Who keeps a record alive, to change how it fares.
    pub(crate) fn keeper_mut(&mut self, key: &str, id: &str) -> Option<&mut Keeper> {
        Some(&mut self.keys.get_mut(key)?.get_mut(id)?.keeper)
    }

    /// Keys that have records.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Name> {
        self.keys.keys()
    }

    /// The records of one key.
    pub(crate) fn of(&self, key: &str) -> impl Iterator<Item = &Entry> {
        self.keys.get(key).into_iter().flat_map(IndexMap::values)
    }

    /// Every record with its key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Entry)> {
        self.keys.iter().flat_map(|(key, entries)| entries.values().map(move |entry| (key, entry)))
    }

    /// The records of one name with their keys.
    pub(crate) fn named(&self, name: &Pattern) -> impl Iterator<Item = (&Name, &Entry)> {
        let places = self.named.get(name).into_iter().flatten();
        places.filter_map(|(key, id)| Some((key, self.keys.get(key)?.get(id)?)))
    }

    /// Every name that there are records of.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Pattern> {
        self.named.keys()
    }

    /// Those of them that stand for many.
    pub(crate) fn names_of_many(&self) -> impl Iterator<Item = &Pattern> {
        // They come last in the order of patterns.
        self.named.keys().rev().take_while(|name| matches!(name, Pattern::Prefix(..)))
    }

    /// Records in all.
    pub(crate) fn len(&self) -> usize {
        self.keys.values().map(IndexMap::len).sum()
    }

    /// Takes out every record whose time is over.
    pub(crate) fn sweep(&mut self, times: &LeaseTimes, now: Now) -> Vec<Entry> {
        let is_over = |entry: &Entry| match &entry.keeper {
            Keeper::Host => false,
            Keeper::Outside(lease) => lease.is_over(times, now),
        };
        let over = self.iter().filter(|(_, entry)| is_over(entry));
        let over: Vec<(Name, String)> =
            over.map(|(key, entry)| (key.clone(), entry.record.registration.clone())).collect();
        over.iter().filter_map(|(key, id)| self.remove(key.as_str(), id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use proptest::prelude::*;
    use serde_json::json;
    use std::sync::Arc;

    const KEYS: [&str; 2] = ["default", "other"];
    const NAMES: [&str; 4] = ["a", "b", "a*", "b*"];

    fn entry(name: &str, id: usize) -> Entry {
        let json = json!({"name": name, "domain": "http://x", "registration": id.to_string()});
        let record = Record::check(json, String::new).unwrap();
        Entry { record: Arc::new(record), keeper: Keeper::Host }
    }

    #[test]
    fn the_same_registration_replaces() {
        let key = Name::parse("default").unwrap();
        let mut directory = Directory::default();
        assert!(directory.put(&key, entry("a", 1)).is_none());
        assert!(directory.put(&key, entry("b", 1)).is_some());
        assert_eq!((directory.len(), directory.of("default").count()), (1, 1));
        assert!(directory.remove("default", "2").is_none());
        assert!(directory.remove("default", "1").is_some());
        assert_eq!((directory.iter().count(), directory.names().count()), (0, 0));
    }

    /// Which key, name and registration, and whether it is put in or taken out.
    fn any_step() -> impl Strategy<Value = (usize, usize, usize, bool)> {
        (0..KEYS.len(), 0..NAMES.len(), 0..6_usize, any::<bool>())
    }

    proptest! {
        #[test]
        fn a_look_by_name_finds_what_a_look_at_all_finds(
            steps in proptest::collection::vec(any_step(), 60)
        ) {
            let mut directory = Directory::default();
            for (key, name, id, is_put) in steps {
                if is_put {
                    directory.put(&Name::parse(KEYS[key]).unwrap(), entry(NAMES[name], id));
                } else {
                    directory.remove(KEYS[key], &id.to_string());
                }
                let place = |(key, entry): (&Name, &Entry)| {
                    (key.to_string(), entry.record.registration.clone())
                };
                for name in NAMES {
                    let name = Pattern::parse(name).unwrap();
                    let mut seen: Vec<_> = directory.named(&name).map(place).collect();
                    let all = directory.iter().filter(|(_, entry)| entry.record.name == name);
                    let mut expected: Vec<_> = all.map(place).collect();
                    seen.sort();
                    expected.sort();
                    prop_assert_eq!(seen.is_empty(), directory.names().all(|known| *known != name));
                    let is_of_many = directory.names_of_many().any(|known| *known == name);
                    prop_assert_eq!(is_of_many, !seen.is_empty() && name.as_str().ends_with('*'));
                    prop_assert_eq!(seen, expected);
                }
            }
        }
    }
}
