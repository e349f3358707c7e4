//! Who makes the calls that a service makes: each of its entrances by its name.

use crate::call::{Entrance, Hop};
use crate::declaration::{Declaration, Method};
use crate::digest::Digest;
use crate::name::Name;
use std::sync::Arc;

/// The hops of a service, by entrance.
pub(super) struct Hops {
    methods: Vec<Arc<Hop>>,
    subscriptions: Vec<Arc<Hop>>,
    timers: Vec<Arc<Hop>>,
    websockets: Vec<Arc<Hop>>,
    start: Option<Arc<Hop>>,
    stop: Option<Arc<Hop>>,
}

impl Hops {
    pub(super) fn of(declaration: &Declaration, revision: Digest) -> Self {
        let service = &declaration.name;
        let hop_at = |method: &Name, route| {
            let (service, method) = (service.clone(), method.clone());
            Arc::new(Hop { service, method, revision, route })
        };
        let hop = |method: &Name| hop_at(method, None);
        let route = |method: &Method| Some((method.verb, declaration.path(method)));
        let own = |name: &str| Name::parse(name).ok().map(|name| hop(&name));
        Self {
            methods: declaration.methods.iter().map(|it| hop_at(&it.name, route(it))).collect(),
            subscriptions: declaration.subscriptions.iter().map(|one| hop(&one.name)).collect(),
            timers: declaration.timers.iter().map(|one| hop(&one.name)).collect(),
            websockets: declaration.websockets.iter().map(|one| hop(&one.name)).collect(),
            start: own("start").filter(|_| declaration.starts),
            stop: own("stop").filter(|_| declaration.stops),
        }
    }

    /// None when there is no such entrance.
    pub(super) fn of_entrance(&self, entrance: Entrance) -> Option<Arc<Hop>> {
        let hop = match entrance {
            Entrance::Method(index) => self.methods.get(index as usize),
            Entrance::Subscription(index) => self.subscriptions.get(index as usize),
            Entrance::Timer(index) => self.timers.get(index as usize),
            Entrance::Socket(index) => self.websockets.get(index as usize),
            Entrance::Start => self.start.as_ref(),
            Entrance::Stop => self.stop.as_ref(),
        };
        hop.cloned()
    }
}
