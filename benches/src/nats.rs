//! As much of the protocol of NATS as it takes to publish and to count.
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol>

use crate::Measured;
use crate::process::{Cores, Process, command};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A running server.
pub(crate) struct Server {
    _process: Process,
    address: SocketAddr,
}

/// A connection that publishes.
pub(crate) struct Publisher(OwnedWriteHalf);

/// A connection that hears.
pub(crate) struct Subscriber {
    reader: BufReader<OwnedReadHalf>,
    _writer: OwnedWriteHalf,
    line: String,
}

const PROGRAM: &str = "/usr/sbin/nats-server";

/// Whether it is installed.
pub(crate) fn is_there() -> bool {
    std::path::Path::new(PROGRAM).is_file()
}

impl Server {
    pub(crate) fn start(cores: Cores) -> Measured<Self> {
        let mut command = command(cores, PROGRAM);
        let mut process = Process::start(command.args(["-a", "127.0.0.1", "-p", "-1"]))?;
        let address = process.line_after("Listening for client connections on ")?.parse()?;
        process.drain();
        Ok(Self { _process: process, address })
    }

    async fn connect(&self) -> Measured<(BufReader<OwnedReadHalf>, OwnedWriteHalf)> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        writer.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await?;
        pong(&mut reader).await?;
        Ok((reader, writer))
    }

    pub(crate) async fn publisher(&self) -> Measured<Publisher> {
        Ok(Publisher(self.connect().await?.1))
    }

    pub(crate) async fn subscriber(&self) -> Measured<Subscriber> {
        let (mut reader, mut writer) = self.connect().await?;
        writer.write_all(b"SUB tick 1\r\nPING\r\n").await?;
        pong(&mut reader).await?;
        Ok(Subscriber { reader, _writer: writer, line: String::new() })
    }
}

async fn pong(reader: &mut BufReader<OwnedReadHalf>) -> Measured {
    let mut line = String::new();
    while !line.starts_with("PONG") {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Err("the NATS server went away".into());
        }
    }
    Ok(())
}

impl Publisher {
    /// Publishes so many messages.
    pub(crate) async fn publish(&mut self, count: usize) -> Measured {
        let mut messages = Vec::new();
        for number in 0..count {
            let payload = number.to_string();
            messages.extend(format!("PUB tick {}\r\n{payload}\r\n", payload.len()).into_bytes());
        }
        Ok(self.0.write_all(&messages).await?)
    }
}

impl Subscriber {
    /// Hears so many messages.
    pub(crate) async fn hear(&mut self, count: usize) -> Measured {
        for _ in 0..count {
            self.line.clear();
            self.reader.read_line(&mut self.line).await?;
            let Some(len) = self.line.strip_prefix("MSG ") else { continue };
            let len: usize = len.trim().rsplit(' ').next().ok_or("no length")?.parse()?;
            let mut payload = [0; 32];
            self.reader.read_exact(payload.get_mut(..len + 2).ok_or("too long")?).await?;
        }
        Ok(())
    }

    /// Hears one message; how long after this it was there.
    pub(crate) async fn time(&mut self, since: Instant) -> Measured<Duration> {
        self.hear(1).await?;
        Ok(since.elapsed())
    }
}
