//! The course of one call: whom it goes to, and what follows when that fails.
//!
//! What decides is elsewhere: the fleet chooses, the options and the method say
//! what may be done twice. Here it is carried out within the deadline.

use super::begun::Begun as BegunCall;
use super::fleets::{Endpoint, Sought};
use super::line::LinePlace;
use super::options::CallOptions;
use super::traced::{end_late, end_try, went};
use super::{Shared, here, remote};
use crate::breaker::Verdict;
use crate::call::{Answer, CallBody, CallContext, CallTarget, OutgoingCall};
use crate::edges::{OUTSIDE, Went};
use crate::fault::Fault;
use crate::fleet::{Fit, Place, Turn};
use crate::record::{RecordMethod, Status};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long a call may take when nobody says.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Endpoints that a call may be passed on to without having begun.
const MOVES_MAX: usize = 8;

/// One call on its way.
pub(super) struct Course {
    pub(super) shared: Arc<Shared>,
    pub(super) options: CallOptions,
    pub(super) context: CallContext,
    pub(super) pending: Pending,
    tried: Vec<(Arc<str>, Begun)>,
    turn: Turn,
    pub(super) moves: usize,
    pub(super) failures: usize,
    /// Why the tries before failed, the first and the last.
    pub(super) reasons: Option<(Fault, Option<Fault>)>,
}

/// A call that may have to be made more than once.
pub(super) struct Pending {
    pub(super) call: OutgoingCall,
    /// Its body was given away, and cannot be had again.
    is_spent: bool,
}

/// How one try went.
pub(super) struct Attempt {
    pub(super) verdict: Verdict,
    /// An answer, or a fault and how far the call had come where it may be made
    /// again.
    pub(super) outcome: Result<Answer, (Fault, Option<Begun>)>,
}

/// How far a call had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// The endpoint is being replaced: ask it again.
    Moved,
    /// The endpoint does not take it.
    Declined,
    /// It did not get there.
    Unreached,
    /// Some of it may have been done.
    Maybe,
}

/// Tells that it is worth to look for an endpoint again.
struct Changes {
    listed: watch::Receiver<u64>,
    fared: watch::Receiver<u64>,
}

impl Changes {
    fn of(shared: &Shared) -> Self {
        Self { listed: shared.registry.watch(), fared: shared.fleets.watch() }
    }

    /// From here on.
    fn forget(&mut self) {
        self.listed.mark_unchanged();
        self.fared.mark_unchanged();
    }

    /// Somebody came, or serves again.
    async fn next(&mut self) -> Result<(), Fault> {
        let changed = tokio::select! {
            changed = self.listed.changed() => changed,
            changed = self.fared.changed() => changed,
        };
        changed.map_err(|_| Fault::Stopping)
    }
}

impl Pending {
    /// The body, of which a copy is kept where one can be.
    pub(super) fn take_body(&mut self) -> CallBody {
        match &self.call.body {
            CallBody::Empty => CallBody::Empty,
            CallBody::Bytes(bytes) => CallBody::Bytes(bytes.clone()),
            CallBody::Stream(_) => {
                self.is_spent = true;
                std::mem::replace(&mut self.call.body, CallBody::Empty)
            }
        }
    }

    /// Nobody has touched it.
    pub(super) fn give_back_body(&mut self, body: CallBody) {
        self.call.body = body;
        self.is_spent = false;
    }
}

impl Attempt {
    pub(super) fn answered(outcome: Result<Answer, Fault>, verdict: Verdict) -> Self {
        Self { verdict, outcome: outcome.map_err(|fault| (fault, None)) }
    }

    pub(super) fn again(fault: Fault, begun: Begun) -> Self {
        Self { verdict: Verdict::Nothing, outcome: Err((fault, Some(begun))) }
    }

    pub(super) fn declined(fault: Fault) -> Self {
        Self::again(fault, Begun::Declined)
    }
}

impl Course {
    pub(super) fn new(
        shared: Arc<Shared>,
        options: CallOptions,
        context: CallContext,
        call: OutgoingCall,
    ) -> Self {
        Self {
            shared,
            options,
            context,
            pending: Pending { call, is_spent: false },
            tried: Vec::new(),
            turn: Turn::First,
            moves: 0,
            failures: 0,
            reasons: None,
        }
    }

