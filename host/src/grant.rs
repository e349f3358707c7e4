//! What manifests grant beside calls, subjects and buckets.

use std::path::{Component, Path};

/// A folder below the watched one that a guest may read, and perhaps write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileGrant {
    /// Relative to the watched folder; names alone, without `..`.
    pub(crate) folder: String,
    pub(crate) may_write: bool,
}

impl FileGrant {
    /// Checks `folder`, `folder:ro` or `folder:rw`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (folder, may_write) = match text.rsplit_once(':') {
            Some((folder, "ro")) => (folder, false),
            Some((folder, "rw")) => (folder, true),
            Some((_, mode)) => {
                return Err(format!("got {text:?}, want ro or rw behind the colon, not {mode:?}"));
            }
            None => (text, false),
        };
        let is_name = |part: Component<'_>| matches!(part, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b"."));
        let is_sound = !folder.is_empty()
            && !folder.contains(['\0', '\\'])
            && Path::new(folder).components().all(is_name);
        if is_sound {
            return Ok(Self { folder: folder.trim_end_matches('/').to_owned(), may_write });
        }
        Err(format!(
            "got {text:?}, want a folder below the watched one, such as \"assets\" or \
             \"assets:rw\", without names that begin with a dot"
        ))
    }

    /// Where the guest finds it.
    pub(crate) fn guest_path(&self) -> String {
        format!("/{}", self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_below_the_watched_one() {
        let grant = |text| FileGrant::parse(text).map(|grant| (grant.folder, grant.may_write));
        assert_eq!(grant("assets"), Ok(("assets".into(), false)));
        assert_eq!(grant("assets:ro"), Ok(("assets".into(), false)));
        assert_eq!(grant("a/b/:rw"), Ok(("a/b".into(), true)));
        for text in ["", ":ro", "/etc", "..", "a/../b", ".picolet", "a/.b", "./a", "a\\b", "a:w"] {
            assert!(grant(text).is_err(), "{text:?}");
        }
    }
}
