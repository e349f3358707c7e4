//! An instance that has several calls at once, in a task of its own.
//!
//! Callers send their calls in and wait outside, where they keep the time. A
//! trap takes along the calls that the guest had been given; those at the door
//! are handed back. What a guest does for a caller who has left cannot be taken
//! back, so such an instance lets nobody in any more and is thrown away when
//! the others are done.

use super::drive::Driver;
use super::enter::{Entry, Head};
use super::exports::Exports;
use super::instance::{Instance, Left, causes, fault_of};
use super::limit::Limit;
use super::state::{Beside, GuestHost, State};
use super::stream::Never;
use crate::call::{Call, CallContext, Hop};
use crate::fault::Fault;
use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::{SetOnce, mpsc};
use tokio::time::{Instant, timeout_at};
use tracing::error;
use wasmtime::AsContextMut;
use wasmtime::component::Accessor;

/// The outside of an instance that calls share.
pub(crate) struct SharedInstance {
    door: mpsc::Sender<Visit>,
    occupancy: Mutex<Occupancy>,
    bounds: SharedBounds,
    /// Why the instance ended before the calls in it did.
    fate: SetOnce<Fault>,
    host: Arc<GuestHost>,
}

/// How many calls a shared instance may have.
#[derive(Clone, Copy)]
pub(crate) struct SharedBounds {
    pub(crate) at_once: usize,
    pub(crate) in_all: u64,
}

/// Who has a place in the instance, on the way in or inside.
struct Occupancy {
    inside: usize,
    in_all: u64,
    is_open: bool,
}

/// Calls on their way into an instance.
pub(crate) struct Arrivals(mpsc::Receiver<Visit>);

/// One call, with the way back to its caller.
struct Visit {
    call: Box<Call>,
    hop: Arc<Hop>,
    context: CallContext,
    reply: oneshot::Sender<Reply>,
    ended: oneshot::Sender<()>,
}

enum Reply {
    Answered(Result<Head, Fault>),
    Unstarted(Box<Call>),
}

/// What became of a call to a shared instance.
pub(crate) enum Visited {
    /// The guest answered. A streamed answer has a rest, whose end is that of
    /// the call; dropping it cancels the call.
    Answered(Result<Head, Fault>, Option<BoxFuture<'static, Result<(), Fault>>>),
    /// The instance ended before the guest was given the call.
    Unstarted(Box<Call>),
}

impl SharedInstance {
    /// Opens an instance to calls, with a place taken for the first.
    pub(crate) fn open(instance: &Instance, bounds: SharedBounds) -> (Arc<Self>, Arrivals) {
        let (door, arrivals) = mpsc::channel(bounds.at_once);
        let occupancy = Mutex::new(Occupancy { inside: 1, in_all: 1, is_open: true });
        let host = instance.store.data().host.clone();
        let shared = Self { door, occupancy, bounds, fate: SetOnce::new(), host };
        (Arc::new(shared), Arrivals(arrivals))
    }

    /// Takes a place for a call that is [made](Self::call) at once.
    pub(crate) fn take_place(&self) -> bool {
        let mut occupancy = self.lock();
        let has_room = occupancy.is_open
            && occupancy.inside < self.bounds.at_once
            && occupancy.in_all < self.bounds.in_all;
        if has_room {
            occupancy.inside += 1;
            occupancy.in_all += 1;
        }
        has_room
    }

    /// Whether there will ever be a place again.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// Calls that it was given.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().in_all
    }

    /// Makes a call that has a place and began then.
    pub(crate) async fn call(
        self: &Arc<Self>,
        call: Box<Call>,
        hop: Arc<Hop>,
        began: Instant,
    ) -> Visited {
        let limits = &self.host.limits;
        let mut context = call.context.clone();
        let whole = Limit::of_all(context.deadline, began, limits);
        let until_answered = Limit::of_head(whole, began, limits);
        context.deadline = whole.until;
        let (reply, replied) = oneshot::channel();
        let (ended, at_end) = oneshot::channel();
        // There is a place for it, so the door is never full.
        if let Err(refused) = self.door.try_send(Visit { call, hop, context, reply, ended }) {
            return Visited::Unstarted(refused.into_inner().call);
        }
        let caller = Caller { shared: self.clone(), is_done: false };
        match caller.wait(replied, until_answered).await {
            Ok((Reply::Unstarted(call), caller)) => {
                caller.done();
                Visited::Unstarted(call)
            }
            Ok((Reply::Answered(head), caller)) if head.as_ref().is_ok_and(Head::is_streamed) => {
                let rest = async move {
                    let ((), caller) = caller.wait(at_end, whole).await?;
                    caller.done();
                    Ok(())
                };
                Visited::Answered(head, Some(rest.boxed()))
            }
            Ok((Reply::Answered(head), caller)) => {
                caller.done();
                Visited::Answered(head, None)
            }
            Err(fault) => Visited::Answered(Err(fault), None),
        }
    }

    fn close(&self) {
        self.lock().is_open = false;
    }

    /// Gives a place back. True when it was the last, after which there is none.
    fn leave(&self) -> bool {
        let mut occupancy = self.lock();
        occupancy.inside -= 1;
        occupancy.is_open &= 0 < occupancy.inside;
        occupancy.inside == 0
    }

