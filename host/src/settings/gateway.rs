//! Reads `[gateway]`.

use crate::gateway::{Compression, Gateway, MappedPaths};
use crate::keys::{Keys, show};
use crate::name::Name;
use crate::reach::Network;
use crate::route::{check_root, reserved};
use crate::upgrade::Origins;
use toml::Value;

/// What the names of services begin with that paths are mapped to, unless the
/// settings say otherwise.
const PATHS_NAMESPACE: &str = "go.micro.api";

pub(super) fn read(keys: &mut Keys) -> Gateway {
    let namespace = keys.take("gateway.paths_namespace", namespace);
    let namespace = namespace.unwrap_or_else(|| PATHS_NAMESPACE.to_owned());
    let prefix = keys.take("gateway.paths", prefix);
    let is_compressed = keys.flag("gateway.compression").unwrap_or_default();
    Gateway {
        trusted_proxies: keys.list("gateway.trusted_proxies", Network::parse).unwrap_or_default(),
        namespaces: keys.list("gateway.namespaces", name),
        paths: prefix.map(|prefix| MappedPaths::new(prefix, namespace)),
        cors: keys.list("gateway.cors_origins", Origins::check).map(Origins::of),
        compression: if is_compressed { Compression::Gzip } else { Compression::Off },
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| format!("name {text:?} {error}"))
}

/// Empty for services that have their own names.
fn namespace(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some("") => Ok(String::new()),
        Some(text) => name(text).map(|name| name.to_string()),
        None => Err(format!("got {}, want a text", show(value))),
    }
}

fn prefix(value: &Value) -> Result<String, String> {
    let wrong = || format!("got {}, want a path such as /micro", show(value));
    let text = value.as_str().filter(|text| !text.is_empty()).ok_or_else(wrong)?;
    check_root(text).map_err(|_| wrong())?;
    match reserved(text) {
        None => Ok(text.to_owned()),
        Some(taken) => Err(format!("got {text:?}, but {taken} belongs to the host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Gateway, Vec<String>> {
        let mut keys = Keys::default();
        keys.add_toml(&format!("[gateway]\n{text}"), "picolet.toml");
        let gateway = read(&mut keys);
        let complaints: Vec<String> = keys.finish().iter().map(ToString::to_string).collect();
        if complaints.is_empty() { Ok(gateway) } else { Err(complaints) }
    }

    #[test]
    fn nothing_is_on_unless_it_is_said() {
        let gateway = check("").unwrap();
        assert!(!gateway.finishes() && gateway.paths.is_none() && gateway.namespaces.is_none());
        assert!(!gateway.trusts([127, 0, 0, 1].into()));
        let gateway = check("paths = \"/micro\"\npaths_namespace = \"\"").unwrap();
        assert_eq!(gateway.paths, Some(MappedPaths::new("/micro".into(), String::new())));
        assert!(check("cors_origins = \"*\"").unwrap().finishes());
        assert!(check("compression = true").unwrap().finishes());
        let gateway = check("trusted_proxies = [\"127.0.0.1\", \"fd00::/8\"]").unwrap();
        assert!(gateway.trusts([127, 0, 0, 1].into()) && !gateway.trusts([127, 0, 0, 2].into()));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, complaint) in [
            ("paths = \"/\"", "got \"/\", want a path such as /micro"),
            ("paths = \"micro\"", "got \"micro\", want a path such as /micro"),
            ("paths = \"/{a}\"", "got \"/{a}\", want a path such as /micro"),
            ("paths = \"/services/x\"", "got \"/services/x\", but /services belongs to the host"),
            ("trusted_proxies = \"10\"", "got \"10\", want a network such as"),
            ("cors_origins = \"shop\"", "got \"shop\", want an origin such as"),
            ("namespaces = \"a b\"", "name \"a b\" has"),
            ("cors = true", "no such setting"),
        ] {
            let complaints = check(text).unwrap_err();
            assert!(complaints[0].contains(complaint), "{complaints:?}");
        }
    }
}
