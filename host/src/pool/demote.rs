//! Calls go on in the background when their guests are found computing.

use crate::background::Background;
use crate::crew::Crew;
use crate::engine::Effort;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Work of a guest, in the task of whoever waits for it for as long as it is
/// light. Dropping it ends the work wherever it is.
pub(super) struct Demotable<T> {
    work: Work<T>,
    /// None when the work is taken for long from the beginning.
    effort: Option<Effort>,
    background: Background,
    crew: Crew,
}

enum Work<T> {
    Here(BoxFuture<'static, T>),
    Away(oneshot::Receiver<T>),
}

/// The host is going down, and the work with it.
#[derive(Debug)]
pub(super) struct Lost;

impl<T: Send + 'static> Demotable<T> {
    pub(super) fn new(
        work: impl Future<Output = T> + Send + 'static,
        effort: Option<Effort>,
        background: &Background,
        crew: &Crew,
    ) -> Self {
        let work = Work::Here(Box::pin(work));
        Self { work, effort, background: background.clone(), crew: crew.clone() }
    }

    /// Hands the work over, unless nothing is begun any more.
    fn demote(&mut self) {
        if matches!(self.work, Work::Away(_)) || self.crew.is_disbanding() {
            return;
        }
        let (mut give, given) = oneshot::channel();
        let work = std::mem::replace(&mut self.work, Work::Away(given));
        let Work::Here(work) = work else { return };
        self.crew.hire_on(self.background.handle(), "computing call", |_stop| async move {
            tokio::select! {
                biased;
                () = give.closed() => (),
                outcome = work => drop(give.send(outcome)),
            }
        });
    }
}

impl<T: Send + 'static> Future for Demotable<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.effort.is_none() {
            self.demote();
        }
        if let Work::Here(work) = &mut self.work {
            if let Poll::Ready(outcome) = work.poll_unpin(cx) {
                return Poll::Ready(Ok(outcome));
            }
            if !self.effort.as_ref().is_some_and(Effort::is_long) {
                return Poll::Pending;
            }
            self.demote();
        }
        match &mut self.work {
            Work::Here(_) => Poll::Pending,
            Work::Away(given) => given.poll_unpin(cx).map_err(|_unsent| Lost),
        }
    }
}
