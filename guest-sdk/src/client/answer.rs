//! The answer of a call.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{Body, Fault, Headers, IntoResponse, Response, StatusCode, json, text};

/// The answer of another service. Returned from a handler it is passed on.
#[derive(Debug)]
pub struct ClientResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: Headers,
    /// The body, as it arrives.
    pub body: Body,
}

impl ClientResponse {
    /// The answer itself when its status is 200 to 299.
    ///
    /// # Errors
    ///
    /// The fault that the body tells, `{"error", "code", "fault"}`, else one
    /// named `bad-upstream` with the status of the answer, or 502 when that is
    /// no status of a fault.
    pub async fn success(self) -> Result<Self, Fault> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = match self.status.as_u16() {
            status @ 400.. => status,
            _ => 502,
        };
        let told = json::from_slice::<Told>(&self.body.collect().await?);
        Err(match told {
            Ok(told) => Fault::new(told.code.unwrap_or(status), told.fault, told.error),
            Err(_) => Fault::new(status, "bad-upstream", "the called service did not succeed"),
        })
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); `bad-upstream` (502) when the body is not
    /// the JSON that was expected; the fault with which it was broken off.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let body = self.bytes().await?;
        json::from_slice(&body).map_err(|error| Fault::bad_upstream(error.into_text()))
    }

    /// Reads the body as a form.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); `bad-upstream` (502) when the body is not
    /// the form that was expected; the fault with which it was broken off.
    pub async fn form<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let body = self.text().await?;
        text::read_pairs(&text::decode(&body))
            .map_err(|error| Fault::bad_upstream(error.to_string()))
    }

    /// Reads the body as text.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); `bad-upstream` (502) when the body is not
    /// UTF-8; the fault with which it was broken off.
    pub async fn text(self) -> Result<String, Fault> {
        String::from_utf8(self.bytes().await?)
            .map_err(|_| Fault::bad_upstream("the answer is not UTF-8"))
    }

    /// Reads the bytes of the body.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); the fault with which the body was broken
    /// off.
    pub async fn bytes(self) -> Result<Vec<u8>, Fault> {
        self.success().await?.body.collect().await
    }
}

impl IntoResponse for ClientResponse {
    fn into_response(self) -> Result<Response, Fault> {
        Ok(Response { status: self.status, headers: self.headers, body: self.body })
    }
}

/// A fault as hosts write it into a body.
#[derive(Deserialize)]
struct Told {
    error: String,
    code: Option<u16>,
    fault: String,
}
