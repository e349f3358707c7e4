//! What a call is told of the endpoints, in native tests.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    task::Poll,
};

use super::ENTRIES;
use crate::{DirectoryChange, Endpoint, EndpointState, Entry};

/// Endpoints by registry key and registration.
type Endpoints = BTreeMap<(String, String), Endpoint>;

thread_local! {
    /// What each call was told.
    static TOLD: RefCell<HashMap<u64, Endpoints>> = RefCell::default();
}

/// What has changed since the call was told last.
pub(crate) async fn changes(call: u64) -> Vec<DirectoryChange> {
    poll_fn(|_| {
        let now = listed();
        let before = TOLD.with_borrow_mut(|told| told.insert(call, now.clone()));
        let changes = match &before {
            None => {
                differences(&Endpoints::new(), &now).chain([DirectoryChange::Current]).collect()
            }
            Some(before) => differences(before, &now).collect::<Vec<_>>(),
        };
        if changes.is_empty() { Poll::Pending } else { Poll::Ready(changes) }
    })
    .await
}

fn listed() -> Endpoints {
    ENTRIES.with_borrow(|listed| {
        let all = listed.iter().flat_map(|(key, entries)| entries.iter().map(move |it| (key, it)));
        all.map(|(key, entry)| ((key.clone(), entry.registration.clone()), shown(key, entry)))
            .collect()
    })
}

fn shown(key: &str, entry: &Entry) -> Endpoint {
    Endpoint {
        service: entry.name.clone(),
        key: key.to_owned(),
        registration: entry.registration.clone(),
        version: entry.version.clone(),
        domain: entry.domain.clone(),
        root: entry.root.clone(),
        local: false,
        state: if entry.up { EndpointState::Serving } else { EndpointState::Down },
    }
}

fn differences(before: &Endpoints, now: &Endpoints) -> impl Iterator<Item = DirectoryChange> {
    let gone = before.iter().filter(|(id, _)| !now.contains_key(*id));
    let gone = gone.map(|(_, it)| DirectoryChange::Removed(it.clone()));
    let others = now.iter().filter_map(|(id, it)| match before.get(id) {
        None => Some(DirectoryChange::Added(it.clone())),
        Some(known) if known != it => Some(DirectoryChange::Changed(it.clone())),
        Some(_) => None,
    });
    gone.chain(others)
}
