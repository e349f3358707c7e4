//! Serves pages from a folder that its manifest grants. Replace a page while it
//! runs: the next reader gets the new one.

use std::{fs, io::ErrorKind};

use picolet_sdk::prelude::*;

/// Where the host puts the folder `site`.
const FOLDER: &str = "/site";

#[service(root = "/pages")]
mod pages {
    /// The first page.
    #[get("")]
    async fn index() -> Result<(Headers, Bytes), Fault> {
        page("index.html")
    }

    /// Any other file of the folder.
    #[get("/{*path}")]
    async fn file(Path(path): Path<String>) -> Result<(Headers, Bytes), Fault> {
        page(&path)
    }
}

/// Names that lead out of the folder do not exist for a guest, so there is
/// nothing to look out for.
fn page(path: &str) -> Result<(Headers, Bytes), Fault> {
    let content = fs::read(format!("{FOLDER}/{path}")).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory => {
            Fault::not_found(format!("there is no {path}"))
        }
        _ => Fault::internal(format!("{path}: {error}")),
    })?;
    let mut headers = Headers::new();
    headers.set("content-type", content_type(path))?;
    headers.set("cache-control", "no-cache")?;
    Ok((headers, Bytes(content)))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_by_the_end_of_the_name() {
        assert_eq!(content_type("a/index.html"), "text/html; charset=utf-8");
        assert_eq!(content_type("style.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("README"), "text/plain; charset=utf-8");
    }
}
