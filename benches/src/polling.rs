//! Load that never sleeps. To wake a core costs the server that does it an
//! interrupt, on a virtual machine as much as a whole request; with a load that
//! looks again and again instead, only the server's own work is measured.

use crate::Measured;
use crate::load::Rate;
use crate::machine::{LOAD_CORE, pin, thread_micros};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// As many as `wrk` is told to open.
const CONNECTIONS: usize = 32;

/// A connection that is looked at instead of waited for.
pub(crate) struct Polled {
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

/// Sends a request again and again; every answer must be a success.
pub(crate) fn poll(address: SocketAddr, request: String, time: Duration) -> Measured<Rate> {
    let loading = std::thread::spawn(move || {
        let rate = pin(LOAD_CORE).and_then(|()| run(address, request.as_bytes(), time));
        rate.map_err(|error| error.to_string())
    });
    Ok(loading.join().map_err(|_| "the load panicked")??)
}

fn run(address: SocketAddr, request: &[u8], time: Duration) -> Measured<Rate> {
    let open = || {
        let mut connection = Polled::open(address)?;
        connection.ask(request).map(|()| connection)
    };
    let mut connections: Vec<Polled> = (0..CONNECTIONS).map(|_| open()).collect::<Measured<_>>()?;
    let began = Instant::now();
    let mut requests = 0.0;
    while began.elapsed() < time {
        for connection in &mut connections {
            if connection.look()? {
                requests += 1.0;
                connection.ask(request)?;
            }
        }
    }
    let per_second = requests / began.elapsed().as_secs_f64();
    Ok(Rate { requests, per_second, load_micros: thread_micros() })
}

impl Polled {
    pub(crate) fn open(address: SocketAddr) -> Measured<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { address, stream, received: Vec::new() })
    }

    /// Sends a request; the answer to the one before must have come.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Measured {
        Ok(self.stream.write_all(request)?)
    }

    /// Takes what has come. True when that makes the answer whole; it must be a
    /// success.
    pub(crate) fn look(&mut self) -> Measured<bool> {
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
            Progress::Whole => self.received.clear(),
            Progress::Last => *self = Self::open(self.address)?,
        }
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
