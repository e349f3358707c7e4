//! Load: one plain connection for latency, `wrk` for throughput.

use crate::Measured;
use crate::machine::LOAD_CORE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

/// What a request brings beside its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headers {
    /// `host` alone.
    Plain,
    /// What a browser sends, 13 with `host`.
    Browser,
}

/// What a browser sends with a request of a page, beside `host`.
const BROWSER: [&str; 12] = [
    "connection: keep-alive",
    "accept: application/json, text/plain, */*",
    "accept-encoding: gzip, deflate, br, zstd",
    "accept-language: en-GB,en;q=0.9,de;q=0.8",
    "cache-control: no-cache",
    "cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
    "referer: http://127.0.0.1/calculator",
    "sec-fetch-dest: empty",
    "sec-fetch-mode: cors",
    "sec-fetch-site: same-origin",
    "sec-ch-ua-platform: \"Linux\"",
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
];

/// Requests per second that `wrk` reaches with 32 connections.
pub(crate) fn wrk(
    address: SocketAddr,
    path: &str,
    seconds: u32,
    headers: Headers,
) -> Measured<f64> {
    let headers = if headers == Headers::Browser { BROWSER.as_slice() } else { &[] };
    let output = Command::new("taskset")
        .args(["-c", &LOAD_CORE.to_string(), "wrk", "-t1", "-c32"])
        .arg(format!("-d{seconds}s"))
        .args(headers.iter().flat_map(|header| ["-H", header]))
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
