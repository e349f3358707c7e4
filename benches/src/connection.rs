//! One plain connection that asks one thing after the other.

use crate::Measured;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

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
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { address, reader: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> Measured<Answer> {
        self.ask(&get(path))
    }

    /// The same with more headers, each with the end of its line.
    pub(crate) fn get_with(&mut self, path: &str, headers: &str) -> Measured<Answer> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"))
    }

    pub(crate) fn delete(&mut self, path: &str) -> Measured<Answer> {
        self.ask(&format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    }

    pub(crate) fn post(&mut self, path: &str, json: &str) -> Measured<Answer> {
        self.ask(&post(path, json))
    }

    /// A figure of `/metrics`, by its name with its labels.
    pub(crate) fn metric(&mut self, name: &str) -> Measured<f64> {
        let metrics = String::from_utf8(self.get("/metrics")?.body)?;
        let figure = |line: &str| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let figure = metrics.lines().find_map(figure);
        Ok(figure.ok_or_else(|| format!("the host has no metric {name}"))?.parse()?)
    }

    /// The answer must say how long it is, or come in chunks.
    fn ask(&mut self, request: &str) -> Measured<Answer> {
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
        let (mut len, mut is_chunked, mut is_last) = (None, false, false);
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            is_last |= header == "connection: close";
            is_chunked |= header == "transfer-encoding: chunked";
            if let Some(value) = header.strip_prefix("content-length:") {
                len = Some(value.trim().parse()?);
            }
        }
        let body = if status == 204 {
            Vec::new()
        } else if is_chunked {
            self.chunks()?
        } else {
            let mut body = vec![0; len.ok_or("the answer has no content-length")?];
            self.reader.read_exact(&mut body)?;
            body
        };
        if is_last {
            *self = Self::open(self.address)?;
        }
        Ok(Answer { status, body })
    }
    fn chunks(&mut self) -> Measured<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut size = String::new();
            self.reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim_end(), 16)?;
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk)?;
            chunk.truncate(size);
            body.extend(chunk);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// A plain request.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// A request with a body of JSON.
pub(crate) fn post(path: &str, json: &str) -> String {
    let len = json.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {len}\r\n\r\n{json}"
    )
}
