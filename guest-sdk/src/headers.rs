//! Header fields of requests and responses.

use std::fmt;

use crate::{
    Fault,
    head::{self, Pairs},
};

/// Header fields in order; a name may repeat.
///
/// Names are lower case; what is given in another case is lowered. Values are
/// the bytes of the wire. As an argument of a handler these are the headers of
/// the request, before a response they replace headers of the same name.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers(pub(crate) Pairs);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self(Pairs::new())
    }

    /// One header, which is known to be right.
    pub(crate) fn of(name: &str, value: &str) -> Self {
        Self(Pairs::of(name, value.as_bytes()))
    }

    pub(crate) fn from_block(block: &[u8]) -> Self {
        Self(Pairs::from_block(block))
    }

    /// The first value of a header, none when it is absent or not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        get(self.0.as_block(), name)
    }

    /// The values of a header that are UTF-8, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| str::from_utf8(value).ok())
    }

    /// All headers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a header and keeps those of the same name.
    ///
    /// # Errors
    ///
    /// A fault of status 500 named `bad-header` when the name is no token of
    /// HTTP or the value holds a control character.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Fault> {
        let value = value.as_ref();
        if !is_name(name) || !value.iter().all(is_value) {
            let message = "a header name must be a token and its value free of control characters";
            return Err(Fault::new(500, "bad-header", message));
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.push(&name.to_ascii_lowercase(), value);
        } else {
            self.0.push(name, value);
        }
        Ok(())
    }

    /// Adds a header and removes those of the same name.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Fault> {
        self.remove(name);
        self.append(name, value)
    }

    /// The same headers and one more; for building them in one expression.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Fault> {
        self.append(name, value)?;
        Ok(self)
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: &str) {
        if !self.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return;
        }
        let mut kept = Pairs::new();
        for (known, value) in self.iter() {
            if !known.eq_ignore_ascii_case(name) {
                kept.push(known, value);
            }
        }
        self.0 = kept;
    }

    /// Replaces what `newer` names too.
    pub(crate) fn replace(&mut self, newer: &Headers) {
        if self.is_empty() {
            self.0.clone_from(&newer.0);
            return;
        }
        for (name, _) in newer.iter() {
            self.remove(name);
        }
        for (name, value) in newer.iter() {
            self.0.push(name, value);
        }
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

/// The first value of a header in a pairs block.
pub(crate) fn get<'a>(block: &'a [u8], name: &str) -> Option<&'a str> {
    head::pairs(block)
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .and_then(|(_, value)| str::from_utf8(value).ok())
}

/// Whether a text is a token.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token)
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_value(byte: &u8) -> bool {
    *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_found_in_any_case() {
        let headers = Headers::new().with("X-Kind", "a").unwrap().with("x-kind", "b").unwrap();
        assert_eq!(headers.get("X-KIND"), Some("a"));
        assert_eq!(headers.get_all("x-kind").collect::<Vec<_>>(), ["a", "b"]);
        assert!(headers.iter().all(|(name, _)| name == "x-kind"));
    }

    #[test]
    fn setting_replaces_and_removing_keeps_the_others() {
        let mut headers = Headers::new().with("a", "1").unwrap().with("b", "2").unwrap();
        headers.set("a", "3").unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"b": "2", "a": "3"}"#);
        headers.remove("B");
        assert_eq!((headers.len(), headers.get("b")), (1, None));
    }

    #[test]
    fn a_line_break_cannot_be_smuggled_in() {
        for (name, value) in [("a", "b\r\nc: d"), ("a b", "c"), ("", "c"), ("a", "\0")] {
            let fault = Headers::new().append(name, value).unwrap_err();
            assert_eq!(fault.name(), "bad-header");
        }
    }
}
