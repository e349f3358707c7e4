//! `/services/openapi.json` and `/services/{name}/openapi.json`: what is live
//! here, as OpenAPI.
//!
//! A document is made when somebody asks for it, and kept as long as the live
//! table that it was made of.

use super::respond::{self, Respond, SHOWN};
use super::{Front, version};
use crate::fault::Fault;
use crate::live::Live;
use crate::openapi::{Shown, of_all, of_service};
use crate::pool::Service;
use bytes::Bytes;
use http::{Method, Request, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

const NAME: &str = "/openapi.json";
const BEGINNING: &str = "/services";

/// No registration begins with it.
const ALL: &str = "all of ";

/// Bytes of documents that are kept; what does not fit is made anew.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// The documents, and the address that they name.
pub(super) struct Documents {
    server: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// What they were made of. Being weak it does not keep revisions from
    /// ending.
    of: Weak<Live>,
    /// By registration; those of several services by [`ALL`] and their names.
    documents: BTreeMap<String, Bytes>,
}

impl Documents {
    pub(super) fn new(server: String) -> Self {
        Self { server, kept: Mutex::default() }
    }

    fn find_or_make(
        &self,
        live: &Arc<Live>,
        key: &str,
        make: impl FnOnce(&str) -> serde_json::Value,
    ) -> Bytes {
        if let Some(found) = self.current(live).documents.get(key) {
            return found.clone();
        }
        let made = Bytes::from(make(&self.server).to_string());
        let mut kept = self.current(live);
        let bytes: usize = kept.documents.values().map(Bytes::len).sum();
        if bytes + made.len() <= KEPT_BYTES_MAX {
            kept.documents.insert(key.to_owned(), made.clone());
        }
        made
    }

    /// What is kept of this table; nothing of one before.
    fn current(&self, live: &Arc<Live>) -> std::sync::MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::ptr::eq(kept.of.as_ptr(), Arc::as_ptr(live)) {
            *kept = Kept { of: Arc::downgrade(live), documents: BTreeMap::new() };
        }
        kept
    }
}

/// Answers a request for a document. One for a service that is not of this host,
/// or not reached by name, is left to whoever passes requests on.
pub(super) fn answer<B>(front: &Front, request: &Request<B>) -> Option<Response<Respond>> {
    let below = request.uri().path().strip_suffix(NAME)?.strip_prefix(BEGINNING)?;
    let live = front.live.take();
    let versions = match below.strip_prefix('/') {
        None if below.is_empty() => None,
        Some(name) if !name.contains('/') => {
            let name = crate::path::decode(name).ok()?;
            let versions = live.versions(&name);
            if versions.is_empty() || front.check_reach(None, &name).is_err() {
                return None;
            }
            Some(versions)
        }
        _ => return None,
    };
    match *request.method() {
        Method::GET | Method::HEAD => (),
        Method::OPTIONS => return Some(respond::options(SHOWN)),
        _ => return Some(front.turn_away(request, &respond::not_allowed(request, SHOWN))),
    }
    let document = match versions {
        None => {
            let names = reached(front, &live);
            // Records of others may close a name while the table stays.
            let key = format!("{ALL}{}", names.join(" "));
            front.documents.find_or_make(&live, &key, |server| of_all(&all(&live, &names), server))
        }
        Some(versions) => match meant(versions, request) {
            Ok(service) => front.documents.find_or_make(&live, &service.registration, |server| {
                of_service(&shown(service, versions), server)
            }),
            Err(fault) => return Some(front.turn_away(request, &fault)),
        },
    };
    Some(respond::json_text(document))
}

/// The services that are reached by name.
fn reached<'l>(front: &Front, live: &'l Live) -> Vec<&'l str> {
    let is_open = |name: &&str| front.check_reach(None, name).is_ok();
    live.names().map(crate::name::Name::as_str).filter(is_open).collect()
}

/// The newest version of each of these services.
fn all<'l>(live: &'l Live, names: &[&str]) -> Vec<Shown<'l>> {
    let shown = |name: &&str| {
        let versions = live.versions(name);
        newest(versions.iter()).map(|service| shown(service, versions))
    };
    names.iter().filter_map(shown).collect()
}

fn shown<'s>(service: &'s Service, versions: &[Arc<Service>]) -> Shown<'s> {
    let mut all: Vec<_> = versions.iter().map(|one| &one.declaration.version).collect();
    all.sort();
    let versions = all.into_iter().map(ToString::to_string).collect();
    Shown { declaration: &service.declaration, versions }
}

/// The newest version, or the newest of those that a request asks for.
fn meant<'s, B>(
    versions: &'s [Arc<Service>],
    request: &Request<B>,
) -> Result<&'s Arc<Service>, Fault> {
    let wanted = version(request.headers())?;
    let suits = |service: &&Arc<Service>| {
        wanted.as_ref().is_none_or(|wanted| wanted.matches(&service.declaration.version))
    };
    newest(versions.iter().filter(suits)).ok_or_else(|| {
        let name = versions.first().map(|service| service.declaration.name.to_string());
        let wanted = wanted.as_ref().map(ToString::to_string).unwrap_or_default();
        let wanted = format!("version {wanted}");
        Fault::NoSuchEndpoint { service: name.unwrap_or_default(), wanted }
    })
}

fn newest<'s>(versions: impl Iterator<Item = &'s Arc<Service>>) -> Option<&'s Arc<Service>> {
    versions.max_by(|a, b| a.declaration.version.cmp(&b.declaration.version))
}
