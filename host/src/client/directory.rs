//! Who can be called and how each fares, as a list and as changes of it.

use super::Client;
use super::fleets::Fared;
use crate::call::{EndpointEvent, EndpointState, Fares};
use crate::record::Status;
use crate::registry::Endpoint;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Follows the endpoints. Nothing is kept for a reader who is slow but what it
/// was told last: the next it is told is what has changed since then.
pub(crate) struct EndpointWatch {
    client: Client,
    told: BTreeMap<String, EndpointState>,
    listed: watch::Receiver<u64>,
    fared: watch::Receiver<u64>,
    is_current: bool,
    next_look: Instant,
}

/// Lines that are told at once.
const EVENTS_MAX: usize = 1_024;
/// How often it is looked at what time alone changes: leases that end, rests
/// that are over.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The least time between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

impl Client {
    /// Every endpoint that is listed, and local revisions that still answer.
    pub(crate) fn endpoints(&self) -> Vec<EndpointState> {
        let fared = self.shared.fleets.states();
        let mut states: Vec<EndpointState> =
            self.shared.registry.all().iter().map(|endpoint| listed(endpoint, &fared)).collect();
        states.extend(self.shared.registry.leaving().iter().map(|endpoint| EndpointState {
            state: Fares::Draining,
            ..listed(endpoint, &HashMap::new())
        }));
        states.sort_by(|a, b| (&a.service, &a.registration).cmp(&(&b.service, &b.registration)));
        states
    }

    /// The same, and every change from now on.
    pub(crate) fn watch_endpoints(&self) -> EndpointWatch {
        EndpointWatch {
            told: BTreeMap::new(),
            listed: self.shared.registry.watch(),
            fared: self.shared.fleets.watch(),
            is_current: false,
            next_look: Instant::now(),
            client: self.clone(),
        }
    }
}

fn listed(endpoint: &Endpoint, fared: &HashMap<Arc<str>, Fared>) -> EndpointState {
    let record = &endpoint.record;
    let known = fared.get(&endpoint.id());
    let state = match (endpoint.status, known) {
        (Status::Down, _) => Fares::Down,
        (Status::Up, None) => Fares::Serving,
        (Status::Up, Some(fared)) => fared.state,
    };
    EndpointState {
        service: record.name.to_string(),
        key: endpoint.key.to_string(),
        registration: record.registration.clone(),
        version: record.version().unwrap_or_default().to_owned(),
        domain: record.domain.clone(),
        root: record.root.clone(),
        local: endpoint.is_local,
        state,
        rests_ms: known.and_then(|fared| fared.rests_ms),
        in_flight: known.map_or(0, |fared| fared.in_flight),
        latency_us: known.and_then(|fared| fared.latency_us),
    }
}

impl EndpointWatch {
    /// What is new, once there is something.
    pub(crate) async fn next(&mut self) -> Vec<EndpointEvent> {
        loop {
            self.listed.mark_unchanged();
            self.fared.mark_unchanged();
            let events = self.look();
            if !events.is_empty() {
                return events;
            }
            self.next_look = Instant::now() + LOOK_EVERY;
            tokio::select! {
                _ = self.listed.changed() => sleep(LOOK_PAUSE).await,
                _ = self.fared.changed() => sleep(LOOK_PAUSE).await,
                () = sleep_until(self.next_look) => (),
            }
        }
    }

    fn look(&mut self) -> Vec<EndpointEvent> {
        let states = self.client.endpoints().into_iter();
        let now: BTreeMap<String, EndpointState> =
            states.map(|state| (state.identity(), state)).collect();
        let mut events = changes(&self.told, &now);
        if !self.is_current && events.len() < EVENTS_MAX {
            self.is_current = true;
            events.push(EndpointEvent::Current);
        }
        events.truncate(EVENTS_MAX);
        for event in &events {
            match event {
                EndpointEvent::Added(endpoint) | EndpointEvent::Changed(endpoint) => {
                    self.told.insert(endpoint.identity(), endpoint.clone());
                }
                EndpointEvent::Removed(endpoint) => drop(self.told.remove(&endpoint.identity())),
                EndpointEvent::Current => (),
            }
        }
        events
    }
}

/// What has to be told to whoever knows one list for it to know the other.
fn changes(
    told: &BTreeMap<String, EndpointState>,
    now: &BTreeMap<String, EndpointState>,
) -> Vec<EndpointEvent> {
    let gone = told.iter().filter(|(id, _)| !now.contains_key(*id));
    let gone = gone.map(|(_, endpoint)| EndpointEvent::Removed(endpoint.clone()));
    let others = now.iter().filter_map(|(id, endpoint)| match told.get(id) {
        None => Some(EndpointEvent::Added(endpoint.clone())),
        Some(before) if before.differs(endpoint) => Some(EndpointEvent::Changed(endpoint.clone())),
        Some(_) => None,
    });
    gone.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(registration: &str, state: Fares) -> EndpointState {
        EndpointState {
            service: "calc".into(),
            key: "default".into(),
            registration: registration.into(),
            version: "1.0.0".into(),
            domain: "http://127.0.0.1:1".into(),
            root: String::new(),
            local: false,
            state,
            rests_ms: None,
            in_flight: 0,
            latency_us: None,
        }
    }

    fn list(endpoints: &[EndpointState]) -> BTreeMap<String, EndpointState> {
        endpoints.iter().map(|endpoint| (endpoint.identity(), endpoint.clone())).collect()
    }

    #[test]
    fn changes_lead_from_one_list_to_the_other_and_figures_are_none() {
        let before = [
            endpoint("a", Fares::Serving),
            endpoint("b", Fares::Serving),
            endpoint("c", Fares::Down),
        ];
        let busy =
            EndpointState { in_flight: 7, latency_us: Some(9), ..endpoint("a", Fares::Serving) };
        let after = [busy, endpoint("b", Fares::Resting), endpoint("d", Fares::Serving)];
        let seen = changes(&list(&before), &list(&after));
        let seen: Vec<(&str, String)> = seen
            .into_iter()
            .map(|event| match event {
                EndpointEvent::Added(endpoint) => ("added", endpoint.registration),
                EndpointEvent::Changed(endpoint) => ("changed", endpoint.registration),
                EndpointEvent::Removed(endpoint) => ("removed", endpoint.registration),
                EndpointEvent::Current => ("current", String::new()),
            })
            .collect();
        let expected = [("removed", "c"), ("changed", "b"), ("added", "d")];
        assert_eq!(seen, expected.map(|(event, id)| (event, id.to_owned())));
    }

    #[test]
    fn a_revision_that_drains_stands_beside_its_successor() {
        let both = [endpoint("a", Fares::Serving), endpoint("a", Fares::Draining)];
        assert_eq!(list(&both).len(), 2);
    }
}
