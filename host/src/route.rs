//! Routes: verbs, patterns, and the table that finds them.

mod table;

pub(crate) use table::{Captured, Clash, Found, RouteTable};

use http::Method;
use std::fmt;

/// Paths that belong to the host; no module may declare below them.
pub(crate) const RESERVED: [&str; 6] =
    ["/healthcheck", "/rpc", "/services", "/events", "/ws", "/socket.io"];

/// A verb a method answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    /// Every verb there is, `HEAD` and `OPTIONS` included.
    Any,
}

/// A path below a root, with `{name}` for one segment and `{*name}` for the
/// rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Pattern {
    text: String,
    params: Vec<String>,
}

/// Why a text is not a [`Pattern`], a root or a [`Verb`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("pattern {0:?} must be empty or begin with /")]
    NoSlash(String),
    #[error("pattern {0:?} has {1:?}; a segment is plain text, {{name}}, or {{*name}} at the end")]
    BadSegment(String, String),
    #[error("pattern {0:?} has the parameter {1:?} twice")]
    TwiceNamed(String, String),
    #[error("root {0:?} must be empty or begin with /, without a / at its end")]
    BadRoot(String),
    #[error("verb {0:?} is not one of GET, POST, PUT, PATCH, DELETE")]
    BadVerb(String),
}

impl Verb {
    /// Checks a text. `ANY` is every verb.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        Ok(match text {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "ANY" => Self::Any,
            _ => return Err(PatternError::BadVerb(text.to_owned())),
        })
    }

    /// As records and `Allow` write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Any => "ANY",
        }
    }

    /// What a client sends for it.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Get | Self::Any => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

impl Pattern {
    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let Some(below) = text.strip_prefix('/') else {
            if text.is_empty() {
                return Ok(Self { text: String::new(), params: Vec::new() });
            }
            return Err(PatternError::NoSlash(text.to_owned()));
        };
        let mut params = Vec::new();
        let count = below.split('/').count();
        for (index, segment) in below.split('/').enumerate() {
            let Some(name) = parameter(segment, index + 1 == count)
                .map_err(|()| PatternError::BadSegment(text.to_owned(), segment.to_owned()))?
            else {
                continue;
            };
            if params.iter().any(|known| known == name) {
                return Err(PatternError::TwiceNamed(text.to_owned(), name.to_owned()));
            }
            params.push(name.to_owned());
        }
        Ok(Self { text: text.to_owned(), params })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Names of the parameters, in order.
    pub(crate) fn params(&self) -> &[String] {
        &self.params
    }

    /// What stands before the first parameter, without a slash at its end:
    /// the `path` of a record.
    pub(crate) fn fixed(&self) -> &str {
        let end = self.text.find('{').unwrap_or(self.text.len());
        let fixed = self.text.get(..end).unwrap_or_default();
        if self.params.is_empty() { fixed } else { fixed.trim_end_matches('/') }
    }

    /// The path that these parameters make, each encoded to be one segment;
    /// the last one of `{*name}` keeps its slashes.
    pub(crate) fn fill(&self, params: &[String]) -> Result<String, FillError> {
        if params.len() != self.params.len() {
            let want = self.params.len();
            return Err(FillError { pattern: self.text.clone(), want, got: params.len() });
        }
        let mut path = String::with_capacity(self.text.len() + 16);
        let mut params = params.iter();
        for segment in self.text.split('/').skip(1) {
            path.push('/');
            if segment.starts_with("{*") {
                let rest = params.next().map_or("", String::as_str);
                let parts: Vec<String> = rest.split('/').map(crate::path::encode).collect();
                path.push_str(&parts.join("/"));
            } else if segment.starts_with('{') {
                let param = params.next().map_or("", String::as_str);
                path.push_str(&crate::path::encode(param));
            } else {
                path.push_str(segment);
            }
        }
        Ok(path)
    }
}

/// Too many or too few parameters for a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern} takes {want} parameters, {got} were given")]
pub(crate) struct FillError {
    pattern: String,
    want: usize,
    got: usize,
}

fn parameter(segment: &str, is_last: bool) -> Result<Option<&str>, ()> {
    if let Some(inner) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let (name, is_rest) = match inner.strip_prefix('*') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return if is_name && (is_last || !is_rest) { Ok(Some(name)) } else { Err(()) };
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    if segment.bytes().all(is_plain) && segment != "." && segment != ".." {
        Ok(None)
    } else {
        Err(())
    }
}

/// Checks what patterns are appended to.
pub(crate) fn check_root(root: &str) -> Result<(), PatternError> {
    let parsed = Pattern::parse(root);
    match parsed {
        Ok(pattern) if pattern.params().is_empty() && !root.ends_with('/') => Ok(()),
        _ => Err(PatternError::BadRoot(root.to_owned())),
    }
}

/// The reserved path that a pattern would reach into, if any.
pub(crate) fn reserved(full: &str) -> Option<&'static str> {
    let is_below = |path: &str, reserved: &str| {
        path.strip_prefix(reserved).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    RESERVED.into_iter().find(|reserved| is_below(full, reserved))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A path without the names of its parameters: two paths of one shape take the
/// same requests.
pub(crate) fn shape(path: &str) -> String {
    let segment = |segment: &str| match segment {
        rest if rest.starts_with("{*") => "{*}".to_owned(),
        param if param.starts_with('{') => "{}".to_owned(),
        plain => plain.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
