//! Greets by name, under a name of its own: services and methods may be called
//! what their callers are used to.

use picolet_sdk::prelude::*;

#[derive(Deserialize)]
struct Hello {
    name: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Greeting {
    msg: String,
}

#[service(name = "go.micro.srv.greeter", root = "/greeter")]
mod greeter {
    /// Says hello to the name it is given.
    #[post("/hello", name = "Say.Hello", idempotent)]
    pub(super) async fn hello(Json(hello): Json<Hello>) -> Json<Greeting> {
        Json(Greeting { msg: format!("Hello {}", hello.name) })
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::block_on;

    use super::*;

    // A handler is a plain async function.
    #[test]
    fn greets_by_name() {
        let answer = block_on(greeter::hello(Json(Hello { name: "John".into() })));
        assert_eq!(answer, Json(Greeting { msg: "Hello John".into() }));
    }
}
