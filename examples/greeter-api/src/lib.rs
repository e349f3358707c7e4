//! Asks another service by name: the front of the greeter, for browsers.

use std::time::Duration;

use picolet_sdk::prelude::*;

/// What the caller gives, in the query or in a form.
#[derive(Deserialize)]
struct Visitor {
    name: String,
}

/// What the greeter is asked.
#[derive(Serialize)]
struct Hello {
    name: String,
}

/// What the greeter answers.
#[derive(Deserialize)]
struct Greeting {
    msg: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Answer {
    message: String,
}

#[service(name = "go.micro.api.greeter", root = "/greeter-api")]
mod greeter_api {
    /// Greets the name in the query.
    #[get("/say/hello", name = "Say.Hello")]
    async fn hello(Query(visitor): Query<Visitor>) -> Result<Json<Answer>, Fault> {
        greet(visitor).await
    }

    /// Greets the name in the form.
    #[post("/say/hello", name = "Say.HelloForm")]
    async fn hello_form(Form(visitor): Form<Visitor>) -> Result<Json<Answer>, Fault> {
        greet(visitor).await
    }
}

/// The greeter may run in this process, on another node, or be no WebAssembly
/// at all. A fault of it, or of the way there, is passed on by `?`.
async fn greet(visitor: Visitor) -> Result<Json<Answer>, Fault> {
    let greeting: Greeting = client("go.micro.srv.greeter")
        .method("Say.Hello")
        .data(&Hello { name: visitor.name })
        .timeout(Duration::from_secs(2))
        .retry(1)
        .json()
        .await?;
    Ok(Json(Answer { message: greeting.msg }))
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{answer, block_on, call, request};

    use super::*;

    #[test]
    fn passes_the_name_on_and_the_greeting_back() {
        // Stands in for the greeter.
        answer("go.micro.srv.greeter", "Say.Hello", |call| {
            assert_eq!(call.body, br#"{"name":"John"}"#);
            r#"{"msg":"Hello John"}"#
        });
        let query = request("GET", "/greeter-api/say/hello?name=John").build();
        let form = request("POST", "/greeter-api/say/hello").body("name=John").build();
        for (method, request) in [("Say.Hello", query), ("Say.HelloForm", form)] {
            let response = call::<greeter_api::Service>(method, request).unwrap();
            let body = block_on(response.body.collect()).unwrap();
            assert_eq!(body, br#"{"message":"Hello John"}"#);
        }
    }

    #[test]
    fn a_missing_name_is_named() {
        let request = request("GET", "/greeter-api/say/hello").build();
        let fault = call::<greeter_api::Service>("Say.Hello", request).unwrap_err();
        assert_eq!(fault.message(), "query parameter `name`: is missing");
    }
}
