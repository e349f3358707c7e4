//! Subjects of events, and the patterns that subscribers name, as NATS writes
//! them: tokens parted by dots, `*` for one token, `>` at the end for the rest.

use crate::name::Name;
use std::fmt;
use std::sync::Arc;

/// What an event is about.
///
/// Holding one means the text has been checked: 1 to 256 bytes, 1 to 32 tokens,
/// no wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subject(Arc<str>);

/// Subjects that somebody wants to hear: like a subject, and may have wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SubjectPattern(Arc<str>);

/// What somebody wants to hear.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subscription {
    pub(crate) pattern: SubjectPattern,
    /// Of all feeds with the same group, one gets each event.
    pub(crate) group: Option<Name>,
}

/// Why a text is no subject or no pattern of subjects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubjectError {
    #[error("subject is empty")]
    Empty,
    #[error("subject is {len} bytes long, at most {BYTES_MAX} are allowed")]
    TooLong { len: usize },
    #[error("subject has more than {TOKENS_MAX} tokens")]
    TooManyTokens,
    #[error("subject {0:?} has an empty token: tokens are parted by single dots")]
    EmptyToken(String),
    #[error(
        "subject {subject:?} has {found:?} at byte {at}, only letters, digits and \
         -_~!$&'()+,;=:@/% are allowed in a token"
    )]
    BadCharacter { subject: String, found: char, at: usize },
    #[error("subject {0:?} begins with $, which is kept for the host")]
    Reserved(String),
    #[error("subject {0:?} has > before its end: it stands for all tokens that follow")]
    RestNotLast(String),
}

const BYTES_MAX: usize = 256;
const TOKENS_MAX: usize = 32;
/// Beside letters and digits. All of them may stand in the path of a URI.
const MARKS: &[u8] = b"-_~!$&'()+,;=:@/%";

