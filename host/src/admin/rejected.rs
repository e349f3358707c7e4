//! What the framework rejects before a handler sees it, in the words of the
//! admin side: it answers plain text, and its clients read JSON.

use super::Refused;
use ::http::StatusCode;
use ::http::header::CONTENT_TYPE;
use axum::body::to_bytes;
use axum::response::{IntoResponse, Response};

/// Marks an answer of somebody else, which stays as it is.
#[derive(Clone, Copy)]
pub(super) struct PassedOn;

/// Of a rejection.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// Gives a rejection the form of a refusal.
pub(super) async fn as_refused(response: Response) -> Response {
    let is_text = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/plain"));
    let is_passed_on = response.extensions().get::<PassedOn>().is_some();
    if !response.status().is_client_error() || !is_text || is_passed_on {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    let name = match head.status {
        StatusCode::PAYLOAD_TOO_LARGE => "body-too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
        _ => "bad-request",
    };
    Refused::new(head.status, name, String::from_utf8_lossy(&text)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_rejection_becomes_json_with_its_status() {
        let rejection = (StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded").into_response();
        let expected = r#"{"error":"length limit exceeded","code":413,"fault":"body-too-large"}"#;
        assert_eq!(read(as_refused(rejection).await).await, (413, expected.to_owned()));
    }

    #[tokio::test]
    async fn answers_of_others_stay_as_they_are() {
        let mut answer = (StatusCode::NOT_FOUND, "gone fishing").into_response();
        answer.extensions_mut().insert(PassedOn);
        assert_eq!(read(as_refused(answer).await).await, (404, "gone fishing".to_owned()));
        let fine = "not ready\n".into_response();
        assert_eq!(read(as_refused(fine).await).await, (200, "not ready\n".to_owned()));
    }
}
