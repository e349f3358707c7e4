//! The interface `watch`: who can be called, and how each endpoint fares.

use crate::call::{EndpointEvent, EndpointState, Fares};
use crate::engine::{State, Watch, watch};
use futures::StreamExt;
use futures::lock::Mutex;
use std::sync::Arc;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, HasSelf};

impl watch::Host for State {}

impl watch::HostWithStore<State> for HasSelf<State> {
    async fn changes(
        accessor: &Accessor<State, Self>,
        by: u64,
    ) -> wasmtime::Result<Vec<watch::Change>> {
        let watch = accessor.with(|mut access| access.as_context_mut().data_mut().watch(by));
        let Some(watch) = watch else { return Ok(Vec::new()) };
        let events = watch.lock().await.next().await.unwrap_or_default();
        Ok(events.into_iter().map(change).collect())
    }
}

impl State {
    /// What a call is told of the endpoints, from now on if it never asked.
    fn watch(&mut self, call: u64) -> Option<Watch> {
        let neighbours = self.host.neighbours.clone();
        let watch = &mut self.call_mut(call)?.watch;
        let begun = || Arc::new(Mutex::new(neighbours.endpoint_events()));
        Some(watch.get_or_insert_with(begun).clone())
    }
}

fn change(event: EndpointEvent) -> watch::Change {
    match event {
        EndpointEvent::Added(endpoint) => watch::Change::Added(shown(endpoint)),
        EndpointEvent::Changed(endpoint) => watch::Change::Changed(shown(endpoint)),
        EndpointEvent::Removed(endpoint) => watch::Change::Removed(shown(endpoint)),
        EndpointEvent::Current => watch::Change::Current,
    }
}

fn shown(endpoint: EndpointState) -> watch::Endpoint {
    watch::Endpoint {
        service: endpoint.service,
        key: endpoint.key,
        registration: endpoint.registration,
        version: endpoint.version,
        domain: endpoint.domain,
        root: endpoint.root,
        local: endpoint.local,
        state: match endpoint.state {
            Fares::Serving => watch::State::Serving,
            Fares::Down => watch::State::Down,
            Fares::Resting => watch::State::Resting,
            Fares::Probing => watch::State::Probing,
            Fares::Draining => watch::State::Draining,
        },
    }
}
