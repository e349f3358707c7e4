//! What a caller may ask of a call beside the call itself: the table in
//! `wit/client.wit`, as methods of both [`Client`] and [`Call`].

use std::time::Duration;

use super::{Call, Client};
use crate::{Session, head::Pairs};

/// Options put together so far.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pairs: Pairs,
    timeout: Option<Duration>,
    /// What a session that was joined still has.
    session: Option<Duration>,
}

impl Options {
    pub(super) fn new() -> Self {
        Self { pairs: Pairs::new(), timeout: None, session: None }
    }

    fn push(&mut self, name: &str, value: &str) {
        self.pairs.push(name, value.as_bytes());
    }

    fn join(&mut self, session: &Session) {
        if !session.trace().is_empty() {
            self.push("traceparent", session.trace());
        }
        if !session.trace_state().is_empty() {
            self.push("tracestate", session.trace_state());
        }
        self.push("baggage", &session.baggage());
        self.session = session.remaining();
    }

    /// As the host takes them.
    pub(crate) fn into_pairs(mut self) -> Pairs {
        if let Some(timeout) = self.timeout.into_iter().chain(self.session).min() {
            let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            self.push("timeout-ms", &milliseconds.to_string());
        }
        self.pairs
    }
}

macro_rules! options {
    ($($type:ident: $($field:ident).+;)*) => {$(
        /// Which endpoints count, and how they are called. What is set on a
        /// client holds for all of its calls; given again, the last one counts.
        impl $type {
            /// Only versions that meet this requirement, for example `^1.2`;
            /// `client("calc@^1.2")` says the same.
            pub fn version(self, requirement: &str) -> Self {
                self.option("version", requirement)
            }

            /// The registry key to look in; `default` otherwise.
            pub fn key(self, key: &str) -> Self {
                self.option("key", key)
            }

            /// Only endpoints whose record has this label. Several labels must
            /// all be there.
            pub fn label(self, name: &str, value: &str) -> Self {
                self.option("label", &[name, "=", value].concat())
            }

            /// Only endpoints of this subset of the service.
            pub fn subset(self, name: &str) -> Self {
                self.option("subset", name)
            }

            /// The registration of the one endpoint to call.
            pub fn endpoint(self, registration: &str) -> Self {
                self.option("endpoint", registration)
            }

            /// Only endpoints of this environment.
            pub fn environment(self, name: &str) -> Self {
                self.option("environment", name)
            }

            /// Endpoints of the environment `name`; those of `fallback` when it
            /// has none of the service.
            pub fn environment_or(self, name: &str, fallback: &str) -> Self {
                self.option("environment", &[fallback, ":", name].concat())
            }

            /// How long an answer may take, to the millisecond; never longer
            /// than the deadline of the call that this one is part of.
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.$($field).+.timeout = Some(timeout);
                self
            }

            /// How many more times to try when that is safe, 0 to 10.
            pub fn retry(self, times: u8) -> Self {
                let times = times.min(10).to_string();
                self.option("retry", &times)
            }

            /// Vouches that the call may be made twice, so that it is tried
            /// again even when it may have begun. For methods that are not
            /// declared `idempotent` although they are.
            pub fn idempotent(self) -> Self {
                self.option("idempotent", "true")
            }

            /// Waits for a first endpoint, until the deadline, when there is
            /// none yet.
            pub fn wait(self) -> Self {
                self.option("wait", "true")
            }

            /// Calls as part of this session: under its trace, with its
            /// properties instead of those of the caller, and no longer than it
            /// still has.
            pub fn session(mut self, session: &Session) -> Self {
                self.$($field).+.join(session);
                self
            }

            fn option(mut self, name: &str, value: &str) -> Self {
                self.$($field).+.push(name, value);
                self
            }
        }
    )*};
}

options! {
    Client: options;
    Call: outgoing.options;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client;

    fn pairs(call: Call) -> Vec<(String, String)> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let pairs = call.outgoing.options.into_pairs();
        pairs.iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
    }

    #[track_caller]
    fn check(call: Call, expected: &[(&str, &str)]) {
        let pairs = pairs(call);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, expected);
    }

    #[test]
    fn every_option_is_a_pair() {
        let stock = || client("stock-*").method("quote");
        check(stock().version("^1.2").key("eu"), &[("version", "^1.2"), ("key", "eu")]);
        check(
            stock().label("zone", "a").label("disk", "ssd"),
            &[("label", "zone=a"), ("label", "disk=ssd")],
        );
        check(stock().subset("canary").endpoint("7"), &[("subset", "canary"), ("endpoint", "7")]);
        check(stock().environment("test"), &[("environment", "test")]);
        check(stock().environment_or("mine", "test"), &[("environment", "test:mine")]);
        check(
            stock().retry(99).idempotent().wait(),
            &[("retry", "10"), ("idempotent", "true"), ("wait", "true")],
        );
    }

    #[test]
    fn options_of_a_client_hold_for_its_calls() {
        let calc = client("calc").key("eu").timeout(Duration::from_secs(5));
        check(calc.clone().method("add"), &[("key", "eu"), ("timeout-ms", "5000")]);
        let sooner = calc.method("add").timeout(Duration::from_millis(300));
        check(sooner, &[("key", "eu"), ("timeout-ms", "300")]);
    }

    #[test]
    fn a_session_brings_trace_properties_and_its_deadline() {
        let joined = Session::join("00-1-2-01 1 user=a%2Fb,plan=gold a=1").unwrap();
        let call = client("calc").timeout(Duration::from_secs(5)).method("add").session(&joined);
        let late = ("timeout-ms", "0");
        let trace = [("traceparent", "00-1-2-01"), ("tracestate", "a=1")];
        let pairs = [trace[0], trace[1], ("baggage", "user=a%2Fb,plan=gold"), late];
        check(call, &pairs);
        let call = client("calc").method("add").session(&joined.derive());
        check(call, &pairs[..3]);
    }
}
