//! Name and value pairs that travel with a call.

use std::sync::Arc;

/// Properties of one call. The calls made from it begin with a copy; what they
/// set stays with them and those they call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties(Option<Arc<Vec<(String, String)>>>);

impl Properties {
    /// Bytes that the names and values of all may have together.
    pub(crate) const BYTES_MAX: usize = 4_096;

    /// Names and values, as they were set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.as_deref().map(Vec::as_slice).unwrap_or_default();
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets a value, unless that makes all of them too large or the name is no
    /// token.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> bool {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return false;
        }
        let others = self.iter().filter(|(known, _)| *known != name);
        let others: usize = others.map(|(known, value)| known.len() + value.len()).sum();
        if Self::BYTES_MAX < others + name.len() + value.len() {
            return false;
        }
        let pairs = Arc::make_mut(self.0.get_or_insert_default());
        pairs.retain(|(known, _)| known != name);
        pairs.push((name.to_owned(), value.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_bounded_together_and_stay_with_who_set_them() {
        let mut caller = Properties::default();
        assert!(caller.set("user", "7"));
        let mut callee = caller.clone();
        assert!(callee.set("user", "8"));
        assert_eq!((caller.get("user"), callee.get("user")), (Some("7"), Some("8")));
        assert!(!caller.set("big", &"x".repeat(Properties::BYTES_MAX)));
        assert!(!caller.set("no token", "x"));
    }
}
