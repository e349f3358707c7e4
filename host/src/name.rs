//! Names of things: checked once, then carried by type.
//!
//! Services, methods, modules and registry keys share one alphabet,
//! `[A-Za-z0-9._-]{1,128}`, in which case counts.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A text that is 1 to 128 of `A-Z a-z 0-9 . _ -`.
///
/// Holding one means the text has been checked; no later code checks it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("is empty")]
    Empty,
    #[error("is {len} bytes long, at most {max} are allowed", max = Name::BYTES_MAX)]
    TooLong { len: usize },
    #[error("has {found:?} at byte {at}, only A-Z a-z 0-9 . _ and - are allowed")]
    BadCharacter { found: char, at: usize },
    #[error("is only dots")]
    OnlyDots,
}

impl Name {
    /// Longest name, in bytes.
    pub(crate) const BYTES_MAX: usize = 128;

    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if Self::BYTES_MAX < text.len() {
            return Err(NameError::TooLong { len: text.len() });
        }
        let is_bad =
            |c: &(usize, char)| !c.1.is_ascii_alphanumeric() && !matches!(c.1, '.' | '_' | '-');
        if let Some((at, found)) = text.char_indices().find(is_bad) {
            return Err(NameError::BadCharacter { found, at });
        }
        if text.bytes().all(|byte| byte == b'.') {
            return Err(NameError::OnlyDots);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), &str>) {
        let seen = Name::parse(text).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(seen, expected.map_err(str::to_owned), "parsing {text:?}");
    }

    #[test]
    fn the_alphabet_is_closed() {
        check("go.micro.srv.greeter", Ok(()));
        check("a_B-9", Ok(()));
        check("", Err("is empty"));
        check("a/b", Err("has '/' at byte 1, only A-Z a-z 0-9 . _ and - are allowed"));
        check("ä", Err("has 'ä' at byte 0, only A-Z a-z 0-9 . _ and - are allowed"));
        check("..", Err("is only dots"));
        check(&"x".repeat(128), Ok(()));
        check(&"x".repeat(129), Err("is 129 bytes long, at most 128 are allowed"));
    }
}
