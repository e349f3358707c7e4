//! A host: the real binary over a folder, on ports of its own.

use super::{Client, Folder, Log, Reply, picolet, within};
use hyper::body::Incoming;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use tokio::process::Child;

/// How a host is to be started.
pub(crate) struct Launch {
    folder: Folder,
    state: PathBuf,
    is_state_shared: bool,
    variables: Vec<(&'static str, String)>,
    /// Of the largest file it may write, in KiB.
    file_kib_max: Option<u32>,
    /// Where its services listen.
    listen: SocketAddr,
    /// Where its admin side does.
    admin: SocketAddr,
}

impl Launch {
    /// Over this folder, sharing compiled code with the other tests.
    pub(crate) fn over(folder: Folder) -> Self {
        let state = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("state");
        Self {
            folder,
            state,
            is_state_shared: true,
            // Nobody is at a terminal here, and tests read lines.
            variables: vec![("PICOLET_LOG__JSON", "false".to_owned())],
            file_kib_max: None,
            listen: ([127, 0, 0, 1], 0).into(),
            admin: ([127, 0, 0, 1], 0).into(),
        }
    }

    /// With nothing compiled before.
    pub(crate) fn own_state(mut self) -> Self {
        self.state = self.folder.beside("state");
        self.is_state_shared = false;
        self
    }

    /// With the state of another.
    pub(crate) fn state_at(mut self, state: PathBuf) -> Self {
        self.state = state;
        self.is_state_shared = false;
        self
    }

    /// With one more variable in its environment.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// With the log as it is when nobody says how.
    pub(crate) fn usual_log(mut self) -> Self {
        self.variables.retain(|(name, _)| *name != "PICOLET_LOG__JSON");
        self
    }

    /// A disk that is full for files over this size: writing to them fails.
    pub(crate) fn file_kib_max(mut self, kib: u32) -> Self {
        self.file_kib_max = Some(kib);
        self
    }

    /// Its services at this address, for one that is to take the place of another.
    /// An address of its own keeps the port free meanwhile.
    pub(crate) fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Its admin side at this address, for the same reason.
    pub(crate) fn admin(mut self, address: SocketAddr) -> Self {
        self.admin = address;
        self
    }

    /// Its admin side on every address of the machine.
    pub(crate) fn admin_everywhere(mut self) -> Self {
        self.admin = ([0, 0, 0, 0], 0).into();
        self
    }

    /// Starts it and waits until its first scan is done.
    pub(crate) async fn start(self) -> Host {
        let host = self.start_unready().await;
        host.log.wait(0, |line| line == "ready").await;
        host
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn start_unready(self) -> Host {
        let mut command = match self.file_kib_max {
            None => picolet(),
            Some(kib) => {
                let mut shell = super::command("bash");
                let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
                shell.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_picolet")]);
                shell
            }
        };
        command.arg("serve").arg(self.folder.watched()).arg("--state").arg(&self.state);
        if self.is_state_shared {
            // What was kept for a folder that is gone would stay.
            command.env("PICOLET_LIMITS__REVISIONS_MIB_MAX", "0");
        }
        let (listen, admin) = (self.listen.to_string(), self.admin.to_string());
        command.args(["--listen", &listen, "--admin", &admin]);
        command.envs(self.variables);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the host starts");
        let log = Log::follow(child.stderr.take().expect("stderr is piped"));
        let services = address(&log, "listening services ").await;
        let admin = address(&log, "listening admin ").await;
        Host { folder: self.folder, services, admin, log, client: Client::default(), child }
    }
}

async fn address(log: &Log, before: &str) -> SocketAddr {
    let line = log.wait(0, |line| line.contains(before)).await;
    let (_, after) = line.split_once(before).expect("the line has it");
    after.split_whitespace().next().and_then(|text| text.parse().ok()).expect(&line)
}

/// A running host. It is killed when it is dropped.
pub(crate) struct Host {
    pub(crate) folder: Folder,
    pub(crate) services: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) log: Log,
    client: Client,
    child: Child,
}

impl Host {
    /// A host over a folder with these guests.
    pub(crate) async fn of(guests: &[&str]) -> Self {
        Self::over(Folder::of(guests)).await
    }

    /// A host over this folder.
    pub(crate) async fn over(folder: Folder) -> Self {
        Launch::over(folder).start().await
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits for a line of this form: `*` stands for anything.
    pub(crate) async fn line(&self, form: &str) -> String {
        self.line_from(0, form).await
    }

    /// The same, from a mark of the log on.
    pub(crate) async fn line_from(&self, mark: usize, form: &str) -> String {
        self.log.wait(mark, |line| has_form(line, form)).await
    }

    /// How many lines are of this form.
    pub(crate) fn count(&self, form: &str) -> usize {
        self.log.lines().iter().filter(|line| has_form(line, form)).count()
    }

    /// Asks a service.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// Sends JSON to a service.
    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body).await
    }

    /// Any request to the services' side.
    pub(crate) async fn send(
        &self,
        verb: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let body = super::body(body.to_owned());
        self.client.ask(super::request(verb, self.services, path, headers, body)).await
    }

    /// Any request to the admin side, with JSON where there is a body.
    pub(crate) async fn admin(&self, verb: &str, path: &str, body: &str) -> Reply {
        let json = [("content-type", "application/json")];
        let headers: &[_] = if body.is_empty() { &[] } else { &json };
        let body = super::body(body.to_owned());
        self.client.ask(super::request(verb, self.admin, path, headers, body)).await
    }

    /// Any request to the admin side, with headers of its own.
    pub(crate) async fn ask_admin(
        &self,
        verb: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: super::Body,
    ) -> Reply {
        self.client.ask(super::request(verb, self.admin, path, headers, body)).await
    }

    /// The sum of a metric over all its labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let metrics = self.admin("GET", "/metrics", "").await;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let (_, value) = rest.rsplit_once(' ')?;
            rest.starts_with([' ', '{']).then(|| value.parse::<u64>().expect(line))
        };
        metrics.text().lines().filter_map(value).sum()
    }

    /// A `GET` of the admin side whose answer is read as it comes.
    pub(crate) async fn open_admin(&self, path: &str) -> hyper::Response<Incoming> {
        self.client.open(super::request("GET", self.admin, path, &[], super::body(""))).await
    }

    /// A request whose answer is read as it comes.
    pub(crate) async fn open(
        &self,
        verb: &str,
        path: &str,
        body: super::Body,
    ) -> hyper::Response<Incoming> {
        self.client.open(super::request(verb, self.services, path, &[], body)).await
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("is a process");
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = within("the host to end", self.child.wait()).await.unwrap();
        assert_eq!(self.log.panics(), Vec::<String>::new(), "the host panicked");
        status
    }

    /// Stops it, which it must do in order.
    pub(crate) async fn stop(self) {
        drop(self.stopped().await);
    }

    /// The same, and its folder is there for the next one.
    pub(crate) async fn stopped(mut self) -> Folder {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{}", self.log.lines().join("\n"));
        std::mem::replace(&mut self.folder, Folder::empty())
    }
}

impl Host {
    /// Ends it on the spot; its folder is there for the next one.
    pub(crate) async fn killed(mut self) -> Folder {
        self.signal(Signal::KILL);
        self.ended().await;
        std::mem::replace(&mut self.folder, Folder::empty())
    }
}

/// Whether a line is of a form: texts in their order, anything where a `*` is.
fn has_form(line: &str, form: &str) -> bool {
    let mut rest = line;
    form.split('*').all(|text| match rest.split_once(text) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the host wrote:\n{}", self.log.lines().join("\n"));
        }
    }
}
