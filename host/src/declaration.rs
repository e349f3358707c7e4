//! What a module declares: told by the module, checked once, believed after.

mod routes;
mod schema;
mod subscription;
mod timer;
mod websocket;

pub(crate) use routes::{DeclaredRoute, Place};
pub(crate) use schema::{Leads, Part, RawShape, SchemaError, Shape, each_reference, leads_to};
pub(crate) use subscription::{RawSubscription, Subscribed};
pub(crate) use timer::{RawSchedule, RawTimer, Timer, TimerError};
pub(crate) use websocket::{RawWebSocket, WebSocket, WebSocketError};

use crate::exposed::{ExposeError, Exposed};
use crate::limits::HostLimits;
use crate::manifest::Manifest;
use crate::name::{Name, NameError};
use crate::record::RecordMethod;
use crate::route::{Pattern, PatternError, Verb, check_root, shape};
use crate::subject::{SubjectError, SubjectPattern};
use semver::Version;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What a module says it is, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawDeclaration {
    pub name: String,
    pub version: String,
    pub root: String,
    pub description: String,
    pub metadata: Vec<(String, String)>,
    pub methods: Vec<RawMethod>,
    pub subscriptions: Vec<RawSubscription>,
    pub timers: Vec<RawTimer>,
    pub websockets: Vec<RawWebSocket>,
    pub shapes: Vec<RawShape>,
    pub starts: bool,
    pub stops: bool,
}

/// A method as a module describes it, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawMethod {
    pub name: String,
    pub verb: String,
    pub pattern: String,
    pub description: String,
    pub metadata: Vec<(String, String)>,
}

/// What a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub name: Name,
    pub version: Version,
    pub root: String,
    pub description: String,
    pub metadata: Vec<(String, String)>,
    pub methods: Vec<Method>,
    pub subscriptions: Vec<Subscribed>,
    pub timers: Vec<Timer>,
    pub websockets: Vec<WebSocket>,
    /// Shapes of what methods take and answer, where they are known.
    pub shapes: Arc<[Shape]>,
    /// What browsers reach of it.
    pub exposed: Exposed,
    /// Whether it has something to do before its first call.
    pub starts: bool,
    /// Whether it has something to do after its last call.
    pub stops: bool,
}

/// A named operation of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    pub name: Name,
    pub verb: Verb,
    pub pattern: Pattern,
    pub description: String,
    pub metadata: Vec<(String, String)>,
}

