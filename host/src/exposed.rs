//! What of a service browsers reach: `namespace` and `expose` of its manifest,
//! checked against what the module declares.

use crate::name::Name;
use crate::subject::{Subject, SubjectError, SubjectPattern};

/// What a service shows to browsers. The usual one shows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exposed {
    /// Where browsers find it.
    namespace: Option<Name>,
    methods: Vec<Methods>,
    subjects: Vec<SubjectPattern>,
}

/// Methods of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Methods {
    One(Name),
    /// All whose name begins so.
    Beginning(String),
}

/// Why an `expose` is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExposeError {
    #[error("the manifest has expose and no namespace; say with namespace where browsers find it")]
    NoNamespace,
    #[error(
        "expose: {entry:?} is not of service {service}; want {service}.METHOD, {service}.*, or \
         events:SUBJECT"
    )]
    OtherService { entry: String, service: Name },
    #[error("expose: {entry:?} has * before its end")]
    Star { entry: String },
    #[error("expose: {entry:?} names no method of service {service}")]
    NoMethod { entry: String, service: Name },
    #[error("expose: {entry:?}: {error}")]
    Subject { entry: String, error: SubjectError },
}

/// What entries about events begin with.
const EVENTS: &str = "events:";

impl Exposed {
    /// Checks the entries of a manifest for a service and its methods.
    pub(crate) fn check<'m>(
        namespace: Option<&Name>,
        entries: &[String],
        service: &Name,
        methods: &(impl Iterator<Item = &'m Name> + Clone),
    ) -> Result<Self, ExposeError> {
        if namespace.is_none() && !entries.is_empty() {
            return Err(ExposeError::NoNamespace);
        }
        let mut exposed = Self { namespace: namespace.cloned(), ..Self::default() };
        for entry in entries {
            if let Some(subject) = entry.strip_prefix(EVENTS) {
                let pattern = SubjectPattern::parse(subject)
                    .map_err(|error| ExposeError::Subject { entry: entry.clone(), error })?;
                exposed.subjects.push(pattern);
            } else {
                exposed.methods.push(Methods::check(entry, service, methods.clone())?);
            }
        }
        Ok(exposed)
    }

    /// Where browsers find it.
    pub(crate) fn namespace(&self) -> Option<&Name> {
        self.namespace.as_ref()
    }

    /// Whether browsers may call a method.
    pub(crate) fn has_method(&self, method: &str) -> bool {
        self.methods.iter().any(|methods| methods.cover(method))
    }

    /// Subjects that browsers hear.
    pub(crate) fn subjects(&self) -> &[SubjectPattern] {
        &self.subjects
    }
}

impl Methods {
    fn check<'m>(
        entry: &str,
        service: &Name,
        mut methods: impl Iterator<Item = &'m Name>,
    ) -> Result<Self, ExposeError> {
        let rest = entry.strip_prefix(service.as_str()).and_then(|rest| rest.strip_prefix('.'));
        let Some(method) = rest.filter(|method| !method.is_empty()) else {
            let (entry, service) = (entry.to_owned(), service.clone());
            return Err(ExposeError::OtherService { entry, service });
        };
        let beginning = method.strip_suffix('*');
        if beginning.unwrap_or(method).contains('*') {
            return Err(ExposeError::Star { entry: entry.to_owned() });
        }
        if let Some(beginning) = beginning {
            return Ok(Self::Beginning(beginning.to_owned()));
        }
        match methods.find(|known| known.as_str() == method) {
            Some(known) => Ok(Self::One(known.clone())),
            None => {
                let (entry, service) = (entry.to_owned(), service.clone());
                Err(ExposeError::NoMethod { entry, service })
            }
        }
    }

    fn cover(&self, method: &str) -> bool {
        match self {
            Self::One(name) => name.as_str() == method,
            Self::Beginning(beginning) => method.starts_with(beginning.as_str()),
        }
    }
}

/// Whether somebody may hear all that a pattern covers.
pub(crate) fn may_hear(exposed: &[SubjectPattern], wanted: &SubjectPattern) -> bool {
    exposed.iter().any(|exposed| exposed.includes(wanted))
}

/// Whether somebody may hear an event on this subject.
pub(crate) fn may_be_told(exposed: &[SubjectPattern], subject: &Subject) -> bool {
    exposed.iter().any(|exposed| exposed.covers(subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn checked(namespace: Option<&str>, entries: &[&str]) -> Result<Exposed, ExposeError> {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        let methods = ["add1", "add2", "drop"].map(name);
        Exposed::check(namespace.map(name).as_ref(), &entries, &name("calc"), &methods.iter())
    }

    #[track_caller]
    fn reached(entries: &[&str], expected: &[&str]) {
        let exposed = checked(Some("shop"), entries).unwrap();
        let seen: Vec<&str> = ["add1", "add2", "drop"]
            .into_iter()
            .filter(|method| exposed.has_method(method))
            .collect();
        assert_eq!(seen, expected, "{entries:?}");
    }

    #[test]
    fn methods_are_named_or_begin_so() {
        reached(&[], &[]);
        reached(&["calc.add1"], &["add1"]);
        reached(&["calc.add*", "calc.drop"], &["add1", "add2", "drop"]);
        reached(&["calc.*"], &["add1", "add2", "drop"]);
        reached(&["events:rates.>"], &[]);
    }

    #[test]
    fn a_subscription_must_be_covered_whole() {
        let exposed = checked(Some("shop"), &["events:rates.*", "events:news.>"]).unwrap();
        let hears = |wanted| may_hear(exposed.subjects(), &SubjectPattern::parse(wanted).unwrap());
        assert!(hears("rates.usd") && hears("rates.*") && hears("news.a.>"));
        assert!(!hears("rates.>") && !hears(">") && !hears("other"));
        let told = |subject| may_be_told(exposed.subjects(), &Subject::parse(subject).unwrap());
        assert!(told("rates.usd") && told("news.a.b") && !told("rates.a.b"));
    }

    #[track_caller]
    fn refused(namespace: Option<&str>, entry: &str, expected: &str) {
        let seen = checked(namespace, &[entry]).unwrap_err().to_string();
        assert!(seen.starts_with(expected), "{seen}");
    }

    #[test]
    fn what_is_not_of_the_service_is_refused() {
        refused(None, "calc.*", "the manifest has expose and no namespace");
        refused(Some("shop"), "other.*", "expose: \"other.*\" is not of service calc");
        refused(Some("shop"), "calc", "expose: \"calc\" is not of service calc");
        refused(Some("shop"), "calc.", "expose: \"calc.\" is not of service calc");
        refused(Some("shop"), "*", "expose: \"*\" is not of service calc");
        refused(Some("shop"), "calc.a*d", "expose: \"calc.a*d\" has * before its end");
        refused(Some("shop"), "calc.sub", "expose: \"calc.sub\" names no method");
        refused(Some("shop"), "events:a..b", "expose: \"events:a..b\": subject");
        assert_eq!(checked(Some("shop"), &[]).unwrap().namespace(), Some(&name("shop")));
        assert_eq!(checked(None, &[]), Ok(Exposed::default()));
    }
}
