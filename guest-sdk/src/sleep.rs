//! Waiting for time to pass.

use std::time::Duration;

/// Waits this long. The instance takes other calls in the meantime.
///
/// Natively, in tests, the thread sleeps.
pub async fn sleep(duration: Duration) {
    #[cfg(target_family = "wasm")]
    crate::abi::sleep(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)).await;
    #[cfg(not(target_family = "wasm"))]
    #[allow(clippy::disallowed_methods, reason = "in a test there is nothing else to do")]
    std::thread::sleep(duration);
}
