//! A neighbour that does not keep to what was agreed, byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// What it does with every request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Reads it, and nothing more.
    Silent,
    /// Answers what is no HTTP.
    Garbage,
    /// Answers with a head of far too many headers.
    LargeHead,
    /// Sends half of an answer and ends the connection.
    Half,
    /// Sends half of an answer and resets the connection when it is told to.
    Reset,
    /// Sends half of an answer and never the rest.
    Stall,
}

/// A neighbour of bad manners. It is gone when it is dropped.
pub(crate) struct Mean {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    told: Arc<Notify>,
    serving: JoinHandle<()>,
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nhalf";

impl Mean {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, told) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (count, tell) = (asked.clone(), told.clone());
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, manner, count.clone(), tell.clone()));
            }
        });
        Self { address, asked, told, serving }
    }

    /// Requests that it has read.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    /// Resets a connection that waits for that.
    pub(crate) fn reset(&self) {
        self.told.notify_one();
    }
}

impl Drop for Mean {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, asked: Arc<AtomicUsize>, told: Arc<Notify>) {
    let mut seen = Vec::new();
    loop {
        while !seen.ends_with(b"\r\n\r\n") {
            if !matches!(stream.read_buf(&mut seen).await, Ok(1..)) {
                return;
            }
        }
        seen.clear();
        asked.fetch_add(1, Relaxed);
        let large = || {
            let headers: String = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect();
            format!("HTTP/1.1 200 OK\r\n{headers}\r\n")
        };
        let text = match manner {
            Manner::Silent => String::new(),
            Manner::Garbage => "\u{1}\u{2} nothing that anybody understands\r\n\r\n".to_owned(),
            Manner::LargeHead => large(),
            Manner::Half | Manner::Reset | Manner::Stall => HALF.to_owned(),
        };
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
        match manner {
            Manner::Silent | Manner::Stall => (),
            Manner::Garbage | Manner::LargeHead | Manner::Half => return,
            Manner::Reset => {
                told.notified().await;
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
}
