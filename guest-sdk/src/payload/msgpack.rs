//! MessagePack bodies (<https://msgpack.org>).

use std::ops::{Deref, DerefMut};

use serde::{Serialize, de::DeserializeOwned};

use super::check_type;
use crate::{Call, ClientResponse, Fault, FromRequest, IntoResponse, Request, Response};

/// MessagePack; with the feature `msgpack`.
///
/// Structs are written as maps, and read from maps and arrays. As an argument it
/// reads the body; a content type other than `application/msgpack`,
/// `application/vnd.msgpack` or `application/x-msgpack` is the fault
/// `unsupported-media-type` (415), an absent one is fine, bytes that are not the
/// MessagePack that was expected are `bad-msgpack` (400).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgPack<T>(pub T);

const TYPES: [&str; 3] =
    ["application/msgpack", "application/vnd.msgpack", "application/x-msgpack"];

impl<T> Deref for MsgPack<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for MsgPack<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: DeserializeOwned> FromRequest for MsgPack<T> {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        check_type(request, &TYPES)?;
        let body = request.take_body().collect().await?;
        match rmp_serde::from_slice(&body) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Fault::new(400, "bad-msgpack", error.to_string())),
        }
    }
}

impl<T: Serialize> IntoResponse for MsgPack<T> {
    fn into_response(self) -> Result<Response, Fault> {
        match rmp_serde::to_vec_named(&self.0) {
            Ok(bytes) => Ok(Response::new("application/msgpack", bytes)),
            Err(error) => Err(Fault::internal(error.to_string())),
        }
    }
}

impl Call {
    /// A MessagePack body; with the feature `msgpack`.
    pub fn msgpack(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        match rmp_serde::to_vec_named(data) {
            Ok(bytes) => self.typed("application/msgpack", bytes),
            Err(error) => {
                self.refuse(Fault::internal(format!("the data: {error}")));
                self
            }
        }
    }
}

impl ClientResponse {
    /// Reads the body as MessagePack; with the feature `msgpack`.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); `bad-upstream` (502) when the body is not
    /// the MessagePack that was expected; the fault with which it was broken
    /// off.
    pub async fn msgpack<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let body = self.bytes().await?;
        rmp_serde::from_slice(&body).map_err(|error| Fault::bad_upstream(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{
        client,
        testing::{answer, block_on, request},
    };

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: i8,
        y: i8,
    }

    #[test]
    fn maps_and_arrays_of_any_known_type_are_read() {
        let map = b"\x82\xa1x\x01\xa1y\xff".as_slice();
        for (body, content_type) in [(map, "Application/MsgPack; v=1"), (b"\x92\x01\xff", TYPES[2])]
        {
            let typed = request("POST", "/").header("content-type", content_type);
            let mut request = typed.body(body.to_vec()).build();
            let point = block_on(MsgPack::from_request(&mut request));
            assert_eq!(point, Ok(MsgPack(Point { x: 1, y: -1 })));
        }
        let response = MsgPack(Point { x: 1, y: -1 }).into_response().unwrap();
        assert_eq!(response.headers.get("content-type"), Some("application/msgpack"));
        assert_eq!(block_on(response.body.collect()), Ok(map.to_vec()));
    }

    #[test]
    fn another_type_and_bad_bytes_are_told_apart() {
        let typed = request("POST", "/").header("content-type", "application/json").body("[]");
        let fault = block_on(MsgPack::<Point>::from_request(&mut typed.build())).unwrap_err();
        assert_eq!(
            (fault.status(), fault.message()),
            (415, "the body must be application/msgpack")
        );
        let broken = request("POST", "/").body("\u{1}");
        let fault = block_on(MsgPack::<Point>::from_request(&mut broken.build())).unwrap_err();
        assert_eq!((fault.status(), fault.name()), (400, "bad-msgpack"));
    }

    #[test]
    fn calls_send_and_read_it() {
        answer("packed", "flip", |call| {
            assert_eq!(call.headers.get("content-type"), Some("application/msgpack"));
            let Point { x, y } = rmp_serde::from_slice(&call.body).unwrap();
            MsgPack(Point { x: y, y: x })
        });
        answer("packed", "broken", |_| "text");
        let flip = client("packed").method("flip").msgpack(&Point { x: 1, y: 2 });
        let flipped = block_on(async { flip.send().await?.msgpack().await });
        assert_eq!(flipped, Ok(Point { x: 2, y: 1 }));
        let broken = client("packed").method("broken");
        let fault = block_on(async { broken.send().await?.msgpack::<Point>().await });
        assert_eq!(fault.unwrap_err().name(), "bad-upstream");
    }
}
