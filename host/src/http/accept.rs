//! The accept loop: it cannot be killed or held up.

use super::{Front, connection};
use crate::addresses::Addresses;
use crate::cores::Seat;
use crate::telemetry::Seldom;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::warn;

const BACKLOG: i32 = 4_096;
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Binds an address. It can be bound again at once after a restart.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Open connections, in all and by address.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<Open>,
    turned_away: AtomicU64,
    warned: Seldom,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: Addresses,
}

impl Connections {
    /// Those that are open.
    pub(super) fn count_open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Those that there was no place for.
    pub(super) fn count_turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }

    fn turn_away(&self, from: IpAddr) {
        let turned_away = self.turned_away.fetch_add(1, Relaxed) + 1;
        if self.warned.is_due() {
            warn!(%from, turned_away, "too many connections, one turned away");
        }
    }

    /// Counts a connection in, unless there are too many.
    fn enter(self: &Arc<Self>, from: IpAddr, total: usize, per_address: usize) -> Option<Entered> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if total <= open.total || !open.by_address.enter(from, per_address) {
            return None;
        }
        open.total += 1;
        Some(Entered { connections: self.clone(), from })
    }
}

/// The place of a connection among all of them, and on its thread.
pub(super) struct Place {
    entered: Entered,
    _seat: Seat,
}

impl Place {
    /// The address at the other end.
    pub(super) fn from(&self) -> IpAddr {
        self.entered.from
    }
}

struct Entered {
    connections: Arc<Connections>,
    from: IpAddr,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        open.by_address.leave(self.from);
    }
}

impl Front {
    /// Takes connections until told to stop; then lets go of the address.
    ///
    /// Running out of descriptors is a bad minute, not the end of the host: the
    /// loop pauses, longer each time, and tries again.
    pub(crate) async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        mut closing: watch::Receiver<bool>,
    ) {
        let mut pause = PAUSE_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    pause = PAUSE_MIN;
                    self.take(stream, from.ip());
                }
                Err(error) if is_the_peers_doing(&error) => (),
                Err(error) => {
                    warn!(%error, ?pause, "cannot accept connections");
                    tokio::select! {
                        _ = closing.wait_for(|closing| *closing) => return,
                        () = tokio::time::sleep(pause) => pause = PAUSE_MAX.min(pause * 2),
                    }
                }
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, from: IpAddr) {
        let limits = &self.limits;
        let (total, per_address) = (limits.connections_max, limits.connections_per_address_max);
        let Some(entered) = self.connections.enter(from, total, per_address) else {
            return self.connections.turn_away(from);
        };
        // Without it, small answers wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let front = self.clone();
        // It is polled by the thread that it stays with.
        let (Ok(stream), Some(seat)) = (stream.into_std(), self.cores.seat()) else { return };
        let thread = seat.handle().clone();
        self.crew.hire_on(&thread, "connection", |_stop| async move {
            let place = Arc::new(Place { entered, _seat: seat });
            match TcpStream::from_std(stream) {
                Ok(stream) => connection::serve(front, stream, place).await,
                Err(error) => warn!(%error, "a connection was lost"),
            }
        });
    }
}

fn is_the_peers_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_bounded_in_all_and_others_by_address_too() {
        let connections = Arc::new(Connections::default());
        let enter = |from: [u8; 4]| connections.enter(from.into(), 3, 1);
        let _first = enter([10, 0, 0, 1]).unwrap();
        assert!(enter([10, 0, 0, 1]).is_none());
        let second = enter([127, 0, 0, 1]).unwrap();
        let _third = enter([127, 0, 0, 1]).unwrap();
        assert!(enter([10, 0, 0, 2]).is_none());
        drop(second);
        assert!(enter([10, 0, 0, 2]).is_some());
    }
}