    /// Makes the call, until it is answered or nothing more can be done.
    pub(super) async fn run(mut self: Box<Self>) -> Result<Answer, Fault> {
        let (now, shared) = (Instant::now(), self.shared.clone());
        if let Some(timeout) = self.options.timeout {
            self.context.deadline = self.context.deadline.min(now + timeout);
        }
        // Before the first look, so that no change after it is missed.
        let mut changes = self.options.wait.then(|| Changes::of(&shared));
        if self.context.deadline <= now {
            return Err(Fault::TooLate { service: self.pending.call.service.clone() });
        }
        let (mut began, above) = (now, self.context.request_id.trace().span());
        loop {
            let mut begun = match self.choose_or_wait(&mut changes, now).await {
                Ok(begun) => begun,
                Err(nobody) => return Err(self.untried(began, nobody)),
            };
            if self.context.is_logged() {
                self.log(&begun);
            }
            self.bound(&begun.endpoint, now);
            let deadline = self.context.deadline;
            let open = shared.begin_try(&mut self, &begun, began);
            let attempt = self.attempt(&begun.endpoint, begun.place);
            let Ok(tried) = timeout_at(deadline, attempt).await else {
                begun.end(Verdict::TimedOut);
                self.count(&begun.endpoint, Went::Wrong);
                let fault = self.timed_out(&begun);
                end_late(open, &fault);
                return Err(fault);
            };
            let Attempt { verdict, outcome } = tried;
            end_try(open, &outcome, &mut self.context);
            begun.end(verdict);
            if let Some(went) = went(&outcome) {
                self.count(&begun.endpoint, went);
            }
            match outcome {
                Ok(answer) => return Ok(begun.follow(answer)),
                Err((fault, how_far)) => self.consider(&begun.endpoint, fault, how_far)?,
            }
            // The next try stands beside this one.
            self.context.request_id.trace_mut().set_span(above);
            began = Instant::now();
        }
    }

    /// Counts a try between its caller and whoever was called.
    fn count(&self, endpoint: &Endpoint, went: Went) {
        let from = self.context.chain.latest_first().next().map(|hop| hop.service.as_str());
        let to = endpoint.record.name.as_str();
        self.shared.edges.count(from.unwrap_or(OUTSIDE), to, went);
    }

    fn timed_out(&self, begun: &BegunCall) -> Fault {
        match begun.place {
            Place::Here => Fault::Deadline { doing: "a service was called" },
            Place::There => Fault::NoAnswer {
                service: self.pending.call.service.clone(),
                endpoint: begun.endpoint.record.registration.clone(),
            },
        }
    }

    /// The time a call has is what its caller says, else what the method says,
    /// else the same for all.
    fn bound(&mut self, endpoint: &Endpoint, began: Instant) {
        if self.options.timeout.is_none() && self.turn == Turn::First {
            let method = self.method_of(endpoint);
            let timeout = method.and_then(|method| method.timeout_ms).map(Duration::from_millis);
            let until = began + timeout.unwrap_or(TIMEOUT);
            self.context.deadline = self.context.deadline.min(until);
        }
    }

    async fn attempt(&mut self, endpoint: &Endpoint, place: Place) -> Attempt {
        let (context, pending) = (&self.context, &mut self.pending);
        match place {
            Place::Here => match here::find(&*self.shared.locals, endpoint) {
                Some(service) => here::call(&*self.shared.locals, service, context, pending).await,
                None => Attempt::declined(Fault::Stopping),
            },
            Place::There => {
                let attempt = remote::send(&self.shared.outbound, endpoint, context, pending).await;
                if attempt.verdict == Verdict::Unreachable {
                    self.shared.registry.call_failed(endpoint);
                }
                attempt
            }
        }
    }

