//! Why a request got no answer from its service, and what the caller is told.
//!
//! Variants are what a *caller* can tell apart. What only an operator needs
//! travels beside it and is logged, never sent; addresses of endpoints are such,
//! which callers know by their registrations. [`Fault::reply`] is the one place
//! where faults become HTTP.

mod browser;
mod gateway;
mod socket;

pub(crate) use browser::BrowserFault;
pub(crate) use gateway::GatewayFault;
pub(crate) use socket::SocketFault;

use crate::bucket::StateError;
use http::StatusCode;
use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no route for {verb} {path}")]
    NoRoute { verb: String, path: String },
    #[error("{path} does not take {verb}")]
    VerbNotAllowed { verb: String, path: String, allow: String },
    #[error("no such service: {name}")]
    NoSuchService { name: String },
    #[error("service {service} has no method {method}")]
    NoSuchMethod { service: String, method: String },
    #[error("{message}")]
    BadRequest { message: String },
    #[error("{message}")]
    BadCall { message: String },
    #[error("verb {verb} is not known here")]
    UnknownVerb { verb: String },
    #[error("body is over the limit of {bytes_max} bytes")]
    BodyTooLarge { bytes_max: u64 },
    #[error("{message}")]
    HeadTooLarge { message: String },
    #[error("request target is over the limit of {bytes_max} bytes")]
    UriTooLong { bytes_max: usize },
    #[error("body came slower than the host waits for")]
    SlowSender,
    #[error("the client left before its body was complete")]
    ClientLeft,
    #[error("{message}")]
    Guest { status: u16, name: String, message: String },
    #[error("service {service} stopped while answering")]
    Trapped { service: String },
    #[error("service {service} needed more than its {memory_mib} MiB of memory")]
    MemoryLimit { service: String, memory_mib: u64 },
    #[error("service {service} computed longer than its {cpu_ms} ms")]
    CpuLimit { service: String, cpu_ms: u64 },
    #[error("service {service} took longer than its {wall_ms} ms")]
    WallLimit { service: String, wall_ms: u64 },
    #[error("service {service} began no answer in its {first_byte_ms} ms")]
    FirstByteLimit { service: String, first_byte_ms: u64 },
    #[error("deadline has passed while {doing}")]
    Deadline { doing: &'static str },
    #[error("deadline had passed before service {service} was called")]
    TooLate { service: String },
    #[error("service {service} gave an answer that cannot be sent: {reason}")]
    BadAnswer { service: String, reason: String },
    #[error("answer is over the limit of {bytes_max} bytes")]
    AnswerTooLarge { bytes_max: u64 },
    #[error("endpoint {endpoint} of service {service} cannot be reached")]
    Unreachable { service: String, endpoint: String },
    #[error("endpoint {endpoint} of service {service} closed the connection without an answer")]
    BadUpstream { service: String, endpoint: String },
    #[error("endpoint {endpoint} of service {service} gave an answer that cannot be read: {why}")]
    GarbledAnswer { service: String, endpoint: String, why: &'static str },
    #[error("endpoint {endpoint} of service {service} broke its answer off")]
    BrokenAnswer { service: String, endpoint: String },
    #[error("endpoint {endpoint} of service {service} gave no answer in the time of the call")]
    NoAnswer { service: String, endpoint: String },
    #[error(
        "endpoint {endpoint} of service {service} was still answering when the time of the call \
         was over"
    )]
    SlowAnswer { service: String, endpoint: String },
    #[error("service {service} is at its limit of requests")]
    Overloaded { service: String },
    #[error("the host is at its limit of requests")]
    HostOverloaded,
    #[error("calls to {service} are not granted")]
    CallNotGranted { service: String },
    #[error("requests to {origin} are not granted")]
    OutboundNotGranted { origin: String },
    #[error("{origin} leads to an address that is not granted")]
    OutboundAddressProhibited { origin: String },
    #[error("request to {origin} failed: {why}")]
    OutboundFailed { origin: String, why: String },
    #[error("request to {origin} took too long: {why}")]
    OutboundTimeout { origin: String, why: String },
    #[error("{message}")]
    BadSubject { message: String },
    #[error("publishing on {subject} is not granted")]
    PublishNotGranted { subject: String },
    #[error("event is over the limit of {bytes_max} bytes")]
    EventTooLarge { bytes_max: usize },
    #[error(
        "event on {subject} would follow {events_max} others, each published by whoever heard \
         the one before"
    )]
    EventLoop { subject: String, events_max: u8 },
    #[error(transparent)]
    State(StateError),
    #[error(transparent)]
    Socket(#[from] SocketFault),
    #[error(transparent)]
    Browser(#[from] BrowserFault),
    #[error(transparent)]
    Gateway(#[from] GatewayFault),
    #[error("more than {outbound} calls of this one are under way")]
    OutboundLimit { outbound: usize },
    #[error("service {service} has no endpoint of {wanted}")]
    NoSuchEndpoint { service: String, wanted: String },
    #[error(
        "service {service} takes no traffic here: all versions that could answer are set to 0 or \
         were withdrawn; ask for one by version, or give one of them traffic"
    )]
    NoTraffic { service: String },
    #[error("no endpoint of service {service} may be called now, these are down: {endpoints}")]
    NoEndpoint { service: String, endpoints: String },
    #[error(
        "all endpoints of service {service} rest after failures: {endpoints}; the next probe is \
         due in {due_ms} ms"
    )]
    AllRest { service: String, endpoints: String, due_ms: u64 },
    #[error("service {service} failed too often for another try")]
    NoRetryLeft { service: String },
    #[error("{line_max} calls wait for service {service} already")]
    LineTooLong { service: String, line_max: usize },
    /// What came of the last try. Status and name are those of it.
    #[error("{last} (the first try: {first})")]
    Again { first: String, last: Box<Self> },
    #[error("the host is stopping")]
    Stopping,
    #[error("calls are more than {depth_max} deep: {chain}")]
    CallDepth { depth_max: usize, chain: String },
    #[error("calls go in a circle: {chain}")]
    CallCycle { chain: String },
    #[error("the host could not do it")]
    Internal,
}

