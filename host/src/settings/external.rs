//! Programs that are no modules and do not register themselves.

use super::origin;
use crate::keys::show;
use crate::manifest::{ManifestRoute, default_key, routes};
use crate::name::Name;
use crate::record::HTTP2;
use crate::route::check_root;
use serde_json::json;
use std::time::Duration;
use toml::{Table, Value};

/// One `[[external]]` entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct External {
    pub(crate) name: Name,
    pub(crate) key: Name,
    /// Its origin.
    address: String,
    root: String,
    methods: Vec<ManifestRoute>,
    /// The path whose answer says how it is.
    health: String,
    /// As its record says it.
    protocol: &'static str,
    /// How often that is asked while it is not registered.
    pub(crate) interval: Duration,
}

const HTTP1: &str = "http/1.1";

impl External {
    /// What an entry may have.
    pub(crate) const KEYS: [&str; 8] =
        ["name", "key", "address", "root", "methods", "health", "interval_ms", "protocol"];

    /// Reads all entries.
    pub(super) fn all(value: &Value) -> Result<Vec<Self>, String> {
        let shape = || format!("got {}, want [[external]] with name and address", show(value));
        let entries = value.as_array().ok_or_else(shape)?;
        entries.iter().map(|entry| Self::read(entry.as_table().ok_or_else(shape)?)).collect()
    }

    fn read(table: &Table) -> Result<Self, String> {
        if let Some(key) = table.keys().find(|key| !Self::KEYS.contains(&key.as_str())) {
            return Err(format!("an entry has no {key}, only {}", Self::KEYS.join(", ")));
        }
        let text = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("{key} is {}, want a text", show(other))),
        };
        let needed = |key: &str| text(key)?.ok_or_else(|| format!("an entry lacks its {key}"));
        let named =
            |text: &str| Name::parse(text).map_err(|error| format!("name {text:?} {error}"));
        let root = text("root")?.unwrap_or_default();
        check_root(&root).map_err(|error| error.to_string())?;
        let health = text("health")?.unwrap_or_else(|| "/healthcheck".to_owned());
        if !health.starts_with('/') {
            return Err(format!("health {health:?} is no path"));
        }
        let ms = table.get("interval_ms").map_or(Some(5_000), Value::as_integer);
        let ms =
            ms.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| (10..=86_400_000).contains(ms));
        let ms = ms.ok_or("interval_ms is not a whole number from 10 to 86400000")?;
        Ok(Self {
            name: named(&needed("name")?)?,
            key: text("key")?.as_deref().map(named).transpose()?.unwrap_or_else(default_key),
            address: origin(&needed("address")?)?,
            root,
            methods: table.get("methods").map(routes).transpose()?.unwrap_or_default(),
            health,
            protocol: match text("protocol")?.as_deref() {
                None | Some(HTTP1) => HTTP1,
                Some(HTTP2) => HTTP2,
                Some(other) => {
                    return Err(format!("protocol is {other:?}, want \"http/1.1\" or \"h2c\""));
                }
            },
            interval: Duration::from_millis(ms),
        })
    }

    /// The registration it always has.
    pub(crate) fn registration(&self) -> String {
        format!("external-{}-{}", self.name, self.address)
    }

    /// As it is registered.
    pub(crate) fn record(&self) -> serde_json::Value {
        let method = |method: &ManifestRoute| {
            json!({
                "name": method.name.as_str(),
                "type": method.verb.as_str(),
                "path": method.pattern.fixed(),
                "pattern": method.pattern.as_str(),
                "params": method.pattern.params(),
            })
        };
        json!({
            "name": self.name.as_str(),
            "domain": self.address,
            "root": self.root,
            "methods": self.methods.iter().map(method).collect::<Vec<_>>(),
            "metadata": { "kind": "external", "health": self.health, "protocol": self.protocol },
            "registration": self.registration(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<External>, String> {
        let table: Table = text.parse().unwrap();
        External::all(table.get("external").unwrap())
    }

    #[test]
    fn an_entry_is_a_name_and_an_address_and_the_rest_is_usual() {
        let one = read("[[external]]\nname = \"clock\"\naddress = \"http://10.0.0.7:80\"").unwrap();
        let record = one[0].record();
        assert_eq!(record["metadata"]["health"], "/healthcheck");
        assert_eq!(record["registration"], "external-clock-http://10.0.0.7:80");
        assert_eq!(one[0].key.as_str(), "default");
    }

    #[test]
    fn mistakes_are_said() {
        let refused = |entry: &str, expected: &str| {
            let error = read(&format!("[[external]]\n{entry}")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        refused("address = \"http://a\"", "lacks its name");
        refused("name = \"a\"", "lacks its address");
        refused("name = \"a b\"\naddress = \"http://a\"", "name \"a b\" has ' '");
        refused("name = \"a\"\naddress = \"a:80\"", "want an origin");
        refused("name = \"a\"\naddress = \"http://a\"\nport = 1", "has no port");
        refused("name = \"a\"\naddress = \"http://a\"\nhealth = \"h\"", "is no path");
        refused("name = \"a\"\naddress = \"http://a\"\ninterval_ms = 1", "interval_ms is not");
        refused("name = \"a\"\naddress = \"http://a\"\nprotocol = \"h3\"", "protocol is \"h3\"");
    }
}
