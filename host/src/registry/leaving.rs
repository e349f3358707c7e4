//! Revisions of this host that take no call any more and still answer some.

use super::{Endpoint, Registry};
use crate::name::Name;
use crate::record::{Record, Status};
use std::sync::{Arc, PoisonError};

/// A revision is shown as long as this is kept.
pub(crate) struct Leaving {
    registry: Arc<Registry>,
    endpoint: Endpoint,
}

impl Registry {
    /// Shows a revision that has been replaced or removed.
    pub(crate) fn show_leaving(self: &Arc<Self>, key: &Name, record: Record) -> Leaving {
        let id: Arc<str> = format!("{}-{}", record.registration, uuid::Uuid::new_v4()).into();
        let (key, record) = (key.clone(), Arc::new(record));
        let endpoint = Endpoint { key, record, status: Status::Up, is_local: true, id };
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.push(endpoint.clone());
        drop(leaving);
        self.note_change();
        Leaving { registry: self.clone(), endpoint }
    }

    /// All that are shown.
    pub(crate) fn leaving(&self) -> Vec<Endpoint> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut leaving = self.registry.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|endpoint| endpoint.id != self.endpoint.id);
        drop(leaving);
        self.registry.note_change();
    }
}
