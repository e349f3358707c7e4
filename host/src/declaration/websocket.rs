//! WebSockets: where a service is opened to who wants to stay.

use super::{DeclarationError, shorten};
use crate::name::{Name, NameError};
use crate::route::{Pattern, PatternError};
use crate::upgrade::is_token;

/// A WebSocket as a module describes it, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawWebSocket {
    pub name: String,
    pub pattern: String,
    pub protocols: Vec<String>,
    pub description: String,
}

/// A place where WebSockets are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebSocket {
    pub name: Name,
    pub pattern: Pattern,
    /// Subprotocols it speaks, the best first.
    pub protocols: Vec<String>,
    pub description: String,
}

/// Why a WebSocket is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WebSocketError {
    #[error("websocket name {name:?} {error}")]
    Name { name: String, error: NameError },
    #[error("websocket {name}: {error}")]
    Pattern { name: Name, error: PatternError },
    #[error("websocket {name}: its protocol {protocol:?} is no token of 1 to 128 bytes")]
    Protocol { name: Name, protocol: String },
    #[error("websocket {name} has more than {max} protocols")]
    TooManyProtocols { name: Name, max: usize },
    #[error("declares {count} websockets, at most {max} are allowed")]
    TooMany { count: usize, max: usize },
}

/// Subprotocols of one WebSocket.
const PROTOCOLS_MAX: usize = 64;
/// Bytes of one of them.
const PROTOCOL_BYTES_MAX: usize = 128;

impl WebSocket {
    fn check(raw: RawWebSocket) -> Result<Self, WebSocketError> {
        let RawWebSocket { name, pattern, protocols, description } = raw;
        let name = Name::parse(&name)
            .map_err(|error| WebSocketError::Name { name: shorten(&name), error })?;
        let pattern = match Pattern::parse(&pattern) {
            Ok(pattern) => pattern,
            Err(error) => return Err(WebSocketError::Pattern { name, error }),
        };
        if PROTOCOLS_MAX < protocols.len() {
            return Err(WebSocketError::TooManyProtocols { name, max: PROTOCOLS_MAX });
        }
        let is_good = |text: &str| is_token(text) && text.len() <= PROTOCOL_BYTES_MAX;
        match protocols.iter().find(|protocol| !is_good(protocol)) {
            Some(bad) => Err(WebSocketError::Protocol { name, protocol: shorten(bad) }),
            None => Ok(Self { name, pattern, protocols, description }),
        }
    }
}

/// Checks all WebSockets of a module.
pub(super) fn check_all(
    raw: Vec<RawWebSocket>,
    max: usize,
) -> Result<Vec<WebSocket>, DeclarationError> {
    let count = raw.len();
    if max < count {
        return Err(WebSocketError::TooMany { count, max }.into());
    }
    Ok(raw.into_iter().map(WebSocket::check).collect::<Result<_, _>>()?)
}
