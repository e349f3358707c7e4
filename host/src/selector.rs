//! Which endpoints a caller means: a name or the beginning of names, and what
//! else they must be.
//!
//! A name may end in `*` on both sides. A service that registers as `stock-*`
//! takes calls for any name that begins so; a caller who asks for `stock-*`
//! takes any service whose name begins so. What was registered under the very
//! text that is asked for always goes before either.

mod wanted;

pub(crate) use wanted::{Pattern, PatternError, Wanted};

use crate::record::Record;
use semver::{Version, VersionReq};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What a caller asked for.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    wanted: Wanted,
    version: Option<VersionReq>,
    registration: Option<String>,
    labels: Vec<(String, String)>,
    subset: Option<String>,
    environment: Option<Environment>,
}

/// Where to look first, and where when the service is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Environment {
    name: String,
    fallback: Option<String>,
}

/// Why a text selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectorError {
    #[error("service {text:?} {source}")]
    Name { text: String, source: PatternError },
    #[error("version {text:?} is no requirement such as ^1.2")]
    Version { text: String },
    #[error("label {text:?} is not of the form name=value")]
    Label { text: String },
    #[error("environment {text:?} is not of the form name or fallback:name")]
    Environment { text: String },
    #[error("version is asked for twice, after the name and as an option")]
    TwoVersions,
}

/// An endpoint as a selector sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) version: Option<&'a str>,
    pub(crate) registration: &'a str,
    pub(crate) metadata: &'a Map<String, Value>,
}

/// The first thing that an endpoint is not, in the order they are checked. Of
/// several endpoints the greatest miss came the closest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Miss {
    Registration,
    Environment,
    Version,
    Subset,
    /// The label that was asked for in this place.
    Label(usize),
}

/// A selector whose environment is settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    selector: &'a Selector,
    environment: Option<&'a str>,
}

impl<'a> From<&'a Record> for Offer<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            version: record.version(),
            registration: &record.registration,
            metadata: &record.metadata,
        }
    }
}

impl Selector {
    /// Reads `calc`, `stock-*` or either with a version, as in `calc@^1.2`.
    pub(crate) fn parse(text: &str) -> Result<Self, SelectorError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let wanted = Wanted::parse(name)
            .map_err(|source| SelectorError::Name { text: name.to_owned(), source })?;
        let selector = Self {
            wanted,
            version: None,
            registration: None,
            labels: Vec::new(),
            subset: None,
            environment: None,
        };
        match version {
            Some(version) => selector.with_version(version),
            None => Ok(selector),
        }
    }

    /// Only versions that meet this requirement.
    pub(crate) fn with_version(mut self, text: &str) -> Result<Self, SelectorError> {
        match self.version.replace(read_requirement(text)?) {
            Some(_) => Err(SelectorError::TwoVersions),
            None => Ok(self),
        }
    }

    /// Only the endpoint with this registration.
    pub(crate) fn with_registration(mut self, id: &str) -> Self {
        self.registration = Some(id.to_owned());
        self
    }

    /// Only endpoints whose metadata say so: `name=value`. All labels count.
    pub(crate) fn with_label(mut self, text: &str) -> Result<Self, SelectorError> {
        let bad = || SelectorError::Label { text: text.to_owned() };
        let (name, value) = text.split_once('=').ok_or_else(bad)?;
        if name.is_empty() {
            return Err(bad());
        }
        self.labels.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Only endpoints of this subset: `subset` in their metadata.
    pub(crate) fn with_subset(mut self, name: &str) -> Self {
        self.subset = Some(name.to_owned());
        self
    }

    /// Only endpoints of this environment (`environment` in their metadata),
    /// or of the fallback if the service is not in it: `name` or
    /// `fallback:name`, the order of the MDK.
    pub(crate) fn with_environment(mut self, text: &str) -> Result<Self, SelectorError> {
        let (fallback, name) = match text.split_once(':') {
            Some((fallback, name)) => (Some(fallback), name),
            None => (None, text),
        };
        if name.is_empty() || name.contains(':') || fallback == Some("") {
            return Err(SelectorError::Environment { text: text.to_owned() });
        }
        let fallback = fallback.map(str::to_owned);
        self.environment = Some(Environment { name: name.to_owned(), fallback });
        Ok(self)
    }

    /// The name, or the beginning of names.
    pub(crate) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Those of the registered names that are meant: see [`Wanted::pick`].
    pub(crate) fn pick<'a>(
        &self,
        registered: impl IntoIterator<Item = &'a Pattern>,
    ) -> Vec<&'a Pattern> {
        self.wanted.pick(registered)
    }

    /// Whether nothing but the name was asked for, so that all endpoints of it
    /// suit.
    pub(crate) fn is_name_alone(&self) -> bool {
        self.version.is_none()
            && self.registration.is_none()
            && self.labels.is_empty()
            && self.subset.is_none()
            && self.environment.is_none()
    }

    /// Whether it is enough to get to a version that takes no traffic.
    pub(crate) fn asks_for_a_version(&self) -> bool {
        self.version.is_some() || self.registration.is_some()
    }

    /// Settles the environment by all endpoints of the name, those that rest
    /// or are down included: a fallback is for a service that is not there,
    /// not for one that is ill.
    pub(crate) fn among<'a, 'o>(
        &'a self,
        offers: impl IntoIterator<Item = Offer<'o>>,
    ) -> Scope<'a> {
        let environment = self.environment.as_ref().map(|asked| match &asked.fallback {
            Some(fallback) => {
                let is_there = |offer: Offer<'_>| offer.says("environment", &asked.name);
                if offers.into_iter().any(is_there) { &asked.name } else { fallback }
            }
            None => &asked.name,
        });
        Scope { selector: self, environment: environment.map(String::as_str) }
    }
}

