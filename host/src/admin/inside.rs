//! What a service was given: names of its configuration, grants, figures of
//! its methods. No values, since they may be nobody's business.

use super::described::{array, count, object, text};
use super::live::{MethodView, methods};
use crate::bucket::BucketGrant;
use crate::grant::FileGrant;
use crate::manifest::Manifest;
use crate::origin::{OriginGrant, Scheme};
use crate::pool::Service;
use serde::Serialize;
use serde_json::{Value, json};

/// Beside what a service declares.
#[derive(Serialize)]
pub(super) struct Inside {
    figures: Vec<MethodView>,
    config: Names,
    grants: Grants,
}

/// Names of what it finds, without the values.
#[derive(Serialize)]
struct Names {
    config: Vec<String>,
    env: Vec<String>,
    secrets: Vec<String>,
}

/// What its manifest lets it have.
#[derive(Serialize)]
struct Grants {
    calls: Vec<String>,
    publish: Vec<String>,
    subscribe: Vec<String>,
    buckets: Vec<String>,
    outbound: Vec<String>,
    files: Vec<String>,
    /// What browsers may reach of it.
    expose: Vec<String>,
}

impl Inside {
    pub(super) fn of(service: &Service) -> Self {
        let manifest = &service.manifest;
        let (figures, config) = (methods(service), Names::of(manifest));
        Self { figures, config, grants: Grants::of(manifest) }
    }
}

impl Names {
    fn of(manifest: &Manifest) -> Self {
        Self {
            config: manifest.config.keys().cloned().collect(),
            env: manifest.env.iter().map(|(name, _)| name.clone()).collect(),
            secrets: manifest.secrets.keys().cloned().collect(),
        }
    }
}

impl Grants {
    fn of(manifest: &Manifest) -> Self {
        let subjects = |patterns: &[crate::subject::SubjectPattern]| {
            patterns.iter().map(ToString::to_string).collect()
        };
        Self {
            calls: manifest.calls.clone(),
            publish: subjects(&manifest.publish),
            subscribe: subjects(&manifest.subscribe),
            buckets: manifest.buckets.iter().map(bucket).collect(),
            outbound: manifest.outbound.iter().map(origin).collect(),
            files: manifest.files.iter().map(files).collect(),
            expose: manifest.expose.clone(),
        }
    }
}

/// For the description of the API: what each method has done.
pub(super) fn figures_described() -> Value {
    object(
        &["name", "calls", "faults", "failures"],
        json!({
            "name": text(),
            "calls": count(),
            "faults": count(),
            "failures": count(),
            "p50_us": count(),
            "p99_us": count(),
        }),
    )
}

/// The same of names of what it finds.
pub(super) fn config_described() -> Value {
    lists(&["config", "env", "secrets"])
}

/// The same of what it may have.
pub(super) fn grants_described() -> Value {
    lists(&["calls", "publish", "subscribe", "buckets", "outbound", "files", "expose"])
}

fn lists(names: &[&str]) -> Value {
    let member = |name: &&str| ((*name).to_owned(), array(text()));
    object(names, Value::Object(names.iter().map(member).collect()))
}

fn bucket(grant: &BucketGrant) -> String {
    let mode = if grant.may_write { "" } else { ":ro" };
    format!("{}{mode}", grant.name)
}

fn files(grant: &FileGrant) -> String {
    let mode = if grant.may_write { "rw" } else { "ro" };
    format!("{}:{mode}", grant.folder)
}

fn origin(grant: &OriginGrant) -> String {
    match grant {
        OriginGrant::One(origin) => origin.to_string(),
        OriginGrant::Below { scheme, suffix, port } => {
            let scheme = match scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            format!("{scheme}://*{suffix}:{port}")
        }
    }
}
