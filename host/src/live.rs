//! The live table: routes and services, as one value that is swapped whole.

use crate::block::Params;
use crate::client::Locals;
use crate::fault::Fault;
use crate::name::Name;
use crate::pool::Service;
use crate::publish::Snapshots;
use crate::route::{Clash, Found, RouteTable};
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is served. Never changed; the next one replaces it.
#[derive(Default)]
pub(crate) struct Live {
    routes: RouteTable<Target>,
    by_module: BTreeMap<Name, Arc<Service>>,
    by_name: BTreeMap<Name, Arc<Service>>,
}

/// Where a route leads.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) service: Arc<Service>,
    pub(crate) method: u32,
}

/// Why services cannot be live together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The module that was there before.
    pub(crate) with: Name,
    /// What both want.
    pub(crate) over: String,
}

impl Live {
    /// Everything that is live.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.by_module.values()
    }

    /// A service by the name callers use.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Service>> {
        self.by_name.get(name)
    }

    /// Where a request leads, with its captured parameters.
    pub(crate) fn resolve(&self, verb: &Method, path: &str) -> Result<(Target, Params), Fault> {
        let (target, captured) = match self.routes.find(verb, path) {
            Found::Route(target, captured) => (target, captured),
            Found::OtherVerbs(allow) => {
                let (verb, path) = (verb.to_string(), path.to_owned());
                return Err(Fault::VerbNotAllowed { verb, path, allow });
            }
            Found::Nothing => {
                let (verb, path) = (verb.to_string(), path.to_owned());
                return Err(Fault::NoRoute { verb, path });
            }
        };
        let mut params = Params::with_capacity(path.len() * 2);
        for segment in captured.segments() {
            let param = crate::path::decode(segment)
                .map_err(|error| Fault::BadRequest { message: error.to_string() })?;
            params.push(&param);
        }
        Ok((target.clone(), params))
    }

    /// Services whose paths begin with this root.
    pub(crate) fn at_root(&self, root: &str) -> Vec<&Arc<Service>> {
        self.services().filter(|service| service.declaration.root == root).collect()
    }

    /// A table of these services, or the conflict that the last of them has
    /// with one before it.
    pub(crate) fn build(
        services: impl IntoIterator<Item = Arc<Service>>,
    ) -> Result<Self, (Arc<Service>, Conflict)> {
        let mut live = Self::default();
        for service in services {
            if let Err(conflict) = live.add(&service) {
                return Err((service, conflict));
            }
        }
        Ok(live)
    }

    /// Adds a service to a table that nobody has seen. After a conflict the table
    /// may hold a part of it, and is good for nothing.
    pub(crate) fn add(&mut self, service: &Arc<Service>) -> Result<(), Conflict> {
        let name = &service.declaration.name;
        if let Some(other) = self.by_name.get(name) {
            let over = if other.declaration.version == service.declaration.version {
                format!("service {name} {}", service.declaration.version)
            } else {
                format!("service {name}")
            };
            return Err(Conflict { with: other.module.clone(), over });
        }
        for (index, method) in service.declaration.methods.iter().enumerate() {
            let path = service.declaration.path(method);
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let target = Target { service: service.clone(), method: index };
            if let Err(clash) = self.routes.insert(method.verb, &path, target) {
                let over = format!("route {} {path}", method.verb.as_str());
                let with = match clash {
                    Clash::Taken(target) => target.service.module.clone(),
                    Clash::Unroutable(_) => service.module.clone(),
                };
                return Err(Conflict { with, over });
            }
        }
        self.by_name.insert(name.clone(), service.clone());
        self.by_module.insert(service.module.clone(), service.clone());
        Ok(())
    }
}

impl Locals for Snapshots<Live> {
    fn find(&self, name: &str) -> Option<Arc<Service>> {
        self.peek().find(name).cloned()
    }

    fn resolve(&self, verb: &Method, path: &str) -> Result<(Arc<Service>, u32, Params), Fault> {
        let (Target { service, method }, params) = self.peek().resolve(verb, path)?;
        Ok((service, method, params))
    }
}
