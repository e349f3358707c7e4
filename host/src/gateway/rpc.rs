//! What the body of `POST /rpc` asks for: a call as Micro's clients make it, by
//! form or JSON, or calls of JSON-RPC 2.0.

use super::json_rpc::{self, Entry, RpcError};
use crate::order::{Filled, fill, place};
use crate::payload::{essence, is_json};
use crate::record::RecordMethod;
use serde_json::{Map, Value};

/// What a body asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked {
    Micro(MicroOrder),
    JsonRpc(Entry),
    Batch(Vec<Entry>),
    /// Nothing that can be carried out.
    Nothing(Unread),
}

/// Why a body asks for nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum Unread {
    Micro(String),
    JsonRpc(RpcError),
}

/// A call as Micro's clients make it.
#[derive(Debug, PartialEq)]
pub(crate) struct MicroOrder {
    pub(crate) service: String,
    pub(crate) method: String,
    /// Where it is to be answered: host and port of an endpoint.
    pub(crate) address: Option<String>,
    pub(crate) request: Option<Value>,
}

/// What a method is given.
#[derive(Debug, PartialEq)]
pub(crate) enum Arguments {
    /// Members fill path parameters by name; the rest is query or body.
    Data(Option<Value>),
    /// Path parameters in order, then the body.
    List(Vec<Value>),
}

impl Arguments {
    /// Puts them where a method wants them.
    pub(crate) fn fill(self, method: &RecordMethod) -> Result<Filled, String> {
        match self {
            Self::Data(data) => fill(method, Vec::new(), data),
            Self::List(values) => {
                let (params, data) = place(method, values)?;
                fill(method, params, data)
            }
        }
    }
}

/// Reads a body. One that does not say what it is, is judged by how it begins.
pub(crate) fn read(content_type: Option<&str>, body: &[u8]) -> Asked {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let micro = match content_type {
        Some(said) if is_json(said) => return read_json(body),
        None if matches!(first, Some(b'{' | b'[')) => return read_json(body),
        Some(said) if is_form(said) && matches!(first, Some(b'{' | b'[')) => {
            let advice = "send content-type: application/json";
            Err(format!("the body looks like JSON, and content-type is {said:?}; {advice}"))
        }
        None => read_form(body),
        Some(said) if is_form(said) => read_form(body),
        Some(said) => Err(format!(
            "content-type is {said:?}, want application/json or application/x-www-form-urlencoded"
        )),
    };
    micro.map_or_else(refused, Asked::Micro)
}

fn refused(message: String) -> Asked {
    Asked::Nothing(Unread::Micro(message))
}

/// Whether a content type is that of a form.
pub(crate) fn is_form(content_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn read_json(body: &[u8]) -> Asked {
    match serde_json::from_slice(body) {
        Ok(Value::Array(items)) => json_rpc::batch(items),
        Ok(Value::Object(object)) if object.contains_key("jsonrpc") => {
            Asked::JsonRpc(Entry::read(Value::Object(object)))
        }
        Ok(Value::Object(object)) => micro(object).map_or_else(refused, Asked::Micro),
        Ok(_) => refused("the body is no object with service, method and request".to_owned()),
        Err(error) if json_rpc::is_meant(body) => {
            Asked::Nothing(Unread::JsonRpc(RpcError::unreadable(&error.to_string())))
        }
        Err(error) => refused(format!("the body is no JSON: {error}")),
    }
}

fn read_form(body: &[u8]) -> Result<MicroOrder, String> {
    let mut object = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        // An address is taken of JSON alone, as it was by Micro.
        if ["service", "method", "request"].contains(&name.as_ref()) {
            object.insert(name.into_owned(), value.into_owned().into());
        }
    }
    micro(object)
}

fn micro(mut object: Map<String, Value>) -> Result<MicroOrder, String> {
    let mut text = |name: &str| match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("{name} is no text")),
    };
    let (service, method, address) = (text("service")?, text("method")?, text("address")?);
    let is_rpc = object.contains_key("params");
    let missing = |name: &str| {
        let advice = if is_rpc { "; JSON-RPC has \"jsonrpc\": \"2.0\"" } else { "" };
        format!("{name} is missing{advice}")
    };
    let request = match object.remove("request") {
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => {
            let request = serde_json::from_str(&text);
            Some(request.map_err(|error| format!("request is no JSON: {error}"))?)
        }
        request => request,
    };
    Ok(MicroOrder {
        service: service.ok_or_else(|| missing("service"))?,
        method: method.ok_or_else(|| missing("method"))?,
        address,
        request,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    const JSON: Option<&str> = Some("application/json");

    #[track_caller]
    fn reads(content_type: Option<&str>, body: &str, address: Option<&str>) {
        let expected = MicroOrder {
            service: "go.micro.srv.greeter".into(),
            method: "Say.Hello".into(),
            address: address.map(str::to_owned),
            request: Some(json!({"name": "John"})),
        };
        assert_eq!(read(content_type, body.as_bytes()), Asked::Micro(expected));
    }

    #[test]
    fn a_form_and_json_say_the_same() {
        let form = "service=go.micro.srv.greeter&method=Say.Hello&request={\"name\": \"John\"}";
        reads(FORM, form, None);
        reads(None, form, None);
        reads(FORM, &format!("{form}&address=127.0.0.1:1"), None);
        let object = json!({
            "service": "go.micro.srv.greeter",
            "method": "Say.Hello",
            "request": {"name": "John"},
        });
        reads(JSON, &object.to_string(), None);
        reads(None, &format!(" {object}"), None);
        let mut object = object;
        object["request"] = "{\"name\":\"John\"}".into();
        object["address"] = "127.0.0.1:1".into();
        reads(JSON, &object.to_string(), Some("127.0.0.1:1"));
    }

    #[track_caller]
    fn is_refused(content_type: Option<&str>, body: &str, expected: &str) {
        let Asked::Nothing(Unread::Micro(message)) = read(content_type, body.as_bytes()) else {
            panic!("{body} was read")
        };
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        is_refused(FORM, "", "service is missing");
        is_refused(None, "", "service is missing");
        is_refused(FORM, "service=a&method=", "method is missing");
        is_refused(FORM, "service=a&method=b&request={", "request is no JSON: ");
        is_refused(JSON, "", "the body is no JSON: ");
        is_refused(JSON, "7", "the body is no object");
        is_refused(JSON, r#"{"service": 7}"#, "service is no text");
        is_refused(FORM, r#" {"jsonrpc": "2.0"}"#, "the body looks like JSON");
        let no_rpc = "service is missing; JSON-RPC has \"jsonrpc\": \"2.0\"";
        is_refused(JSON, r#"{"method": "calc.add", "params": [1, 2]}"#, no_rpc);
        is_refused(Some("text/plain"), "service=a", "content-type is \"text/plain\", want ");
    }
}
