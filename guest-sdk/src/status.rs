//! HTTP statuses.

/// An HTTP status of a response, 200 to 599.
///
/// Alone it is a response without a body; before another response it replaces
/// the status of that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

macro_rules! statuses {
    ($($name:ident $status:literal;)*) => {$(
        #[doc = concat!("Status ", $status, ".")]
        pub const $name: Self = Self($status);
    )*};
}

impl StatusCode {
    statuses! {
        OK 200;
        CREATED 201;
        ACCEPTED 202;
        NO_CONTENT 204;
        PARTIAL_CONTENT 206;
        MOVED_PERMANENTLY 301;
        FOUND 302;
        SEE_OTHER 303;
        NOT_MODIFIED 304;
        TEMPORARY_REDIRECT 307;
        PERMANENT_REDIRECT 308;
        BAD_REQUEST 400;
        UNAUTHORIZED 401;
        FORBIDDEN 403;
        NOT_FOUND 404;
        CONFLICT 409;
        GONE 410;
        PRECONDITION_FAILED 412;
        UNPROCESSABLE_ENTITY 422;
        TOO_MANY_REQUESTS 429;
        INTERNAL_SERVER_ERROR 500;
        NOT_IMPLEMENTED 501;
        BAD_GATEWAY 502;
        SERVICE_UNAVAILABLE 503;
        GATEWAY_TIMEOUT 504;
    }

    /// A status by number; anything outside of 200 to 599 becomes 500.
    pub const fn new(status: u16) -> Self {
        match status {
            200..=599 => Self(status),
            _ => Self(500),
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether it is 200 to 299.
    pub const fn is_success(self) -> bool {
        self.0 < 300
    }
}

impl PartialEq<u16> for StatusCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}
