//! Routes: verbs, patterns, and the table that finds them.
//!
//! One router per verb, so that a path known for another verb can be told from
//! one that is not known at all. A table is built whole and never changed.

use http::Method;
use std::fmt;

/// Paths that belong to the host; no module may declare below them.
pub(crate) const RESERVED: [&str; 6] =
    ["/healthcheck", "/rpc", "/services", "/events", "/ws", "/socket.io"];

/// A verb a method answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    /// Every verb there is, `HEAD` and `OPTIONS` included.
    Any,
}

/// A path below a root, with `{name}` for one segment and `{*name}` for the
/// rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Pattern {
    text: String,
    params: Vec<String>,
}

/// Why a text is not a [`Pattern`], a root or a [`Verb`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("pattern {0:?} must be empty or begin with /")]
    NoSlash(String),
    #[error("pattern {0:?} has {1:?}; a segment is plain text, {{name}}, or {{*name}} at the end")]
    BadSegment(String, String),
    #[error("pattern {0:?} has the parameter {1:?} twice")]
    TwiceNamed(String, String),
    #[error("root {0:?} must be empty or begin with /, without a / at its end")]
    BadRoot(String),
    #[error("verb {0:?} is not one of GET, POST, PUT, PATCH, DELETE")]
    BadVerb(String),
}

impl Verb {
    /// Checks a text. `ANY` is every verb.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        Ok(match text {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "ANY" => Self::Any,
            _ => return Err(PatternError::BadVerb(text.to_owned())),
        })
    }

    /// As records and `Allow` write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Any => "ANY",
        }
    }

    /// What a client sends for it.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Get | Self::Any => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

impl Pattern {
    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let Some(below) = text.strip_prefix('/') else {
            if text.is_empty() {
                return Ok(Self { text: String::new(), params: Vec::new() });
            }
            return Err(PatternError::NoSlash(text.to_owned()));
        };
        let mut params = Vec::new();
        let count = below.split('/').count();
        for (index, segment) in below.split('/').enumerate() {
            let Some(name) = parameter(segment, index + 1 == count)
                .map_err(|()| PatternError::BadSegment(text.to_owned(), segment.to_owned()))?
            else {
                continue;
            };
            if params.iter().any(|known| known == name) {
                return Err(PatternError::TwiceNamed(text.to_owned(), name.to_owned()));
            }
            params.push(name.to_owned());
        }
        Ok(Self { text: text.to_owned(), params })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Names of the parameters, in order.
    pub(crate) fn params(&self) -> &[String] {
        &self.params
    }

    /// What stands before the first parameter, without a slash at its end:
    /// the `path` of a record.
    pub(crate) fn fixed(&self) -> &str {
        let end = self.text.find('{').unwrap_or(self.text.len());
        let fixed = self.text.get(..end).unwrap_or_default();
        if self.params.is_empty() { fixed } else { fixed.trim_end_matches('/') }
    }

    /// The path that these parameters make, each encoded to be one segment;
    /// the last one of `{*name}` keeps its slashes.
    pub(crate) fn fill(&self, params: &[String]) -> Result<String, FillError> {
        if params.len() != self.params.len() {
            let want = self.params.len();
            return Err(FillError { pattern: self.text.clone(), want, got: params.len() });
        }
        let mut path = String::with_capacity(self.text.len() + 16);
        let mut params = params.iter();
        for segment in self.text.split('/').skip(1) {
            path.push('/');
            if segment.starts_with("{*") {
                let rest = params.next().map_or("", String::as_str);
                let parts: Vec<String> = rest.split('/').map(crate::path::encode).collect();
                path.push_str(&parts.join("/"));
            } else if segment.starts_with('{') {
                let param = params.next().map_or("", String::as_str);
                path.push_str(&crate::path::encode(param));
            } else {
                path.push_str(segment);
            }
        }
        Ok(path)
    }
}

/// Too many or too few parameters for a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern} takes {want} parameters, {got} were given")]
pub(crate) struct FillError {
    pattern: String,
    want: usize,
    got: usize,
}

fn parameter(segment: &str, is_last: bool) -> Result<Option<&str>, ()> {
    if let Some(inner) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let (name, is_rest) = match inner.strip_prefix('*') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return if is_name && (is_last || !is_rest) { Ok(Some(name)) } else { Err(()) };
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    if segment.bytes().all(is_plain) && segment != "." && segment != ".." {
        Ok(None)
    } else {
        Err(())
    }
}

/// Checks what patterns are appended to.
pub(crate) fn check_root(root: &str) -> Result<(), PatternError> {
    let parsed = Pattern::parse(root);
    match parsed {
        Ok(pattern) if pattern.params().is_empty() && !root.ends_with('/') => Ok(()),
        _ => Err(PatternError::BadRoot(root.to_owned())),
    }
}

/// The reserved path that a pattern would reach into, if any.
pub(crate) fn reserved(full: &str) -> Option<&'static str> {
    let is_below = |path: &str, reserved: &str| {
        path.strip_prefix(reserved).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    RESERVED.into_iter().find(|reserved| is_below(full, reserved))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

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
    /// Gives the target that is already there, or the target back when the
    /// router cannot take the path at all.
    pub(crate) fn insert(&mut self, verb: Verb, path: &str, target: T) -> Result<(), Clash<'_, T>> {
        let index = self.targets.len();
        let path = if path.is_empty() { "/" } else { path };
        let mut clash = None;
        for (slot, router) in &mut self.routers {
            if slot.takes(verb)
                && let Err(error) = router.insert(path, index)
            {
                clash = Some((*slot, error));
                break;
            }
        }
        let Some((slot, error)) = clash else {
            self.targets.push(target);
            return Ok(());
        };
        Err(self.clash(slot, path, &error))
    }

    fn clash(&self, slot: Slot, path: &str, error: &matchit::InsertError) -> Clash<'_, T> {
        let with = match error {
            matchit::InsertError::Conflict { with } => with.as_str(),
            _ => path,
        };
        let router = self.routers.iter().find(|(known, _)| *known == slot);
        // A pattern matches itself when its parameters are read as texts.
        let holder = router.and_then(|(_, router)| router.at(with).ok());
        match holder.and_then(|found| self.targets.get(*found.value)) {
            Some(target) => Clash::Taken(target),
            None => Clash::Unroutable(error.to_string()),
        }
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

#[cfg(test)]
mod tests;
