//! JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>): what a request asks
//! for, and what it is told.

use super::rpc::{Arguments, Asked, Unread};
use crate::fault::Fault;
use serde_json::{Map, Value, json};

/// Calls that one batch may have.
const BATCH_MAX: usize = 64;

/// One call.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    /// What its answer is known by; a notification has none and gets no answer.
    pub(crate) id: Option<Value>,
    /// `SERVICE.METHOD` and what it is given.
    pub(crate) asked: Result<(String, Arguments), RpcError>,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    code: i32,
    message: String,
    /// More of it, for programs.
    data: Option<Value>,
}

const UNREADABLE: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const NO_METHOD: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;
const INTERNAL: i32 = -32_603;
/// The service failed, or refused.
const FAILED: i32 = -32_000;
/// Not now; the same call may be made again later.
const BUSY: i32 = -32_001;
/// Its time was over.
const LATE: i32 = -32_002;

impl RpcError {
    /// A text that is no JSON.
    pub(super) fn unreadable(why: &str) -> Self {
        Self::new(UNREADABLE, format!("the body is no JSON: {why}"))
    }

    fn invalid(message: &str) -> Self {
        Self::new(INVALID_REQUEST, message.to_owned())
    }

    fn new(code: i32, message: String) -> Self {
        Self { code, message, data: None }
    }

    /// What a fault is called here.
    pub(crate) fn of(fault: &Fault) -> Self {
        let code = match fault {
            Fault::NoSuchService { .. } | Fault::NoSuchMethod { .. } => NO_METHOD,
            Fault::BadCall { .. } | Fault::BadRequest { .. } => INVALID_PARAMS,
            Fault::Internal => INTERNAL,
            other => code_of(other.reply().status.as_u16()),
        };
        Self { code, message: fault.to_string(), data: Some(fault.to_json()) }
    }

    /// The same of an answer that is none of success.
    pub(crate) fn of_answer(status: u16, content: Value) -> Self {
        let said = content.get("error").and_then(Value::as_str).map(str::to_owned);
        let message = said.unwrap_or_else(|| format!("the service answered {status}"));
        Self { code: code_of(status), message, data: Some(content) }
    }

