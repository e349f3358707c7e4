//! What can go wrong with sockets, as callers can tell it apart.

/// Why a socket is not opened, or nothing is sent to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SocketFault {
    #[error("this is a WebSocket: ask for it by `Upgrade: websocket` in HTTP/1.1, version 13")]
    UpgradeRequired,
    #[error("{message}")]
    BadHandshake { message: String },
    #[error("pages of {origin} may not open sockets here")]
    OriginNotAllowed { origin: String },
    #[error("{max} WebSockets are open, which is the limit of this host")]
    TooMany { max: usize },
    #[error("{message}")]
    BadRoom { message: String },
    #[error("{message}")]
    TooManyRooms { message: String },
    #[error("{message}")]
    BadMessage { message: String },
    #[error("message is over the limit of {bytes_max} bytes")]
    MessageTooLarge { bytes_max: usize },
}

impl SocketFault {
    /// Status and name.
    pub(super) fn reply(&self) -> (u16, &'static str) {
        match self {
            Self::UpgradeRequired => (426, "upgrade-required"),
            Self::BadHandshake { .. } => (400, "bad-handshake"),
            Self::OriginNotAllowed { .. } => (403, "origin-not-allowed"),
            Self::TooMany { .. } => (503, "too-many-sockets"),
            Self::BadRoom { .. } => (400, "bad-room"),
            Self::TooManyRooms { .. } => (429, "too-many-rooms"),
            Self::BadMessage { .. } => (400, "bad-message"),
            Self::MessageTooLarge { .. } => (413, "message-too-large"),
        }
    }
}
