//! Callers of endless answers leave: how soon the service is free.

use crate::Measured;
use crate::connection::Connection;
use crate::endpoint::post_record;
use crate::files::{guest, put, state};
use crate::process::Cores;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    callers: usize,
}

const PATIENCE: Duration = Duration::from_secs(60);
const RUNNING: &str = "picolet_service_running{service=\"misbehaves\",version=\"1.0.0\"}";

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 10, callers: 200 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let (folder, empty) = (TempDir::new()?, TempDir::new()?);
    let places = "[limits]\nconcurrency = 256";
    put(folder.path(), "misbehaves", &guest("misbehaves")?, places)?;
    let (host, _) = Spawned::start(folder.path(), &state(), Cores::All, PATIENCE)?;
    let (front, _) = Spawned::start(empty.path(), &state(), Cores::All, PATIENCE)?;
    introduce(host.admin, front.admin)?;
    let title = format!(
        "{} callers of endless answers leave -> no call runs, {} rounds",
        plan.callers, plan.rounds
    );
    let mut report = Report::new("leave", title);
    let rows = [
        ("by path", host.address, "/misbehaves/stream/100000000"),
        ("by name", host.address, "/services/misbehaves/stream/100000000"),
        ("from another host, HTTP/2", front.address, "/services/misbehaves/stream/100000000"),
    ];
    for (name, address, path) in rows {
        let mut rounds = Vec::new();
        for _ in 0..plan.rounds {
            rounds.push(leave(address, path, host.admin, plan.callers)?.as_secs_f64() * 1e3);
        }
        report.add(name, vec![Column { name: "time", unit: " ms", rounds }]);
    }
    Ok(report)
}

/// Registers the services of one host with another.
pub(crate) fn introduce(from: SocketAddr, to: SocketAddr) -> Measured {
    let listed = Connection::open(from)?.get("/api/services/default")?;
    let listed: Value = serde_json::from_slice(&listed.body)?;
    let records = listed.get("services").and_then(Value::as_array).ok_or("no services")?;
    for record in records {
        post_record(to, &json!({ "record": record }).to_string())?;
    }
    Ok(())
}

fn leave(address: SocketAddr, path: &str, admin: SocketAddr, callers: usize) -> Measured<Duration> {
    let mut open = Vec::new();
    for _ in 0..callers {
        let mut stream = TcpStream::connect(address)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        open.push(stream);
    }
    for stream in &mut open {
        let mut head = [0; 15];
        stream.read_exact(&mut head)?;
        if &head != b"HTTP/1.1 200 OK" {
            return Err(format!("answered {}", String::from_utf8_lossy(&head)).into());
        }
    }
    let mut admin = Connection::open(admin)?;
    #[allow(clippy::cast_precision_loss, reason = "there are few")]
    let all = callers as f64;
    let running = admin.metric(RUNNING)?;
    if (running - all).abs() > 0.5 {
        return Err(format!("{running} calls run, not {all}").into());
    }
    drop(open);
    let left = Instant::now();
    while 0.0 < admin.metric(RUNNING)? {
        if PATIENCE < left.elapsed() {
            return Err("calls run on though everybody has left".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(left.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { rounds: 1, callers: 5 }).unwrap().check_rows(3, 1);
    }
}
