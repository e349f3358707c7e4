//! The table of routes.
//!
//! One router per verb, so that a path known for another verb can be told from
//! one that is not known at all. A table is built whole and never changed.

use super::Verb;
use http::Method;

/// Finds what a verb and a path lead to.
#[derive(Debug)]
pub(crate) struct RouteTable<T> {
    routers: Vec<(Slot, matchit::Router<usize>)>,
    targets: Vec<T>,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        let routers = SLOTS.into_iter().map(|slot| (slot, matchit::Router::new())).collect();
        Self { routers, targets: Vec::new() }
    }
}

/// Verbs as requests have them; `Other` is what is not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
    Other,
}

/// In the order of their discriminants, which index [`RouteTable::routers`].
const SLOTS: [Slot; 8] = [
    Slot::Get,
    Slot::Post,
    Slot::Put,
    Slot::Patch,
    Slot::Delete,
    Slot::Head,
    Slot::Options,
    Slot::Other,
];

impl Slot {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            Method::HEAD => Self::Head,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Other => return None,
        })
    }

    fn takes(self, verb: Verb) -> bool {
        match verb {
            Verb::Any => true,
            Verb::Get => self == Self::Get,
            Verb::Post => self == Self::Post,
            Verb::Put => self == Self::Put,
            Verb::Patch => self == Self::Patch,
            Verb::Delete => self == Self::Delete,
        }
    }
}

/// What a lookup says.
#[derive(Debug)]
pub(crate) enum Found<'t, 'p, T> {
    /// The target, and what its parameters captured.
    Route(&'t T, Captured<'t, 'p>),
    /// Only other verbs are known there: the value for `Allow`.
    OtherVerbs(String),
    /// Nothing is known there.
    Nothing,
}

/// Raw segments of a path, in the order of the pattern.
#[derive(Debug)]
pub(crate) struct Captured<'t, 'p>(matchit::Params<'t, 'p>);

impl<'p> Captured<'_, 'p> {
    pub(crate) fn segments(&self) -> impl Iterator<Item = &'p str> {
        self.0.iter().map(|(_, segment)| segment)
    }
}

impl<T> RouteTable<T> {
    /// Adds a route.
    ///
    /// # Errors
    ///
    /// Gives the target that is already there, or the reason why the router
    /// cannot take the path at all.
    pub(crate) fn insert(&mut self, verb: Verb, path: &str, target: T) -> Result<(), Clash<'_, T>> {
        self.insert_or_join(verb, path, target, |_, _| None)
    }

    /// The same where a target may stand beside the one that is there: `join`
    /// makes one of the two, or refuses.
    pub(crate) fn insert_or_join(
        &mut self,
        verb: Verb,
        path: &str,
        target: T,
        join: impl Fn(&T, &T) -> Option<T>,
    ) -> Result<(), Clash<'_, T>> {
        let Self { routers, targets } = self;
        let path = if path.is_empty() { "/" } else { path };
        let index = targets.len();
        let mut joined = Vec::new();
        for (_, router) in routers.iter_mut().filter(|(slot, _)| slot.takes(verb)) {
            let Err(error) = router.insert(path, index) else { continue };
            let with = match &error {
                matchit::InsertError::Conflict { with } => with.as_str(),
                _ => path,
            };
            // A pattern matches itself when its parameters are read as texts.
            let Ok(holder) = router.at_mut(with) else {
                return Err(Clash::Unroutable(error.to_string()));
            };
            let both = targets.get(*holder.value).and_then(|there| join(there, &target));
            let Some(both) = both else {
                let taken = targets.get(*holder.value).map(Clash::Taken);
                return Err(taken.unwrap_or(Clash::Unroutable(error.to_string())));
            };
            joined.push(both);
            *holder.value = index + joined.len();
        }
        targets.push(target);
        targets.extend(joined);
        Ok(())
    }

    /// Looks a request up.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Found<'_, 'p, T> {
        let wanted = Slot::of(method);
        if let Some(found) = self.find_in(wanted, path) {
            return found;
        }
        if wanted == Slot::Head
            && let Some(found) = self.find_in(Slot::Get, path)
        {
            return found;
        }
        let allow = self.allow(path);
        if allow.is_empty() { Found::Nothing } else { Found::OtherVerbs(allow) }
    }

    fn find_in<'p>(&self, wanted: Slot, path: &'p str) -> Option<Found<'_, 'p, T>> {
        let (_, router) = self.routers.get(wanted as usize)?;
        let found = router.at(path).ok()?;
        let target = self.targets.get(*found.value)?;
        Some(Found::Route(target, Captured(found.params)))
    }

    fn allow(&self, path: &str) -> String {
        let knows = |slot: &Slot| {
            self.routers.iter().any(|(known, router)| known == slot && router.at(path).is_ok())
        };
        let mut names: Vec<&str> =
            SLOTS.iter().filter(|slot| knows(slot)).filter_map(|slot| slot.name()).collect();
        if names.is_empty() {
            return String::new();
        }
        for implied in ["HEAD", "OPTIONS"] {
            let holds = implied != "HEAD" || names.contains(&"GET");
            if holds && !names.contains(&implied) {
                names.push(implied);
            }
        }
        names.join(", ")
    }
}

/// Why a route cannot be added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Clash<'t, T> {
    /// Another target has it, or one that the router cannot tell from it.
    Taken(&'t T),
    /// The router cannot take such a path.
    Unroutable(String),
}
