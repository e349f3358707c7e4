//! What a handler may take as an argument.

use std::future::ready;

use serde::de::DeserializeOwned;

use crate::{Context, Cookies, Fault, Headers, Request, text};

/// What a handler may take as an argument.
///
/// | type | is |
/// |---|---|
/// | [`Path<T>`](Path) | the parameters of the pattern |
/// | [`Query<T>`](Query) | the query string |
/// | [`Json<T>`](crate::Json), [`Form<T>`](crate::Form), [`Text`](crate::Text), [`Bytes`](crate::Bytes) | the whole body |
/// | `MsgPack<T>`, `Protobuf<T>` | the same, with the features `msgpack` and `protobuf` |
/// | [`Body`](crate::Body) | the body as it arrives |
/// | [`Headers`], [`Cookies`] | of the request |
/// | [`Context`] | request id, trace, deadline, caller, properties |
/// | [`Socket`](crate::Socket) | the socket that the call came by |
/// | [`SocketEvent`](crate::SocketEvent) | what has happened there, for `#[websocket]` |
/// | [`Request`] | all of it |
/// | `Option<T>`, `Result<T, Fault>` | `T`, or that it could not be had |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "not made from a request",
    note = "take `Path<_>`, `Query<_>`, `Json<_>`, `Form<_>`, `Text`, `Bytes`, `Body`, `Headers`, `Cookies`, `Context` or `Request`",
    note = "what is inside of `Path`, `Query`, `Json` and `Form` must implement `serde::Deserialize` and own its data"
)]
pub trait FromRequest: Sized {
    /// Whether it takes the body, which one argument of a handler can.
    const TAKES_BODY: bool = false;

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// The fault to answer instead of calling the handler.
    fn from_request(request: &mut Request) -> impl Future<Output = Result<Self, Fault>>;
}

/// The parameters of the pattern.
///
/// A tuple or a list takes them in the order of the pattern, a struct or a map
/// by name, anything else is the first one. One that does not parse is the
/// fault `bad-parameter` (400), which names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// The query string, as a struct or a map.
///
/// Fields may be numbers, booleans, texts, enums without data, `Option`s of
/// them, and `Vec`s for names that repeat. One that is missing or does not parse
/// is the fault `bad-parameter` (400), which names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Path<T> {
    fn from_request(request: &mut Request) -> impl Future<Output = Result<Self, Fault>> {
        ready(match text::read_params(request.names, request.head.param_bytes()) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Fault::bad_parameter("path", &error)),
        })
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    fn from_request(request: &mut Request) -> impl Future<Output = Result<Self, Fault>> {
        ready(match text::read_pairs(&text::decode(request.query())) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Fault::bad_parameter("query", &error)),
        })
    }
}

impl FromRequest for Headers {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(request.headers())
    }
}

impl FromRequest for Cookies {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(Self::of(&request.headers()))
    }
}

impl FromRequest for Context {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(request.context())
    }
}

impl FromRequest for Request {
    const TAKES_BODY: bool = true;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(request.take())
    }
}

impl<T: FromRequest> FromRequest for Option<T> {
    const TAKES_BODY: bool = T::TAKES_BODY;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(T::from_request(request).await.ok())
    }
}

impl<T: FromRequest> FromRequest for Result<T, Fault> {
    const TAKES_BODY: bool = T::TAKES_BODY;

    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        Ok(T::from_request(request).await)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::testing::{block_on, request};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair {
        b: i8,
        a: i8,
    }

    #[test]
    fn a_struct_takes_parameters_by_name_and_a_tuple_by_position() {
        let mut request = request("GET", "/").param("a", "1").param("b", "2").build();
        assert_eq!(block_on(Path::from_request(&mut request)), Ok(Path(Pair { b: 2, a: 1 })));
        assert_eq!(block_on(Path::from_request(&mut request)), Ok(Path((1u8, 2u8))));
        assert_eq!(request.param("b"), Some("2"));
    }

    #[test]
    fn a_bad_parameter_says_which_one() {
        let mut request = request("GET", "/?a=1&b=many").param("a", "x").build();
        let path = block_on(Path::<u8>::from_request(&mut request)).unwrap_err();
        assert_eq!((path.status(), path.name()), (400, "bad-parameter"));
        assert_eq!(path.message(), "path parameter `a`: `x` is not a whole number from 0 to 255");
        let query = block_on(Query::<Pair>::from_request(&mut request)).unwrap_err();
        assert_eq!(
            query.message(),
            "query parameter `b`: `many` is not a whole number from -128 to 127"
        );
    }

    #[test]
    fn an_option_is_none_where_the_argument_fails() {
        let mut request = request("GET", "/?a=x").build();
        assert_eq!(block_on(Option::<Query<Pair>>::from_request(&mut request)), Ok(None));
    }
}
