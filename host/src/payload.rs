//! What bytes with a content type are, for those who are told in JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

/// What a body or a payload holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Json(Value),
    Text(String),
    Binary(Bytes),
}

impl Content {
    /// Reads bytes. They are JSON when they say so and are, or when they say
    /// nothing and are; otherwise text when they are UTF-8.
    pub(crate) fn read(content_type: Option<&HeaderValue>, bytes: &Bytes) -> Self {
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let may_be_json = content_type.is_none_or(is_json);
        if may_be_json && let Ok(value) = serde_json::from_slice(bytes) {
            return Self::Json(value);
        }
        match str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Binary(bytes.clone()),
        }
    }

    /// The body of an answer: one that is empty is null.
    pub(crate) fn of_answer(content_type: Option<&HeaderValue>, bytes: &Bytes) -> Self {
        if bytes.is_empty() { Self::Json(Value::Null) } else { Self::read(content_type, bytes) }
    }

    /// A text as JSON, and what is none as a text.
    pub(crate) fn of_text(text: &str) -> Self {
        serde_json::from_str(text).map_or_else(|_| Self::Text(text.to_owned()), Self::Json)
    }

    /// As one value of JSON; bytes are an object with the member `base64`.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Json(value) => value,
            Self::Text(text) => Value::String(text),
            Self::Binary(bytes) => json!({ "base64": STANDARD.encode(bytes) }),
        }
    }
}

/// A content type without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// `application/json`, or anything of the suffix `+json`.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.eq_ignore_ascii_case("application/json")
        || essence.to_ascii_lowercase().ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(content_type: Option<&'static str>, bytes: &'static [u8], expected: &Content) {
        let content_type = content_type.map(HeaderValue::from_static);
        let seen = Content::read(content_type.as_ref(), &Bytes::from_static(bytes));
        assert_eq!(seen, *expected);
    }

    #[test]
    fn bytes_are_what_they_say_and_are() {
        let one = Content::Json(json!({"a": 1}));
        check(Some("application/json; charset=utf-8"), b"{\"a\":1}", &one);
        check(Some("application/Problem+json"), b"{\"a\":1}", &one);
        check(None, b"{\"a\":1}", &one);
        check(Some("text/plain"), b"42", &Content::Text("42".into()));
        check(Some("application/json"), b"{", &Content::Text("{".into()));
        check(None, b"hello", &Content::Text("hello".into()));
        check(None, b"", &Content::Text(String::new()));
        check(Some("image/png"), b"\xff\x00", &Content::Binary(Bytes::from_static(b"\xff\x00")));
        let empty = Content::of_answer(None, &Bytes::new());
        assert_eq!(empty, Content::Json(Value::Null));
    }

    #[test]
    fn everything_has_a_place_in_json() {
        let value = |content: Content| content.into_value().to_string();
        assert_eq!(value(Content::of_text("[1]")), "[1]");
        assert_eq!(value(Content::of_text("hi")), "\"hi\"");
        assert_eq!(value(Content::Binary(Bytes::from_static(b"\xff"))), r#"{"base64":"/w=="}"#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Content::read(None, &bytes.into()).into_value();
        }
    }
}
