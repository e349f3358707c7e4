//! Configuration and secrets.

use std::fmt;

#[cfg(target_family = "wasm")]
use crate::abi::state as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::state as host;

/// The value of a key of the configuration: `[config]` of the manifest, or of
/// the settings of the host.
///
/// In native tests it is what `testing::configure` was given.
pub fn config(key: &str) -> Option<String> {
    host::config(key)
}

/// A secret that the manifest names: `[secrets] api_key = { file = "…" }` or
/// `{ env = "…" }`.
///
/// In native tests it is what `testing::configure` was given.
pub fn secret(name: &str) -> Option<Secret> {
    host::config(name).map(Secret)
}

/// A text that does not show itself where values are printed. The host takes
/// secrets out of the lines that a guest prints, too.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::configure;

    #[test]
    fn a_secret_shows_itself_to_who_asks_for_it_alone() {
        configure("key", "s3cret");
        let secret = secret("key").unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}")), ("s3cret", "Secret".to_owned()));
        assert_eq!(config("nobody"), None);
    }
}
