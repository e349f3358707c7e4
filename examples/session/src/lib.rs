//! The near end of a session: sets who the user is, how long everything may
//! take and how much is logged, and calls on. All of that travels.

use std::time::Duration;

use picolet_sdk::prelude::*;
use session_contract::{GreeterClient, Greeting};

/// How long the greeter may take.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    debug: bool,
}

#[service(root = "/session")]
mod session {
    /// Greets a user twice, at once. `?debug=true` raises the log of this
    /// session, here and at the greeter.
    #[get("/hello/{user}", idempotent)]
    async fn hello(
        context: Context,
        Path(user): Path<String>,
        Query(wish): Query<Wish>,
    ) -> Result<Json<[Greeting; 2]>, Fault> {
        name_user(&context, &user)?;
        if wish.debug {
            context.raise_log(LogLevel::Debug);
        }
        let greeter = GreeterClient::new(client("session-greeter").timeout(PATIENCE).retry(1));
        let both = (greeter.greet("Hello".into()), greeter.greet("Welcome".into()));
        let (hello, welcome) = both.try_join().await?;
        Ok(Json([hello, welcome]))
    }

    /// Writes down the session of this call for a job that runs later: with its
    /// trace and its user, without its deadline.
    #[post("/jobs/{user}")]
    async fn plan(context: Context, Path(user): Path<String>) -> Result<Text, Fault> {
        name_user(&context, &user)?;
        Ok(Text(Session::current().derive().export()))
    }

    /// Joins a session that was written down, and does its job: it greets.
    #[post("/jobs", name = "run")]
    async fn run(Text(session): Text) -> Result<Json<Greeting>, Fault> {
        let session = Session::join(&session)?;
        let greeter = client("session-greeter").timeout(PATIENCE).session(&session);
        Ok(Json(GreeterClient::new(greeter).greet("At last,".into()).await?))
    }

    fn name_user(context: &Context, user: &str) -> Result<(), Fault> {
        if context.set_property("user", user) {
            return Ok(());
        }
        Err(Fault::unprocessable("the user's name is too long"))
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{answer, block_on, call, request};

    use super::*;

    /// Stands in for the greeter and tells what it was asked.
    fn greeter() {
        answer("session-greeter", "greet", |call| {
            let option = |name: &str| {
                let found = call.options.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            Json(Greeting {
                message: format!("{} {}", call.params[0], option("baggage")),
                trace: option("traceparent"),
                caller: None,
                remaining_ms: option("timeout-ms").parse().unwrap(),
                debug: Context::current().logs(LogLevel::Debug),
            })
        });
    }

    fn read(response: Response) -> String {
        String::from_utf8(block_on(response.body.collect()).unwrap()).unwrap()
    }

    #[test]
    fn two_greetings_come_within_a_second_and_with_the_log_raised() {
        greeter();
        let request = request("GET", "/session/hello/7?debug=true").param("user", "7").build();
        let told = read(call::<session::Service>("hello", request).unwrap());
        assert_eq!(told.matches("\"remaining_ms\":1000,\"debug\":true").count(), 2, "{told}");
        assert!(told.contains("Hello") && told.contains("Welcome"), "{told}");
    }

    #[test]
    fn a_job_runs_in_the_session_that_planned_it() {
        greeter();
        let plan = request("POST", "/session/jobs/a%2Cb").param("user", "a,b").build();
        let written = read(call::<session::Service>("plan", plan).unwrap());
        assert!(written.starts_with("00-") && written.contains(" - "), "{written}");

        let job = request("POST", "/session/jobs").body(written.as_str()).build();
        let told = read(call::<session::Service>("run", job).unwrap());
        assert!(told.contains("At last, ") && told.contains("user=a%2Cb"), "{told}");
        assert!(told.contains(&format!("\"trace\":\"{}", &written[..10])), "{told}");
    }

    #[test]
    fn what_is_no_session_is_a_fault() {
        let job = request("POST", "/session/jobs").body("anything").build();
        assert_eq!(call::<session::Service>("run", job).unwrap_err().name(), "bad-session");
    }
}
