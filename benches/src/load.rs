//! Load for throughput: `wrk`, one that never sleeps, or a few requests where no
//! figure counts.

use crate::Measured;
use crate::connection::Connection;
use crate::machine::LOAD_CORE;
use crate::polling::poll;
use crate::process::{Cores, command};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How load is made.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// By `wrk` with 32 connections.
    Wrk { seconds: u32 },
    /// By 32 connections that are polled.
    Polling { seconds: u32 },
    /// By one connection.
    #[cfg_attr(not(test), allow(dead_code, reason = "for tests"))]
    Few { requests: u32 },
}

/// What a request brings beside its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headers {
    /// `host` alone.
    Plain,
    /// What a browser sends, 13 with `host`.
    Browser,
}

/// What load came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// CPU time that the load took in this process.
    pub(crate) load_micros: f64,
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

impl Headers {
    /// Those beside `host`.
    pub(crate) fn lines(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Browser => &BROWSER,
        }
    }

    /// A request for a path that brings them.
    fn request(self, path: &str) -> String {
        let headers: String = self.lines().iter().map(|line| format!("{line}\r\n")).collect();
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
    }
}

impl Load {
    /// Asks for a path again and again; every answer must be a success.
    pub(crate) fn put_on(
        self,
        address: SocketAddr,
        path: &str,
        headers: Headers,
    ) -> Measured<Rate> {
        match self {
            Self::Wrk { seconds } => wrk(address, path, seconds, headers),
            Self::Polling { seconds } => {
                let time = Duration::from_secs(seconds.into());
                poll(address, headers.request(path), time)
            }
            Self::Few { requests } => few(address, path, requests),
        }
    }

    /// How it is made, for a title.
    pub(crate) fn render(self) -> String {
        match self {
            Self::Wrk { seconds } => format!("wrk -t1 -c32 -d{seconds}s"),
            Self::Polling { seconds } => format!("32 polled connections, {seconds} s"),
            Self::Few { requests } => format!("{requests} requests"),
        }
    }
}

fn wrk(address: SocketAddr, path: &str, seconds: u32, headers: Headers) -> Measured<Rate> {
    let output = command(Cores::One(LOAD_CORE), "wrk")
        .args(["-t1", "-c32", &format!("-d{seconds}s")])
        .args(headers.lines().iter().flat_map(|header| ["-H", header]))
        .arg(format!("http://{address}{path}"))
        .output()?;
    read_wrk(&String::from_utf8_lossy(&output.stdout))
}

fn read_wrk(text: &str) -> Measured<Rate> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("requests failed:\n{text}").into());
    }
    let mut lines = text.lines().map(str::trim);
    let requests = lines.find_map(|line| line.split_once(" requests in "));
    let per_second = lines.find_map(|line| line.strip_prefix("Requests/sec:"));
    let (Some((requests, _)), Some(per_second)) = (requests, per_second) else {
        return Err(format!("wrk printed no figure:\n{text}").into());
    };
    Ok(Rate {
        requests: requests.parse()?,
        per_second: per_second.trim().parse()?,
        load_micros: 0.0,
    })
}

fn few(address: SocketAddr, path: &str, requests: u32) -> Measured<Rate> {
    let mut connection = Connection::open(address)?;
    let before = Instant::now();
    for _ in 0..requests {
        let answer = connection.get(path)?;
        if answer.status != 200 {
            return Err(format!("{path} answered {}", answer.status).into());
        }
    }
    let requests = f64::from(requests);
    Ok(Rate { requests, per_second: requests / before.elapsed().as_secs_f64(), load_micros: 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let printed = "Running 3s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  \
                       9000 requests in 3.00s, 1.00MB read\nRequests/sec:   3000.50\n";
        let expected = Rate { requests: 9000.0, per_second: 3000.5, load_micros: 0.0 };
        assert_eq!(read_wrk(printed).unwrap(), expected);
        assert!(read_wrk("Non-2xx or 3xx responses: 1").is_err());
        assert!(read_wrk("").is_err());
    }
}
