//! What is known about a call beside its request.

use std::time::Duration;

use crate::LogLevel;
#[cfg(target_family = "wasm")]
use crate::abi::bindings::picolet::service::context as host;
use crate::call;
#[cfg(not(target_family = "wasm"))]
use crate::testing as host;

/// What is known about a call beside its request.
///
/// Valid until the response, its body included, is finished.
#[derive(Clone, Copy, Debug)]
pub struct Context(u64);

impl Context {
    /// The context of the call that the running code belongs to.
    pub fn current() -> Self {
        Self(call::current())
    }

    pub(crate) fn of(call: u64) -> Self {
        Self(call)
    }

    /// Names this request in logs and answers: what the caller sent in
    /// `x-request-id`, else made by the host.
    pub fn request_id(&self) -> String {
        host::request_id(self.0)
    }

    /// The W3C `traceparent` under which this call runs.
    pub fn trace(&self) -> String {
        host::trace(self.0)
    }

    /// The W3C `tracestate` that came with it, at most 512 bytes of it; empty
    /// when there is none.
    pub fn trace_state(&self) -> String {
        host::trace_state(self.0)
    }

    /// How long until the deadline, to the millisecond; zero when it has
    /// passed. Calls made from this one inherit it.
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(host::remaining_ms(self.0))
    }

    /// The service that made this call, none when it came from outside.
    pub fn caller(&self) -> Option<String> {
        host::caller(self.0)
    }

    /// A property of this call. Properties come from the caller and go along
    /// with every call made from this one.
    pub fn property(&self, name: &str) -> Option<String> {
        host::property(self.0, name)
    }

    /// Sets a property for the calls made from here on. False, and unset, when
    /// the name is no token of HTTP or all names and values together would
    /// exceed 4,096 bytes.
    pub fn set_property(&self, name: &str, value: &str) -> bool {
        host::set_property(self.0, name, value)
    }
    /// Raises how much of this session is logged, here and in every service
    /// that is called from here on: it sets the property `picolet.log`. It is
    /// never lowered. False when there is no room for the property.
    pub fn raise_log(&self, level: LogLevel) -> bool {
        if self.logs(level) {
            return true;
        }
        self.set_property(LogLevel::PROPERTY, level.name())
    }

    /// Whether this session has been raised to this level, here or by a caller.
    pub fn logs(&self, level: LogLevel) -> bool {
        let raised = self.property(LogLevel::PROPERTY);
        raised.and_then(|name| LogLevel::of(&name)).is_some_and(|raised| level <= raised)
    }

    /// All properties, as the value of a `baggage` header: the one of the name
    /// that no property can have.
    pub(crate) fn baggage(&self) -> String {
        self.property("").unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_raised_and_never_lowered() {
        let context = Context::of(77);
        assert!(!context.logs(LogLevel::Debug));
        assert!(context.raise_log(LogLevel::Trace) && context.raise_log(LogLevel::Debug));
        assert!(context.logs(LogLevel::Debug) && context.logs(LogLevel::Trace));
        assert_eq!(context.property("picolet.log").as_deref(), Some("trace"));
    }
}
