//! What can be typed by whoever writes services, and by whoever watches them.

use super::RemoteArgs;
use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Build without optimizations, which is quicker
    #[arg(long)]
    pub(crate) debug: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Deploy to a host that runs, by its admin address
    #[arg(long, value_name = "URL", conflicts_with_all = ["dir", "listen", "admin"])]
    #[arg(value_parser = super::host)]
    pub(crate) host: Option<String>,
    /// The token of its admin side, where it has one
    #[arg(long, env = "PICOLET_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// The folder that the host of this command serves, default target/picolet/services
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Where that host serves, default 127.0.0.1:8080; may be given several times
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Where its admin side listens, default 127.0.0.1:9099
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<String>,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Keys: q ends it, / filters, s and S sort, r reverses, Enter shows one service."
)]
pub(crate) struct TopArgs {
    /// Print the table once and end, as is done without a terminal
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete commands in
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The command to tell about, otherwise all of them in short
    pub(crate) command: Option<String>,
}
