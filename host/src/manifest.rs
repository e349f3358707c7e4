//! The manifest beside a module: what was written, checked into what holds.

use crate::bucket::BucketGrant;
use crate::grant::FileGrant;
use crate::keys::{Complaint, Keys, show};
use crate::limits::{CONCURRENCY, HOOK_MS, ModuleLimits};
use crate::name::Name;
use crate::origin::OriginGrant;
use crate::reach::{Network, Reach};
use crate::route::{Pattern, Verb, check_root};
use crate::secret::SecretSource;
use crate::subject::SubjectPattern;
use crate::traffic;
use crate::withdraw::Rule;
use semver::Version;
use std::collections::BTreeMap;
use std::time::Duration;
use toml::Value;

/// What a manifest says. Absent keys are absent here: what a module declares
/// fills them, and the loader judges the two together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub name: Option<Name>,
    pub version: Option<Version>,
    pub root: Option<String>,
    /// Whether a `wasi:http` guest sees its paths without the root.
    pub strip: bool,
    /// The registry key.
    pub(crate) key: Name,
    /// Services it may call: names, or beginnings of names followed by `*`.
    pub(crate) calls: Vec<String>,
    /// Subjects it may publish on, and subjects it may subscribe to.
    pub(crate) publish: Vec<SubjectPattern>,
    pub(crate) subscribe: Vec<SubjectPattern>,
    /// Buckets of others that it may use.
    pub(crate) buckets: Vec<BucketGrant>,
    /// Origins that are no neighbours, and where they may lead.
    pub(crate) outbound: Vec<OriginGrant>,
    pub(crate) outbound_private: Vec<Network>,
    /// Folders that it finds.
    pub(crate) files: Vec<FileGrant>,
    /// What `wasi:config` gives it.
    pub(crate) config: BTreeMap<String, String>,
    /// Where its secrets are.
    pub(crate) secrets: BTreeMap<String, SecretSource>,
    /// Whose browsers it is for, and may send to.
    pub(crate) namespace: Option<Name>,
    /// What of it browsers may reach, as it is written.
    pub(crate) expose: Vec<String>,
    pub isolation: Isolation,
    /// What it weighs beside other versions of its service.
    pub(crate) traffic: u32,
    /// When it is taken out of traffic by itself.
    pub(crate) withdraw: Option<Rule>,
    /// Whether code that compiles quickly serves until better code is there;
    /// as the settings say when absent.
    pub(crate) fast_reload: Option<bool>,
    pub limits: ModuleLimits,
    pub env: Vec<(String, String)>,
    /// Methods of a module that declares none.
    pub routes: Vec<ManifestRoute>,
}

/// One `[[routes]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestRoute {
    pub name: Name,
    pub verb: Verb,
    pub pattern: Pattern,
}

/// How long an instance lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Isolation {
    /// An instance may serve many calls.
    Kept,
    /// Every call gets a new one.
    Call,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            name: None,
            version: None,
            root: None,
            strip: false,
            key: default_key(),
            calls: vec!["*".to_owned()],
            publish: vec![SubjectPattern::all()],
            subscribe: vec![SubjectPattern::all()],
            buckets: Vec::new(),
            outbound: Vec::new(),
            outbound_private: Vec::new(),
            files: Vec::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            namespace: None,
            expose: Vec::new(),
            isolation: Isolation::Kept,
            traffic: traffic::USUAL,
            withdraw: None,
            fast_reload: None,
            limits: ModuleLimits::DEFAULT,
            env: Vec::new(),
            routes: Vec::new(),
        }
    }
}

/// The registry key of whoever names none.
pub(crate) fn default_key() -> Name {
    Name::parse("default").expect("is of the alphabet")
}

impl Manifest {
    /// Checks a text; `file` names it in complaints.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, Vec<Complaint>> {
        let mut keys = Keys::default();
        keys.add_toml(text, file);
        let usual = Self::default();
        let mut limits = usual.limits;
        read_limits(&mut keys, &mut limits);
        let mut traffic = usual.traffic;
        keys.number("traffic", traffic::WEIGHTS, &mut traffic);
        let calls = keys.list("grants.calls", |text| Ok(text.to_owned()));
        let (publish, subscribe) =
            (keys.list("grants.publish", subjects), keys.list("grants.subscribe", subjects));
        let manifest = Self {
            name: keys.take("name", name),
            version: keys.take("version", version),
            root: keys.take("root", root),
            strip: keys.flag("strip").unwrap_or(usual.strip),
            key: keys.take("key", name).unwrap_or(usual.key),
            calls: calls.unwrap_or(usual.calls),
            publish: publish.unwrap_or(usual.publish),
            subscribe: subscribe.unwrap_or(usual.subscribe),
            buckets: keys.list("grants.buckets", BucketGrant::parse).unwrap_or_default(),
            outbound: keys.list("grants.outbound", OriginGrant::parse).unwrap_or_default(),
            outbound_private: keys
                .list("grants.outbound_private", Network::parse)
                .unwrap_or_default(),
            files: keys.list("grants.files", FileGrant::parse).unwrap_or_default(),
            config: keys.texts_below("config"),
            secrets: SecretSource::take_all(&mut keys, "secrets"),
            namespace: keys.take("namespace", name),
            expose: keys.list("expose", |text| Ok(text.to_owned())).unwrap_or_default(),
            isolation: keys.take("isolation", isolation).unwrap_or(usual.isolation),
            traffic,
            withdraw: read_withdraw(&mut keys),
            fast_reload: keys.flag("fast_reload"),
            limits,
            env: read_env(&mut keys),
            routes: keys.take("routes", routes).unwrap_or_default(),
        };
        if manifest.isolation == Isolation::Call && manifest.limits.calls_per_instance != 1 {
            let text = "isolation \"call\" gives every call an instance of its own".to_owned();
            keys.add_complaint(CALLS_PER_INSTANCE, text);
        }
        for name in manifest.secrets.keys().filter(|name| manifest.config.contains_key(*name)) {
            keys.add_complaint(&format!("secrets.{name}"), "is in [config], too".to_owned());
        }
        let complaints = keys.finish();
        if complaints.is_empty() { Ok(manifest) } else { Err(complaints) }
    }
}