/// The part of a fault that leaves the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable name, lower case with hyphens.
    pub name: Cow<'static, str>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

const RETRY_SOON: Duration = Duration::from_secs(1);

impl Fault {
    /// Status, name and advice for the caller.
    pub(crate) fn reply(&self) -> Reply {
        let (status, name) = match self {
            Self::Guest { status, name, .. } => return guest_reply(*status, name),
            Self::NoRoute { .. } => (404, "no-route"),
            Self::NoSuchService { .. } => (404, "no-such-service"),
            Self::NoSuchMethod { .. } => (404, "no-such-method"),
            Self::VerbNotAllowed { .. } => (405, "verb-not-allowed"),
            Self::BadRequest { .. } => (400, "bad-request"),
            Self::BadCall { .. } => (400, "bad-call"),
            Self::ClientLeft => (400, "client-left"),
            Self::UnknownVerb { .. } => (501, "unknown-verb"),
            Self::CallNotGranted { .. } => (403, "call-not-granted"),
            Self::OutboundNotGranted { .. } => (403, "outbound-not-granted"),
            Self::OutboundAddressProhibited { .. } => (403, "outbound-address-prohibited"),
            Self::OutboundFailed { .. } => (502, "outbound-failed"),
            Self::OutboundTimeout { .. } => (504, "outbound-timeout"),
            Self::BadSubject { .. } => (400, "bad-subject"),
            Self::PublishNotGranted { .. } => (403, "publish-not-granted"),
            Self::EventTooLarge { .. } => (413, "event-too-large"),
            Self::EventLoop { .. } => (508, "event-loop"),
            Self::State(error) => of_state(error),
            Self::Socket(fault) => fault.reply(),
            Self::Browser(fault) => fault.reply(),
            Self::Gateway(fault) => return fault.reply(),
            Self::BodyTooLarge { .. } => (413, "body-too-large"),
            Self::HeadTooLarge { .. } => (431, "head-too-large"),
            Self::UriTooLong { .. } => (414, "uri-too-long"),
            Self::SlowSender => (408, "slow-sender"),
            Self::Trapped { .. } => (500, "trapped"),
            Self::MemoryLimit { .. } => (500, "memory-limit"),
            Self::BadAnswer { .. } => (500, "bad-answer"),
            Self::AnswerTooLarge { .. } => (500, "answer-too-large"),
            Self::Internal => (500, "internal"),
            Self::CpuLimit { .. } => (504, "cpu-limit"),
            Self::WallLimit { .. } => (504, "wall-limit"),
            Self::FirstByteLimit { .. } => (504, "first-byte-limit"),
            Self::Deadline { .. } => (504, "deadline"),
            Self::TooLate { .. } => (504, "too-late"),
            Self::NoAnswer { .. } => (504, "no-answer"),
            Self::SlowAnswer { .. } => (504, "slow-answer"),
            Self::Unreachable { .. } => (502, "unreachable"),
            Self::BadUpstream { .. } => (502, "bad-upstream"),
            Self::GarbledAnswer { .. } => (502, "garbled-answer"),
            Self::BrokenAnswer { .. } => (502, "broken-answer"),
            Self::Overloaded { .. } => (503, "overloaded"),
            Self::HostOverloaded => (503, "host-overloaded"),
            Self::OutboundLimit { .. } => (503, "outbound-limit"),
            Self::NoSuchEndpoint { .. } => (404, "no-such-endpoint"),
            Self::NoTraffic { .. } => (503, "no-traffic"),
            Self::NoEndpoint { .. } => (503, "no-endpoint"),
            Self::AllRest { due_ms, .. } => {
                return Reply { retry_after: Some(seconds_up(*due_ms)), ..reply(503, "resting") };
            }
            Self::NoRetryLeft { .. } => (503, "no-retry-left"),
            Self::LineTooLong { .. } => (503, "line-too-long"),
            Self::Again { last, .. } => return last.reply(),
            Self::Stopping => (503, "stopping"),
            Self::CallDepth { .. } => (508, "call-depth"),
            Self::CallCycle { .. } => (508, "call-cycle"),
        };
        reply(status, name)
    }

