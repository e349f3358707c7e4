//! Paths of requests: judged once, before routing.
//!
//! Matching is on the raw path; a captured segment is percent-decoded once,
//! afterwards, so that `%2F` stays inside its parameter.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;

/// What a path segment shows as itself (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a path is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("path has a percent sign without two hexadecimal digits after it")]
    BadEscape,
    #[error("path has a segment of dots")]
    DotSegment,
    #[error("path has a NUL byte")]
    Nul,
    #[error("path has a backslash")]
    Backslash,
    #[error("path has a parameter that is not UTF-8")]
    NotUtf8,
}

/// Judges a raw path. The common case has nothing to judge.
pub(crate) fn check(path: &str) -> Result<(), PathError> {
    if !path.bytes().any(|byte| matches!(byte, b'%' | b'\\' | b'.')) {
        return Ok(());
    }
    for segment in path.split('/') {
        check_segment(segment)?;
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    let mut rest = segment.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        rest = match rest.get(at + 1..) {
            Some([a, b, after @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => after,
            _ => return Err(PathError::BadEscape),
        };
    }
    let decoded: Vec<u8> = percent_decode_str(segment).collect();
    if decoded.contains(&0) {
        return Err(PathError::Nul);
    }
    if decoded.contains(&b'\\') {
        return Err(PathError::Backslash);
    }
    // A parameter may hold an encoded slash; what lies between two of them
    // must not climb either.
    if decoded.split(|byte| *byte == b'/').any(|part| part == b"." || part == b"..") {
        return Err(PathError::DotSegment);
    }
    Ok(())
}

/// Decodes one captured segment.
pub(crate) fn decode(segment: &str) -> Result<Cow<'_, str>, PathError> {
    percent_decode_str(segment).decode_utf8().map_err(|_| PathError::NotUtf8)
}

/// Encodes a text so that it is one segment of a path or one half of a query
/// pair.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(path: &str, error: PathError) {
        assert_eq!(check(path), Err(error), "checking {path}");
    }

    #[test]
    fn ordinary_paths_pass() {
        for path in ["/", "/api/add/40/2", "/a%20b", "/a%2Fb", "//a//", "/a.b", "/...", "/..a"] {
            assert_eq!(check(path), Ok(()), "checking {path}");
        }
    }

    #[test]
    fn climbing_and_hiding_is_refused() {
        for path in ["/a/../b", "/a/%2e%2E/b", "/./a", "/a/.%2e", "/x/a%2f..%2fb", "/%2e"] {
            refused(path, PathError::DotSegment);
        }
        refused("/a%00", PathError::Nul);
        refused("/a\\b", PathError::Backslash);
        refused("/a%5cb", PathError::Backslash);
        for path in ["/a%", "/a%2", "/a%zz", "/%%41"] {
            refused(path, PathError::BadEscape);
        }
    }

    #[test]
    fn a_segment_is_decoded_once() {
        assert_eq!(decode("a%2Fb%2520"), Ok("a/b%20".into()));
        assert_eq!(decode("%ff"), Err(PathError::NotUtf8));
        assert_eq!(decode(&encode("a/b ü%")), Ok("a/b ü%".into()));
    }
}