impl Manifest {
    /// What it may reach outside.
    pub(crate) fn reach(&self) -> Reach {
        Reach::new(self.outbound.clone(), self.outbound_private.clone())
    }
}

pub(crate) const CALLS_PER_INSTANCE: &str = "limits.calls_per_instance";

fn read_limits(keys: &mut Keys, limits: &mut ModuleLimits) {
    keys.number("limits.memory_mib", 1..=4_096, &mut limits.memory_mib);
    keys.number("limits.table_elements", 1..=10_000_000, &mut limits.table_elements);
    keys.number("limits.cpu_ms", 10..=3_600_000, &mut limits.cpu_ms);
    keys.number("limits.wall_ms", 10..=86_400_000, &mut limits.wall_ms);
    keys.number("limits.first_byte_ms", 10..=86_400_000, &mut limits.first_byte_ms);
    keys.number("limits.start_ms", HOOK_MS, &mut limits.start_ms);
    keys.number("limits.stop_ms", HOOK_MS, &mut limits.stop_ms);
    keys.number("limits.concurrency", CONCURRENCY, &mut limits.concurrency);
    keys.number("limits.queue", 0..=100_000, &mut limits.queue);
    keys.number("limits.queue_ms", 0..=60_000, &mut limits.queue_ms);
    keys.number("limits.request_body_bytes", 0..=1 << 40, &mut limits.request_body_bytes);
    keys.number("limits.response_body_bytes", 0..=1 << 40, &mut limits.response_body_bytes);
    keys.number("limits.outbound", 0..=1_024, &mut limits.outbound);
    keys.number("limits.events", 0..=100_000, &mut limits.events);
    keys.number("limits.events_at_once", CONCURRENCY, &mut limits.events_at_once);
    keys.number("limits.state_mib", 0..=1 << 20, &mut limits.state_mib);
    keys.number("limits.log_bytes_per_second", 0..=1 << 30, &mut limits.log_bytes_per_second);
    keys.number("limits.kept", 0..=1_024, &mut limits.kept);
    keys.number("limits.requests_per_second", 0..=1_000_000, &mut limits.requests_per_second);
    let calls = &mut limits.calls_per_instance;
    keys.number(CALLS_PER_INSTANCE, CONCURRENCY, calls);
    if limits.wall_ms < limits.cpu_ms {
        let text = format!("is over limits.wall_ms, which is {}", limits.wall_ms);
        keys.add_complaint("limits.cpu_ms", text);
    }
}

/// Without a bound there is no rule, and the rest means nothing.
fn read_withdraw(keys: &mut Keys) -> Option<Rule> {
    const UNBOUND: Rule = Rule { more_failures_percent: u32::MAX, ..Rule::USUAL };
    let mut rule = UNBOUND;
    let mut window_s = rule.window.as_secs();
    keys.number("withdraw.more_failures_percent", 0..=99, &mut rule.more_failures_percent);
    keys.number("withdraw.at_least_calls", 1..=1_000_000, &mut rule.at_least_calls);
    keys.number("withdraw.window_s", 1..=86_400, &mut window_s);
    rule.window = Duration::from_secs(window_s);
    if rule.more_failures_percent != UNBOUND.more_failures_percent {
        return Some(rule);
    }
    if rule != UNBOUND {
        let text = "is needed beside the other keys of [withdraw]".to_owned();
        keys.add_complaint("withdraw.more_failures_percent", text);
    }
    None
}

fn read_env(keys: &mut Keys) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for (name, value) in keys.below("env") {
        match string(&value) {
            Ok(_) if name.contains(['=', '\0']) || name.is_empty() => {
                keys.add_complaint(&format!("env.{name}"), "is no name of a variable".into());
            }
            Ok(value) => env.push((name, value)),
            Err(text) => keys.add_complaint(&format!("env.{name}"), text),
        }
    }
    env
}

fn string(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("got {}, want a text", show(value)))
}

fn name(value: &Value) -> Result<Name, String> {
    let text = string(value)?;
    Name::parse(&text).map_err(|error| format!("name {text:?} {error}"))
}