    /// Its name in metrics, which is one of few: what guests name their own
    /// faults does not come in there.
    pub(crate) fn label(&self) -> &'static str {
        match self.reply().name {
            Cow::Borrowed(name) => name,
            Cow::Owned(_) => "guest",
        }
    }

    /// The body a caller gets.
    pub(crate) fn body(&self) -> String {
        self.to_json().to_string()
    }

    /// The same as a value.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let reply = self.reply();
        serde_json::json!({
            "error": self.to_string(),
            "code": reply.status.as_u16(),
            "fault": reply.name,
        })
    }
}

fn of_state(error: &StateError) -> (u16, &'static str) {
    match error {
        StateError::BadKey(_) => (400, "bad-key"),
        StateError::BatchTooLarge(_) => (400, "batch-too-large"),
        StateError::NotGranted(..) => (403, "bucket-not-granted"),
        StateError::NotANumber => (409, "not-a-number"),
        StateError::ValueTooLarge(_) => (413, "value-too-large"),
        StateError::Unknown => (500, "state-unknown"),
        StateError::Unavailable(_) => (503, "state-unavailable"),
        StateError::BucketFull { .. } | StateError::HostFull { .. } => (507, "bucket-full"),
        StateError::TooManyBuckets { .. } => (507, "too-many-buckets"),
        StateError::DiskFull => (507, "disk-full"),
    }
}

fn reply(status: u16, name: &'static str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply { status, name: Cow::Borrowed(name), retry_after: retry_after(status) }
}

/// Whole seconds, since `Retry-After` has no parts, and at least one.
fn seconds_up(ms: u64) -> Duration {
    Duration::from_secs(ms.div_ceil(1_000).max(1))
}

fn guest_reply(status: u16, name: &str) -> Reply {
    let status = match StatusCode::from_u16(status) {
        Ok(status) if status.is_client_error() || status.is_server_error() => status,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Reply { status, name: Cow::Owned(name.to_owned()), retry_after: retry_after(status) }
}

fn retry_after(status: StatusCode) -> Option<Duration> {
    (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SOON)
}

/// An error and every cause under it, on one line, for the log.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_json_with_a_stable_name() {
        let fault = Fault::NoRoute { verb: "GET".into(), path: "/x".into() };
        let body: serde_json::Value = serde_json::from_str(&fault.body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"error": "no route for GET /x", "code": 404, "fault": "no-route"})
        );
    }

    #[test]
    fn being_turned_away_says_when_to_come_back() {
        let fault = Fault::Overloaded { service: "calc".into() };
        assert_eq!(fault.reply().retry_after, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_guest_cannot_choose_a_status_that_is_no_fault() {
        let fault = Fault::Guest { status: 200, name: "odd".into(), message: String::new() };
        assert_eq!(fault.reply().status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
