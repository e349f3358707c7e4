//! Names that may end in `*`, asked for and registered.

use crate::name::{Name, NameError};
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// A name, or with a trailing `*` the beginning of names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Pattern {
    Exact(Name),
    /// What stands before the `*`, never empty, as a service that takes every
    /// name would hide every misspelt one; and the whole text.
    Prefix(Name, Arc<str>),
}

/// Why a text is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("has nothing before its *")]
    Bare,
}

/// What a caller calls a service by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted(Pattern);

/// How well a registered pattern answers to what is wanted; greater is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    /// It takes everything that begins with so many bytes, the wanted too.
    Covers(usize),
    /// It begins as was wanted.
    Begins,
    /// It is the wanted text.
    Is,
}

impl Pattern {
    /// Reads a name that may end in `*`.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        match text.strip_suffix('*') {
            None => Ok(Self::Exact(Name::parse(text)?)),
            Some("") => Err(PatternError::Bare),
            // With its * it is as long as the longest name at most.
            Some(prefix) if prefix.len() == Name::BYTES_MAX => {
                Err(NameError::TooLong { len: text.len() }.into())
            }
            Some(prefix) => Ok(Self::Prefix(Name::parse(prefix)?, text.into())),
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Exact(name) => name.as_str(),
            Self::Prefix(_, text) => text,
        }
    }

    /// The text without a `*`.
    fn stem(&self) -> &str {
        let (Self::Exact(name) | Self::Prefix(name, _)) = self;
        name.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Name> for Pattern {
    fn from(name: Name) -> Self {
        Self::Exact(name)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Wanted {
    /// Reads what a caller asks for.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        Pattern::parse(text).map(Self)
    }

    /// The one name that is asked for. Where a service is registered under it,
    /// nothing else has to be looked at.
    pub(crate) fn exact(&self) -> Option<&Name> {
        match &self.0 {
            Pattern::Exact(name) => Some(name),
            Pattern::Prefix(..) => None,
        }
    }

    /// Those of the registered patterns that are meant, in their order:
    ///
    /// 1. the very text that was asked for;
    /// 2. for a `*`: all that begin as was asked;
    /// 3. a registered `*` that takes the asked name, the longest one only.
    pub(crate) fn pick<'a>(
        &self,
        registered: impl IntoIterator<Item = &'a Pattern>,
    ) -> Vec<&'a Pattern> {
        let mut best = None;
        let mut picked = Vec::new();
        for pattern in registered {
            let Some(answer) = self.answer(pattern) else { continue };
            if best < Some(answer) {
                best = Some(answer);
                picked.clear();
            }
            if best == Some(answer) {
                picked.push(pattern);
            }
        }
        picked
    }

    fn answer(&self, registered: &Pattern) -> Option<Answer> {
        let (asked, stem) = (self.0.stem(), registered.stem());
        let asks_many = matches!(self.0, Pattern::Prefix(..));
        let takes_many = matches!(registered, Pattern::Prefix(..));
        if self.0 == *registered {
            Some(Answer::Is)
        } else if asks_many && stem.starts_with(asked) {
            Some(Answer::Begins)
        } else if takes_many && asked.starts_with(stem) {
            Some(Answer::Covers(stem.len()))
        } else {
            None
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
