//! A terminal of any size, and what is on its screen.

use super::{command, within};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::sync::watch;

/// A shell's command line that runs in a terminal. It is killed when it is
/// dropped.
pub(crate) struct Terminal {
    child: Child,
    stdin: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
    drawn: watch::Receiver<usize>,
}

impl Terminal {
    /// `script` of util-linux has the terminal, and passes on what is typed.
    #[track_caller]
    pub(crate) fn start(columns: u16, rows: u16, line: &str) -> Self {
        let mut script = command("script");
        let line = format!("stty cols {columns} rows {rows}; {line}");
        script.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]);
        script.env("SHELL", "/bin/sh").env("TERM", "xterm-256color");
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().expect("util-linux is there");
        let stdin = child.stdin.take().expect("stdin is piped");
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (draw, drawn) = watch::channel(0);
        let written = screen.clone();
        tokio::spawn(async move {
            let mut bytes = vec![0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes).await {
                written.lock().unwrap().process(&bytes[..count]);
                draw.send_modify(|drawn| *drawn += 1);
            }
        });
        Self { child, stdin, screen, drawn }
    }

    /// Its process; what runs in the terminal is below it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What is on the screen.
    pub(crate) fn contents(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Whether a program has the whole screen, or has left the cursor hidden.
    pub(crate) fn is_taken(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        parser.screen().alternate_screen() || parser.screen().hide_cursor()
    }

    /// Types keys.
    pub(crate) async fn press(&mut self, keys: &str) {
        within("the terminal to take keys", self.stdin.write_all(keys.as_bytes())).await.unwrap();
    }

    /// Waits for a picture.
    pub(crate) async fn shows(&self, is_meant: impl Fn(&str) -> bool) -> String {
        let mut drawn = self.drawn.clone();
        let looking = async {
            loop {
                drawn.borrow_and_update();
                let contents = self.contents();
                if is_meant(&contents) {
                    return contents;
                }
                if drawn.changed().await.is_err() {
                    panic!("what ran in the terminal has ended");
                }
            }
        };
        within("a picture", looking).await
    }

    /// Waits for the end of what runs in it.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = within("the terminal to close", self.child.wait()).await.unwrap();
        // What was written last is there when the other end is closed.
        let mut drawn = self.drawn.clone();
        within("the last picture", async { while drawn.changed().await.is_ok() {} }).await;
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what was on the screen:\n{}", self.contents());
        }
    }
}
