//! Why a browser does not get what it asks for.

/// What a browser can tell apart, beside what every caller can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrowserFault {
    #[error("there is no method {method} in the namespace {namespace}")]
    NotExposed { namespace: String, method: String },
    #[error("there is no namespace {namespace}")]
    NoSuchNamespace { namespace: String },
    #[error("{subject} is not heard here")]
    NoSuchEvent { subject: String },
    #[error("the host has not loaded its folder yet")]
    NotReady,
    #[error("{of} has as many browsers as it may have")]
    TooManyBrowsers { of: &'static str },
    #[error("more than {subscriptions_max} subscriptions of this browser")]
    TooManySubscriptions { subscriptions_max: usize },
    #[error("more than {per_second} messages in a second")]
    TooManyMessages { per_second: u32 },
    #[error("more than {calls_max} calls of this browser are under way")]
    TooManyCalls { calls_max: usize },
}

impl BrowserFault {
    /// Status and name.
    pub(super) fn reply(&self) -> (u16, &'static str) {
        match self {
            Self::NotExposed { .. } => (404, "no-such-method"),
            Self::NoSuchNamespace { .. } => (404, "no-such-namespace"),
            Self::NoSuchEvent { .. } => (404, "no-such-event"),
            Self::NotReady => (503, "not-ready"),
            Self::TooManyBrowsers { .. } => (503, "too-many-browsers"),
            Self::TooManySubscriptions { .. } => (429, "too-many-subscriptions"),
            Self::TooManyMessages { .. } => (429, "too-many-messages"),
            Self::TooManyCalls { .. } => (429, "too-many-calls"),
        }
    }
}
