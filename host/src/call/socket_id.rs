//! Names of sockets.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Names a socket: a random text that is never the same again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SocketId(Arc<str>);

impl SocketId {
    /// A new one.
    pub(crate) fn draw() -> Self {
        Self(Uuid::new_v4().simple().to_string().into())
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for SocketId {
    fn borrow(&self) -> &str {
        &self.0
    }
}
