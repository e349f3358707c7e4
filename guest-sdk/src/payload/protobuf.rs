//! Protocol Buffers bodies (<https://protobuf.dev>).

use std::ops::{Deref, DerefMut};

use prost::Message;

use super::check_type;
use crate::{Call, ClientResponse, Fault, FromRequest, IntoResponse, Request, Response};

/// A message of Protocol Buffers, of a type made by `prost`; with the feature
/// `protobuf`.
///
/// As an argument it reads the body; a content type other than
/// `application/protobuf`, `application/x-protobuf` or
/// `application/vnd.google.protobuf` is the fault `unsupported-media-type`
/// (415), an absent one is fine, bytes that are no such message are
/// `bad-protobuf` (400).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protobuf<T>(pub T);

const TYPES: [&str; 3] =
    ["application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"];

impl<T> Deref for Protobuf<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Protobuf<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Message + Default> FromRequest for Protobuf<T> {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        check_type(request, &TYPES)?;
        let body = request.take_body().collect().await?;
        match T::decode(&*body) {
            Ok(message) => Ok(Self(message)),
            Err(error) => Err(Fault::new(400, "bad-protobuf", error.to_string())),
        }
    }
}

impl<T: Message> IntoResponse for Protobuf<T> {
    fn into_response(self) -> Result<Response, Fault> {
        Ok(Response::new("application/protobuf", self.0.encode_to_vec()))
    }
}

impl Call {
    /// A body of Protocol Buffers; with the feature `protobuf`.
    pub fn protobuf(self, message: &impl Message) -> Self {
        self.typed("application/protobuf", message.encode_to_vec())
    }
}

impl ClientResponse {
    /// Reads the body as a message of Protocol Buffers; with the feature
    /// `protobuf`.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); `bad-upstream` (502) when the body is no
    /// such message; the fault with which it was broken off.
    pub async fn protobuf<T: Message + Default>(self) -> Result<T, Fault> {
        let body = self.bytes().await?;
        T::decode(&*body).map_err(|error| Fault::bad_upstream(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client,
        testing::{answer, block_on, request},
    };

    #[derive(Clone, PartialEq, Message)]
    struct Point {
        #[prost(sint32, tag = "1")]
        x: i32,
        #[prost(string, tag = "2")]
        label: String,
    }

    fn point() -> Point {
        Point { x: -1, label: "a".into() }
    }

    #[test]
    fn messages_of_any_known_type_are_read_and_written() {
        let bytes = b"\x08\x01\x12\x01a";
        for content_type in TYPES {
            let typed = request("POST", "/").header("content-type", content_type);
            let mut request = typed.body(bytes.to_vec()).build();
            assert_eq!(block_on(Protobuf::from_request(&mut request)), Ok(Protobuf(point())));
        }
        let response = Protobuf(point()).into_response().unwrap();
        assert_eq!(response.headers.get("content-type"), Some("application/protobuf"));
        assert_eq!(block_on(response.body.collect()), Ok(bytes.to_vec()));
    }

    #[test]
    fn another_type_and_bad_bytes_are_told_apart() {
        let typed = request("POST", "/").header("content-type", "text/plain").body("a");
        let fault = block_on(Protobuf::<Point>::from_request(&mut typed.build())).unwrap_err();
        assert_eq!(
            (fault.status(), fault.message()),
            (415, "the body must be application/protobuf")
        );
        let broken = request("POST", "/").body("\u{8}");
        let fault = block_on(Protobuf::<Point>::from_request(&mut broken.build())).unwrap_err();
        assert_eq!((fault.status(), fault.name()), (400, "bad-protobuf"));
    }

    #[test]
    fn calls_send_and_read_it() {
        answer("buffered", "same", |call| {
            assert_eq!(call.headers.get("content-type"), Some("application/protobuf"));
            Protobuf(Point::decode(&*call.body).unwrap())
        });
        answer("buffered", "broken", |_| vec![8]);
        let same = client("buffered").method("same").protobuf(&point());
        assert_eq!(block_on(async { same.send().await?.protobuf().await }), Ok(point()));
        let broken = client("buffered").method("broken");
        let fault = block_on(async { broken.send().await?.protobuf::<Point>().await });
        assert_eq!(fault.unwrap_err().name(), "bad-upstream");
    }
}
