//! Publishes and hears, well and badly. What it hears it publishes again, below
//! `heard`, so that a test can see it.

use std::{hint::black_box, time::Duration};

use picolet_sdk::prelude::*;

#[derive(Serialize)]
struct Seen<'e> {
    subject: &'e str,
    by: Option<&'e str>,
    content_type: Option<&'e str>,
    captured: &'e [String],
    text: &'e str,
    trace: String,
    user: Option<String>,
}

fn tell(name: &str, captured: &[String], event: &BusEvent, text: &str) -> Result<(), Fault> {
    let context = Context::current();
    let seen = Seen {
        subject: &event.subject,
        by: event.publisher.as_deref(),
        content_type: event.content_type.as_deref(),
        captured,
        text,
        trace: context.trace(),
        user: context.property("user"),
    };
    publish(&format!("heard.{name}"), Json(&seen))
}

#[service(root = "/bus")]
mod events {
    /// Publishes its body.
    #[post("/publish/{subject}")]
    async fn say(Path(subject): Path<String>, Text(text): Text) -> Result<(), Fault> {
        Context::current().set_property("user", "7");
        publish(&subject, text)
    }

    /// Publishes the numbers up to this one, on a subject of each of so many.
    #[post("/count/{subjects}/{count}")]
    async fn count(Path((subjects, count)): Path<(u32, u32)>) -> Result<(), Fault> {
        for number in 0..count {
            for subject in 0..subjects {
                publish(&format!("numbers.{subject}"), number.to_string())?;
            }
        }
        Ok(())
    }

    /// Publishes so many bytes.
    #[post("/bytes/{count}")]
    async fn bytes(Path(count): Path<usize>) -> Result<(), Fault> {
        publish("bytes", vec![b'x'; count])
    }

    #[on("rates.*")]
    async fn rate(
        Path(currency): Path<String>,
        event: BusEvent,
        Text(text): Text,
    ) -> Result<(), Fault> {
        tell("rate", &[currency], &event, &text)
    }

    #[on("rates.eur.>")]
    async fn deep(Path(rest): Path<String>, event: BusEvent, Text(t): Text) -> Result<(), Fault> {
        tell("deep", &[rest], &event, &t)
    }

    #[on("jobs.*", group = "workers")]
    async fn job(Path(job): Path<String>, event: BusEvent, Text(text): Text) -> Result<(), Fault> {
        tell("job", &[job], &event, &text)
    }

    /// Takes its time, for one subject more than for the others.
    #[on("numbers.*")]
    async fn number(Path(of): Path<u32>, event: BusEvent, Text(text): Text) -> Result<(), Fault> {
        sleep(Duration::from_millis(if of == 0 { 5 } else { 1 })).await;
        tell("number", &[of.to_string()], &event, &text)
    }

    #[on("slow")]
    async fn slow(event: BusEvent, Text(text): Text) -> Result<(), Fault> {
        sleep(Duration::from_millis(300)).await;
        tell("slow", &[], &event, &text)
    }

    #[on("trap")]
    #[allow(clippy::panic, reason = "what it is for")]
    async fn trap() {
        panic!("told to panic")
    }

    #[on("spin")]
    async fn spin() {
        loop {
            black_box(());
        }
    }

    #[on("fault")]
    async fn fault() -> Result<(), Fault> {
        Err(Fault::unavailable("told to fail"))
    }

    /// Hears itself.
    #[on("echo.*")]
    async fn echo(Path(count): Path<u32>) -> Result<(), Fault> {
        publish(&format!("echo.{}", count + 1), "")
    }
}
