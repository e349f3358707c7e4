//! Why the gateway turns a request away.

use super::{Reply, reply, seconds_up};
use std::time::Duration;

/// What a client of the gateway can tell apart, beside what every caller can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GatewayFault {
    #[error("{whose} are over the limit of {per_second} in a second")]
    TooManyRequests { whose: String, per_second: u32, wait_ms: u64 },
    #[error("pages of {origin} may not call services here")]
    OriginNotAllowed { origin: String },
    #[error("WebSockets of service {service} are opened at the host that has it")]
    SocketElsewhere { service: String },
}

impl GatewayFault {
    /// Requests, or calls, that come faster than they may.
    pub(crate) fn too_many(whose: String, per_second: u32, wait: Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self::TooManyRequests { whose, per_second, wait_ms }
    }

    /// Status, name and advice.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::TooManyRequests { wait_ms, .. } => {
                let retry_after = Some(seconds_up(*wait_ms));
                Reply { retry_after, ..reply(429, "too-many-requests") }
            }
            Self::OriginNotAllowed { .. } => reply(403, "origin-not-allowed"),
            Self::SocketElsewhere { .. } => reply(501, "socket-elsewhere"),
        }
    }
}
