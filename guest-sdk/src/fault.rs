//! Why a call has no response.

use std::{borrow::Cow, convert::Infallible, fmt};

/// Why a call has no response: what the caller gets instead.
///
/// The host renders it as JSON, `{"error": message, "code": status, "fault":
/// name}`. A fault is an answer like any other: the instance lives on.
///
/// ```
/// use picolet_sdk::prelude::*;
///
/// let fault = Fault::not_found("there is no user 7");
/// assert_eq!((fault.status(), fault.name()), (404, "not-found"));
/// ```
// One pointer wide: results that hold none of it are moved all the time.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    status: u16,
    name: Cow<'static, str>,
    message: Cow<'static, str>,
}

macro_rules! constructors {
    ($($constructor:ident $status:literal $name:literal;)*) => {$(
        #[doc = concat!("A fault of status ", $status, " named `", $name, "`.")]
        pub fn $constructor(message: impl Into<Cow<'static, str>>) -> Self {
            Self::new($status, $name, message)
        }
    )*};
}

impl Fault {
    /// Longest name in bytes; what is beyond is cut off.
    pub const NAME_BYTES_MAX: usize = 64;
    /// Longest message in bytes; what is beyond is cut off.
    pub const MESSAGE_BYTES_MAX: usize = 1024;

    /// A fault of any kind.
    ///
    /// `status` is an HTTP status; anything outside of 400 to 599 becomes the
    /// nearer end. `name` is stable and for programs: lower case with hyphens.
    /// `message` is a sentence for people and reaches the caller.
    pub fn new(
        status: u16,
        name: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::bounded(status, name.into(), message.into())
    }

    #[inline(never)]
    fn bounded(status: u16, name: Cow<'static, str>, message: Cow<'static, str>) -> Self {
        Self(Box::new(Parts {
            status: status.clamp(400, 599),
            name: cut(name, Self::NAME_BYTES_MAX),
            message: cut(message, Self::MESSAGE_BYTES_MAX),
        }))
    }

    constructors! {
        bad_request 400 "bad-request";
        unauthorized 401 "unauthorized";
        forbidden 403 "forbidden";
        not_found 404 "not-found";
        conflict 409 "conflict";
        gone 410 "gone";
        too_large 413 "too-large";
        unsupported_media_type 415 "unsupported-media-type";
        unprocessable 422 "unprocessable";
        too_many_requests 429 "too-many-requests";
        internal 500 "internal";
        not_implemented 501 "not-implemented";
        bad_upstream 502 "bad-upstream";
        unavailable 503 "unavailable";
        rejected 503 "rejected";
    }

    /// The HTTP status, 400 to 599.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The stable name, for programs.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn bad_parameter(kind: &str, error: &crate::text::Error) -> Self {
        let message = match &error.name {
            Some(name) => [kind, " parameter `", name, "`: ", &error.reason].concat(),
            None => [kind, " parameters: ", &error.reason].concat(),
        };
        Self::new(400, "bad-parameter", message)
    }

    #[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "only a host hangs up"))]
    pub(crate) fn reader_gone() -> Self {
        Self::new(499, "reader-gone", "the reader of the body is gone")
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (u16, String, String) {
        (self.0.status, self.0.name.into_owned(), self.0.message.into_owned())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("status", &self.status())
            .field("name", &self.name())
            .field("message", &self.message())
            .finish()
    }
}

impl std::error::Error for Fault {}

impl From<Infallible> for Fault {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Status 500, with the message of the error.
impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error.to_string())
    }
}

/// Status 500, with the message of the error.
impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error.to_string())
    }
}

/// Status 500, with the message of the error.
impl From<Box<dyn std::error::Error>> for Fault {
    fn from(error: Box<dyn std::error::Error>) -> Self {
        Self::internal(error.to_string())
    }
}

/// Status 400, since what fails to parse came from the caller.
impl From<std::num::ParseIntError> for Fault {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// Status 400, since what fails to parse came from the caller.
impl From<std::num::ParseFloatError> for Fault {
    fn from(error: std::num::ParseFloatError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// Status 400, since what is not UTF-8 came from the caller.
impl From<std::string::FromUtf8Error> for Fault {
    fn from(error: std::string::FromUtf8Error) -> Self {
        Self::bad_request(error.to_string())
    }
}

fn cut(text: Cow<'static, str>, bytes_max: usize) -> Cow<'static, str> {
    if text.len() <= bytes_max {
        return text;
    }
    let mut text = text.into_owned();
    text.truncate(text.floor_char_boundary(bytes_max));
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_outside_of_faults_becomes_the_nearer_end() {
        assert_eq!(Fault::new(200, "a", "b").status(), 400);
        assert_eq!(Fault::new(418, "a", "b").status(), 418);
        assert_eq!(Fault::new(700, "a", "b").status(), 599);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let fault = Fault::new(400, "n".repeat(100), "é".repeat(600));
        assert_eq!(fault.name().len(), Fault::NAME_BYTES_MAX);
        assert_eq!(fault.message(), "é".repeat(512));
    }
}
