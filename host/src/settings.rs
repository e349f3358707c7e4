//! What the host runs on: typed by the operator, checked into [`Settings`].
//!
//! Settings are given as text and values; reading files, environment and flags
//! is the command line's.

mod external;
mod gateway;
mod log;
mod token;
mod tracing;

pub(crate) use external::External;
pub(crate) use log::LogSettings;
pub(crate) use token::{TOKEN_VARIABLE, Token, source as token_source};
pub(crate) use tracing::{Ratio, TraceSettings};

use crate::balance::Strategy;
use crate::gateway::Gateway;
use crate::keys::{Complaint, Keys, address, show};
use crate::limits::{HostLimits, LeaseTimes};
use crate::secret::Environment;
use crate::upgrade::Origins;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;

/// What the host runs on. Every field is in range.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The watched folder.
    pub(crate) folder: PathBuf,
    /// Where services and gateway listen; at least one.
    pub(crate) listen: Vec<SocketAddr>,
    /// Where registry, health and admin listen.
    pub(crate) admin: SocketAddr,
    /// What is asked of whoever asks there.
    pub(crate) token: Option<Token>,
    /// Whether the registry takes requests without it.
    pub(crate) is_registry_open: bool,
    /// What records say as `domain`; made from the first bound address when
    /// nothing is given.
    pub(crate) advertise: Option<String>,
    /// Where compiled code and keys are kept.
    pub(crate) state: PathBuf,
    /// Name of this node in records.
    pub(crate) node: String,
    /// Whether symbolic links may lead out of the folder.
    pub(crate) links_out: bool,
    /// Whether code that compiles quickly serves until better code is there,
    /// for modules whose manifest does not say.
    pub(crate) fast_reload: bool,
    /// Threads that serve; 0 is one for each core.
    pub(crate) threads: usize,
    /// Programs to register.
    pub(crate) external: Vec<External>,
    /// How an endpoint is chosen among several.
    pub(crate) balance: Strategy,
    pub(crate) log: LogSettings,
    pub(crate) traces: TraceSettings,
    /// A PEM file of authorities that requests to outside trust beside the
    /// usual ones.
    pub(crate) outbound_roots: Option<PathBuf>,
    /// Whose pages may open sockets here.
    pub(crate) origins: Origins,
    /// What `wasi:config` gives every guest whose manifest says nothing else.
    pub(crate) config: BTreeMap<String, String>,
    /// Where secrets of guests may be.
    pub(crate) environment: Environment,
    pub(crate) gateway: Gateway,
    pub(crate) limits: HostLimits,
    pub(crate) leases: LeaseTimes,
}

impl Settings {
    /// Checks every key before giving up, so one run shows every mistake.
    pub fn check(folder: PathBuf, mut keys: Keys) -> Result<Self, Vec<Complaint>> {
        let listen = keys.list("listen", address).unwrap_or_default();
        let admin = keys.list("admin", address).unwrap_or_default();
        if 1 < admin.len() {
            keys.add_complaint("admin", "want one address".into());
        }
        let listen = if listen.is_empty() { vec![local(8080)] } else { listen };
        let admin = admin.first().copied().unwrap_or_else(|| local(9099));
        let advertise = keys.take("advertise", |value| origin(value.as_str().unwrap_or_default()));
        if advertise.is_none() && listen.first().is_some_and(|first| first.ip().is_unspecified()) {
            let text = "the first --listen is a wildcard, which nobody can call; \
                        say with --advertise http://HOST:PORT what records should name";
            keys.add_complaint("advertise", text.into());
        }
        if !token::is_named(&mut keys) && !admin.ip().is_loopback() {
            let text = "is not a loopback address, and the admin side has no token; \
                        set PICOLET_ADMIN_TOKEN or admin_token = { file = \"…\" }, \
                        or use 127.0.0.1";
            keys.add_complaint("admin", text.into());
        }
        let mut threads = 0;
        keys.number("threads", 0..=1_024, &mut threads);
        let settings = Self {
            state: keys.text("state").map_or_else(|| folder.join(".picolet"), PathBuf::from),
            node: keys.text("node").unwrap_or_else(|| "local".to_owned()),
            links_out: keys.flag("links_out").unwrap_or_default(),
            fast_reload: keys.flag("fast_reload").unwrap_or_default(),
            log: log::read(&mut keys),
            traces: tracing::read(&mut keys),
            outbound_roots: keys.text("outbound.roots").map(PathBuf::from),
            origins: keys
                .list("browsers.origins", Origins::check)
                .map(Origins::of)
                .unwrap_or_default(),
            gateway: gateway::read(&mut keys),
            limits: read_limits(&mut keys),
            config: keys.texts_below("config"),
            environment: Environment::default(),
            leases: read_leases(&mut keys),
            folder,
            listen,
            admin,
            token: None,
            is_registry_open: keys.flag("registry.open").unwrap_or_default(),
            advertise,
            threads,
            external: keys.take("external", External::all).unwrap_or_default(),
            balance: keys.take("client.balance", strategy).unwrap_or_default(),
        };
        let complaints = keys.finish();
        if complaints.is_empty() { Ok(settings) } else { Err(complaints) }
    }
}

