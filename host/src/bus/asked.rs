//! What a reader of events asks for by the query of its request.

use crate::subject::{SubjectError, SubjectPattern};

/// A query, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventQuery {
    /// What to hear; at least one.
    pub(crate) subjects: Vec<SubjectPattern>,
    /// Everything else, for whoever knows it.
    pub(crate) rest: Vec<(String, String)>,
}

/// Why a query asks for nothing that can be heard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventQueryError {
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("say what to hear: ?subject=rates.*, or > for everything")]
    Nothing,
    #[error("at most {SUBJECTS_MAX} subjects are heard at once")]
    TooMany,
}

/// Patterns that one reader may name.
pub(crate) const SUBJECTS_MAX: usize = 64;

impl EventQuery {
    /// Reads what follows the question mark: `subject`, once or more.
    pub(crate) fn read(query: &str) -> Result<Self, EventQueryError> {
        let (mut subjects, mut rest) = (Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name == "subject" {
                subjects.push(SubjectPattern::parse(&value)?);
            } else {
                rest.push((name.into_owned(), value.into_owned()));
            }
        }
        match subjects.len() {
            0 => Err(EventQueryError::Nothing),
            count if SUBJECTS_MAX < count => Err(EventQueryError::TooMany),
            _ => Ok(Self { subjects, rest }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_told_from_the_rest() {
        let read = EventQuery::read("subject=rates.%3E&namespace=shop&subject=a").unwrap();
        let subjects: Vec<String> = read.subjects.iter().map(ToString::to_string).collect();
        assert_eq!(subjects, ["rates.>", "a"]);
        assert_eq!(read.rest, [("namespace".to_owned(), "shop".to_owned())]);
        assert_eq!(EventQuery::read("x=1"), Err(EventQueryError::Nothing));
        let many = "subject=a&".repeat(SUBJECTS_MAX + 1);
        assert_eq!(EventQuery::read(&many), Err(EventQueryError::TooMany));
        assert!(matches!(EventQuery::read("subject=a..b"), Err(EventQueryError::Subject(_))));
    }
}
