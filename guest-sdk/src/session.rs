//! What several calls have in common beyond one process: trace, properties,
//! deadline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Context, Fault, headers, text};

/// A trace, the properties that travel along with it, and a deadline.
///
/// Calls made within a handler are part of its session by themselves. A value
/// of this type carries a session where no call does: through a queue, a file,
/// a job that runs later.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// # fn later(_: &str) {}
/// // Here: what the job will need, without the deadline of this request.
/// let mut session = Session::current().derive();
/// session.set_property("job", "7");
/// let text = session.export();
///
/// // There, in another process:
/// let session = Session::join(&text)?;
/// assert_eq!(session.property("job"), Some("7"));
/// let call = client("stock").session(&session).method("count");
/// # Ok::<(), Fault>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    trace: String,
    trace_state: String,
    /// Milliseconds since 1970, by the clock of this process.
    until_ms: Option<u64>,
    properties: Vec<(String, String)>,
}

impl Session {
    /// Most bytes of all names and values together.
    pub const PROPERTIES_BYTES_MAX: usize = 4096;

    /// The session of the call that the running code belongs to.
    pub fn current() -> Self {
        let context = Context::current();
        let remaining_ms = u64::try_from(context.remaining().as_millis()).unwrap_or(u64::MAX);
        Self {
            trace: context.trace(),
            trace_state: context.trace_state(),
            until_ms: Some(now_ms().saturating_add(remaining_ms)),
            properties: text::read_baggage(&context.baggage()).collect(),
        }
    }

    /// The session that [`export`](Self::export) has written, here or in
    /// another process. Its deadline is read by the clock of this one.
    ///
    /// # Errors
    ///
    /// The fault `bad-session` (400) when the text is none.
    pub fn join(text: &str) -> Result<Self, Fault> {
        let bad = || Fault::new(400, "bad-session", "the text is no exported session");
        // Values of a `tracestate` may hold spaces.
        let mut fields = text.trim().splitn(4, ' ');
        let (trace, until) = fields.next().zip(fields.next()).ok_or_else(bad)?;
        let until_ms = match until {
            "-" => None,
            until => Some(until.parse().map_err(|_| bad())?),
        };
        let trace = trace.trim_matches('-');
        if !trace.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(bad());
        }
        let baggage = fields.next().unwrap_or_default();
        let trace_state = fields.next().unwrap_or_default();
        let mut session = Self {
            trace: trace.to_owned(),
            trace_state: if is_line(trace_state) { trace_state } else { "" }.to_owned(),
            until_ms,
            properties: Vec::new(),
        };
        for (name, value) in text::read_baggage(baggage) {
            session.set_property(&name, &value);
        }
        Ok(session)
    }

    /// One line of ASCII, fit for a header, that [`join`](Self::join) reads:
    /// the `traceparent`, the deadline in milliseconds since 1970 or `-`, the
    /// properties as `baggage`, and the `tracestate` if there is one, parted by
    /// spaces.
    pub fn export(&self) -> String {
        let trace = if self.trace.is_empty() { "-" } else { &self.trace };
        let until = self.until_ms.map_or_else(|| "-".to_owned(), |until| until.to_string());
        let state = if self.trace_state.is_empty() { "" } else { " " };
        [trace, " ", &until, " ", &self.baggage(), state, &self.trace_state].concat()
    }

    /// The same trace and properties without the deadline.
    pub fn derive(&self) -> Self {
        Self { until_ms: None, ..self.clone() }
    }

    /// The W3C `traceparent`; empty when there is none.
    pub fn trace(&self) -> &str {
        &self.trace
    }

    /// The W3C `tracestate` that came with it; empty when there is none.
    pub fn trace_state(&self) -> &str {
        &self.trace_state
    }

    /// How long until the deadline, to the millisecond; zero when it has
    /// passed, none when there is none.
    pub fn remaining(&self) -> Option<Duration> {
        let until = self.until_ms?;
        Some(Duration::from_millis(until.saturating_sub(now_ms())))
    }

    /// A property.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// Sets a property of this value; the running call keeps its own. False,
    /// and unset, when the name is no token of HTTP or all names and values
    /// together would exceed 4,096 bytes.
    pub fn set_property(&mut self, name: &str, value: &str) -> bool {
        let others = self.properties.iter().filter(|(known, _)| known != name);
        let held: usize = others.map(|(name, value)| name.len() + value.len()).sum();
        let fits = held + name.len() + value.len() <= Self::PROPERTIES_BYTES_MAX;
        if !headers::is_name(name) || !fits {
            return false;
        }
        self.properties.retain(|(known, _)| known != name);
        self.properties.push((name.to_owned(), value.to_owned()));
        true
    }

    /// The properties as the value of a `baggage` header.
    pub(crate) fn baggage(&self) -> String {
        text::write_baggage(self.properties.iter().map(|(name, value)| (&**name, &**value)))
    }
}

/// Whether a text can stand in a header.
fn is_line(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How much of one session is logged, beyond what the host logs of every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The property by which a session carries it.
    pub const PROPERTY: &str = "picolet.log";

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call, testing::block_on};

    #[test]
    fn a_session_is_exported_and_joined() {
        let session = block_on(call::within(91, async {
            assert!(Context::current().set_property("user", "a b, c"));
            Session::current()
        }));
        let text = session.export();
        assert!(text.starts_with("00-0000000000000000000000000000005b-"), "{text}");
        assert!(text.ends_with(" user=a%20b%2C%20c"), "{text}");
        let joined = Session::join(&text).unwrap();
        assert_eq!(joined, session);
        let left = joined.remaining().unwrap();
        assert!(left <= Duration::from_secs(30) && Duration::from_secs(20) < left, "{left:?}");
    }

    #[test]
    fn a_derived_session_keeps_the_properties_and_drops_the_deadline() {
        let session = Session::join("00-ab-cd-01 1000 user=7").unwrap();
        assert_eq!(session.remaining(), Some(Duration::ZERO));
        let derived = session.derive();
        assert_eq!((derived.remaining(), derived.property("user")), (None, Some("7")));
        assert_eq!(derived.export(), "00-ab-cd-01 - user=7");
        assert_eq!(Session::join("- - ").unwrap().export(), "- - ");
        let traced = Session::join("00-ab-cd-01 1000  congo=t61 rcW\n").unwrap();
        assert_eq!(traced.trace_state(), "congo=t61 rcW");
        assert_eq!(traced.export(), "00-ab-cd-01 1000  congo=t61 rcW");
        let odd = Session::join(" 00-ab-cd-01 1000 user=7 a=\u{e4}\nb ").unwrap();
        assert_eq!(odd.export(), "00-ab-cd-01 1000 user=7");
    }

    #[test]
    fn properties_are_bounded_and_named_by_tokens() {
        let mut session = Session::join("- -").unwrap();
        assert!(!session.set_property("a b", "1") && !session.set_property("", "1"));
        assert!(!session.set_property("a", &"x".repeat(4096)));
        assert!(session.set_property("a", &"x".repeat(4095)));
        assert!(session.set_property("a", "y") && session.set_property("b", "z"));
        assert_eq!(session.baggage(), "a=y,b=z");
    }

    #[test]
    fn what_is_no_session_is_a_fault() {
        for text in ["", "00-ab", "00-ab soon", "a\"b - x=1"] {
            assert_eq!(Session::join(text).unwrap_err().name(), "bad-session", "{text}");
        }
    }
}
