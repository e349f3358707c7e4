//! What can be typed.

mod making;

pub(crate) use making::{BuildArgs, CompletionsArgs, DevArgs, ManArgs, TopArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::sync::LazyLock;

/// A folder of Wasm files becomes a running set of services.
#[derive(Debug, Parser)]
#[command(name = "picolet", version = version(), about, max_term_width = 100)]
#[command(after_help = BEGINNING)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What whoever knows nothing yet types.
const BEGINNING: &str = "To begin: `picolet new hello`, `cd hello`, `picolet dev`.";

fn version() -> &'static str {
    // Engine and SDK are part of what a version means to whoever reports one;
    // the SDK has the version of the whole workspace.
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let (own, engine) = (env!("CARGO_PKG_VERSION"), crate::engine::wasmtime_version());
        format!("{own} (wasmtime {engine}, picolet-sdk {own})")
    });
    &VERSION
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the host over the watched folder
    Serve(ServeArgs),
    /// Make a new guest project that builds
    New(NewArgs),
    /// Build the guest in the current directory
    Build(BuildArgs),
    /// Build on each save, deploy, and follow the log
    Dev(DevArgs),
    /// Show what a module declares, imports and would be granted
    Inspect(InspectArgs),
    /// List the services of a host
    Services(ServicesArgs),
    /// Show services and their figures as they change
    Top(TopArgs),
    /// Show one service: methods, limits, figures
    Service(ServiceArgs),
    /// Bring back the revision before, until the file's content changes
    Rollback(ServiceArgs),
    /// Put a module into the folder of a host, and tell what became of it
    Deploy(DeployArgs),
    /// Take a module out of the folder of a host, with its manifest
    Remove(RemoveArgs),
    /// Make a service anew: new instances of the same content
    Restart(ServiceArgs),
    /// Register a program that is no module
    ///
    /// The host asks it for `/healthcheck`, or for what `health` in the metadata of its record
    /// names, every 5 s (`registry.check_ms`). It is called while it answers 2xx, or renews its
    /// record by itself.
    Register(RegisterArgs),
    /// Take a record out of the registry
    Unregister(UnregisterArgs),
    /// Call a method of a service
    Call(CallArgs),
    /// Publish an event
    Publish(PublishArgs),
    /// Print events as they are published
    Subscribe(SubscribeArgs),
    /// Print the last lines of the log, of one service or of all
    Logs(LogsArgs),
    /// List what was done for the requests of late, or show one of them
    Traces(TracesArgs),
    /// Show how a host fares
    Health(RemoteArgs),
    /// Print what lets a shell complete commands
    Completions(CompletionsArgs),
    /// Print a page of the manual
    Man(ManArgs),
    #[command(name = crate::engine::COMPILE_COMMAND, hide = true)]
    CompileWorker {
        mib_max: u64,
        seconds_max: u64,
        #[arg(long)]
        baseline: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The watched folder
    #[arg(default_value = "services", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Where services and gateway listen, default 127.0.0.1:8080; may be given several times
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Where registry, health and admin listen, default 127.0.0.1:9099
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<String>,
    /// What records say as `domain`, default http://<first --listen>
    #[arg(long, value_name = "URL")]
    pub(crate) advertise: Option<String>,
    /// Where compiled code and keys are kept, default DIR/.picolet
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<String>,
    /// Settings file, default DIR/picolet.toml when it is there
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Where the admin side of a host is when nobody says.
pub(crate) const HOST: &str = "http://127.0.0.1:9099";

/// The address of a host as it was typed; an empty one is none.
fn host(typed: &str) -> Result<String, String> {
    match typed {
        "" => Ok(HOST.to_owned()),
        port if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("an address is wanted, as http://127.0.0.1:{port}"))
        }
        _ => Ok(typed.to_owned()),
    }
}

/// Which host to talk to, and how to print.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// The admin address of the host
    #[arg(long, env = "PICOLET_HOST", default_value = HOST, value_name = "URL")]
    #[arg(value_parser = host)]
    pub(crate) host: String,
    /// The token of its admin side, where it has one
    #[arg(long, env = "PICOLET_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServicesArgs {
    /// Show every endpoint with its state, and then each change as it happens
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// The name of the service
    pub(crate) name: String,
    /// Which version, where several are live
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The module; a manifest beside it is sent along
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// What the module is called there, default the name of the file
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Another manifest than the one beside the module
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) manifest: Option<PathBuf>,
    /// End when the file is there, without its verdict
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The name of the module, which is that of its file without .wasm
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// A record as JSON; - reads it from standard input
    pub(crate) file: String,
    /// The registry key, default what the file says, or `default`
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnregisterArgs {
    /// The registry key
    pub(crate) key: String,
    /// The registration
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// What to call: NAME.METHOD
    #[arg(value_name = "NAME.METHOD")]
    pub(crate) target: String,
    /// Path parameters, in order
    #[arg(allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    /// Members fill path parameters by name; the rest is the query or the JSON body.
    /// @FILE reads it from a file, - from standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,
    /// Milliseconds to wait for the answer
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// What else is asked of the call: version, label, subset, environment,
    /// endpoint, key, retry, idempotent, wait; can be repeated
    #[arg(long = "option", value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// What it is about, such as rates.eur.usd
    pub(crate) subject: String,
    /// The payload; - reads it from standard input
    pub(crate) data: Option<String>,
    /// Its content type, otherwise JSON if it is that, text if it is that, or bytes
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SubscribeArgs {
    /// What to hear: * stands for one token, > at the end for one or more
    #[arg(value_name = "SUBJECT", required = true)]
    pub(crate) subjects: Vec<String>,
    /// Of all subscribers of a group, one gets each event
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// Ends after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The service; all of them and the host without it
    pub(crate) service: Option<String>,
    /// Go on with each line as it is logged
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only lines of this level and worse
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub(crate) level: Option<String>,
    /// Only lines of this trace
    #[arg(long, value_name = "ID")]
    pub(crate) trace: Option<String>,
    /// At most so many of the lines that are there, default 200
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TracesArgs {
    /// Shows this trace as a tree
    #[arg(value_name = "TRACE_ID", conflicts_with_all = ["service", "slow", "failed", "limit"])]
    pub(crate) trace: Option<String>,
    /// Those that a service had to do with
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Those that were slow
    #[arg(long, conflicts_with = "failed")]
    pub(crate) slow: bool,
    /// Those in which something failed
    #[arg(long)]
    pub(crate) failed: bool,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The module
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The name of the project and its service
    pub(crate) name: String,
    /// The language of the guest
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(crate) lang: Language,
    /// Use the SDK at this path instead of the one that this binary carries
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Language {
    Rust,
    /// JavaScript, as a plain wasi:http service
    Js,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_address_is_none_and_a_number_is_not_one() {
        assert_eq!(host("").as_deref(), Ok(HOST));
        assert_eq!(host("https://a.example").as_deref(), Ok("https://a.example"));
        assert_eq!(host("127.0.0.1:1").as_deref(), Ok("127.0.0.1:1"));
        assert!(host("9099").is_err_and(|text| text.contains("http://127.0.0.1:9099")));
    }
}
