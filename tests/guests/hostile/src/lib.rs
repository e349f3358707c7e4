//! What a host must stand from a service that means harm, one method for each.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use picolet_sdk::prelude::*;

/// Calls this instance has seen.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Longer than anybody waits.
const ETERNITY: Duration = Duration::from_secs(3600);

#[service(root = "/hostile")]
mod hostile {
    #[before]
    async fn count(_request: &mut Request) {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls this instance has seen.
    #[get("/state")]
    async fn state() -> String {
        CALLS.load(Ordering::Relaxed).to_string()
    }

    /// Fills so many MiB of its memory and answers.
    #[get("/fill/{mib}")]
    async fn fill(Path(mib): Path<usize>) -> String {
        let filled: Vec<Vec<u8>> = (0..mib).map(|_| black_box(vec![1; 1 << 20])).collect();
        format!("filled {} MiB", filled.len())
    }

    /// Prints without end.
    #[get("/print")]
    #[allow(clippy::print_stdout, reason = "what the method is for")]
    async fn print() {
        loop {
            println!("there is always more to say");
        }
    }

    /// Panics, and says so with 4 MiB.
    #[get("/panic")]
    #[allow(clippy::panic, reason = "what the method is for")]
    async fn panic() {
        panic!("told to panic {}", "at length ".repeat(400 << 10))
    }

    /// Sleeps in one host call that blocks the instance.
    #[get("/nap")]
    #[allow(clippy::disallowed_methods, reason = "what the method is for")]
    async fn nap() {
        std::thread::sleep(ETERNITY);
    }

    /// Waits, and answers when nobody is there any more.
    #[get("/wait")]
    async fn wait() {
        sleep(ETERNITY).await;
    }

    /// Answers without a look at its body.
    #[post("/ignore")]
    async fn ignore(body: Body) {
        drop(body);
    }

    /// Takes its body, reads nothing of it and does not answer.
    #[post("/hold")]
    async fn hold(body: Body) {
        sleep(ETERNITY).await;
        drop(body);
    }

    /// Begins an answer and never goes on with it.
    #[get("/unfinished")]
    async fn unfinished() -> Body {
        Body::stream(|mut writer| async move {
            writer.write("a beginning\n").await?;
            sleep(ETERNITY).await;
            Ok(())
        })
    }

    /// Writes an answer as long as somebody reads it.
    #[get("/endless")]
    async fn endless() -> Body {
        Body::stream(|mut writer| async move {
            loop {
                writer.write(vec![b'x'; 64 << 10]).await?;
            }
        })
    }

    /// Begins an answer and spins.
    #[get("/begin-and-spin", name = "begin-and-spin")]
    async fn begin_and_spin() -> Body {
        Body::stream(|mut writer| async move {
            writer.write("a beginning\n").await?;
            loop {
                black_box(());
            }
        })
    }
}
