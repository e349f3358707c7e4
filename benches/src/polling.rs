//! Load that never sleeps. To wake a core costs the server that does it an
//! interrupt, on a virtual machine as much as a whole request; with a load that
//! looks again and again instead, only the server's own work is measured.

use crate::Measured;
use crate::load::{Headers, Rate};
use crate::machine::{LOAD_CORE, pin, thread_micros};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// As many as `wrk` is told to open.
const CONNECTIONS: usize = 32;

/// A connection with one request under way.
struct Polled {
    address: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
}

/// What of an answer has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    Part,
    Whole,
    /// Whole, and the connection ends with it.
    Last,
}

/// Asks for a path again and again; every answer must be a success.
pub(crate) fn poll(
    address: SocketAddr,
    path: &str,
    seconds: u32,
    headers: Headers,
) -> Measured<Rate> {
    let headers: String = headers.lines().iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    let loading = std::thread::spawn(move || {
        let rate = pin(LOAD_CORE).and_then(|()| run(address, request.as_bytes(), seconds));
        rate.map_err(|error| error.to_string())
    });
    Ok(loading.join().map_err(|_| "the load panicked")??)
}

fn run(address: SocketAddr, request: &[u8], seconds: u32) -> Measured<Rate> {
    let open = || Polled::open(address, request);
    let mut connections: Vec<Polled> = (0..CONNECTIONS).map(|_| open()).collect::<Measured<_>>()?;
    let (began, all) = (Instant::now(), Duration::from_secs(u64::from(seconds)));
    let mut requests = 0.0;
    while began.elapsed() < all {
        for connection in &mut connections {
            if connection.look(request)? {
                requests += 1.0;
            }
        }
    }
    let per_second = requests / began.elapsed().as_secs_f64();
    Ok(Rate { requests, per_second, load_micros: thread_micros() })
}

impl Polled {
    /// A connection that has asked.
    fn open(address: SocketAddr, request: &[u8]) -> Measured<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        stream.write_all(request)?;
        Ok(Self { address, stream, received: Vec::new() })
    }

    /// Takes what has come; asks again and says so when that is a whole answer.
    fn look(&mut self, request: &[u8]) -> Measured<bool> {
        let mut chunk = [0; 4096];
        let len = match self.stream.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            read => read?,
        };
        if len == 0 {
            return Err("a connection ended before its answer".into());
        }
        self.received.extend(chunk.iter().take(len));
        match progress(&self.received)? {
            Progress::Part => return Ok(false),
            Progress::Whole => self.stream.write_all(request)?,
            Progress::Last => *self = Self::open(self.address, request)?,
        }
        self.received.clear();
        Ok(true)
    }
}

fn progress(received: &[u8]) -> Measured<Progress> {
    let end = received.windows(4).position(|end| end == b"\r\n\r\n");
    let Some(head) = end.and_then(|end| received.get(..end)) else { return Ok(Progress::Part) };
    let head = std::str::from_utf8(head)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("a request failed: {head}").into());
    }
    let headers = || head.split("\r\n").filter_map(|line| line.split_once(": "));
    let find = |name: &str| headers().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let (_, len) = find("content-length").ok_or("the answer has no content-length")?;
    if received.len() < head.len() + 4 + len.parse::<usize>()? {
        return Ok(Progress::Part);
    }
    let is_last = find("connection").is_some_and(|(_, value)| value == "close");
    Ok(if is_last { Progress::Last } else { Progress::Whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(received: &str, expected: Progress) {
        assert_eq!(progress(received.as_bytes()).unwrap(), expected, "{received}");
    }

    #[test]
    fn an_answer_is_taken_when_it_is_whole() {
        check("HTTP/1.1 200 OK\r\ncontent-le", Progress::Part);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", Progress::Part);
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", Progress::Whole);
        let last = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        check(last, Progress::Last);
        assert!(progress(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(progress(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
