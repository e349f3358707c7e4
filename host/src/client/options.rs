//! What a caller may ask of a call, beside the call itself.

use crate::call::{Properties, Trace};
use crate::fault::Fault;
use crate::selector::{Selector, SelectorError};
use crate::travel;
use std::time::Duration;

/// Options of one call, as `wit/client.wit` lists them.
#[derive(Clone, Debug)]
pub(crate) struct CallOptions {
    pub(crate) selector: Selector,
    /// The registry key to look in; none is `default`, and any local service.
    pub(crate) key: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait: bool,
    /// Whether the caller vouches that the call may be made twice.
    pub(crate) is_idempotent: bool,
    /// How often a call that may be made twice is tried again.
    pub(crate) retries: usize,
    /// The trace and the properties to run with, instead of the caller's.
    pub(crate) trace: Option<Trace>,
    pub(crate) properties: Option<Properties>,
}

/// Tries of a call that may be made twice, after the first.
const RETRIES: usize = 1;
/// The same, at most.
const RETRIES_MAX: usize = 10;

impl CallOptions {
    /// Checks what was asked of a service.
    pub(crate) fn parse(service: &str, pairs: &[(String, String)]) -> Result<Self, Fault> {
        let mut options = Self {
            selector: Selector::parse(service).map_err(|error| match error {
                // Nobody can have such a name.
                SelectorError::Name { text, .. } => Fault::NoSuchService { name: text },
                error => bad_call(&error),
            })?,
            key: None,
            timeout: None,
            wait: false,
            is_idempotent: false,
            retries: RETRIES,
            trace: None,
            properties: None,
        };
        // What these say adds to what others say.
        let (mut version, mut tracestate) = (None, None);
        for (name, value) in pairs {
            match name.as_str() {
                "version" => version = Some(value),
                "tracestate" => tracestate = Some(value),
                _ => options = options.with(name, value)?,
            }
        }
        if let Some(tracestate) = tracestate {
            options.trace = options.trace.map(|trace| trace.with_state(tracestate));
        }
        if let Some(version) = version {
            options.selector =
                options.selector.with_version(version).map_err(|error| bad_call(&error))?;
        }
        Ok(options)
    }

    fn with(mut self, name: &str, value: &str) -> Result<Self, Fault> {
        let bad = |want: &str| Fault::BadCall {
            message: format!("option {name} is {value:?}, want {want}"),
        };
        let truth = || value.parse().map_err(|_| bad("true or false"));
        match name {
            "timeout-ms" => {
                let ms = value.parse().map_err(|_| bad("whole milliseconds"))?;
                self.timeout = Some(Duration::from_millis(ms));
            }
            "wait" => self.wait = truth()?,
            "idempotent" => self.is_idempotent = truth()?,
            "key" => self.key = Some(value.to_owned()),
            "retry" => {
                let retries = value.parse().ok().filter(|count| *count <= RETRIES_MAX);
                self.retries = retries.ok_or_else(|| bad("a number from 0 to 10"))?;
            }
            "endpoint" => self.selector = self.selector.with_registration(value),
            "subset" => self.selector = self.selector.with_subset(value),
            "label" => {
                self.selector =
                    self.selector.with_label(value).map_err(|error| bad_call(&error))?;
            }
            "environment" => {
                self.selector =
                    self.selector.with_environment(value).map_err(|error| bad_call(&error))?;
            }
            "traceparent" => {
                let trace = Trace::parse(value);
                self.trace =
                    Some(trace.ok_or_else(|| bad("the value of a W3C traceparent header"))?);
            }
            "baggage" => {
                let mut properties = Properties::default();
                travel::read_baggage(value, &mut properties);
                self.properties = Some(properties);
            }
            _ => {
                let message = format!("there is no option {name}");
                return Err(Fault::BadCall { message });
            }
        }
        Ok(self)
    }
}

fn bad_call(error: &SelectorError) -> Fault {
    Fault::BadCall { message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str, value: &str, expected: &str) {
        let fault = CallOptions::parse("calc", &[(name.into(), value.into())]).unwrap_err();
        assert_eq!(fault.to_string(), expected);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        refused("timeout-ms", "soon", "option timeout-ms is \"soon\", want whole milliseconds");
        refused("retry", "11", "option retry is \"11\", want a number from 0 to 10");
        refused("version", "new", "version \"new\" is no requirement such as ^1.2");
        refused("label", "zone", "label \"zone\" is not of the form name=value");
        refused(
            "traceparent",
            "00-0-0-01",
            "option traceparent is \"00-0-0-01\", want the value of a W3C traceparent header",
        );
        refused("speed", "fast", "there is no option speed");
    }

    #[test]
    fn the_last_one_counts_and_every_label_does() {
        let pairs = [("wait", "true"), ("label", "a=1"), ("wait", "false"), ("label", "b=2")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = CallOptions::parse("calc@^1.2", &pairs).unwrap();
        assert!(!options.wait);
        let version = [("version".to_owned(), "^1".to_owned())];
        let fault = CallOptions::parse("calc@^1.2", &version).unwrap_err();
        assert!(fault.to_string().contains("asked for twice"), "{fault}");
    }
}
