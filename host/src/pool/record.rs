//! A revision as the registry lists it.

use super::Service;
use crate::declaration::{Method, metadata_object};
use crate::record::{HTTP2, NAMESPACE, Record, RecordDate};

impl Service {
    /// Its record in this domain, of this node.
    pub(crate) fn record(&self, domain: &str, node: &str) -> Record {
        let mut metadata = metadata_object(&self.declaration.metadata);
        metadata.insert("kind".into(), "wasm".into());
        metadata.insert("protocol".into(), HTTP2.into());
        metadata.insert("version".into(), self.declaration.version.to_string().into());
        metadata.insert("digest".into(), self.digest.whole().into());
        metadata.insert("node".into(), node.into());
        metadata.insert("traffic".into(), self.traffic().into());
        metadata.insert("module".into(), self.module.as_str().into());
        if let Some(namespace) = &self.manifest.namespace {
            metadata.insert(NAMESPACE.into(), namespace.as_str().into());
        }
        if !self.declaration.description.is_empty() {
            metadata.insert("description".into(), self.declaration.description.clone().into());
        }
        Record {
            name: self.declaration.name.clone().into(),
            domain: domain.to_owned(),
            root: self.declaration.root.clone(),
            methods: self.declaration.methods.iter().map(Method::record).collect(),
            metadata,
            registration: self.registration.clone(),
            date: RecordDate::default(),
        }
    }
}
