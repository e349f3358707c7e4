//! Waiting for what comes soon.

use crate::Measured;
use crate::connection::Connection;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Waits for something, or fails with what it was.
pub(crate) fn wait_until(
    what: &str,
    patience: Duration,
    mut is_there: impl FnMut() -> bool,
) -> Measured {
    let until = Instant::now() + patience;
    while !is_there() {
        if until < Instant::now() {
            return Err(format!("waited {} s for {what}", patience.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The status that a path answers with, over a connection of its own.
pub(crate) fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut connection = Connection::open(address).ok()?;
    connection.get(path).ok().map(|answer| answer.status)
}