/// Why a declaration is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeclarationError {
    #[error("service name {name:?} {error}")]
    ServiceName { name: String, error: NameError },
    #[error("method name {name:?} {error}")]
    MethodName { name: String, error: NameError },
    #[error("version {0:?} is not a semantic version such as 1.0.0")]
    Version(String),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("declares no method, no websocket, no subscription and no timer")]
    NoMethods,
    #[error("declares {count} methods, at most {max} are allowed")]
    TooManyMethods { count: usize, max: usize },
    #[error("method {0} is declared twice")]
    MethodTwice(Name),
    #[error("methods {0} and {1} have the same route {2}")]
    RouteTwice(Name, Name, String),
    #[error("route {0} is below {1}, which belongs to the host")]
    Reserved(String, &'static str),
    #[error("the manifest says {key} {manifest:?}, the module declares {declared:?}")]
    Differs { key: &'static str, manifest: String, declared: String },
    #[error("subscription name {name:?} {error}")]
    SubscriptionName { name: String, error: NameError },
    #[error("subscription {name}: {error}")]
    SubscriptionSubject { name: Name, error: SubjectError },
    #[error("subscription {name}: its group {group:?} {error}")]
    SubscriptionGroup { name: Name, group: String, error: NameError },
    #[error("subscriptions {0} and {1} are to the same subject{2}")]
    SubscriptionTwice(Name, Name, String),
    #[error("subscription {name}: {subject} is not granted; add it to grants.subscribe")]
    NotGranted { name: Name, subject: SubjectPattern },
    #[error("declares {count} subscriptions, at most {max} are allowed")]
    TooManySubscriptions { count: usize, max: usize },
    #[error(transparent)]
    Timer(#[from] TimerError),
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Expose(#[from] ExposeError),
    #[error("metadata is over {0} bytes")]
    MetadataTooLarge(usize),
}

const TEXT_BYTES_MAX: usize = 64 << 10;

impl Declaration {
    /// Checks what a module told against its manifest.
    pub(crate) fn check(
        raw: RawDeclaration,
        manifest: &Manifest,
        limits: &HostLimits,
    ) -> Result<Self, DeclarationError> {
        let name = Name::parse(&raw.name)
            .map_err(|error| DeclarationError::ServiceName { name: shorten(&raw.name), error })?;
        let version = Version::parse(&raw.version)
            .map_err(|_| DeclarationError::Version(shorten(&raw.version)))?;
        agree("name", manifest.name.as_ref().map(Name::as_str), name.as_str())?;
        agree("version", manifest.version.as_ref().map(ToString::to_string), &raw.version)?;
        agree("root", manifest.root.as_deref(), &raw.root)?;
        check_root(&raw.root)?;
        let (count, max) = (raw.methods.len(), limits.methods_max);
        if max < count {
            return Err(DeclarationError::TooManyMethods { count, max });
        }
        check_texts(&raw)?;
        let subscriptions = subscription::check_all(raw.subscriptions, manifest, max)?;
        let timers = timer::check_all(raw.timers, max)?;
        let websockets = websocket::check_all(raw.websockets, max)?;
        let methods: Result<Vec<Method>, _> = raw.methods.into_iter().map(Method::check).collect();
        let methods = methods?;
        let shapes = schema::check_all(raw.shapes, &methods)?;
        let exposed = exposed(manifest, &name, &methods)?;
        let declaration = Self {
            name,
            version,
            root: raw.root,
            description: raw.description,
            metadata: raw.metadata,
            methods,
            subscriptions,
            timers,
            websockets,
            shapes,
            exposed,
            starts: raw.starts,
            stops: raw.stops,
        };
        declaration.check_whole()?;
        Ok(declaration)
    }

    /// What a module that declares nothing is taken for: mounted at its name
    /// and everything below, unless its manifest says otherwise.
    pub(crate) fn of_proxy(module: &Name, manifest: &Manifest) -> Result<Self, DeclarationError> {
        let name = manifest.name.clone().unwrap_or_else(|| module.clone());
        let root = manifest.root.clone().unwrap_or_else(|| format!("/{module}"));
        let any = |name: &str, pattern: &str| -> Result<Method, DeclarationError> {
            let error = |error| DeclarationError::MethodName { name: name.to_owned(), error };
            Ok(Method {
                name: Name::parse(name).map_err(error)?,
                verb: Verb::Any,
                pattern: Pattern::parse(pattern)?,
                description: String::new(),
                metadata: Vec::new(),
            })
        };
        let methods = if manifest.routes.is_empty() {
            let mut methods = vec![any("below", "/{*path}")?, any("slash", "/")?];
            // Without a root there is only one that has nothing behind it.
            if !root.is_empty() {
                methods.insert(0, any("root", "")?);
            }
            methods
        } else {
            let method = |route: &crate::manifest::ManifestRoute| Method {
                name: route.name.clone(),
                verb: route.verb,
                pattern: route.pattern.clone(),
                description: String::new(),
                metadata: Vec::new(),
            };
            manifest.routes.iter().map(method).collect()
        };
        let exposed = exposed(manifest, &name, &methods)?;
        let declaration = Self {
            name,
            version: manifest.version.clone().unwrap_or_else(|| Version::new(0, 0, 0)),
            root,
            description: String::new(),
            metadata: Vec::new(),
            methods,
            subscriptions: Vec::new(),
            timers: Vec::new(),
            websockets: Vec::new(),
            shapes: Arc::default(),
            exposed,
            starts: false,
            stops: false,
        };
        declaration.check_whole()?;
        Ok(declaration)
    }

    /// Checks what there is of routes, and that there is anything.
    fn check_whole(&self) -> Result<(), DeclarationError> {
        let is_empty = self.methods.is_empty()
            && self.websockets.is_empty()
            && self.subscriptions.is_empty()
            && self.timers.is_empty();
        if is_empty { Err(DeclarationError::NoMethods) } else { self.check_routes() }
    }

    /// The whole path of a method.
    pub(crate) fn path(&self, method: &Method) -> String {
        format!("{}{}", self.root, method.pattern)
    }

    /// Where it has a WebSocket of this name whose pattern takes the same
    /// requests.
    pub(crate) fn websocket(&self, name: &Name, like: &Pattern) -> Option<u32> {
        let is_it = |one: &WebSocket| {
            one.name == *name && shape(one.pattern.as_str()) == shape(like.as_str())
        };
        u32::try_from(self.websockets.iter().position(is_it)?).ok()
    }

    /// A method by name, with its index.
    pub(crate) fn method(&self, name: &str) -> Option<(u32, &Method)> {
        let index = self.methods.iter().position(|method| method.name.as_str() == name)?;
        Some((u32::try_from(index).ok()?, self.methods.get(index)?))
    }
}

impl Method {
    fn check(raw: RawMethod) -> Result<Self, DeclarationError> {
        let name = Name::parse(&raw.name)
            .map_err(|error| DeclarationError::MethodName { name: shorten(&raw.name), error })?;
        let verb = match Verb::parse(&raw.verb)? {
            Verb::Any => return Err(PatternError::BadVerb(raw.verb).into()),
            verb => verb,
        };
        let pattern = Pattern::parse(&raw.pattern)?;
        let (description, metadata) = (raw.description, raw.metadata);
        Ok(Self { name, verb, pattern, description, metadata })
    }

    fn fact(&self, name: &str) -> Option<&str> {
        let found = self.metadata.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// As the registry lists it.
    pub(crate) fn record(&self) -> RecordMethod {
        RecordMethod {
            name: self.name.to_string(),
            verb: self.verb.as_str().to_owned(),
            path: self.pattern.fixed().to_owned(),
            pattern: Some(self.pattern.as_str().to_owned()),
            params: Some(self.pattern.params().to_vec()),
            idempotent: self.fact("idempotent") == Some("true"),
            timeout_ms: self.fact("timeout-ms").and_then(|ms| ms.parse().ok()),
        }
    }
}

/// What a manifest shows to browsers.
fn exposed(manifest: &Manifest, name: &Name, methods: &[Method]) -> Result<Exposed, ExposeError> {
    let names = methods.iter().map(|method| &method.name);
    Exposed::check(manifest.namespace.as_ref(), &manifest.expose, name, &names)
}

/// Pairs as an object of texts.
pub(crate) fn metadata_object(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

fn agree(
    key: &'static str,
    manifest: Option<impl AsRef<str>>,
    declared: &str,
) -> Result<(), DeclarationError> {
    match manifest {
        Some(manifest) if manifest.as_ref() != declared => Err(DeclarationError::Differs {
            key,
            manifest: manifest.as_ref().to_owned(),
            declared: shorten(declared),
        }),
        _ => Ok(()),
    }
}

fn check_texts(raw: &RawDeclaration) -> Result<(), DeclarationError> {
    let of = |metadata: &[(String, String)]| -> usize {
        metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
    };
    let methods = raw.methods.iter().map(|method| method.description.len() + of(&method.metadata));
    let heard = raw.subscriptions.iter().map(|subscription| subscription.description.len());
    let timed = raw.timers.iter().map(|timer| timer.description.len());
    let opened = raw.websockets.iter().map(|websocket| {
        websocket.description.len() + websocket.protocols.iter().map(String::len).sum::<usize>()
    });
    let texts = methods.sum::<usize>() + heard.sum::<usize>() + timed.sum::<usize>();
    let texts = texts + opened.sum::<usize>();
    let total = raw.description.len() + of(&raw.metadata) + texts;
    if TEXT_BYTES_MAX < total {
        return Err(DeclarationError::MetadataTooLarge(TEXT_BYTES_MAX));
    }
    Ok(())
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
