//! The far end of a session: it is called by `session` and never told who the
//! user is, since that travels along.

use picolet_sdk::prelude::*;
use session_contract::{Greeter, Greeting};

#[service(root = "/session-greeter", contract = Greeter)]
mod session_greeter {
    /// Greets with this word.
    #[get("/greet/{word}", idempotent)]
    async fn greet(context: Context, Path(word): Path<String>) -> Json<Greeting> {
        let user = context.property("user").unwrap_or_else(|| "stranger".into());
        if context.logs(LogLevel::Debug) {
            println!("greets {user} for {:?}", context.caller());
        }
        Json(Greeting {
            message: format!("{word} {user}"),
            trace: trace_id(&context.trace()).to_owned(),
            caller: context.caller(),
            remaining_ms: u64::try_from(context.remaining().as_millis()).unwrap_or(u64::MAX),
            debug: context.logs(LogLevel::Debug),
        })
    }

    /// Of a `traceparent` what all services of a session have in common.
    fn trace_id(traceparent: &str) -> &str {
        traceparent.split('-').nth(1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{block_on, serve};
    use session_contract::GreeterClient;

    use super::*;

    #[test]
    fn greets_a_stranger_and_whoever_the_session_names() {
        serve::<session_greeter::Service>();
        let greeting = block_on(GreeterClient::new("session-greeter").greet("Hello".into()));
        assert_eq!(greeting.unwrap().message, "Hello stranger");

        let session = Session::join("- - user=J%C3%BCrgen,picolet.log=debug").unwrap();
        let greeter = GreeterClient::new(client("session-greeter").session(&session));
        let greeting = block_on(greeter.greet("Hello".into())).unwrap();
        assert_eq!((&*greeting.message, greeting.debug), ("Hello Jürgen", true));
    }
}
