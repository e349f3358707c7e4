//! What the session greeter and its callers share: one definition, so that a
//! mismatch does not compile.

use picolet_sdk::prelude::*;

/// A greeting, and what the greeter knew of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Greeting {
    pub message: String,
    /// The trace id.
    pub trace: String,
    /// The service that asked.
    pub caller: Option<String>,
    /// Time left for the answer.
    pub remaining_ms: u64,
    /// Whether the session has raised its log.
    pub debug: bool,
}

/// Greets whoever the session belongs to.
#[contract]
pub trait Greeter {
    /// Greets with this word.
    #[get("/greet/{word}", idempotent)]
    async fn greet(word: Path<String>) -> Json<Greeting>;
}
