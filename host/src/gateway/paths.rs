//! Paths that stand for a service and its method, as those of Micro's API:
//! `/foo/bar` is `Foo.Bar` of `foo`.

use crate::path::decode;
use serde_json::{Map, Value};

/// A prefix below which paths are names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MappedPaths {
    prefix: String,
    /// What the names of services begin with, before a dot.
    namespace: String,
}

impl MappedPaths {
    pub(crate) fn new(prefix: String, namespace: String) -> Self {
        Self { prefix, namespace }
    }

    /// Whether a path is below the prefix.
    pub(crate) fn cover(&self, path: &str) -> bool {
        self.rest(path).is_some()
    }

    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.prefix.as_str()).filter(|rest| rest.starts_with('/'))
    }

    /// The service and the method that a path stands for.
    pub(crate) fn find(&self, path: &str) -> Option<(String, String)> {
        let segments = self.rest(path)?.split('/').filter(|segment| !segment.is_empty());
        let parts: Vec<String> =
            segments.map(|part| decode(part).map(Into::into)).collect::<Result<_, _>>().ok()?;
        // The method is the last two, and the service what is before them. Of two
        // the first is both, and so is the one after a version.
        let (service, method) = match parts.as_slice() {
            [service, _] => (std::slice::from_ref(service), parts.as_slice()),
            [version, _, _] if is_version(version) => (parts.get(..2)?, parts.get(1..)?),
            [_, _, _, ..] => parts.split_at(parts.len() - 2),
            _ => return None,
        };
        let own = (!self.namespace.is_empty()).then_some(&self.namespace);
        let service: Vec<&str> = own.into_iter().chain(service).map(String::as_str).collect();
        Some((service.join("."), title(&method.join("."))))
    }
}

/// `v1`
fn is_version(part: &str) -> bool {
    let digits = part.strip_prefix('v').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Every word with its first letter as a capital.
fn title(text: &str) -> String {
    let mut before = '.';
    let capital = |letter: char| {
        let is_first = !before.is_alphanumeric() && before != '_';
        before = letter;
        if is_first { letter.to_ascii_uppercase() } else { letter }
    };
    text.chars().map(capital).collect()
}

/// The pairs of a query or a form as members; several values of one name are a
/// list.
pub(crate) fn members(pairs: &[u8], into: &mut Map<String, Value>) {
    let mut own = Map::new();
    for (name, value) in form_urlencoded::parse(pairs) {
        let value = Value::from(value.into_owned());
        match own.get_mut(name.as_ref()) {
            None => drop(own.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    into.extend(own);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(path: &str, expected: Option<(&str, &str)>) {
        let mapped = MappedPaths::new("/api".into(), "go.micro.api".into());
        let expected = expected.map(|(service, method)| (service.to_owned(), method.to_owned()));
        assert_eq!(mapped.find(path), expected, "{path}");
    }

    #[test]
    fn paths_are_the_names_that_micro_makes_of_them() {
        check("/api/foo/bar", Some(("go.micro.api.foo", "Foo.Bar")));
        check("/api/foo/bar/baz", Some(("go.micro.api.foo", "Bar.Baz")));
        check("/api/foo/bar/baz/cat", Some(("go.micro.api.foo.bar", "Baz.Cat")));
        check("/api/v1/foo/bar", Some(("go.micro.api.v1.foo", "Foo.Bar")));
        check("/api/vx/foo/bar", Some(("go.micro.api.vx", "Foo.Bar")));
        check("/api//foo/say-hello/", Some(("go.micro.api.foo", "Foo.Say-Hello")));
        check("/api/foo/add_one", Some(("go.micro.api.foo", "Foo.Add_one")));
        for path in ["/api", "/api/", "/api/foo", "/apis/foo/bar", "/foo/bar", "/api/%FF/bar"] {
            check(path, None);
        }
    }

    #[test]
    fn without_a_namespace_services_have_their_own_names() {
        let mapped = MappedPaths::new("/m".into(), String::new());
        assert_eq!(mapped.find("/m/foo/bar"), Some(("foo".into(), "Foo.Bar".into())));
    }

    #[test]
    fn repeated_names_are_a_list() {
        let mut all = json!({"a": "query", "z": "1"}).as_object().unwrap().clone();
        members(b"a=1&b=x%20y&a=2&a=3&c", &mut all);
        let expected = json!({"a": ["1", "2", "3"], "z": "1", "b": "x y", "c": ""});
        assert_eq!(Value::from(all), expected);
    }
}
