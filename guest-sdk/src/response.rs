//! Responses, and what handlers may return instead of them.

use crate::{Body, Cookies, Fault, Headers, StatusCode};

/// What a method answers.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers. `content-length`, `date` and those of the connection are
    /// the host's; given ones are dropped.
    pub headers: Headers,
    /// The body.
    pub body: Body,
}

impl Response {
    /// Status 200 with a body of a content type.
    pub fn new(content_type: &'static str, body: impl Into<Body>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Headers::of("content-type", content_type),
            body: body.into(),
        }
    }
}

/// What a handler may return.
///
/// | type | answer |
/// |---|---|
/// | `()` | 204 without a body |
/// | [`StatusCode`] | that status without a body |
/// | [`Json`](crate::Json), [`Form`](crate::Form), [`Html`](crate::Html), [`Text`](crate::Text), `String`, `&'static str` | 200 with its content type |
/// | `MsgPack<T>`, `Protobuf<T>` | the same, with the features `msgpack` and `protobuf` |
/// | [`Bytes`](crate::Bytes), `Vec<u8>` | 200, `application/octet-stream` |
/// | [`Body`] | 200 and no content type |
/// | [`Sse`](crate::Sse) | 200 and events as they happen |
/// | `Option<T>` | `T`, or the fault `not-found` of status 404 |
/// | `Result<T, E>` where `E: Into<Fault>` | `T`, or the fault |
/// | `(part, T)`, `(part, part, T)`, and with three | `T`, changed by its [parts](ResponsePart) |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a method",
    label = "no answer",
    note = "return `Json<_>`, `Text`, `String`, `Html<_>`, `Bytes`, `StatusCode`, `Body`, `Sse`, `Response`, `()`, an `Option` or `Result<_, Fault>` of one of them, or `(StatusCode, _)`",
    note = "data goes into `Json(…)` and must implement `serde::Serialize`"
)]
pub trait IntoResponse {
    /// Makes the response.
    ///
    /// # Errors
    ///
    /// The fault to answer instead.
    fn into_response(self) -> Result<Response, Fault>;
}

/// What may stand before a response and changes its head.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand before an answer",
    label = "neither status, headers nor cookies",
    note = "write `(StatusCode, T)`, `(Headers, T)`, `(Cookies, T)`, or several of them before `T`"
)]
pub trait ResponsePart {
    /// Changes the response.
    ///
    /// # Errors
    ///
    /// The fault to answer instead.
    fn apply(self, response: &mut Response) -> Result<(), Fault>;
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response, Fault> {
        Ok(self)
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Result<Response, Fault> {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Result<Response, Fault> {
        Ok(Response { status: self, headers: Headers::new(), body: Body::empty() })
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Result<Response, Fault> {
        Ok(Response { status: StatusCode::OK, headers: Headers::new(), body: self })
    }
}

impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Result<Response, Fault> {
        self.ok_or_else(|| Fault::not_found("not found"))?.into_response()
    }
}

impl<T: IntoResponse, E: Into<Fault>> IntoResponse for Result<T, E> {
    fn into_response(self) -> Result<Response, Fault> {
        self.map_err(Into::into)?.into_response()
    }
}

impl<P: ResponsePart, T: IntoResponse> IntoResponse for (P, T) {
    fn into_response(self) -> Result<Response, Fault> {
        let mut response = self.1.into_response()?;
        self.0.apply(&mut response)?;
        Ok(response)
    }
}

impl<P: ResponsePart, Q: ResponsePart, T: IntoResponse> IntoResponse for (P, Q, T) {
    fn into_response(self) -> Result<Response, Fault> {
        (self.0, (self.1, self.2)).into_response()
    }
}

impl<P, Q, R, T> IntoResponse for (P, Q, R, T)
where
    P: ResponsePart,
    Q: ResponsePart,
    R: ResponsePart,
    T: IntoResponse,
{
    fn into_response(self) -> Result<Response, Fault> {
        (self.0, (self.1, (self.2, self.3))).into_response()
    }
}

impl ResponsePart for StatusCode {
    fn apply(self, response: &mut Response) -> Result<(), Fault> {
        response.status = self;
        Ok(())
    }
}

impl ResponsePart for Headers {
    fn apply(self, response: &mut Response) -> Result<(), Fault> {
        response.headers.replace(&self);
        Ok(())
    }
}

impl ResponsePart for Cookies {
    fn apply(self, response: &mut Response) -> Result<(), Fault> {
        self.changes().try_for_each(|cookie| response.headers.append("set-cookie", cookie))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cookie, Json};

    #[test]
    fn a_status_and_headers_change_what_follows() {
        let headers = Headers::new().with("content-type", "text/csv").unwrap();
        let response = (StatusCode::CREATED, headers, "a,b").into_response().unwrap();
        assert_eq!(response.status, 201);
        assert_eq!(response.headers.get_all("content-type").collect::<Vec<_>>(), ["text/csv"]);
    }

    #[test]
    fn nothing_is_no_content_and_none_is_not_found() {
        assert_eq!(().into_response().unwrap().status, 204);
        assert_eq!(None::<Json<u8>>.into_response().unwrap_err().status(), 404);
        let refused: Result<(), Fault> = Err(Fault::conflict("taken"));
        assert_eq!(refused.into_response().unwrap_err().name(), "conflict");
    }

    #[test]
    fn cookies_are_added_one_header_each() {
        let mut cookies = Cookies::default();
        cookies.set(Cookie::new("a", "1"));
        cookies.set(Cookie::new("b", "2").path("/"));
        let response = (cookies, "ok").into_response().unwrap();
        assert_eq!(
            response.headers.get_all("set-cookie").collect::<Vec<_>>(),
            ["a=1", "b=2; Path=/"]
        );
    }
}