impl Subject {
    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, SubjectError> {
        check(text, |_| false)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its tokens, in order.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

impl SubjectPattern {
    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, SubjectError> {
        check(text, |token| token == "*" || token == ">")?;
        if text.split('.').rev().skip(1).any(|token| token == ">") {
            return Err(SubjectError::RestNotLast(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// Its tokens, in order.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Every subject there is.
    pub(crate) fn all() -> Self {
        Self(">".into())
    }

    /// Whether a subject is among those it stands for.
    pub(crate) fn covers(&self, subject: &Subject) -> bool {
        self.captures(subject).is_some()
    }

    /// Whether it covers whatever the other one covers.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let mut others = other.tokens();
        for token in self.tokens() {
            match (token, others.next()) {
                (_, None) => return false,
                (">", Some(_)) => return true,
                ("*", Some(other)) if other != ">" => (),
                (token, Some(other)) if token == other => (),
                (_, Some(_)) => return false,
            }
        }
        others.next().is_none()
    }

    /// What the wildcards stand for in a subject, that of `>` with its dots;
    /// none when it is not among those it stands for.
    pub(crate) fn captures<'s>(&self, subject: &'s Subject) -> Option<Vec<&'s str>> {
        let mut captured = Vec::new();
        let mut rest = Some(subject.as_str());
        for token in self.tokens() {
            let left = rest?;
            if token == ">" {
                captured.push(left);
                return Some(captured);
            }
            let (first, after) = match left.split_once('.') {
                Some((first, after)) => (first, Some(after)),
                None => (left, None),
            };
            match token {
                "*" => captured.push(first),
                _ if token == first => (),
                _ => return None,
            }
            rest = after;
        }
        rest.is_none().then_some(captured)
    }
}

fn check(text: &str, is_wildcard: impl Fn(&str) -> bool) -> Result<(), SubjectError> {
    if text.is_empty() {
        return Err(SubjectError::Empty);
    }
    if BYTES_MAX < text.len() {
        return Err(SubjectError::TooLong { len: text.len() });
    }
    let subject = || text.to_owned();
    if text.starts_with('$') {
        return Err(SubjectError::Reserved(subject()));
    }
    let (mut at, mut count) = (0, 0);
    for token in text.split('.') {
        count += 1;
        if token.is_empty() {
            return Err(SubjectError::EmptyToken(subject()));
        }
        let is_bad = |c: &(usize, char)| {
            !c.1.is_ascii_alphanumeric() && !u8::try_from(c.1).is_ok_and(|b| MARKS.contains(&b))
        };
        if !is_wildcard(token)
            && let Some((within, found)) = token.char_indices().find(is_bad)
        {
            return Err(SubjectError::BadCharacter { subject: subject(), found, at: at + within });
        }
        at += token.len() + 1;
    }
    if TOKENS_MAX < count { Err(SubjectError::TooManyTokens) } else { Ok(()) }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn captured(pattern: &str, subject: &str, expected: Option<&[&str]>) {
        let pattern = SubjectPattern::parse(pattern).unwrap();
        let subject = Subject::parse(subject).unwrap();
        assert_eq!(pattern.captures(&subject).as_deref(), expected);
    }

    #[test]
    fn wildcards_stand_for_one_token_or_for_the_rest() {
        captured("rates.usd", "rates.usd", Some(&[]));
        captured("rates.usd", "rates.eur", None);
        captured("rates.usd", "rates", None);
        captured("rates", "rates.usd", None);
        captured("rates.*", "rates.usd", Some(&["usd"]));
        captured("rates.*", "rates.usd.eur", None);
        captured("rates.*.eur", "rates.usd.eur", Some(&["usd"]));
        captured("rates.>", "rates.usd.eur", Some(&["usd.eur"]));
        captured("rates.>", "rates", None);
        captured(">", "rates.usd", Some(&["rates.usd"]));
        captured("*.>", "rates.usd", Some(&["rates", "usd"]));
        captured("*", "rates.usd", None);
    }

    #[test]
    fn one_pattern_includes_another() {
        let includes = |one: &str, other: &str| {
            let pattern = |text| SubjectPattern::parse(text).unwrap();
            pattern(one).includes(&pattern(other))
        };
        for (one, other) in
            [(">", "a.*"), (">", ">"), ("a.>", "a.b.>"), ("a.*", "a.b"), ("a.*", "a.*"), ("a", "a")]
        {
            assert!(includes(one, other), "{one} includes {other}");
        }
        for (one, other) in
            [("a.*", "a.>"), ("a.*", "a.b.c"), ("a.>", "a"), ("a.b", "a.*"), ("*", ">")]
        {
            assert!(!includes(one, other), "{one} does not include {other}");
        }
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let (subject, pattern) = (Subject::parse(text), SubjectPattern::parse(text));
        let (subject, pattern) = (subject.unwrap_err().to_string(), pattern.unwrap_err());
        assert!(subject.starts_with(expected), "{subject}");
        assert!(pattern.to_string().starts_with(expected), "{pattern}");
    }

    #[test]
    fn what_is_no_subject_says_why() {
        refused("", "subject is empty");
        refused(&"a".repeat(257), "subject is 257 bytes long");
        refused(&vec!["a"; 33].join("."), "subject has more than 32 tokens");
        refused("a..b", "subject \"a..b\" has an empty token");
        refused(".a", "subject \".a\" has an empty token");
        refused("a.", "subject \"a.\" has an empty token");
        refused("a.b c", "subject \"a.b c\" has ' ' at byte 3");
        refused("a.b\r\nc", "subject \"a.b\\r\\nc\" has '\\r' at byte 3");
        refused("ra*es.x", "subject \"ra*es.x\" has '*' at byte 2");
        refused("räte", "subject \"räte\" has 'ä' at byte 1");
        refused("$SYS.x", "subject \"$SYS.x\" begins with $");
        let wild = Subject::parse("a.*").unwrap_err().to_string();
        assert!(wild.contains("has '*' at byte 2"), "{wild}");
        for text in ["a.>.b", ">.b", ">.>"] {
            let rest = SubjectPattern::parse(text).unwrap_err().to_string();
            assert!(rest.contains("has > before its end"), "{rest}");
        }
    }
}
