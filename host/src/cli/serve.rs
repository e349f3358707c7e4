//! `picolet serve`: settings from file, environment and flags, then the host.

use super::args::ServeArgs;
use super::{Failure, is_coloured, supervisor};
use crate::app::Host;
use crate::crew::Report;
use crate::keys::{Complaint, Keys};
use crate::secret::Environment;
use crate::settings::{LogSettings, Settings, TOKEN_VARIABLE, Token, token_source};
use crate::telemetry::{Look, start_log};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use toml::Value;

pub(super) fn serve(args: ServeArgs) -> Result<(), Failure> {
    let settings = settings(args, Keys::default())?;
    let _log = start_log(&settings.log, look(&settings.log));
    let runtime = runtime()?;
    runtime.block_on(run(settings))
}

/// For what is beside the requests: they have threads of their own.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(Failure::failed)
}

/// Text for people at a terminal, JSON otherwise, unless it is said.
pub(super) fn look(settings: &LogSettings) -> Look {
    let stderr = std::io::stderr();
    match settings.json.unwrap_or(!stderr.is_terminal()) {
        true => Look::Json,
        false if is_coloured(&stderr) => Look::Coloured,
        false => Look::Text,
    }
}

async fn run(settings: Settings) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let (first, second) = (Stop::listen()?, Stop::listen()?);
    let host = Host::build(settings, program).await.map_err(Failure::failed)?;
    let stop = supervisor::told(host.ready(), first.told(1));
    let report = host.run(stop, second.told(2)).await;
    outcome(&report)
}

/// What a host that has ended says of itself.
pub(super) fn outcome(report: &Report) -> Result<(), Failure> {
    match report.panicked {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} tasks of the host panicked, see the log"))),
    }
}

/// Counts SIGTERM and SIGINT.
pub(super) struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    pub(super) fn listen() -> Result<Self, Failure> {
        let terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        Ok(Self { terminate, interrupt })
    }

    /// For what belongs to a terminal: one of them, or that the terminal is gone.
    pub(super) fn or_hangup() -> Result<impl Future<Output = ()>, Failure> {
        let mut hangup = signal(SignalKind::hangup()).map_err(Failure::failed)?;
        let told = Self::listen()?.told(1);
        Ok(async move {
            tokio::select! {
                () = told => (),
                _ = hangup.recv() => (),
            }
        })
    }

    pub(super) async fn told(mut self, times: u32) {
        for _ in 0..times {
            tokio::select! {
                _ = self.terminate.recv() => (),
                _ = self.interrupt.recv() => (),
            }
        }
    }
}

/// What was typed, over what holds where nothing was.
pub(super) fn settings(args: ServeArgs, mut keys: Keys) -> Result<Settings, Failure> {
    if let Some(file) = settings_file(&args)? {
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let file = file.display();
            Failure::Usage(vec![format!("settings file {file} cannot be read: {error}")])
        })?;
        keys.add_toml(&text, &file.display().to_string());
    }
    add_environment(&mut keys, std::env::vars());
    let texts = |list: Vec<String>| Value::Array(list.into_iter().map(Value::String).collect());
    if !args.listen.is_empty() {
        keys.add("listen", texts(args.listen), "--listen");
    }
    for (key, value, flag) in [
        ("admin", args.admin, "--admin"),
        ("advertise", args.advertise, "--advertise"),
        ("state", args.state, "--state"),
    ] {
        if let Some(value) = value {
            keys.add(key, Value::String(value), flag);
        }
    }
    let environment = Environment::new(std::env::vars());
    let token = token(&mut keys, &args.folder, &environment);
    let settings = Settings::check(args.folder, keys).map_err(|complaints: Vec<Complaint>| {
        Failure::Usage(complaints.iter().map(ToString::to_string).collect())
    })?;
    Ok(Settings { environment, token, ..settings })
}

/// The token of the admin side; why there is none is a complaint like others.
fn token(keys: &mut Keys, folder: &Path, environment: &Environment) -> Option<Token> {
    let found = token_source(keys)?.read(folder, environment);
    let token = found.and_then(|text| Token::check(&text));
    token.map_err(|text| keys.add_complaint("admin_token", text)).ok()
}

pub(super) fn settings_file(args: &ServeArgs) -> Result<Option<PathBuf>, Failure> {
    if let Some(file) = &args.config {
        return Ok(Some(file.clone()));
    }
    let usual: &Path = &args.folder.join("picolet.toml");
    Ok(usual.exists().then(|| usual.to_owned()))
}

/// `PICOLET_LIMITS__REQUESTS_MAX=5` is `limits.requests_max = 5`.
pub(super) fn add_environment(keys: &mut Keys, variables: impl Iterator<Item = (String, String)>) {
    for (name, value) in variables {
        let Some(key) = name.strip_prefix("PICOLET_") else { continue };
        if NOT_SETTINGS.contains(&key) {
            continue;
        }
        if name == TOKEN_VARIABLE {
            // It is read where it is: what is among the keys may be shown.
            keys.add("admin_token.env", Value::String(name.clone()), &name);
            continue;
        }
        let key = key.to_lowercase().replace("__", ".");
        let parsed = if LISTS.contains(&key.as_str()) {
            Value::Array(value.split(',').map(|item| Value::String(item.trim().into())).collect())
        } else {
            let table = format!("value = {value}").parse::<toml::Table>();
            let scalar = table.ok().and_then(|mut table| table.remove("value"));
            scalar.filter(|value| !value.is_table()).unwrap_or(Value::String(value))
        };
        keys.add(&key, parsed, &name);
    }
}

/// Variables that other commands, and the tests, read.
pub(super) const NOT_SETTINGS: [&str; 4] = ["HOST", "TOKEN", "TEST_GUESTS", "TEST_NODE"];
const LISTS: [&str; 6] = [
    "listen",
    "admin",
    "browsers.origins",
    "gateway.cors_origins",
    "gateway.namespaces",
    "gateway.trusted_proxies",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::Origins;

    #[test]
    fn the_environment_is_read_by_name() {
        let mut keys = Keys::default();
        let variables = [
            ("PICOLET_LISTEN", "127.0.0.1:1, 127.0.0.1:2"),
            ("PICOLET_LIMITS__REQUESTS_MAX", "5"),
            ("PICOLET_NODE", "n1"),
            ("PICOLET_BROWSERS__ORIGINS", "https://a.example, https://b.example"),
            ("PICOLET_GATEWAY__NAMESPACES", "shop, bank"),
            ("PICOLET_HOST", "ignored"),
            ("PICOLET_TOKEN", "ignored"),
            ("OTHER", "ignored"),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        add_environment(&mut keys, variables);
        let settings = Settings::check("services".into(), keys).unwrap();
        assert_eq!(settings.listen.len(), 2);
        assert_eq!(settings.limits.requests_max, 5);
        assert!(["shop", "bank"].iter().all(|name| settings.gateway.admits(Some(name))));
        assert_eq!(settings.node, "n1");
        let origins = ["https://a.example", "https://b.example"].map(str::to_owned);
        assert_eq!(settings.origins, Origins::of(origins.into()));
    }
}
