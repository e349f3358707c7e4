//! Load: one plain connection for latency, `wrk` for throughput.

use crate::Measured;
use crate::machine::LOAD_CORE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

/// Requests per second that `wrk` reaches with 32 connections.
pub(crate) fn wrk(address: SocketAddr, path: &str, seconds: u32) -> Measured<f64> {
    let output = Command::new("taskset")
        .args(["-c", &LOAD_CORE.to_string(), "wrk", "-t1", "-c32"])
        .arg(format!("-d{seconds}s"))
        .arg(format!("http://{address}{path}"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("requests failed:\n{text}").into());
    }
    let figure = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let figure = figure.ok_or_else(|| format!("wrk printed no figure:\n{text}"))?;
    Ok(figure.trim().parse()?)
}

/// A connection that asks one thing after the other.
pub(crate) struct Connection {
    address: SocketAddr,
    reader: BufReader<TcpStream>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { address, reader: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> Measured<Answer> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    }

    pub(crate) fn post(&mut self, path: &str, json: &str) -> Measured<Answer> {
        let len = json.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {len}\r\n\r\n{json}"
        ))
    }

    fn ask(&mut self, request: &str) -> Measured<Answer> {
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
        let (mut len, mut is_last) = (0, false);
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            is_last |= header == "connection: close";
            if let Some(value) = header.strip_prefix("content-length:") {
                len = value.trim().parse()?;
            }
        }
        let mut body = vec![0; len];
        self.reader.read_exact(&mut body)?;
        if is_last {
            *self = Self::open(self.address)?;
        }
        Ok(Answer { status, body })
    }
}
