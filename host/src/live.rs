//! The live table: routes and services, as one value that is swapped whole.

use crate::block::Params;
use crate::client::Locals;
use crate::declaration::{DeclaredRoute, Place};
use crate::fault::{Fault, SocketFault};
use crate::name::Name;
use crate::pool::Service;
use crate::publish::Snapshots;
use crate::route::{Captured, Clash, Found, RouteTable, shape};
use crate::traffic::{Asked, Share, Unmet, choose};
use http::Method;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is served. Never changed; the next one replaces it.
#[derive(Default)]
pub(crate) struct Live {
    routes: RouteTable<Route>,
    by_module: BTreeMap<Name, Arc<Service>>,
    /// Versions of each service.
    by_name: BTreeMap<Name, Vec<Arc<Service>>>,
}

/// What answers one route: one target for each version that has it.
struct Route {
    first: Target,
    others: Vec<Target>,
}

/// Where a route leads.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) service: Arc<Service>,
    pub(crate) place: Place,
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

    /// The names of services, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.by_name.keys()
    }

    /// The versions of a service, by the name callers use.
    pub(crate) fn versions(&self, name: &str) -> &[Arc<Service>] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Where a request leads, with its captured parameters.
    pub(crate) fn resolve(
        &self,
        verb: &Method,
        path: &str,
        asked: &Asked,
    ) -> Result<(Target, Params), Fault> {
        let (route, captured) = self.route(verb, path)?;
        let target = route.choose(asked)?.clone();
        Ok((target, decode(&captured, path)?))
    }

    /// A version of a service that has something, and what it has: drawn by
    /// traffic among those that have it.
    pub(crate) fn draw<T>(
        &self,
        name: &str,
        asked: &Asked,
        has: impl Fn(&Service) -> Option<T>,
    ) -> Option<(Arc<Service>, T)> {
        let having = |version: &'_ Arc<Service>| Some((version.clone(), has(version)?));
        let mut having: Vec<(Arc<Service>, T)> =
            self.versions(name).iter().filter_map(having).collect();
        let shares = having.iter().map(|(version, _)| Share {
            version: &version.declaration.version,
            weight: version.traffic(),
        });
        let chosen = choose(&shares, asked).ok()?;
        Some(having.swap_remove(chosen))
    }

    /// The same for a route below the root of a service, wherever that is.
    pub(crate) fn draw_route(
        &self,
        name: &str,
        verb: &Method,
        rest: &str,
        asked: &Asked,
    ) -> Option<(Target, Params)> {
        let resolved = |version: &Service| {
            let path = format!("{}{rest}", version.declaration.root);
            self.resolve_within(&version.registration, verb, &path).ok()
        };
        self.draw(name, asked, resolved).map(|(_, resolved)| resolved)
    }

    /// The same among the routes of one version.
    fn resolve_within(
        &self,
        registration: &str,
        verb: &Method,
        path: &str,
    ) -> Result<(Target, Params), Fault> {
        let (route, captured) = self.route(verb, path)?;
        let is_meant = |target: &&Target| target.service.registration == registration;
        let Some(target) = route.targets().find(is_meant).cloned() else {
            return Err(no_route(verb, path));
        };
        Ok((target, decode(&captured, path)?))
    }

    fn route<'p>(&self, verb: &Method, path: &'p str) -> Result<(&Route, Captured<'_, 'p>), Fault> {
        match self.routes.find(verb, path) {
            Found::Route(route, captured) => Ok((route, captured)),
            Found::OtherVerbs(allow) => {
                let (verb, path) = (verb.to_string(), path.to_owned());
                Err(Fault::VerbNotAllowed { verb, path, allow })
            }
            Found::Nothing => Err(no_route(verb, path)),
        }
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
        let (name, version) = (&service.declaration.name, &service.declaration.version);
        let is_same = |other: &&Arc<Service>| {
            other.declaration.version.cmp_precedence(version) == Ordering::Equal
        };
        if let Some(other) = self.versions(name.as_str()).iter().find(is_same) {
            let over = format!("service {name} {version}");
            return Err(Conflict { with: other.module.clone(), over });
        }
        for DeclaredRoute { verb, path, place, .. } in service.declaration.routes() {
            let first = Target { service: service.clone(), place };
            let route = Route { first, others: Vec::new() };
            let inserted = self.routes.insert_or_join(verb, &path, route, Route::join);
            if let Err(clash) = inserted {
                let over = format!("route {} {path}", verb.as_str());
                let with = match clash {
                    Clash::Taken(route) => route.first.service.module.clone(),
                    Clash::Unroutable(_) => service.module.clone(),
                };
                return Err(Conflict { with, over });
            }
        }
        self.by_name.entry(name.clone()).or_default().push(service.clone());
        self.by_module.insert(service.module.clone(), service.clone());
        Ok(())
    }
}

