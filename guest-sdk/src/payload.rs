//! What a body may hold, in both directions: JSON, forms, text and bytes, and
//! behind features of the SDK MessagePack and Protocol Buffers.

#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(feature = "protobuf")]
mod protobuf;

use std::ops::{Deref, DerefMut};

use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "msgpack")]
pub use self::msgpack::MsgPack;
#[cfg(feature = "protobuf")]
pub use self::protobuf::Protobuf;

use crate::{Body, Fault, FromRequest, IntoResponse, Request, Response, json, text};

/// JSON.
///
/// As an argument it reads the body; a content type other than JSON is the
/// fault `unsupported-media-type` (415), an absent one is fine, text that is
/// not the JSON that was expected is `bad-json` (400) with line and column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// `application/x-www-form-urlencoded`.
///
/// As an argument it reads the body; another content type is the fault
/// `unsupported-media-type` (415), an absent one is fine, a field that is
/// missing or does not parse is `bad-parameter` (400) and named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

/// Plain text in UTF-8.
///
/// As an argument it reads the body, of whatever content type; a body that is
/// not UTF-8 is the fault `bad-text` (400).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

/// HTML in UTF-8: `Html("<p>")` or `Html(string)`.
///
/// `Html<String>` as an argument reads the body as [`Text`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Html<T>(pub T);

/// Bytes of any kind. As an argument it reads the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

macro_rules! transparent {
    ($($name:ident<$($generic:ident)?> $target:ty;)*) => {$(
        impl$(<$generic>)? Deref for $name$(<$generic>)? {
            type Target = $target;

            fn deref(&self) -> &$target {
                &self.0
            }
        }

        impl$(<$generic>)? DerefMut for $name$(<$generic>)? {
            fn deref_mut(&mut self) -> &mut $target {
                &mut self.0
            }
        }
    )*};
}

transparent! {
    Json<T> T;
    Form<T> T;
    Html<T> T;
    Text<> String;
    Bytes<> Vec<u8>;
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        if !request.header("content-type").is_none_or(is_json) {
            return Err(Fault::unsupported_media_type("the body must be application/json"));
        }
        let body = request.take_body().collect().await?;
        match json::from_slice(&body) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Fault::new(400, "bad-json", error.into_text())),
        }
    }
}

impl<T: DeserializeOwned> FromRequest for Form<T> {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let given = request.header("content-type").map(essence);
        if !given.is_none_or(|given| given.eq_ignore_ascii_case(FORM)) {
            let message = "the body must be application/x-www-form-urlencoded";
            return Err(Fault::unsupported_media_type(message));
        }
        let body = read_text(request).await?;
        match text::read_pairs(&text::decode(&body)) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Fault::bad_parameter("form", &error)),
        }
    }
}

impl FromRequest for Text {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(Self(read_text(request).await?))
    }
}

impl FromRequest for Html<String> {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(Self(read_text(request).await?))
    }
}

impl FromRequest for Bytes {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(Self(request.take_body().collect().await?))
    }
}

impl FromRequest for Body {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(request.take_body())
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Result<Response, Fault> {
        match json::to_vec(&self.0) {
            Ok(json) => Ok(Response::new("application/json", json)),
            Err(error) => Err(Fault::internal(error.into_text())),
        }
    }
}

impl<T: Serialize> IntoResponse for Form<T> {
    fn into_response(self) -> Result<Response, Fault> {
        match text::write_pairs(&self.0) {
            Ok(pairs) => {
                let form = text::encode(pairs.iter());
                Ok(Response::new("application/x-www-form-urlencoded", form))
            }
            Err(error) => Err(Fault::internal(error.to_string())),
        }
    }
}

macro_rules! answers {
    ($($type:ty, $self:ident => $content_type:literal $body:expr;)*) => {$(
        impl IntoResponse for $type {
            fn into_response($self) -> Result<Response, Fault> {
                Ok(Response::new($content_type, $body))
            }
        }
    )*};
}

answers! {
    Text, self => "text/plain; charset=utf-8" self.0;
    String, self => "text/plain; charset=utf-8" self;
    &'static str, self => "text/plain; charset=utf-8" self;
    Bytes, self => "application/octet-stream" self.0;
    Vec<u8>, self => "application/octet-stream" self;
}

impl<T: Into<String>> IntoResponse for Html<T> {
    fn into_response(self) -> Result<Response, Fault> {
        Ok(Response::new("text/html; charset=utf-8", self.0.into()))
    }
}

async fn read_text(request: &mut Request) -> Result<String, Fault> {
    let body = request.take_body().collect().await?;
    String::from_utf8(body).map_err(|_| Fault::new(400, "bad-text", "the body is not UTF-8"))
}

/// A content type without its parameters.
fn essence(content_type: &str) -> &str {
    let end = content_type.bytes().position(|byte| byte == b';').unwrap_or(content_type.len());
    content_type.get(..end).unwrap_or_default().trim_ascii()
}

/// Refuses another content type than these; none is fine. The first is what
/// the fault asks for.
#[cfg(any(feature = "msgpack", feature = "protobuf"))]
fn check_type(request: &Request, known: &[&str]) -> Result<(), Fault> {
    let given = request.header("content-type").map(essence);
    if given.is_none_or(|given| known.iter().any(|known| given.eq_ignore_ascii_case(known))) {
        return Ok(());
    }
    let wanted = known.first().copied().unwrap_or_default();
    Err(Fault::unsupported_media_type(["the body must be ", wanted].concat()))
}

fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.eq_ignore_ascii_case("application/json")
        || essence
            .get(essence.len().saturating_sub(5)..)
            .is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::{block_on, request};

    #[test]
    fn json_of_any_json_type_or_none_is_read() {
        for content_type in ["application/json", "Application/JSON; charset=utf-8", "a/b+json"] {
            let mut request =
                request("POST", "/").header("content-type", content_type).body("[1]").build();
            assert_eq!(block_on(Json::from_request(&mut request)), Ok(Json([1])));
        }
        let mut request = request("POST", "/").body("[1]").build();
        assert_eq!(block_on(Json::from_request(&mut request)), Ok(Json([1])));
    }

    #[test]
    fn another_type_and_bad_json_are_told_apart() {
        let typed = request("POST", "/").header("content-type", "text/plain").body("[1]");
        let fault = block_on(Json::<[u8; 1]>::from_request(&mut typed.build())).unwrap_err();
        assert_eq!((fault.status(), fault.name()), (415, "unsupported-media-type"));

        let broken = request("POST", "/").body("[1,\n}");
        let fault = block_on(Json::<[u8; 1]>::from_request(&mut broken.build())).unwrap_err();
        assert_eq!((fault.status(), fault.name()), (400, "bad-json"));
        assert!(fault.message().contains("line 2 column 1"), "{fault}");
    }

    #[test]
    fn forms_are_read_and_written() {
        type Fields = BTreeMap<String, u8>;
        let mut request = request("POST", "/").body("a=1&b=2").build();
        let Form(fields) = block_on(Form::<Fields>::from_request(&mut request)).unwrap();
        let response = Form(fields).into_response().unwrap();
        assert_eq!(block_on(response.body.collect()), Ok(b"a=1&b=2".to_vec()));
    }

    #[test]
    fn text_must_be_utf_8() {
        let mut request = request("POST", "/").body(vec![0xff]).build();
        assert_eq!(block_on(Text::from_request(&mut request)).unwrap_err().name(), "bad-text");
    }
}
