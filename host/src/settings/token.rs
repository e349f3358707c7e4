//! The token of the admin side: where it is named, and what it must be.

use crate::keys::Keys;
use crate::secret::{SecretSource, without_line_break};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What whoever asks the admin side has to know. Clones share it; its memory is
/// overwritten when the last one goes.
#[derive(Clone)]
pub(crate) struct Token(Arc<Zeroizing<String>>);

/// Bytes of a token. What is shorter could be guessed.
const BYTES: RangeInclusive<usize> = 16..=4_096;

/// The variable that holds the token itself.
pub(crate) const TOKEN_VARIABLE: &str = "PICOLET_ADMIN_TOKEN";

const FILE: &str = "admin_token.file";
const VARIABLE: &str = "admin_token.env";

impl Token {
    /// Checks what was read.
    pub(crate) fn check(text: &str) -> Result<Self, String> {
        let text = without_line_break(text);
        if !BYTES.contains(&text.len()) {
            let (min, max) = (BYTES.start(), BYTES.end());
            return Err(format!("token is {} bytes long, want {min} to {max}", text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("token has a character that no header takes; \
                        want letters, digits and signs without spaces"
                .to_owned());
        }
        Ok(Self(Arc::new(Zeroizing::new(text.to_owned()))))
    }

    /// The token, to be compared with and to be derived from.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// It is never written down.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Where the token is to be had, as far as the settings say. The variable that
/// is the token wins over what a file names.
pub(crate) fn source(keys: &Keys) -> Option<SecretSource> {
    let variable = keys.peek(VARIABLE);
    if let Some(variable) = variable {
        return Some(SecretSource::Variable(variable.to_owned()));
    }
    keys.peek(FILE).map(|file| SecretSource::File(file.to_owned()))
}

/// Takes the keys of the token, and tells whether one is named.
pub(super) fn is_named(keys: &mut Keys) -> bool {
    let shape = "want { file = \"…\" } or { env = \"…\" }; the token itself has no place here";
    // What stands there may be the token: it is not shown.
    keys.take("admin_token", |_| Err::<(), String>(shape.to_owned()));
    let (file, variable) = (keys.text(FILE), keys.text(VARIABLE));
    let is_ambiguous = variable.as_deref().is_some_and(|variable| variable != TOKEN_VARIABLE);
    if file.is_some() && is_ambiguous {
        let text = "is both in a file and in the environment; name one";
        keys.add_complaint("admin_token", text.to_owned());
    }
    file.is_some() || variable.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_enough_and_fits_a_header() {
        assert!(Token::check("0123456789abcdef\n").is_ok());
        assert!(Token::check("0123456789abcde\r\n").unwrap_err().contains("15 bytes"));
        assert!(Token::check("0123456789 abcdef").unwrap_err().contains("without spaces"));
        assert!(Token::check("").is_err());
        let token = Token::check("0123456789abcdef").unwrap();
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn a_token_is_named_by_where_it_is() {
        let read = |text: &str| {
            let mut keys = Keys::default();
            keys.add_toml(text, "picolet.toml");
            let found = (source(&keys), is_named(&mut keys));
            (found, keys.finish().iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let (found, complaints) = read("admin_token = { file = \"t\" }");
        assert_eq!(found, (Some(SecretSource::File("t".into())), true));
        assert!(complaints.is_empty());
        let (found, complaints) = read("admin_token = \"0123456789abcdef\"");
        assert_eq!(found, (None, false));
        assert!(complaints[0].contains("no place here"), "{complaints:?}");
        assert!(!complaints[0].contains("0123"), "{complaints:?}");
        let (_, complaints) = read("admin_token = { file = \"t\", env = \"T\" }");
        assert!(complaints[0].contains("name one"), "{complaints:?}");
    }
}
