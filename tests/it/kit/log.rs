//! What a host writes on stderr, line by line.

use super::PATIENCE;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// Every line so far. Clones share them.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    written: watch::Receiver<usize>,
}

impl Log {
    /// Reads until the other end closes.
    pub(crate) fn follow(output: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (wrote, written) = watch::channel(0);
        let kept = lines.clone();
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                let mut kept = kept.lock().unwrap();
                kept.push(line);
                wrote.send_replace(kept.len());
            }
        });
        Self { lines, written }
    }

    /// How many lines there are; later ones are found from here.
    pub(crate) fn mark(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// The lines so far, without colours.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The first line from a mark on that is meant, which may be there already.
    pub(crate) async fn wait(&self, from: usize, is_meant: impl Fn(&str) -> bool) -> String {
        self.wait_within(PATIENCE, from, is_meant).await
    }

    /// The same for what may take longer than anything else.
    pub(crate) async fn wait_within(
        &self,
        patience: Duration,
        from: usize,
        is_meant: impl Fn(&str) -> bool,
    ) -> String {
        let mut written = self.written.clone();
        let mut next = from;
        let found = async {
            loop {
                written.borrow_and_update();
                let lines = self.lines();
                if let Some(line) = lines.iter().skip(next).find(|line| is_meant(line)) {
                    return line.clone();
                }
                next = lines.len();
                if written.changed().await.is_err() {
                    panic!("the host ended without that line\n{}", self.lines().join("\n"));
                }
            }
        };
        match tokio::time::timeout(patience, found).await {
            Ok(line) => line,
            Err(_elapsed) => panic!("the line did not come\n{}", self.lines().join("\n")),
        }
    }

    /// Lines that tell of a panic of the host itself. What guests print bears
    /// the name of their service.
    pub(crate) fn panics(&self) -> Vec<String> {
        let is_of_guest =
            |line: &str| ["service=", "\"service\":"].iter().any(|mark| line.contains(mark));
        let is_own = |line: &String| line.contains("panicked") && !is_of_guest(line);
        self.lines().into_iter().filter(is_own).collect()
    }
}
