//! The dashboard: its files, which are a part of the binary.
//!
//! They hold nothing of the host; what is shown is asked for by them. What they
//! may load and ask is held to this host by the browser.

use super::{Admin, Refused};
use crate::digest::Digest;
use ::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, StatusCode};
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/dashboard");

/// A file as it is sent.
struct Page {
    content: &'static [u8],
    content_type: &'static str,
    etag: String,
}

/// All of them by path.
static PAGES: LazyLock<BTreeMap<String, Page>> = LazyLock::new(|| {
    let mut pages = BTreeMap::new();
    collect(&FILES, &mut pages);
    pages
});

/// What pages may load and ask: their own host, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

pub(super) fn routes() -> Router<Admin> {
    let index = |headers: HeaderMap| async move { send("index.html", &headers) };
    let file = |Path(path): Path<String>, headers: HeaderMap| async move { send(&path, &headers) };
    Router::new().route("/", get(index)).route("/dashboard/{*path}", get(file))
}

fn send(path: &str, headers: &HeaderMap) -> Response {
    let Some(page) = PAGES.get(path) else {
        return Refused::not_found(format!("the dashboard has no file {path}")).into_response();
    };
    let kept = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    let is_same = kept.split(',').any(|tag| tag.trim().trim_start_matches("W/") == page.etag);
    let common = [
        // A host that was replaced has other files under the same names.
        (CACHE_CONTROL, "no-cache"),
        (ETAG, &page.etag),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    if is_same {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, page.content_type)], page.content).into_response()
}

fn collect(folder: &'static Dir<'static>, pages: &mut BTreeMap<String, Page>) {
    for file in folder.files() {
        let path = file.path().to_string_lossy().into_owned();
        let digest = Digest::of(&[file.contents()]).hex();
        let etag = format!("\"{}\"", digest.get(..16).unwrap_or(&digest));
        let content_type = content_type(&path);
        pages.insert(path, Page { content: file.contents(), content_type, etag });
    }
    for inner in folder.dirs() {
        collect(inner, pages);
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type_and_is_sent_once() {
        for (path, page) in PAGES.iter() {
            assert_ne!(page.content_type, "application/octet-stream", "{path}");
            let first = send(path, &HeaderMap::new());
            assert_eq!(first.status(), StatusCode::OK, "{path}");
            let tag = first.headers().get(ETAG).unwrap().clone();
            let again = send(path, &HeaderMap::from_iter([(IF_NONE_MATCH, tag)]));
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        }
        assert_eq!(send("../admin.rs", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn pages_bring_nothing_inline_and_name_no_other_host() {
        for (path, page) in PAGES.iter() {
            let text = str::from_utf8(page.content).unwrap();
            assert!(!text.contains(" style=\"") && !text.contains("innerHTML"), "{path}");
            let is_name = |text: &str| text.starts_with("http://www.w3.org/");
            let others = text.match_indices("http").map(|(at, _)| &text[at..]);
            let others =
                others.filter(|text| text.starts_with("http://") || text.starts_with("https://"));
            assert_eq!(others.filter(|text| !is_name(text)).count(), 0, "{path}");
            let is_html = path.ends_with(".html");
            assert!(!is_html || !text.contains("<script>") && !text.contains("<style"), "{path}");
        }
    }
}