fn strategy(value: &Value) -> Result<Strategy, String> {
    value.as_str().and_then(Strategy::parse).ok_or_else(|| {
        let names = Strategy::ALL.map(Strategy::as_str).join(", ");
        format!("got {}, want one of {names}", show(value))
    })
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("got {text:?}, want an origin such as http://10.0.0.7:8080");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_origin = uri.authority().is_some() && matches!(uri.path(), "" | "/");
    if is_http && is_origin { Ok(text.trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

fn read_limits(keys: &mut Keys) -> HostLimits {
    let mut limits = HostLimits::DEFAULT;
    let at = |name: &str| format!("limits.{name}");
    let hour = 3_600_000;
    keys.number(&at("connections_max"), 1..=1_000_000, &mut limits.connections_max);
    let per_address = &mut limits.connections_per_address_max;
    keys.number(&at("connections_per_address_max"), 1..=1_000_000, per_address);
    keys.number(&at("requests_max"), 1..=100_000, &mut limits.requests_max);
    keys.number(&at("head_bytes_max"), 1_024..=1 << 20, &mut limits.head_bytes_max);
    keys.number(&at("headers_max"), 8..=1_000, &mut limits.headers_max);
    keys.number(&at("uri_bytes_max"), 64..=60_000, &mut limits.uri_bytes_max);
    keys.number(&at("head_ms_max"), 10..=hour, &mut limits.head_ms_max);
    keys.number(&at("body_idle_ms_max"), 10..=hour, &mut limits.body_idle_ms_max);
    let rate = &mut limits.body_bytes_per_second_min;
    keys.number(&at("body_bytes_per_second_min"), 0..=1 << 30, rate);
    keys.number(&at("write_stall_ms_max"), 10..=hour, &mut limits.write_stall_ms_max);
    keys.number(&at("idle_ms_max"), 10..=hour, &mut limits.idle_ms_max);
    let requests = &mut limits.connection_requests_max;
    keys.number(&at("connection_requests_max"), 1..=1 << 40, requests);
    keys.number(&at("linger_ms_max"), 0..=60_000, &mut limits.linger_ms_max);
    keys.number(&at("drain_ms_max"), 0..=hour, &mut limits.drain_ms_max);
    keys.number(&at("module_bytes_max"), 1..=1 << 32, &mut limits.module_bytes_max);
    keys.number(&at("modules_max"), 1..=1_000_000, &mut limits.modules_max);
    keys.number(&at("functions_max"), 1..=10_000_000, &mut limits.functions_max);
    keys.number(&at("compile_ms_max"), 10..=hour, &mut limits.compile_ms_max);
    keys.number(&at("compile_mib_max"), 64..=1 << 20, &mut limits.compile_mib_max);
    keys.number(&at("compiles_max"), 1..=256, &mut limits.compiles_max);
    keys.number(&at("describe_ms_max"), 10..=60_000, &mut limits.describe_ms_max);
    keys.number(&at("cache_mib_max"), 0..=1 << 20, &mut limits.cache_mib_max);
    keys.number(&at("revisions_mib_max"), 0..=1 << 20, &mut limits.revisions_mib_max);
    keys.number(&at("instances_max"), 4..=100_000, &mut limits.instances_max);
    keys.number(&at("call_depth_max"), 1..=64, &mut limits.call_depth_max);
    keys.number(&at("state_mib_max"), 0..=1 << 20, &mut limits.state_mib_max);
    keys.number(&at("buckets_max"), 0..=1_000_000, &mut limits.buckets_max);
    keys.number(&at("disk_free_mib_min"), 0..=1 << 40, &mut limits.disk_free_mib_min);
    keys.number(&at("event_bytes_max"), 1..=16 << 20, &mut limits.event_bytes_max);
    keys.number(&at("browsers_max"), 1..=1_000_000, &mut limits.browsers_max);
    let browsers = &mut limits.browsers_per_address_max;
    keys.number(&at("browsers_per_address_max"), 1..=1_000_000, browsers);
    let requests = &mut limits.requests_per_second_per_address_max;
    keys.number(&at("requests_per_second_per_address_max"), 0..=1_000_000, requests);
    keys.number(&at("records_max"), 1..=1_000_000, &mut limits.records_max);
    keys.number(&at("websockets_max"), 0..=1_000_000, &mut limits.websockets_max);
    let message = &mut limits.websocket_message_bytes_max;
    keys.number(&at("websocket_message_bytes_max"), 1..=64 << 20, message);
    let rate = &mut limits.websocket_messages_per_second_max;
    keys.number(&at("websocket_messages_per_second_max"), 1..=1_000_000, rate);
    let idle = &mut limits.websocket_idle_ms_max;
    keys.number(&at("websocket_idle_ms_max"), 1_000..=1 << 32, idle);
    limits
}

fn read_leases(keys: &mut Keys) -> LeaseTimes {
    let mut times = LeaseTimes::DEFAULT;
    let mut millis = |name: &str, into: &mut Duration| {
        let mut ms = u64::try_from(into.as_millis()).unwrap_or(u64::MAX);
        keys.number(&format!("registry.{name}"), 10..=86_400_000, &mut ms);
        *into = Duration::from_millis(ms);
    };
    millis("check_ms", &mut times.check_every);
    millis("check_timeout_ms", &mut times.check_timeout);
    millis("lease_ms", &mut times.lease);
    millis("removal_ms", &mut times.removal);
    keys.number("registry.failures_down", 1..=100, &mut times.failures_down);
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Settings, Vec<String>> {
        let mut keys = Keys::default();
        keys.add_toml(text, "picolet.toml");
        let text =
            |complaints: Vec<Complaint>| complaints.iter().map(ToString::to_string).collect();
        Settings::check("services".into(), keys).map_err(text)
    }

    #[test]
    fn nothing_typed_is_the_design() {
        let settings = check("").unwrap();
        assert_eq!(settings.listen, [local(8080)]);
        assert_eq!(settings.admin, local(9099));
        assert_eq!(settings.state, PathBuf::from("services/.picolet"));
    }

    #[test]
    fn reports_every_mistake_at_once() {
        let complaints = check("listen = \"here\"\n[limits]\nrequests_max = 0").unwrap_err();
        assert_eq!(
            complaints,
            [
                "listen (picolet.toml): got \"here\", want an address such as 127.0.0.1:8080",
                "limits.requests_max (picolet.toml): got 0, want a whole number from 1 to 100000",
            ]
        );
    }

    #[test]
    fn a_wildcard_must_be_advertised_and_admin_stays_local_without_a_token() {
        let complaints = check("listen = \"0.0.0.0:80\"\nadmin = \"0.0.0.0:81\"").unwrap_err();
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(check("listen = \"0.0.0.0:80\"\nadvertise = \"http://a:80\"").is_ok());
        assert!(check("admin = \"0.0.0.0:81\"\nadmin_token = { env = \"T\" }").is_ok());
        assert!(check("advertise = \"a:80/x\"").is_err());
    }
}