impl Scope<'_> {
    /// Whether an endpoint of the name is what was asked for.
    pub(crate) fn check(&self, offer: Offer<'_>) -> Result<(), Miss> {
        let asked = self.selector;
        let is_version = |wanted: &VersionReq| {
            offer.version.and_then(read_version).is_some_and(|version| wanted.matches(&version))
        };
        if asked.registration.as_ref().is_some_and(|id| id != offer.registration) {
            return Err(Miss::Registration);
        }
        if self.environment.is_some_and(|name| !offer.says("environment", name)) {
            return Err(Miss::Environment);
        }
        if asked.version.as_ref().is_some_and(|wanted| !is_version(wanted)) {
            return Err(Miss::Version);
        }
        if asked.subset.as_ref().is_some_and(|name| !offer.says("subset", name)) {
            return Err(Miss::Subset);
        }
        match asked.labels.iter().position(|(name, value)| !offer.says(name, value)) {
            Some(at) => Err(Miss::Label(at)),
            None => Ok(()),
        }
    }

    /// What was asked for and not met, such as `version ^1.2`.
    pub(crate) fn describe(&self, miss: Miss) -> String {
        let asked = self.selector;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        match miss {
            Miss::Registration => format!("registration {}", text(&asked.registration)),
            Miss::Environment => format!("environment {}", self.environment.unwrap_or_default()),
            Miss::Version => match &asked.version {
                Some(version) => format!("version {version}"),
                None => "version".to_owned(),
            },
            Miss::Subset => format!("subset {}", text(&asked.subset)),
            Miss::Label(at) => match asked.labels.get(at) {
                Some((name, value)) => format!("label {name}={value}"),
                None => "label".to_owned(),
            },
        }
    }
}

impl Offer<'_> {
    /// Whether its metadata have this value under this name. Numbers and truth
    /// values are compared as JSON prints them.
    fn says(&self, name: &str, value: &str) -> bool {
        let said = match self.metadata.get(name) {
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(plain @ (Value::Number(_) | Value::Bool(_))) => Cow::Owned(plain.to_string()),
            _ => return false,
        };
        said == value
    }
}

/// What versions have to meet, such as `^1.2`.
pub(crate) fn read_requirement(text: &str) -> Result<VersionReq, SelectorError> {
    VersionReq::parse(text).map_err(|_| SelectorError::Version { text: text.to_owned() })
}

/// A version as records say it: semantic, or the beginning of one as in `1.2`.
fn read_version(text: &str) -> Option<Version> {
    Version::parse(text).ok().or_else(|| {
        let dots = text.bytes().filter(|byte| *byte == b'.').count();
        let padding = if dots == 0 { ".0.0" } else { ".0" };
        Version::parse(&format!("{text}{padding}")).ok()
    })
}

#[cfg(test)]
mod tests;
