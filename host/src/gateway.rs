//! What the gateway does with a request before and after its service, as the
//! settings have it. What is decided is here, what is done is in `http`.

mod forwarded;
mod json_rpc;
mod paths;
mod rpc;

pub(crate) use forwarded::{FORWARDED_HOST, client, drop_claims, say};
pub(crate) use json_rpc::{Entry, RpcError};
pub(crate) use paths::{MappedPaths, members};
pub(crate) use rpc::{Arguments, Asked, MicroOrder, Unread, is_form, read};

use crate::name::Name;
use crate::reach::Network;
use crate::upgrade::Origins;
use std::net::IpAddr;

/// `[gateway]` of the settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gateway {
    /// Whose forwarded headers are believed.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Whose services are reached by name; of all, unless it says so.
    pub(crate) namespaces: Option<Vec<Name>>,
    /// Paths that stand for methods by their names.
    pub(crate) paths: Option<MappedPaths>,
    /// Whose pages may read answers; without it nothing is said of origins.
    pub(crate) cors: Option<Origins>,
    pub(crate) compression: Compression,
}

/// Whether answers are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Compression {
    #[default]
    Off,
    Gzip,
}

/// How a request names what it calls, when that is not by its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `/rpc`: by its body.
    Rpc,
    /// `/services/{name}/…`: by the name of the service.
    Service,
    /// By names that its path is made of.
    Mapped,
}

impl Gateway {
    /// The way of a path, if it is one of the gateway.
    pub(crate) fn way(&self, path: &str) -> Option<Way> {
        if path.starts_with("/services/") {
            return Some(Way::Service);
        }
        if path == "/rpc" {
            return Some(Way::Rpc);
        }
        self.paths.as_ref().filter(|paths| paths.cover(path)).map(|_| Way::Mapped)
    }

    /// Whether what this address says of its client is believed.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// Whether answers are changed on their way out.
    pub(crate) fn finishes(&self) -> bool {
        self.cors.is_some() || self.compression != Compression::Off
    }

    /// Whether services of this namespace are reached by name.
    pub(crate) fn admits(&self, namespace: Option<&str>) -> bool {
        let Some(listed) = &self.namespaces else { return true };
        namespace.is_some_and(|own| listed.iter().any(|name| name.as_str() == own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_of_the_gateway_are_told_from_routes() {
        let mut gateway = Gateway::default();
        assert_eq!(gateway.way("/rpc"), Some(Way::Rpc));
        assert_eq!(gateway.way("/services/calc"), Some(Way::Service));
        for path in ["/", "/rpcx", "/rpc/", "/services", "/servicesx/calc", "/micro/foo/bar"] {
            assert_eq!(gateway.way(path), None, "{path}");
        }
        gateway.paths = Some(MappedPaths::new("/micro".into(), "go".into()));
        assert_eq!(gateway.way("/micro/foo/bar"), Some(Way::Mapped));
        assert_eq!(gateway.way("/micros/foo/bar"), None);
    }

    #[test]
    fn without_a_list_every_namespace_is_reached() {
        let mut gateway = Gateway::default();
        assert!(gateway.admits(None) && gateway.admits(Some("shop")));
        gateway.namespaces = Some(vec![Name::parse("shop").unwrap()]);
        assert!(gateway.admits(Some("shop")));
        assert!(!gateway.admits(None) && !gateway.admits(Some("shops")));
        gateway.namespaces = Some(Vec::new());
        assert!(!gateway.admits(Some("shop")));
    }
}
