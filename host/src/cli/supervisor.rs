//! Tells systemd, when that has started the host, how far the host is.
//!
//! Elsewhere nobody is told anything. Being heard is not needed to serve.

use sd_notify::{NotifyState, notify};
use std::future::Future;
use std::pin::pin;
use tracing::warn;

/// Resolves with `stop`. Meanwhile it tells when services are served, and in the end
/// that they are about to stop.
pub(super) async fn told(ready: impl Future<Output = ()>, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    tokio::select! {
        () = &mut stop => (),
        () = ready => {
            tell(NotifyState::Ready);
            stop.await;
        }
    }
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = notify(&[state]) {
        warn!(%error, "systemd cannot be told how far the host is; see NOTIFY_SOCKET");
    }
}
