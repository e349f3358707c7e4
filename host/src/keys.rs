//! Reads a settings table key by key and collects every complaint.
//!
//! Who reads takes each key it knows; what is left at the end was not known.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use toml::Value;

/// One thing the operator has to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Complaint {
    /// Dotted key, empty when it is about the whole.
    pub key: String,
    /// Where the key was found: a file, `environment`, `flag`.
    pub found_in: String,
    /// What is wrong, and what to write instead.
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), self.found_in.as_str()) {
            ("", source) => write!(f, "{source}: {}", self.text),
            (key, "") => write!(f, "{key}: {}", self.text),
            (key, source) => write!(f, "{key} ({source}): {}", self.text),
        }
    }
}

/// Values by dotted key, each with its source, and the complaints so far.
#[derive(Debug, Default)]
pub struct Keys {
    values: BTreeMap<String, (Value, String)>,
    complaints: Vec<Complaint>,
}

impl Keys {
    /// Adds the keys of a TOML text; later ones replace earlier ones.
    pub fn add_toml(&mut self, text: &str, source: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.add_table("", table, source),
            Err(error) => {
                let text = format!("{}{}", place(text, &error), error.message());
                self.complain("", source, text);
            }
        }
    }

    /// Adds one key.
    pub fn add(&mut self, key: &str, value: Value, source: &str) {
        self.values.insert(key.to_owned(), (value, source.to_owned()));
    }

    fn add_table(&mut self, prefix: &str, table: toml::Table, source: &str) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            match value {
                Value::Table(inner) if !inner.is_empty() => self.add_table(&key, inner, source),
                Value::Table(_) => (),
                value => self.add(&key, value, source),
            }
        }
    }

    fn complain(&mut self, key: &str, source: &str, text: String) {
        self.complaints.push(Complaint { key: key.into(), found_in: source.into(), text });
    }

    /// Takes a key and turns it into what is wanted, or complains.
    pub(crate) fn take<T>(
        &mut self,
        key: &str,
        check: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        #[cfg(test)]
        asked::note(key);
        let (value, source) = self.values.remove(key)?;
        match check(&value) {
            Ok(value) => Some(value),
            Err(text) => {
                self.complain(key, &source, text);
                None
            }
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, text)
    }

    /// A text that is left where it is.
    pub(crate) fn peek(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.0.as_str()
    }

    /// A yes or no.
    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        self.take(key, |value| match value {
            Value::Boolean(flag) => Ok(*flag),
            other => Err(format!("got {}, want true or false", show(other))),
        })
    }

    /// A whole number within a range, put where it belongs.
    pub(crate) fn number<N>(&mut self, key: &str, range: RangeInclusive<u64>, into: &mut N)
    where
        N: TryFrom<u64>,
    {
        let (low, high) = (*range.start(), *range.end());
        let taken = self.take(key, |value| {
            let number = value.as_integer().and_then(|n| u64::try_from(n).ok());
            number
                .filter(|number| range.contains(number))
                .and_then(|number| N::try_from(number).ok())
                .ok_or_else(|| {
                    format!("got {}, want a whole number from {low} to {high}", show(value))
                })
        });
        if let Some(number) = taken {
            *into = number;
        }
    }

    /// A part of a whole, from 0 to 1.
    pub(crate) fn part(&mut self, key: &str) -> Option<f64> {
        self.take(key, |value| {
            let part = match value {
                Value::Integer(0) => Some(0.0),
                Value::Integer(1) => Some(1.0),
                other => other.as_float(),
            };
            let part = part.filter(|part| (0.0..=1.0).contains(part));
            part.ok_or_else(|| format!("got {}, want a number from 0.0 to 1.0", show(value)))
        })
    }

    /// Texts, each checked. One text alone is a list of one.
    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.take(key, |value| {
            let items = match value {
                Value::Array(items) => items.clone(),
                one => vec![one.clone()],
            };
            items.iter().map(|item| check(&text(item)?)).collect()
        })
    }

    /// Texts below a prefix; numbers and flags as they are written.
    pub(crate) fn texts_below(&mut self, prefix: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (name, value) in self.below(prefix) {
            match value {
                Value::String(text) => drop(texts.insert(name, text)),
                Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {
                    texts.insert(name, value.to_string());
                }
                other => {
                    let text = format!("got {}, want a text, a number or a flag", show(&other));
                    self.add_complaint(&format!("{prefix}.{name}"), text);
                }
            }
        }
        texts
    }

    /// Every key below a prefix, with the prefix taken off.
    pub(crate) fn below(&mut self, prefix: &str) -> Vec<(String, Value)> {
        #[cfg(test)]
        asked::note(prefix);
        let dotted = format!("{prefix}.");
        let keys: Vec<String> =
            self.values.keys().filter(|key| key.starts_with(&dotted)).cloned().collect();
        let take = |key: String| {
            let (value, _) = self.values.remove(&key)?;
            Some((key.strip_prefix(&dotted)?.to_owned(), value))
        };
        keys.into_iter().filter_map(take).collect()
    }

    /// Adds a complaint that came up elsewhere.
    pub(crate) fn add_complaint(&mut self, key: &str, text: String) {
        self.complain(key, "", text);
    }

    /// All complaints, unknown keys among them.
    pub(crate) fn finish(mut self) -> Vec<Complaint> {
        let unknown: Vec<(String, String)> =
            self.values.iter().map(|(key, (_, source))| (key.clone(), source.clone())).collect();
        for (key, source) in unknown {
            self.complain(&key, &source, "no such setting".to_owned());
        }
        self.complaints
    }
}

