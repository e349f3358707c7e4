//! What a caller may ask of a call, beside the call itself.

use crate::fault::Fault;
use crate::pool::Service;
use crate::record::Record;
use semver::{Version, VersionReq};
use std::time::Duration;

/// Options of one call, as `wit/client.wit` lists them.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait: bool,
    key: Option<String>,
    version: Option<VersionReq>,
    endpoint: Option<String>,
    retry: usize,
}

/// Tries that any call has when nothing was begun: the revision may just have
/// been replaced, the endpoint may just have died.
const TRIES_UNBEGUN: usize = 4;

impl CallOptions {
    /// Checks what was asked.
    pub(crate) fn parse(pairs: &[(String, String)]) -> Result<Self, Fault> {
        let mut options = Self::default();
        for (name, value) in pairs {
            let bad = |want: &str| Fault::BadCall {
                message: format!("option {name} is {value:?}, want {want}"),
            };
            match name.as_str() {
                "timeout-ms" => {
                    let ms = value.parse().map_err(|_| bad("whole milliseconds"))?;
                    options.timeout = Some(Duration::from_millis(ms));
                }
                "wait" => options.wait = value.parse().map_err(|_| bad("true or false"))?,
                "key" => options.key = Some(value.clone()),
                "endpoint" => options.endpoint = Some(value.clone()),
                "version" => {
                    let wanted = VersionReq::parse(value).map_err(|_| bad("such as ^1.2"))?;
                    options.version = Some(wanted);
                }
                "retry" => {
                    let retry = value.parse().ok().filter(|count| *count <= 10);
                    options.retry = retry.ok_or_else(|| bad("a number from 0 to 10"))?;
                }
                _ => {
                    let message = format!("there is no option {name}");
                    return Err(Fault::BadCall { message });
                }
            }
        }
        Ok(options)
    }

    /// The registry key to look in.
    pub(crate) fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("default")
    }

    /// How often an unbegun call is tried again.
    pub(crate) fn attempts(&self) -> usize {
        TRIES_UNBEGUN + self.retry
    }

    /// Whether a service of this host is what was asked for.
    pub(crate) fn takes_local(&self, service: &Service) -> bool {
        let key = &service.manifest.key;
        self.key.as_deref().is_none_or(|wanted| wanted == key.as_str())
            && self.takes_id(&service.registration)
            && self.version.as_ref().is_none_or(|v| v.matches(&service.declaration.version))
    }

    /// Whether a record is what was asked for.
    pub(crate) fn takes(&self, record: &Record) -> bool {
        let version = record.version().and_then(|text| Version::parse(text).ok());
        self.takes_id(&record.registration)
            && self
                .version
                .as_ref()
                .is_none_or(|wanted| version.is_some_and(|version| wanted.matches(&version)))
    }

    fn takes_id(&self, registration: &str) -> bool {
        self.endpoint.as_deref().is_none_or(|wanted| wanted == registration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str, value: &str, expected: &str) {
        let fault = CallOptions::parse(&[(name.into(), value.into())]).unwrap_err();
        assert_eq!(fault.to_string(), expected);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        refused("timeout-ms", "soon", "option timeout-ms is \"soon\", want whole milliseconds");
        refused("retry", "11", "option retry is \"11\", want a number from 0 to 10");
        refused("version", "new", "option version is \"new\", want such as ^1.2");
        refused("speed", "fast", "there is no option speed");
    }

    #[test]
    fn a_record_without_a_version_meets_no_requirement() {
        let json = serde_json::json!({"name": "a", "domain": "http://x", "registration": "1",
            "metadata": {"version": "1.2.3"}});
        let mut record = Record::check(json, String::new).unwrap();
        let options = CallOptions::parse(&[("version".into(), "^1.2".into())]).unwrap();
        assert!(options.takes(&record));
        record.metadata.clear();
        assert!(!options.takes(&record));
        let options = CallOptions::parse(&[("endpoint".into(), "2".into())]).unwrap();
        assert!(!options.takes(&record));
    }
}