    /// As the answer to the call of this id.
    pub(crate) fn render(&self, id: &Value) -> Value {
        let Self { code, message, data } = self;
        let mut error = json!({ "code": code, "message": message });
        if let (Some(data), Value::Object(error)) = (data, &mut error) {
            error.insert("data".to_owned(), data.clone());
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}

fn code_of(status: u16) -> i32 {
    match status {
        429 | 503 => BUSY,
        408 | 504 => LATE,
        _ => FAILED,
    }
}

impl Entry {
    /// Reads one call.
    pub(super) fn read(value: Value) -> Self {
        let Value::Object(mut object) = value else {
            let asked = Err(RpcError::invalid("a call is an object"));
            return Self { id: Some(Value::Null), asked };
        };
        let id = object.remove("id");
        let is_id = matches!(id, None | Some(Value::Null | Value::String(_) | Value::Number(_)));
        match asked(&mut object) {
            Ok(asked) if is_id => Self { id, asked: Ok(asked) },
            Ok(_) => {
                let asked = Err(RpcError::invalid("id is a text, a number or null"));
                Self { id: Some(Value::Null), asked }
            }
            // Who sends what is no call is told so, whether it asked for an answer or not.
            Err(error) => {
                let id = id.filter(|_| is_id).unwrap_or_default();
                Self { id: Some(id), asked: Err(error) }
            }
        }
    }

    /// The answer with a result, unless nobody waits for it.
    pub(crate) fn answer(id: Option<Value>, result: Result<Value, RpcError>) -> Option<Value> {
        let id = id?;
        Some(match result {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(error) => error.render(&id),
        })
    }
}

fn asked(object: &mut Map<String, Value>) -> Result<(String, Arguments), RpcError> {
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(RpcError::invalid("want \"jsonrpc\": \"2.0\""));
    }
    let Some(Value::String(target)) = object.remove("method") else {
        return Err(RpcError::invalid("method is a text: SERVICE.METHOD"));
    };
    match object.remove("params") {
        None => Ok((target, Arguments::Data(None))),
        Some(Value::Array(values)) => Ok((target, Arguments::List(values))),
        Some(params @ Value::Object(_)) => Ok((target, Arguments::Data(Some(params)))),
        Some(_) => Err(RpcError::invalid("params is an object or a list")),
    }
}

/// Several calls.
pub(super) fn batch(items: Vec<Value>) -> Asked {
    let error = match items.len() {
        0 => RpcError::invalid("a batch has at least one call"),
        1..=BATCH_MAX => return Asked::Batch(items.into_iter().map(Entry::read).collect()),
        more => RpcError::invalid(&format!("a batch has at most {BATCH_MAX} calls, not {more}")),
    };
    Asked::Nothing(Unread::JsonRpc(error))
}

/// Whether a text that is no JSON was to be one of this protocol.
pub(super) fn is_meant(body: &[u8]) -> bool {
    const MARK: &[u8] = b"\"jsonrpc\"";
    body.trim_ascii_start().starts_with(b"[") || body.windows(MARK.len()).any(|part| part == MARK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::read;

    fn asked(body: &str) -> Asked {
        read(Some("application/json"), body.as_bytes())
    }

    #[track_caller]
    fn reads(body: &str, id: Option<Value>, arguments: Arguments) {
        let entry = Entry { id, asked: Ok(("calc.add".into(), arguments)) };
        assert_eq!(asked(body), Asked::JsonRpc(entry));
    }

    #[test]
    fn calls_are_known_by_their_content() {
        let call = r#"{"jsonrpc":"2.0","method":"calc.add","params":{"a":1},"id":7}"#;
        reads(call, Some(json!(7)), Arguments::Data(Some(json!({"a": 1}))));
        let call = r#"{"jsonrpc":"2.0","method":"calc.add","params":[1,2],"id":"x"}"#;
        reads(call, Some(json!("x")), Arguments::List(vec![json!(1), json!(2)]));
        reads(r#"{"jsonrpc":"2.0","method":"calc.add"}"#, None, Arguments::Data(None));
        let call = r#"{"jsonrpc":"2.0","method":"calc.add","id":null}"#;
        reads(call, Some(Value::Null), Arguments::Data(None));
    }

    #[track_caller]
    fn is_invalid(body: &str, expected: &Value) {
        let Asked::JsonRpc(Entry { id: Some(id), asked: Err(error) }) = asked(body) else {
            panic!("{body} was read")
        };
        assert_eq!((error.code, &id), (INVALID_REQUEST, expected), "{error:?}");
    }

    #[test]
    fn what_is_no_call_is_said_to_be_none() {
        is_invalid(r#"{"jsonrpc":"1.0","method":"a.b","id":1}"#, &json!(1));
        is_invalid(r#"{"jsonrpc":2,"method":"a.b","id":"x"}"#, &json!("x"));
        is_invalid(r#"{"jsonrpc":"2.0","id":1}"#, &json!(1));
        is_invalid(r#"{"jsonrpc":"2.0","method":7}"#, &Value::Null);
        is_invalid(r#"{"jsonrpc":"2.0","method":"a.b","params":7,"id":1}"#, &json!(1));
        is_invalid(r#"{"jsonrpc":"2.0","method":"a.b","id":{}}"#, &Value::Null);
    }

    #[track_caller]
    fn is_unread(body: &str, code: i32) {
        let Asked::Nothing(Unread::JsonRpc(error)) = asked(body) else { panic!("{body} was read") };
        assert_eq!(error.code, code, "{error:?}");
    }

    #[test]
    fn batches_have_bounds() {
        is_unread("[]", INVALID_REQUEST);
        is_unread(&format!("[{}1]", "1,".repeat(64)), INVALID_REQUEST);
        is_unread("[{\"jsonrpc\"", UNREADABLE);
        is_unread("{\"jsonrpc\": \"2.0\", \"method", UNREADABLE);
        let Asked::Batch(entries) = asked(&format!("[{}1]", "1,".repeat(63))) else {
            panic!("64 are no batch")
        };
        assert_eq!(entries.len(), 64);
    }

    #[test]
    fn faults_have_the_codes_of_the_standard() {
        let service = || "calc".to_owned();
        for (fault, code) in [
            (Fault::NoSuchService { name: service() }, -32_601),
            (Fault::NoSuchMethod { service: service(), method: "x".into() }, -32_601),
            (Fault::BadCall { message: "no".into() }, -32_602),
            (Fault::Internal, -32_603),
            (Fault::Trapped { service: service() }, -32_000),
            (Fault::Overloaded { service: service() }, -32_001),
            (Fault::WallLimit { service: service(), wall_ms: 1 }, -32_002),
        ] {
            let rendered = RpcError::of(&fault).render(&json!(1));
            assert_eq!(rendered["error"]["code"], code, "{rendered}");
            assert_eq!(rendered["error"]["data"]["fault"], fault.to_json()["fault"]);
        }
    }
}