/// An address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().map_err(|_| format!("got {text:?}, want an address such as 127.0.0.1:8080"))
}

/// Where in a text it is no TOML.
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or_else(String::new, |before| {
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("line {line}, column {column}: ")
    })
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("got {}, want a text", show(other))),
    }
}

/// A value on one line.
pub(crate) fn show(value: &Value) -> String {
    value.to_string().replace('\n', " ")
}

/// Which keys are read, for whoever compares them with the documents.
#[cfg(test)]
pub(crate) mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static ASKED: RefCell<BTreeSet<String>> = RefCell::default();
    }

    pub(super) fn note(key: &str) {
        ASKED.with_borrow_mut(|asked| asked.insert(key.to_owned()));
    }

    /// The keys that are read meanwhile.
    pub(crate) fn by(read: impl FnOnce()) -> BTreeSet<String> {
        ASKED.take();
        read();
        ASKED.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_shown_at_once() {
        let mut keys = Keys::default();
        keys.add_toml("a = 1\nb = \"x\"\n[c]\nd = 7\ntypo = 1", "file.toml");
        keys.add("c.d", Value::Integer(900), "flag");
        let mut number = 0_u32;
        keys.number("c.d", 0..=10, &mut number);
        keys.flag("b");
        assert_eq!(keys.text("a"), None);
        let complaints: Vec<String> = keys.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            complaints,
            [
                "c.d (flag): got 900, want a whole number from 0 to 10",
                "b (file.toml): got \"x\", want true or false",
                "a (file.toml): got 1, want a text",
                "c.typo (file.toml): no such setting",
            ]
        );
    }

    #[test]
    fn a_text_that_is_no_toml_is_one_complaint_with_its_place() {
        for (text, place) in [
            ("a = ", "f: line 1, column 5: "),
            ("b = 1\nä = x\n", "f: line 2, column 1: "),
            ("b = 1\n\na = 1 2\n", "f: line 3, column 5: "),
            ("b = 1\nb = 2", "f: line 2, column 1: duplicate key"),
        ] {
            let mut keys = Keys::default();
            keys.add_toml(text, "f");
            let complaints: Vec<String> = keys.finish().iter().map(ToString::to_string).collect();
            assert!(complaints.len() == 1 && complaints[0].starts_with(place), "{complaints:?}");
            assert!(!complaints[0].contains('\n'), "{complaints:?}");
        }
    }
}