    fn lock(&self) -> MutexGuard<'_, Occupancy> {
        self.occupancy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits outside for a call. One who leaves before it is done closes the
/// instance at once, not when its task comes to notice.
struct Caller {
    shared: Arc<SharedInstance>,
    is_done: bool,
}

impl Caller {
    /// Waits for something of the instance, no longer than that.
    async fn wait<T>(
        self,
        received: oneshot::Receiver<T>,
        limit: Limit,
    ) -> Result<(T, Self), Fault> {
        match timeout_at(limit.until, received).await {
            Ok(Ok(received)) => Ok((received, self)),
            Ok(Err(_dropped)) => Err(self.shared.fate.wait().await.clone()),
            Err(_elapsed) => Err(limit.late(&self.shared.host)),
        }
    }

    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if !self.is_done {
            self.shared.close();
        }
    }
}

/// Lets one call in at a time, and none while the guest computes: the engine
/// would take it and not give it to the guest, and a trap would take it along.
struct Door<'a> {
    arrivals: &'a mut mpsc::Receiver<Visit>,
    beside: Arc<Beside>,
    has_just_let_in: bool,
}

impl Door<'_> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Visit>> {
        if std::mem::take(&mut self.has_just_let_in) || self.beside.meter.is_computing() {
            // The guest goes first; it runs again by itself.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = ready!(self.arrivals.poll_recv(cx));
        self.has_just_let_in = true;
        Poll::Ready(next)
    }
}

/// Tells those who wait that nobody will answer them, when the task of an
/// instance is dropped.
struct Fated<'a>(&'a SharedInstance);

impl Drop for Fated<'_> {
    fn drop(&mut self) {
        self.0.close();
        let _ = self.0.fate.set(Fault::Stopping);
    }
}

impl Instance {
    /// Lets calls in until the last has left. What is left can serve again
    /// unless a call was stopped or its caller did not wait for its end.
    pub(crate) async fn receive(mut self, shared: Arc<SharedInstance>, arrivals: Arrivals) -> Left {
        let fated = Fated(&shared);
        let Arrivals(mut arrivals) = arrivals;
        let _running = self.store.data().host.pulse.run();
        let mut driver = Driver::of_many(self.beside.clone());
        let received = driver.run(pin!(self.let_in(&shared, &mut arrivals))).await;
        let left = match received {
            Ok(Ok(true)) => Left::Done(self),
            Ok(Ok(false)) => Left::Stopped(self),
            Ok(Err(error)) => {
                let _ = shared.fate.set(self.stopped_with_all(&error));
                Left::Stopped(self)
            }
            // Nobody keeps the time of all of them.
            Err(_late) => Left::Stopped(self),
        };
        drop(fated);
        arrivals.close();
        while let Ok(Visit { call, reply, .. }) = arrivals.try_recv() {
            let _ = reply.send(Reply::Unstarted(call));
        }
        left
    }

    /// Gives calls to the guest as they come. True when all of them ended
    /// cleanly and the guest does nothing any more.
    async fn let_in(
        &mut self,
        shared: &SharedInstance,
        arrivals: &mut mpsc::Receiver<Visit>,
    ) -> wasmtime::Result<bool> {
        self.store.set_epoch_deadline(1);
        let exports = &self.exports;
        let beside = self.beside.clone();
        let mut door = Door { arrivals, beside, has_just_let_in: false };
        let let_in = async move |accessor: &Accessor<State>| {
            let mut inside = FuturesUnordered::new();
            let mut all_ended = true;
            loop {
                tokio::select! {
                    Some(visit) = poll_fn(|cx| door.poll_next(cx)) => {
                        inside.push(visit.pay(accessor, exports));
                    }
                    Some(has_ended) = inside.next() => {
                        if !has_ended? {
                            all_ended = false;
                            shared.close();
                        }
                        if shared.leave() {
                            break;
                        }
                    }
                }
            }
            let is_done =
                poll_fn(|cx| Poll::Ready(accessor.poll_no_interesting_tasks(cx).is_ready()));
            wasmtime::error::Ok(all_ended && is_done.await)
        };
        self.store.run_concurrent(let_in).await?
    }

    /// Why the engine stopped the guest and with it all of its calls.
    fn stopped_with_all(&self, error: &wasmtime::Error) -> Fault {
        let state = self.store.data();
        let fault = fault_of(&state.host, error, state.bounds.memory_refused);
        let (service, cause, calls) = (&state.host.service, causes(error), state.calls());
        let (revision, name) = (state.host.log.revision(), fault.reply().name);
        error!(%service, %revision, calls, fault = %name, cause, "guest stopped with all its calls");
        fault
    }
}

impl Visit {
    /// Gives the call to the guest and sees it to its end. False when the
    /// caller left before that.
    async fn pay(self, accessor: &Accessor<State>, exports: &Exports) -> wasmtime::Result<bool> {
        let Self { mut call, hop, context, mut reply, mut ended } = self;
        let begin = |state: &mut State| state.begin(hop, context);
        let id = accessor.with(|mut access| begin(access.as_context_mut().data_mut()));
        let answered = tokio::select! {
            answered = Entry::new(id, &mut call).enter(accessor, exports) => Some(answered?),
            () = reply.cancellation() => None,
        };
        let has_ended = match answered {
            None => false,
            Some(mut head) => {
                let drained = head.as_mut().ok().and_then(Head::drained);
                let is_heard = reply.send(Reply::Answered(head)).is_ok();
                is_heard && drained_or_left(drained, &mut ended).await
            }
        };
        accessor.with(|mut access| access.as_context_mut().data_mut().end(id));
        let _ = ended.send(());
        Ok(has_ended)
    }
}

/// Waits until nothing of a body is left in the store. False when its reader
/// leaves before that.
async fn drained_or_left(
    drained: Option<oneshot::Receiver<Never>>,
    ended: &mut oneshot::Sender<()>,
) -> bool {
    let Some(drained) = drained else { return true };
    tokio::select! {
        _drained = drained => true,
        () = ended.cancellation() => false,
    }
}
