//! What a revision is known by: the SHA-256 of the module's bytes and manifest.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256. `Display` is the short form for people, [`Digest::hex`] the whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest([u8; 32]);

/// A digest of parts that come bit by bit.
#[derive(Default)]
pub(crate) struct Digesting(Sha256);

impl Digesting {
    /// A part of so many bytes follows.
    pub(crate) fn begin_part(&mut self, bytes: u64) {
        self.0.update(bytes.to_le_bytes());
    }

    /// More of the part.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// That was all.
    pub(crate) fn end(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl Digest {
    /// Digests several parts; a part's length counts, so that moving a byte
    /// from one to the next is a different digest.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut digesting = Digesting::default();
        for part in parts {
            digesting.begin_part(part.len() as u64);
            digesting.add(part);
        }
        digesting.end()
    }

    /// Reads what [`Digest::hex`] writes.
    pub(crate) fn parse(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != 2 * bytes.len() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// All 64 hexadecimal digits.
    pub(crate) fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The same as programs are told it.
    pub(crate) fn whole(&self) -> String {
        format!("sha256:{}", self.hex())
    }
}

/// Two lower-case digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('?'));
        }
    }
    text
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([a, b, c, d, ..]) = self;
        write!(f, "sha256:{}…", hex(&[*a, *b, *c, *d]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_the_short_form_begins_the_long() {
        let digest = Digest::of(&[b"abc"]);
        let short = format!("sha256:{}…", &digest.hex()[..8]);
        assert_eq!((digest.hex().len(), digest.to_string()), (64, short));
        assert_eq!(Digest::parse(&digest.hex()), Some(digest));
        assert_eq!(Digest::parse(&digest.hex()[1..]), None);
        assert_eq!(Digest::parse(&"+1".repeat(32)), None);
        assert_ne!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"a", b"bc"]));
    }
}
