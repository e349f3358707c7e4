//! Requests to a fixture at a pace, to keep it at what it does.

use super::Fixture;
use super::host::HostProcess;
use super::pace::{Due, Pace};
use crate::Measured;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Calls a second to a fixture.
pub(super) const PER_SECOND: u32 = 200;
/// Connections that make them. By default a service has 64 calls at once, and
/// those over it wait in line.
const CONNECTIONS: u32 = 96;
/// Between two times that a file is put in again.
const RELOADS: Duration = Duration::from_millis(50);
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of a body, what is sent; more was announced.
const SENT_BYTES: usize = 128 << 10;

/// How a fixture is kept at it.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// A path is called.
    Get(&'static str),
    /// The same with a query of 5,000 bytes.
    GetAtLength(&'static str),
    /// A path gets the beginning of a body.
    Post(&'static str),
    /// Its file is put in again.
    Reload,
}

/// Clients that keep a fixture at it. They go with this.
pub(super) struct Asking {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
    clients: Vec<JoinHandle<()>>,
    leaves: Vec<Arc<Leave>>,
}

/// How a client that waits is told to leave. One that looked for it now and
/// then would be in the way of whoever measures on the same core.
#[derive(Default)]
struct Leave {
    is_over: AtomicBool,
    open: Mutex<Option<TcpStream>>,
}

impl Asking {
    pub(super) fn start(host: &HostProcess, fixture: &Fixture) -> Measured<Self> {
        let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut asking = Self { is_over, answered, clients: Vec::new(), leaves: Vec::new() };
        match request(fixture.way) {
            Some(request) => {
                for index in 0..CONNECTIONS {
                    asking.call(host.services, request.clone(), index);
                }
            }
            None => asking.reload(host.file(fixture.module))?,
        }
        Ok(asking)
    }

    /// How many calls have come to an end, whatever the end.
    pub(super) fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Leaves, in the middle of what is under way.
    pub(super) fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.leaves.iter().for_each(|leave| leave.now());
        for client in self.clients {
            let _ = client.join();
        }
    }

    fn call(&mut self, to: SocketAddr, request: Vec<u8>, index: u32) {
        let (leave, answered) = (Arc::<Leave>::default(), self.answered.clone());
        self.leaves.push(leave.clone());
        let mut pace = Pace::of(PER_SECOND, CONNECTIONS, index);
        self.clients.push(thread::spawn(move || {
            while !leave.is_over() {
                if let Due::In(wait) = pace.next(Instant::now()) {
                    thread::sleep(wait);
                }
                // A call that fails has come to an end, too.
                if call(to, &request, &leave).unwrap_or(true) {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }

    fn reload(&mut self, file: PathBuf) -> Measured {
        let module = std::fs::read(&file)?;
        let (is_over, answered) = (self.is_over.clone(), self.answered.clone());
        self.clients.push(thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                if std::fs::write(&file, &module).is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(RELOADS);
            }
        }));
        Ok(())
    }
}

impl Leave {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn now(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(stream) = self.open().as_ref() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// What is to be shut down. Whoever puts something in looks at `is_over`
    /// after that.
    fn open(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a call, none when it is not called.
fn request(way: Way) -> Option<Vec<u8>> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    match way {
        Way::Get(path) => Some(get(path).into()),
        Way::GetAtLength(path) => Some(get(&format!("{path}?{}", "x".repeat(5_000))).into()),
        Way::Post(path) => {
            let length = 2 * SENT_BYTES;
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
            let mut request = Vec::from(head);
            request.resize(request.len() + SENT_BYTES, b'x');
            Some(request)
        }
        Way::Reload => None,
    }
}

/// One call on a connection of its own, to whatever end. False when it was left.
fn call(to: SocketAddr, request: &[u8], leave: &Leave) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    *leave.open() = Some(stream.try_clone()?);
    if leave.is_over() {
        return Ok(false);
    }
    let ended = stream.write_all(request).and_then(|()| read_all(&mut stream));
    *leave.open() = None;
    if leave.is_over() { Ok(false) } else { ended.map(|()| true) }
}

fn read_all(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut part = vec![0; 64 << 10];
    while 0 < stream.read(&mut part)? {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn a_call_ends_with_its_connection_and_is_left_when_it_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let request = request(Way::Get("/x")).unwrap();
        let client = {
            let request = request.clone();
            thread::spawn(move || call(to, &request, &Leave::default()).unwrap())
        };
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = vec![0; request.len()];
        stream.read_exact(&mut seen).unwrap();
        assert_eq!(seen, request);
        drop(stream);
        assert!(client.join().unwrap());
        let leave = Arc::<Leave>::default();
        let client = {
            let (request, leave) = (request.clone(), leave.clone());
            thread::spawn(move || call(to, &request, &leave).unwrap())
        };
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut seen).unwrap();
        leave.now();
        assert!(!client.join().unwrap());
        assert!(!call(to, &request, &leave).unwrap());
    }

    #[test]
    fn a_body_is_announced_longer_than_it_is_sent() {
        let request = request(Way::Post("/x")).unwrap();
        let text = String::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-length: 262144"), "{head}");
        assert_eq!(body.len(), SENT_BYTES);
    }
}
