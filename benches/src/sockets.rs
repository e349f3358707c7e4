//! Many WebSockets that nobody uses: what one holds of the host's memory, and
//! whether all of them are there when their module was replaced.

use crate::Measured;
use crate::connection::Connection;
use crate::files::{distinct, guest, put, state};
use crate::process::Cores;
use crate::ready::wait_until;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    sockets: usize,
    /// What one may hold, where there are enough of them to tell.
    bytes_each_max: Option<f64>,
}

const PATIENCE: Duration = Duration::from_secs(60);
const GUEST: &str = "chats";
/// How many of its WebSockets are open.
const OPEN: &str = "picolet_websockets{service=\"chats\"}";

/// A frame of a client with a text, masked with zeros, and its echo.
const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";
const ECHO: &[u8] = b"\x81\x05hello";

impl Plan {
    pub(crate) const FULL: Self = Self { sockets: 5_000, bytes_each_max: Some(20_000.0) };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    // The host raises its own.
    raise_files_max()?;
    let folder = TempDir::new()?;
    let module = guest(GUEST)?;
    put(folder.path(), GUEST, &module, "")?;
    let (host, _) = Spawned::start(folder.path(), &state(), Cores::All, PATIENCE)?;
    let mut admin = Connection::open(host.admin)?;
    // What the first ones need is not of each.
    let first = open(host.address, 50.min(plan.sockets))?;
    check(first)?;
    wait_until("the first to be gone", PATIENCE, || {
        admin.metric(OPEN).is_ok_and(|open| open == 0.0)
    })?;
    let before = host.process.usage()?.rss_mb;
    let sockets = open(host.address, plan.sockets)?;
    let after = host.process.usage()?.rss_mb;
    let bytes_each = (after - before) * 1e6 / plan.sockets as f64;

    let was = digest(&mut admin)?;
    put(folder.path(), GUEST, &distinct(&module, "another one"), "")?;
    let replaced = Instant::now();
    wait_until("the swap", PATIENCE, || digest(&mut admin).is_ok_and(|is| is != was))?;
    let swap = millis(replaced);
    let asked = Instant::now();
    check(sockets)?;
    let echoes = millis(asked);

    let mut report = Report::new("sockets", format!("{} idle WebSockets", plan.sockets));
    report.add("none open", vec![one("RSS", " MB", before)]);
    let all = vec![one("RSS", " MB", after), one("each", " bytes", bytes_each)];
    report.add("all open", all);
    let swapped = vec![one("swap", " ms", swap), one("an echo of each", " ms", echoes)];
    report.add("their module replaced", swapped);
    if plan.bytes_each_max.is_some_and(|max| max < bytes_each) {
        report.note_broken(format!("a socket holds {bytes_each:.0} bytes"));
    }
    Ok(report)
}

fn one(name: &'static str, unit: &'static str, figure: f64) -> Column {
    Column { name, unit, rounds: vec![figure] }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Lets this process have as many files as the system allows it.
fn raise_files_max() -> Measured {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

/// Opens so many, each a plain connection on this side.
fn open(address: SocketAddr, count: usize) -> Measured<Vec<TcpStream>> {
    (0..count).map(|_| handshake(address)).collect()
}

fn handshake(address: SocketAddr) -> Measured<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(
        b"GET /chats/echo HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\n\
          upgrade: websocket\r\nsec-websocket-version: 13\r\n\
          sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
    let (mut head, mut part) = (Vec::new(), [0; 512]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        head.extend(part.iter().take(read));
        if read == 0 {
            break;
        }
    }
    if head.starts_with(b"HTTP/1.1 101 ") {
        return Ok(stream);
    }
    Err(format!("no handshake but {}", String::from_utf8_lossy(&head)).into())
}

/// Checks that each of them still answers, and drops them.
fn check(sockets: Vec<TcpStream>) -> Measured {
    for mut socket in sockets {
        socket.write_all(HELLO)?;
        let mut echo = [0; ECHO.len()];
        socket.read_exact(&mut echo)?;
        if echo != ECHO {
            return Err(format!("no echo but {echo:?}").into());
        }
    }
    Ok(())
}

/// What is served, by its content.
fn digest(admin: &mut Connection) -> Measured<String> {
    let answer = admin.get(&format!("/admin/v1/services/{GUEST}"))?;
    let service: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let digest = service.get("digest").and_then(|digest| digest.as_str());
    Ok(digest.ok_or("the service has no digest")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { sockets: 20, bytes_each_max: None }).unwrap().check_rows(3, 1);
    }
}