    fn method_of<'e>(&self, endpoint: &'e Endpoint) -> Option<&'e RecordMethod> {
        match &self.pending.call.target {
            CallTarget::Method { name, .. } => endpoint.record.method(name),
            CallTarget::Path { .. } => None,
        }
    }

    /// Whether it does no harm when what may have been done is done again.
    fn may_be_repeated(&self, endpoint: &Endpoint) -> bool {
        self.options.is_idempotent
            || match &self.pending.call.target {
                CallTarget::Path { verb, .. } => verb.is_idempotent(),
                CallTarget::Method { .. } => {
                    self.method_of(endpoint).is_some_and(RecordMethod::is_idempotent)
                }
            }
    }

    /// Whether the call may be made again after a try that failed.
    fn consider(
        &mut self,
        endpoint: &Endpoint,
        fault: Fault,
        begun: Option<Begun>,
    ) -> Result<(), Fault> {
        let fault = self.note(fault);
        let Some(begun) = begun.filter(|_| !self.pending.is_spent) else { return Err(fault) };
        self.turn = match begun {
            Begun::Moved | Begun::Declined => {
                self.moves += 1;
                if MOVES_MAX < self.moves {
                    return Err(fault);
                }
                Turn::Moved
            }
            Begun::Unreached => Turn::Again,
            Begun::Maybe => {
                self.failures += 1;
                if !self.may_be_repeated(endpoint) || self.options.retries < self.failures {
                    return Err(fault);
                }
                Turn::Again
            }
        };
        if begun != Begun::Moved {
            self.tried.push((endpoint.id(), begun));
        }
        Ok(())
    }

    /// Remembers why a try failed, and tells what that makes of the call.
    fn note(&mut self, fault: Fault) -> Fault {
        match &mut self.reasons {
            None => {
                self.reasons = Some((fault.clone(), None));
                fault
            }
            Some((first, last)) => {
                *last = Some(fault.clone());
                Fault::Again { first: first.to_string(), last: Box::new(fault) }
            }
        }
    }

    /// The fault when no more can be tried.
    fn given_up(&self, nobody: Fault) -> Fault {
        match &self.reasons {
            None => nobody,
            Some((first, None)) => first.clone(),
            Some((first, Some(last))) => {
                Fault::Again { first: first.to_string(), last: Box::new(last.clone()) }
            }
        }
    }

    /// An endpoint with the call to it begun.
    async fn choose_or_wait(
        &mut self,
        changes: &mut Option<Changes>,
        began: Instant,
    ) -> Result<BegunCall, Fault> {
        let (nobody, due) = match self.choose() {
            Ok(chosen) => return Ok(chosen),
            Err(nobody) => nobody,
        };
        let Some(changes) = changes else { return Err(self.given_up(nobody)) };
        let until = self.context.deadline.min(began + self.options.timeout.unwrap_or(TIMEOUT));
        let wait = self.wait_in_line(changes, due);
        match timeout_at(until, wait).await {
            Ok(waited) => waited,
            Err(_elapsed) => Err(Fault::Deadline { doing: "a service was waited for" }),
        }
    }

    /// Waits behind those who came before, then for an endpoint.
    async fn wait_in_line(
        &mut self,
        changes: &mut Changes,
        mut due: Option<Instant>,
    ) -> Result<BegunCall, Fault> {
        let shared = self.shared.clone();
        let _first: LinePlace<'_> = shared.lines.reach_front(&self.pending.call.service).await?;
        loop {
            changes.forget();
            match self.choose() {
                Ok(chosen) => return Ok(chosen),
                Err((_, next)) => due = next.or(due),
            }
            let probe = async {
                match due.take() {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changes.next() => changed?,
                () = probe => (),
            }
            // Who could not be reached may be back.
            self.tried.retain(|(_, begun)| *begun != Begun::Unreached);
        }
    }

    fn choose(&self) -> Result<BegunCall, (Fault, Option<Instant>)> {
        let target = &self.pending.call.target;
        let fit = |endpoint: &Endpoint| {
            let id = endpoint.id();
            let before = self.tried.iter().find(|(tried, _)| *tried == id).map(|(_, begun)| *begun);
            match before {
                Some(Begun::Declined | Begun::Unreached) => return Fit::No,
                Some(_) => return Fit::Full,
                None => (),
            }
            let is_method = matches!(target, CallTarget::Method { .. });
            if endpoint.status == Status::Down || is_method && self.method_of(endpoint).is_none() {
                return Fit::No;
            }
            let is_full = || {
                here::find(&*self.shared.locals, endpoint).is_some_and(|service| service.is_full())
            };
            if endpoint.is_local && is_full() { Fit::Full } else { Fit::Yes }
        };
        let sought = Sought { options: &self.options, service: &self.pending.call.service, target };
        self.shared.fleets.choose(sought, self.turn, fit)
    }
}
