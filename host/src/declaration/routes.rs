//! Routes of a service: those of its methods and those of its WebSockets.

use super::{Declaration, DeclarationError};
use crate::name::Name;
use crate::route::{Clash, Pattern, RouteTable, Verb, reserved};
use std::collections::BTreeSet;

/// What of a service a route leads to. The numbers are indices in its
/// declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Method(u32),
    WebSocket(u32),
}

/// A route that a service declares.
pub(crate) struct DeclaredRoute<'d> {
    pub name: &'d Name,
    pub verb: Verb,
    /// The whole path.
    pub path: String,
    pub place: Place,
}

impl Declaration {
    /// All of its routes.
    pub(crate) fn routes<'d>(&'d self) -> impl Iterator<Item = DeclaredRoute<'d>> {
        let root = &self.root;
        let route = move |name: &'d Name, verb: Verb, pattern: &Pattern, place: Place| {
            let path = format!("{root}{pattern}");
            DeclaredRoute { name, verb, path, place }
        };
        let methods = (0..).zip(&self.methods).map(move |(index, method)| {
            route(&method.name, method.verb, &method.pattern, Place::Method(index))
        });
        let websockets = (0..).zip(&self.websockets).map(move |(index, websocket)| {
            route(&websocket.name, Verb::Get, &websocket.pattern, Place::WebSocket(index))
        });
        methods.chain(websockets)
    }

    /// The whole path of one of its routes.
    pub(crate) fn path_of(&self, place: Place) -> Option<String> {
        let pattern = match place {
            Place::Method(index) => &self.methods.get(index as usize)?.pattern,
            Place::WebSocket(index) => &self.websockets.get(index as usize)?.pattern,
        };
        Some(format!("{}{pattern}", self.root))
    }

    /// Checks them together: their names, what they reach into, whether they
    /// can be told apart.
    pub(super) fn check_routes(&self) -> Result<(), DeclarationError> {
        let mut names = BTreeSet::new();
        let mut table = RouteTable::default();
        for DeclaredRoute { name, verb, path, .. } in self.routes() {
            if !names.insert(name) {
                return Err(DeclarationError::MethodTwice(name.clone()));
            }
            if let Some(reserved) = self.reserved(&path) {
                return Err(DeclarationError::Reserved(path, reserved));
            }
            if let Err(clash) = table.insert(verb, &path, name) {
                let other = match clash {
                    Clash::Taken(other) => (*other).clone(),
                    Clash::Unroutable(_) => name.clone(),
                };
                let route = format!("{} {path}", verb.as_str());
                return Err(DeclarationError::RouteTwice(other, name.clone(), route));
            }
        }
        Ok(())
    }

    fn reserved(&self, path: &str) -> Option<&'static str> {
        let below = path.strip_prefix(self.root.as_str()).unwrap_or(path);
        if below == "/healthcheck" { Some("/healthcheck") } else { reserved(path) }
    }
}
