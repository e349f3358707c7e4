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

    pub(crate) fn post(&mut self, path: &str, json: &str) -> Measured<Answer> {
        self.ask(&post(path, json))
    }

    /// The answer must say how long it is.
    fn ask(&mut self, request: &str) -> Measured<Answer> {
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
        let (mut len, mut is_last) = (None, false);
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            is_last |= header == "connection: close";
            if let Some(value) = header.strip_prefix("content-length:") {
                len = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; len.ok_or("the answer has no content-length")?];
        self.reader.read_exact(&mut body)?;
        if is_last {
            *self = Self::open(self.address)?;
        }
        Ok(Answer { status, body })
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