fn subjects(text: &str) -> Result<SubjectPattern, String> {
    SubjectPattern::parse(text).map_err(|error| error.to_string())
}

fn root(value: &Value) -> Result<String, String> {
    let root = string(value)?;
    check_root(&root).map(|()| root).map_err(|error| error.to_string())
}

fn version(value: &Value) -> Result<Version, String> {
    let text = string(value)?;
    Version::parse(&text).map_err(|_| format!("got {text:?}, want a version such as 1.0.0"))
}

fn isolation(value: &Value) -> Result<Isolation, String> {
    match value.as_str() {
        Some("kept") => Ok(Isolation::Kept),
        Some("call") => Ok(Isolation::Call),
        _ => Err(format!("got {}, want \"kept\" or \"call\"", show(value))),
    }
}

/// Entries with name, type and pattern.
pub(crate) fn routes(value: &Value) -> Result<Vec<ManifestRoute>, String> {
    let shape = || format!("got {}, want [[routes]] with name, type and pattern", show(value));
    let items = value.as_array().ok_or_else(shape)?;
    items.iter().map(|item| route(item.as_table().ok_or_else(shape)?)).collect()
}

fn route(table: &toml::Table) -> Result<ManifestRoute, String> {
    if let Some(key) = table.keys().find(|key| !["name", "type", "pattern"].contains(&key.as_str()))
    {
        return Err(format!("a route has no {key}, only name, type and pattern"));
    }
    let part = |key: &str| table.get(key).ok_or_else(|| format!("a route lacks its {key}"));
    let verb = string(part("type")?)?;
    let pattern = string(part("pattern")?)?;
    Ok(ManifestRoute {
        name: name(part("name")?)?,
        verb: Verb::parse(&verb).map_err(|error| error.to_string())?,
        pattern: Pattern::parse(&pattern).map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, expected: &[&str]) {
        let complaints = Manifest::parse(text, "x.toml").expect_err("has mistakes");
        let seen: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_written_holds_and_the_rest_has_defaults() {
        let text = r#"
            name = "calc"
            version = "1.2.3"
            root = "/api"
            isolation = "call"
            fast_reload = true
            traffic = 10
            [withdraw]
            more_failures_percent = 5
            window_s = 30
            [limits]
            memory_mib = 16
            [env]
            MODE = "test"
            [[routes]]
            name = "all"
            type = "ANY"
            pattern = "/{*rest}"
        "#;
        let manifest = Manifest::parse(text, "calc.toml").unwrap();
        assert_eq!(manifest.name.unwrap().as_str(), "calc");
        assert_eq!(manifest.limits.memory_mib, 16);
        assert_eq!(manifest.limits.concurrency, ModuleLimits::DEFAULT.concurrency);
        assert_eq!(manifest.env, [("MODE".to_owned(), "test".to_owned())]);
        assert_eq!(manifest.isolation, Isolation::Call);
        assert_eq!(manifest.fast_reload, Some(true));
        assert_eq!(manifest.traffic, 10);
        let window = Duration::from_secs(30);
        let rule = Rule { more_failures_percent: 5, window, ..Rule::USUAL };
        assert_eq!(manifest.withdraw, Some(rule));
        assert_eq!(manifest.routes.len(), 1);
        assert_eq!(Manifest::parse("", "x.toml"), Ok(Manifest::default()));
    }

    #[test]
    fn mistakes_name_the_key_and_the_file() {
        refused("vresion = \"1\"", &["vresion (x.toml): no such setting"]);
        refused(
            "isolation = \"maybe\"\nversion = \"1\"",
            &[
                "version (x.toml): got \"1\", want a version such as 1.0.0",
                "isolation (x.toml): got \"maybe\", want \"kept\" or \"call\"",
            ],
        );
        refused(
            "namespace = \"a b\"",
            &["namespace (x.toml): name \"a b\" has ' ' at byte 1, only A-Z a-z 0-9 . _ and - \
               are allowed"],
        );
        refused(
            "[grants]\noutbound = [\"https://a\", \"ftp://a\"]\noutbound_private = \"10\"",
            &[
                "grants.outbound (x.toml): got \"ftp://a\", want an origin such as \
                 \"https://api.example.com\": it does not begin with http:// or https://",
                "grants.outbound_private (x.toml): got \"10\", want a network such as \
                 \"10.0.0.0/8\" or \"fd00::/8\"",
            ],
        );
        refused(
            "[withdraw]\nat_least_calls = 7",
            &["withdraw.more_failures_percent: is needed beside the other keys of [withdraw]"],
        );
        refused("traffic = -1", &["traffic (x.toml): got -1, want a whole number from 0 to 10000"]);
        refused(
            "[limits]\ncpu_ms = 5000\nwall_ms = 1000",
            &["limits.cpu_ms: is over limits.wall_ms, which is 1000"],
        );
        refused(
            "[[routes]]\nname = \"a\"\ntype = \"LOOK\"\npattern = \"/\"",
            &["routes (x.toml): verb \"LOOK\" is not one of GET, POST, PUT, PATCH, DELETE"],
        );
    }
}
