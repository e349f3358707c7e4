//! Subscriptions: what a service wants to hear.

use super::{DeclarationError, shorten};
use crate::manifest::Manifest;
use crate::name::Name;
use crate::subject::{SubjectPattern, Subscription};
use std::collections::BTreeMap;

/// A subscription as a module describes it, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawSubscription {
    pub name: String,
    pub subject: String,
    pub group: Option<String>,
    pub description: String,
}

/// What a service wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub name: Name,
    pub to: Subscription,
    pub description: String,
}

impl Subscribed {
    fn check(raw: RawSubscription) -> Result<Self, DeclarationError> {
        let name = Name::parse(&raw.name).map_err(|error| DeclarationError::SubscriptionName {
            name: shorten(&raw.name),
            error,
        })?;
        let pattern = SubjectPattern::parse(&raw.subject)
            .map_err(|error| DeclarationError::SubscriptionSubject { name: name.clone(), error })?;
        let group = |group: String| {
            Name::parse(&group).map_err(|error| {
                let (name, group) = (name.clone(), shorten(&group));
                DeclarationError::SubscriptionGroup { name, group, error }
            })
        };
        let group = raw.group.map(group).transpose()?;
        Ok(Self { name, to: Subscription { pattern, group }, description: raw.description })
    }
}

/// Checks all subscriptions of a module.
pub(super) fn check_all(
    raw: Vec<RawSubscription>,
    manifest: &Manifest,
    max: usize,
) -> Result<Vec<Subscribed>, DeclarationError> {
    let count = raw.len();
    if max < count {
        return Err(DeclarationError::TooManySubscriptions { count, max });
    }
    let subscribed: Result<Vec<_>, _> = raw.into_iter().map(Subscribed::check).collect();
    let subscribed = subscribed?;
    let mut names: BTreeMap<&Subscription, &Name> = BTreeMap::new();
    for Subscribed { name, to, .. } in &subscribed {
        if !manifest.subscribe.iter().any(|granted| granted.includes(&to.pattern)) {
            let (name, subject) = (name.clone(), to.pattern.clone());
            return Err(DeclarationError::NotGranted { name, subject });
        }
        if let Some(other) = names.insert(to, name) {
            let group = to.group.as_ref().map(|group| format!(" in the group {group}"));
            let (other, name, group) = (other.clone(), name.clone(), group.unwrap_or_default());
            return Err(DeclarationError::SubscriptionTwice(other, name, group));
        }
    }
    Ok(subscribed)
}
