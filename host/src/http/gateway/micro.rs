//! Answers in the shape that Micro's clients read: the reply of the method, or an
//! error with `id`, `code`, `detail` and `status`.

use crate::call::{Answer, RequestId};
use crate::fault::Fault;
use crate::gate::Permit;
use crate::http::respond::{self, Respond};
use crate::payload::Content;
use crate::travel::FAULT;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

/// Who tells of an error, in Micro's words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Teller {
    Rpc,
    Api,
}

/// Bytes of an answer that tells of an error.
const ERROR_BYTES_MAX: usize = 64 << 10;

impl Teller {
    fn id(self) -> &'static str {
        match self {
            Self::Rpc => "go.micro.rpc",
            Self::Api => "go.micro.api",
        }
    }

    /// The answer to a call.
    pub(super) async fn tell(
        self,
        outcome: Result<Answer, Fault>,
        verb: &Method,
        request_id: &RequestId,
        permit: Permit,
    ) -> Response<Respond> {
        match outcome {
            Ok(answer) if answer.status.as_u16() < 400 => {
                respond::answer_of(answer, verb, request_id, permit)
            }
            Ok(answer) => self.failure(answer, request_id).await,
            Err(fault) => self.fault(&fault, request_id),
        }
    }

    /// A fault, with the same headers as everywhere.
    pub(super) fn fault(self, fault: &Fault, request_id: &RequestId) -> Response<Respond> {
        let response = respond::fault_of(fault, request_id);
        let error = self.error(response.status(), &fault.to_string());
        response.map(|_| Respond::bytes(error.to_string()))
    }

    /// An answer that is none of success.
    async fn failure(self, answer: Answer, request_id: &RequestId) -> Response<Respond> {
        let Answer { status, headers, body } = answer;
        let bytes = match body.whole(ERROR_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(fault) => return self.fault(&fault, request_id),
        };
        let content = Content::of_answer(headers.get(CONTENT_TYPE), &bytes).into_value();
        let mut response = respond::json(status, &self.error(status, &detail(&content)));
        for name in [FAULT, RETRY_AFTER] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        respond::name(&mut response, request_id);
        response
    }

    fn error(self, status: StatusCode, detail: &str) -> Value {
        json!({
            "id": self.id(),
            "code": status.as_u16(),
            "detail": detail,
            "status": status.canonical_reason().unwrap_or_default(),
        })
    }
}

/// What an answer says of its failure.
fn detail(content: &Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => match other.get("error").and_then(Value::as_str) {
            Some(error) => error.to_owned(),
            None => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_is_what_the_answer_says() {
        assert_eq!(detail(&json!({"error": "no", "code": 404})), "no");
        assert_eq!(detail(&json!("plain")), "plain");
        assert_eq!(detail(&json!({"a": 1})), "{\"a\":1}");
        assert_eq!(detail(&Value::Null), "");
    }
}
