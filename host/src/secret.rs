//! Secrets of guests: where they come from, what they are, and keeping them out
//! of whatever is written down.

use crate::keys::Keys;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use toml::Value;
use zeroize::Zeroizing;

/// Where a secret is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// A file; relative to the watched folder.
    File(String),
    /// A variable of the host's environment.
    Variable(String),
}

/// Secrets of one guest, by name. Their memory is overwritten when the last
/// holder lets go of them.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<String, Zeroizing<String>>);

/// The variables that the host was started with.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

/// Bytes of one secret.
pub(crate) const SECRET_BYTES_MAX: usize = 64 << 10;

/// A line of a secret that is shorter tells nothing: a brace, or its end.
const TELLING_BYTES: usize = 4;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

impl SecretSource {
    /// Takes a table of them: `name = { file = "…" }` or `name = { env = "…" }`.
    pub(crate) fn take_all(keys: &mut Keys, table: &str) -> BTreeMap<String, Self> {
        let mut sources = BTreeMap::new();
        for (key, value) in keys.below(table) {
            let source = match (key.rsplit_once('.'), value) {
                (Some((name, "file")), Value::String(file)) => Some((name, Self::File(file))),
                (Some((name, "env")), Value::String(name_of)) => {
                    Some((name, Self::Variable(name_of)))
                }
                _ => None,
            };
            let complaint = match source {
                None => {
                    "want { file = \"…\" } or { env = \"…\" }; a secret itself has no place here"
                }
                Some((name, source)) => match sources.insert(name.to_owned(), source) {
                    None => continue,
                    Some(_) => "is both in a file and in the environment; name one",
                },
            };
            keys.add_complaint(&format!("{table}.{key}"), complaint.to_owned());
        }
        sources
    }

    /// A secret of the host itself as it is now, or why it is not to be had.
    /// Files are looked for from this folder on.
    pub(crate) fn read(
        &self,
        folder: &Path,
        environment: &Environment,
    ) -> Result<Zeroizing<String>, String> {
        let text = match self {
            Self::File(file) => std::fs::read_to_string(folder.join(file))
                .map_err(|error| format!("file {file} cannot be read: {error}"))?,
            Self::Variable(variable) => match environment.get(variable) {
                Some(text) => text.to_owned(),
                None => return Err(format!("there is no variable {variable}")),
            },
        };
        Ok(Zeroizing::new(text))
    }
}

/// What was written into a file or a variable; a line break at its end is no
/// part of it.
pub(crate) fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

impl Secrets {
    /// Takes one up.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> Result<(), &'static str> {
        let text = without_line_break(text);
        match text.len() {
            0 => Err("is empty"),
            len if SECRET_BYTES_MAX < len => Err("is over 64 KiB"),
            _ => {
                self.0.insert(name.to_owned(), Zeroizing::new(text.to_owned()));
                Ok(())
            }
        }
    }

    /// A secret, for its guest.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|secret| secret.as_str())
    }

    /// A line without any of them, nor a line of one that has several.
    pub(crate) fn redact<'t>(&self, line: &'t str) -> Cow<'t, str> {
        let mut redacted = Cow::Borrowed(line);
        for secret in self.0.values() {
            let is_telling = |part: &&str| !secret.contains('\n') || TELLING_BYTES <= part.len();
            for part in secret.lines().filter(is_telling) {
                if redacted.contains(part) {
                    redacted = Cow::Owned(redacted.replace(part, REDACTED));
                }
            }
        }
        redacted
    }
}

impl Environment {
    pub(crate) fn new(variables: impl Iterator<Item = (String, String)>) -> Self {
        Self(variables.collect())
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// It may hold what nobody should read.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (BTreeMap<String, SecretSource>, Vec<String>) {
        let mut keys = Keys::default();
        keys.add_toml(text, "x.toml");
        let sources = SecretSource::take_all(&mut keys, "secrets");
        (sources, keys.finish().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_secret_is_named_by_where_it_is() {
        let (sources, complaints) =
            read("[secrets]\na = { file = \"a.key\" }\nb = { env = \"B\" }");
        assert_eq!(sources["a"], SecretSource::File("a.key".into()));
        assert_eq!(sources["b"], SecretSource::Variable("B".into()));
        assert_eq!(complaints, [""; 0]);
        let (_, complaints) = read("[secrets]\na = \"hunter2\"\nb = { env = \"B\", file = \"b\" }");
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].contains("a secret itself has no place here"), "{complaints:?}");
        assert!(!complaints[0].contains("hunter2"), "{complaints:?}");
        assert!(complaints[1].contains("name one"), "{complaints:?}");
    }

    #[test]
    fn what_is_written_down_has_no_secret_in_it() {
        let mut secrets = Secrets::default();
        secrets.add("key", "s3cret\r\n").unwrap();
        secrets.add("other", "token").unwrap();
        assert_eq!(secrets.add("none", "\n"), Err("is empty"));
        assert_eq!(secrets.get("key"), Some("s3cret"));
        assert_eq!(secrets.redact("a s3cret token"), "a [redacted] [redacted]");
        secrets.add("pem", "-----BEGIN KEY-----\r\nbGluZTE=\n}\nbGluZTI=\n").unwrap();
        assert_eq!(secrets.redact("bGluZTE="), "[redacted]");
        assert_eq!(secrets.redact("-----BEGIN KEY-----, } bGluZTI="), "[redacted], } [redacted]");
        assert!(matches!(secrets.redact("nothing"), Cow::Borrowed("nothing")));
        assert_eq!(format!("{secrets:?}"), "{\"key\", \"other\", \"pem\"}");
        let environment = Environment::new([("A".to_owned(), "s3cret".to_owned())].into_iter());
        assert_eq!(environment.get("A"), Some("s3cret"));
        assert_eq!(format!("{environment:?}"), "Environment(1)");
    }
}
