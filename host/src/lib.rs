//! The Picolet host: a folder of Wasm files becomes a running set of services.
//!
//! `docs/ARCHITECTURE.md` is the map. Imports go down the layers only, which
//! the `tidy` test holds.

mod abroad;
mod addresses;
mod admin;
mod app;
mod background;
mod balance;
mod block;
mod breaker;
mod browsers;
mod bucket;
mod buckets;
mod budget;
mod bus;
mod call;
mod capability;
pub mod cli;
mod client;
mod cores;
mod crew;
mod declaration;
mod digest;
mod engine;
mod exposed;
mod fault;
mod fleet;
mod gate;
mod grant;
mod hearing;
mod http;
mod keys;
mod lane;
mod limits;
mod live;
mod loader;
mod manifest;
mod name;
mod order;
mod origin;
mod outbound;
mod path;
mod payload;
mod pool;
mod publish;
mod rate;
mod reach;
mod record;
mod registry;
mod route;
mod schedule;
mod sealed;
mod secret;
mod selector;
mod settings;
mod sockets;
mod subject;
mod subscriptions;
mod telemetry;
mod timing;
mod traffic;
mod travel;
mod upgrade;
mod window;
mod withdraw;

pub use app::{BuildError, Host};
pub use crew::Report;
pub use keys::{Complaint, Keys};
pub use settings::Settings;
/// A value of a setting.
pub use toml::Value;
