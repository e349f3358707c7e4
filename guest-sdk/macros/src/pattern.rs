//! Patterns and roots of paths.

use syn::{LitStr, Result};

/// A pattern below the root of its service.
pub(crate) struct Pattern {
    pub(crate) text: String,
    /// The names of its parameters, in order.
    pub(crate) params: Vec<String>,
}

impl Pattern {
    pub(crate) fn check(literal: &LitStr) -> Result<Self> {
        let text = literal.value();
        let params = params(&text).map_err(|reason| syn::Error::new(literal.span(), reason))?;
        Ok(Self { text, params })
    }

    /// The pattern as a router sees it: names of parameters do not count.
    pub(crate) fn shape(&self) -> String {
        let segments = self.text.split('/').map(|segment| match segment.as_bytes() {
            [b'{', b'*', ..] => "{*}",
            [b'{', ..] => "{}",
            _ => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

fn params(pattern: &str) -> std::result::Result<Vec<String>, String> {
    if pattern.is_empty() {
        return Ok(Vec::new());
    }
    if pattern == "/healthcheck" {
        return Err("`/healthcheck` is answered by the host; choose another path".into());
    }
    let Some(below) = pattern.strip_prefix('/') else {
        return Err(format!("a pattern starts with a slash: write `\"/{pattern}\"`"));
    };
    refuse_odd_characters(pattern, "a pattern")?;
    let mut params: Vec<String> = Vec::new();
    let mut segments = below.split('/').peekable();
    while let Some(segment) = segments.next() {
        let Some(inside) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            if segment.contains(['{', '}']) {
                return Err(format!(
                    "a parameter is a whole segment: write `/{{name}}/` instead of `{segment}`"
                ));
            }
            continue;
        };
        let name = inside.strip_prefix('*').unwrap_or(inside);
        if inside.starts_with('*') && segments.peek().is_some() {
            return Err(format!(
                "`{segment}` takes the rest of the path and can only be the last segment"
            ));
        }
        if !is_name(name) {
            return Err(format!(
                "`{segment}` is no parameter: write a name of letters, digits and `_` in braces, \
                 such as `{{id}}`"
            ));
        }
        if params.iter().any(|known| known == name) {
            return Err(format!("the parameter `{name}` appears twice: give each its own name"));
        }
        params.push(name.to_owned());
    }
    Ok(params)
}

/// Says why a text cannot be a root.
pub(crate) fn check_root(literal: &LitStr) -> Result<()> {
    let root = literal.value();
    let refuse = |reason: String| Err(syn::Error::new(literal.span(), reason));
    if root.is_empty() {
        return Ok(());
    }
    if !root.starts_with('/') {
        return refuse(format!("a root starts with a slash: write `root = \"/{root}\"`"));
    }
    if root.ends_with('/') {
        let without = root.trim_end_matches('/');
        return refuse(format!("a root has no slash at its end: write `root = \"{without}\"`"));
    }
    if root.contains(['{', '}']) {
        return refuse("a root has no parameters: move them into the patterns".into());
    }
    match refuse_odd_characters(&root, "a root") {
        Ok(()) if root.contains("//") => refuse("a root has no empty segments".into()),
        Ok(()) => Ok(()),
        Err(reason) => refuse(reason),
    }
}

fn refuse_odd_characters(text: &str, what: &str) -> std::result::Result<(), String> {
    match text.chars().find(|c| c.is_whitespace() || c.is_control() || "?#\\%".contains(*c)) {
        Some(odd) => Err(format!("{what} cannot contain {odd:?}")),
        None => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn pattern(text: &str) -> Result<Pattern> {
        Pattern::check(&LitStr::new(text, Span::call_site()))
    }

    #[test]
    fn parameters_are_found_in_order() {
        for (text, params) in [
            ("", &[][..]),
            ("/", &[]),
            ("/add/{a}/{b}", &["a", "b"]),
            ("/files/{*rest}", &["rest"]),
        ] {
            assert_eq!(pattern(text).unwrap().params, params, "{text}");
        }
    }

    #[test]
    fn names_do_not_count_for_the_shape() {
        assert_eq!(pattern("/a/{x}/{*y}").unwrap().shape(), "/a/{}/{*}");
    }

    #[test]
    fn bad_patterns_are_refused() {
        let bad =
            ["a", "/a{b}", "/{b}c", "/{}", "/{1}", "/{*r}/a", "/{a}/{a}", "/a b", "/a?b", "/{a"];
        for text in bad {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn roots_are_checked() {
        let check = |text| check_root(&LitStr::new(text, Span::call_site()));
        for good in ["", "/api", "/a/b.c"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["api", "/", "/api/", "/{a}", "/a//b", "/a?b"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
