//! Sends back what it is sent, as it arrives.

use picolet_sdk::prelude::*;

#[service(root = "/echo")]
mod echo {
    /// Sends the body back with its content type.
    ///
    /// The body is not read here: the host passes it on while it arrives.
    #[post("")]
    async fn echo(headers: Headers, body: Body) -> Result<(Headers, Body), Fault> {
        let content_type = headers.get("content-type").unwrap_or("application/octet-stream");
        Ok((Headers::new().with("content-type", content_type)?, body))
    }

    /// Sends a segment of the path back.
    #[get("/{text}")]
    async fn say(Path(text): Path<String>) -> Text {
        Text(text)
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{block_on, call, request};

    use super::*;

    #[test]
    fn the_body_comes_back_with_its_type() {
        let request = request("POST", "/echo").header("content-type", "text/csv").body("a,b");
        let response = call::<echo::Service>("echo", request.build()).unwrap();
        assert_eq!(response.headers.get("content-type"), Some("text/csv"));
        assert_eq!(block_on(response.body.collect()), Ok(b"a,b".to_vec()));
    }
}
