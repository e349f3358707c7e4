//! `picolet serve`: settings from file, environment and flags, then the host.

use super::Failure;
use super::args::ServeArgs;
use crate::app::Host;
use crate::keys::{Complaint, Keys};
use crate::secret::Environment;
use crate::settings::Settings;
use crate::telemetry::start_log;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use toml::Value;

pub(super) fn serve(args: ServeArgs) -> Result<(), Failure> {
    let settings = settings(args)?;
    start_log(&settings.log);
    // For what is beside the requests: they have threads of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(run(settings))
}

async fn run(settings: Settings) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let (first, second) = (Stop::listen()?, Stop::listen()?);
    let host = Host::build(settings, program).await.map_err(Failure::failed)?;
    let report = host.run(first.told(1), second.told(2)).await;
    match report.panicked {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} tasks of the host panicked, see the log"))),
    }
}

/// Counts SIGTERM and SIGINT.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        Ok(Self { terminate, interrupt })
    }

    async fn told(mut self, times: u32) {
        for _ in 0..times {
            tokio::select! {
                _ = self.terminate.recv() => (),
                _ = self.interrupt.recv() => (),
            }
        }
    }
}

fn settings(args: ServeArgs) -> Result<Settings, Failure> {
    let mut keys = Keys::default();
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
    let settings = Settings::check(args.folder, keys).map_err(|complaints: Vec<Complaint>| {
        Failure::Usage(complaints.iter().map(ToString::to_string).collect())
    })?;
    Ok(Settings { environment, ..settings })
}

fn settings_file(args: &ServeArgs) -> Result<Option<PathBuf>, Failure> {
    if let Some(file) = &args.config {
        return Ok(Some(file.clone()));
    }
    let usual: &Path = &args.folder.join("picolet.toml");
    Ok(usual.exists().then(|| usual.to_owned()))
}

/// `PICOLET_LIMITS__REQUESTS_MAX=5` is `limits.requests_max = 5`.
fn add_environment(keys: &mut Keys, variables: impl Iterator<Item = (String, String)>) {
    for (name, value) in variables {
        let Some(key) = name.strip_prefix("PICOLET_") else { continue };
        if NOT_SETTINGS.contains(&key) {
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
const NOT_SETTINGS: [&str; 3] = ["HOST", "TEST_GUESTS", "TEST_NODE"];
const LISTS: [&str; 3] = ["listen", "admin", "browsers.origins"];

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
            ("PICOLET_HOST", "ignored"),
            ("OTHER", "ignored"),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        add_environment(&mut keys, variables);
        let settings = Settings::check("services".into(), keys).unwrap();
        assert_eq!(settings.listen.len(), 2);
        assert_eq!(settings.limits.requests_max, 5);
        assert_eq!(settings.node, "n1");
        let origins = ["https://a.example", "https://b.example"].map(str::to_owned);
        assert_eq!(settings.origins, Origins::of(origins.into()));
    }
}
