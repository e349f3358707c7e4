//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::sync::LazyLock;

/// A folder of Wasm files becomes a running set of services.
#[derive(Debug, Parser)]
#[command(name = "picolet", version = version(), about, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

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
    /// Show what a module declares, imports and would be granted
    Inspect(InspectArgs),
    /// List the services of a host
    Services(ServicesArgs),
    /// Show one service: methods, limits, figures
    Service(ServiceArgs),
    /// Bring back the revision before, until the file's content changes
    Rollback(ServiceArgs),
    /// Call a method of a service
    Call(CallArgs),
    /// Publish an event
    Publish(PublishArgs),
    /// Print events as they are published
    Subscribe(SubscribeArgs),
    /// Show how a host fares
    Health(RemoteArgs),
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

/// Which host to talk to, and how to print.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// The admin address of the host
    #[arg(long, env = "PICOLET_HOST", default_value = "http://127.0.0.1:9099", value_name = "URL")]
    pub(crate) host: String,
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
pub(crate) struct CallArgs {
    /// What to call: NAME.METHOD
    #[arg(value_name = "NAME.METHOD")]
    pub(crate) target: String,
    /// Path parameters, in order
    pub(crate) args: Vec<String>,
    /// Members fill path parameters by name; the rest is the query or the JSON body
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,
    /// Milliseconds to wait for the answer
    #[arg(long, value_name = "MS")]
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
}
