//! From what a caller says in JSON to path parameters, query and body of a
//! method: for the command line's `call`, for browsers and for the gateway.

use crate::call::CallBody;
use crate::record::RecordMethod;
use crate::route::Pattern;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Uri};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Splits `NAME.METHOD` at the longest name that is known, since both may hold
/// dots.
pub(crate) fn split_target<'t>(
    target: &'t str,
    names: impl Iterator<Item = &'t str>,
) -> Option<(&'t str, &'t str)> {
    let fits = |name: &'t str| {
        let method = target.strip_prefix(name)?.strip_prefix('.')?;
        (!method.is_empty()).then_some((name, method))
    };
    names.filter_map(fits).max_by_key(|(name, _)| name.len())
}

/// What a method is called with.
#[derive(Debug)]
pub(crate) struct Filled {
    /// Path parameters in order.
    pub(crate) params: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: CallBody,
}

/// Puts arguments and data where a method wants them: members of the data fill
/// path parameters by name, the rest is query or body.
pub(crate) fn fill(
    method: &RecordMethod,
    args: Vec<String>,
    data: Option<Value>,
) -> Result<Filled, String> {
    let mut filled = Filled {
        params: args,
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: CallBody::Empty,
    };
    let takes_body = takes_body(method);
    let data = match data {
        None | Some(Value::Null) => return Ok(filled),
        Some(Value::Object(mut members)) => {
            fill_params(method, &mut filled.params, &mut members)?;
            if !takes_body {
                let pair = |(name, value)| (name, as_text(value));
                filled.query = members.into_iter().map(pair).collect();
                return Ok(filled);
            }
            Value::Object(members)
        }
        Some(other) if takes_body => other,
        Some(_) => return Err(format!("data of a {} must be an object", method.verb)),
    };
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    filled.headers.insert(CONTENT_TYPE, json);
    filled.body = CallBody::Bytes(data.to_string().into());
    Ok(filled)
}

/// Splits a list into path parameters, in order, and what follows them: the
/// body. Where the parameters are not known, an object or a list at the end is
/// the body of a method that takes one.
pub(crate) fn place(
    method: &RecordMethod,
    mut values: Vec<Value>,
) -> Result<(Vec<String>, Option<Value>), String> {
    let takes_body = takes_body(method);
    let is_body = |value: &mut Value| takes_body && (value.is_object() || value.is_array());
    let data = match &method.params {
        None => values.pop_if(is_body),
        Some(names) if takes_body && values.len() == names.len() + 1 => values.pop(),
        Some(names) if names.len() < values.len() => {
            let body = if takes_body { " and a body" } else { "" };
            let (count, of) = (values.len(), names.len());
            return Err(format!("got {count} values, want {of} path parameters{body}"));
        }
        Some(_) => None,
    };
    Ok((values.into_iter().map(as_text).collect(), data))
}

fn takes_body(method: &RecordMethod) -> bool {
    !matches!(method.verb.as_str(), "GET" | "DELETE")
}

/// Where a method of this pattern is called, below a root.
pub(crate) fn target_of(
    root: &str,
    pattern: &Pattern,
    params: &[String],
    query: &[(String, String)],
) -> Result<Uri, String> {
    let filled = pattern.fill(params).map_err(|error| error.to_string())?;
    target(&format!("{root}{filled}{}", render_query(query)))
}

/// A target of a request, which may lack its first slash.
pub(crate) fn target(text: &str) -> Result<Uri, String> {
    let text =
        if text.starts_with('/') { Cow::Borrowed(text) } else { Cow::Owned(format!("/{text}")) };
    text.parse().map_err(|_| "parameters make no path".to_owned())
}

/// Query pairs as they follow a path.
pub(crate) fn render_query(query: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| {
        format!("{}={}", crate::path::encode(name), crate::path::encode(value))
    };
    if query.is_empty() {
        return String::new();
    }
    format!("?{}", query.iter().map(pair).collect::<Vec<_>>().join("&"))
}

fn fill_params(
    method: &RecordMethod,
    params: &mut Vec<String>,
    members: &mut Map<String, Value>,
) -> Result<(), String> {
    let names = method.params.as_deref().unwrap_or_default();
    for name in names.iter().skip(params.len()) {
        let value = members.remove(name).ok_or_else(|| format!("parameter {name} is missing"))?;
        params.push(as_text(value));
    }
    Ok(())
}

fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_longest_known_name_counts() {
        let names = ["go", "go.micro.srv.greeter", "calc"];
        let split = |target| split_target(target, names.into_iter());
        assert_eq!(
            split("go.micro.srv.greeter.Say.Hello"),
            Some(("go.micro.srv.greeter", "Say.Hello"))
        );
        assert_eq!(split("go.x"), Some(("go", "x")));
        assert_eq!(split("calc"), None);
        assert_eq!(split("calc."), None);
        assert_eq!(split("nobody.add"), None);
    }

    fn method(verb: &str, params: &[&str]) -> RecordMethod {
        let params = params.iter().map(|&name| name.to_owned()).collect();
        let (name, verb) = ("m".into(), verb.into());
        RecordMethod { name, verb, params: Some(params), ..RecordMethod::default() }
    }

    #[test]
    fn members_fill_parameters_and_the_rest_is_query_or_body() {
        let data = Some(json!({"a": 40, "b": "2", "c": true}));
        let get = fill(&method("GET", &["a", "b"]), vec![], data.clone()).unwrap();
        assert_eq!(get.params, ["40", "2"]);
        assert_eq!(get.query, [("c".to_owned(), "true".to_owned())]);

        let post = fill(&method("POST", &["a"]), vec!["1".into()], data).unwrap();
        assert_eq!(post.params, ["1"]);
        let CallBody::Bytes(body) = post.body else { panic!("a body") };
        assert_eq!(body, r#"{"a":40,"b":"2","c":true}"#);

        let (get, post) = (method("GET", &["a"]), method("POST", &["a"]));
        let values = |count: i32| (1..=count).map(Value::from).collect::<Vec<_>>();
        assert_eq!(place(&get, values(1)), Ok((vec!["1".into()], None)));
        assert_eq!(place(&post, values(2)), Ok((vec!["1".into()], Some(json!(2)))));
        let many = "got 3 values, want 1 path parameters and a body".to_owned();
        assert_eq!(place(&post, values(3)), Err(many));
        assert_eq!(place(&get, values(2)).unwrap_err(), "got 2 values, want 1 path parameters");
        let unknown = RecordMethod { params: None, ..post };
        let placed = place(&unknown, vec![json!("x"), json!({})]);
        assert_eq!(placed, Ok((vec!["x".into()], Some(json!({})))));
        assert_eq!(place(&unknown, values(2)), Ok((vec!["1".into(), "2".into()], None)));

        let missing = fill(&method("GET", &["a"]), vec![], Some(json!({}))).unwrap_err();
        assert_eq!(missing, "parameter a is missing");
    }
}