impl Route {
    fn targets(&self) -> impl Iterator<Item = &Target> + Clone {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The target of a request. Where there is one version, which takes
    /// traffic, and nobody asks for another, there is nothing to choose.
    fn choose(&self, asked: &Asked) -> Result<&Target, Fault> {
        if self.others.is_empty() && asked.version.is_none() && 0 < self.first.service.traffic() {
            return Ok(&self.first);
        }
        let shares = self.targets().map(|target| Share {
            version: &target.service.declaration.version,
            weight: target.service.traffic(),
        });
        let service = || self.first.service.declaration.name.to_string();
        match choose(&shares, asked) {
            Ok(index) => self.targets().nth(index).ok_or(Fault::Internal),
            Err(Unmet::Traffic) => Err(Fault::NoTraffic { service: service() }),
            Err(Unmet::Version) => {
                let wanted = asked.version.as_ref().map(ToString::to_string).unwrap_or_default();
                let wanted = format!("version {wanted}");
                Err(Fault::NoSuchEndpoint { service: service(), wanted })
            }
        }
    }

    /// Both, when they are of versions of one service and take the very same
    /// requests.
    fn join(there: &Self, new: &Self) -> Option<Self> {
        let is_shared = there.first.name() == new.first.name()
            && shape(&there.first.path()) == shape(&new.first.path());
        let others = || there.others.iter().chain([&new.first]).cloned().collect();
        is_shared.then(|| Self { first: there.first.clone(), others: others() })
    }
}

impl Target {
    /// The method that it is.
    pub(crate) fn method(&self) -> Result<u32, Fault> {
        match self.place {
            Place::Method(index) => Ok(index),
            Place::WebSocket(_) => Err(SocketFault::UpgradeRequired.into()),
        }
    }

    fn name(&self) -> &Name {
        &self.service.declaration.name
    }

    fn path(&self) -> String {
        self.service.declaration.path_of(self.place).unwrap_or_default()
    }
}

fn decode(captured: &Captured<'_, '_>, path: &str) -> Result<Params, Fault> {
    let mut params = Params::with_capacity(path.len() * 2);
    for segment in captured.segments() {
        let param = crate::path::decode(segment)
            .map_err(|error| Fault::BadRequest { message: error.to_string() })?;
        params.push(&param);
    }
    Ok(params)
}

fn no_route(verb: &Method, path: &str) -> Fault {
    Fault::NoRoute { verb: verb.to_string(), path: path.to_owned() }
}

/// Why a name does not stand for one live service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unnamed {
    #[error("no such service: {name}")]
    NoService { name: String },
    #[error("service {name} has no version {version}, only {there}")]
    NoVersion { name: String, version: String, there: String },
    #[error("service {name} has the versions {there}; say with `version` which one is meant")]
    WhichVersion { name: String, there: String },
}

/// The one service of a name, or of a name and a version.
pub(crate) fn one<'s>(
    services: impl Iterator<Item = &'s Arc<Service>>,
    name: &str,
    version: Option<&str>,
) -> Result<&'s Arc<Service>, Unnamed> {
    let mut of_name: Vec<&Arc<Service>> =
        services.filter(|service| service.declaration.name.as_str() == name).collect();
    let name = name.to_owned();
    of_name.sort_by(|a, b| a.declaration.version.cmp(&b.declaration.version));
    let text = |service: &Arc<Service>| service.declaration.version.to_string();
    let there = of_name.iter().map(|service| text(service)).collect::<Vec<_>>().join(", ");
    match (of_name.as_slice(), version) {
        ([], _) => Err(Unnamed::NoService { name }),
        ([only], None) => Ok(*only),
        (_, None) => Err(Unnamed::WhichVersion { name, there }),
        (several, Some(version)) => {
            let meant = several.iter().find(|service| text(service) == version).copied();
            let version = version.to_owned();
            meant.ok_or(Unnamed::NoVersion { name, version, there })
        }
    }
}

impl Locals for Snapshots<Live> {
    fn find(&self, name: &str, registration: &str) -> Option<Arc<Service>> {
        let live = self.peek();
        let is_meant = |service: &&Arc<Service>| service.registration == registration;
        live.versions(name).iter().find(is_meant).cloned()
    }

    fn resolve(
        &self,
        within: &Service,
        verb: &Method,
        path: &str,
    ) -> Result<(Arc<Service>, u32, Params), Fault> {
        let live = self.peek();
        let (target, params) = live.resolve_within(&within.registration, verb, path)?;
        let method = target.method()?;
        Ok((target.service, method, params))
    }
}
