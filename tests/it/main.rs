//! Black-box tests: each starts the real host over a folder of its own and
//! talks to it as its users do, through files, sockets, signals and the command
//! line. Nothing of the host's code is used.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on says so and ends"
)]

mod access_log;
mod admin_token;
mod bad_files;
mod bad_http;
mod bad_modules;
mod bad_websockets;
mod browser_access;
mod browser_clients;
mod browser_limits;
mod browser_packets;
mod browsers;
mod calls;
mod cli;
mod cli_dev;
mod cli_hosts;
mod cli_js;
mod cli_services;
mod cli_terminal;
mod conflicts;
mod connections;
mod dashboard;
mod deploy;
mod deployed;
mod directory;
mod endpoints;
mod event_sockets;
mod events;
mod files;
mod folder;
mod gateway;
mod gateway_limits;
mod hostile;
mod hostile_memory;
mod http;
mod http2;
mod interrupted;
mod js;
mod kit;
mod lifecycle;
mod limits;
mod logs;
mod metrics;
mod neighbours;
mod new;
mod openapi;
mod outbound;
mod outbound_tls;
mod registry;
mod rollback;
mod secrets;
mod sessions;
mod shared_instances;
mod state;
mod stop;
mod streams;
mod supervised;
mod swaps;
mod traces;
mod turned_away;
mod tutorial;
mod versions;
mod wasi;
mod websocket_lives;
mod websockets;
mod wire;
mod withdraw;
