//! Browsers: they call the methods and hear the events that services expose to
//! their namespace, by socket.io, by plain WebSocket, or by server-sent events.
//!
//! A namespace is there as long as a live service names it; the loader says when
//! the table has changed. What a browser can reach is looked up in the table at
//! each call, so nothing here has to be told of a swap.

mod calls;
mod pace;
mod places;
mod socketio;
mod space;
mod wire;

pub(crate) use calls::Order;
pub(crate) use places::{Cause, Place, Transport};
pub(crate) use socketio::{Carried, Known};
pub(crate) use space::Space;
pub(crate) use wire::{Said, Wish, answered, failed, noted, sent};

use crate::bus::{Bus, EventId, EventQuery, EventQueryError, Feed, FeedBounds, Told};
use crate::call::RequestIds;
use crate::crew::Crew;
use crate::edges::Edges;
use crate::fault::{BrowserFault, Fault};
use crate::limits::HostLimits;
use crate::live::Live;
use crate::name::Name;
use crate::publish::Snapshots;
use crate::sockets::{Closing, Outlet, Owner, Present, Sockets, code};
use crate::subject::Subscription;
use crate::upgrade::Origins;
use http::Request;
use places::Places;
use socketio::SocketIoSide;
use space::Shown;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All browsers and what they can reach. Clones share them.
#[derive(Clone)]
pub(crate) struct Browsers {
    shared: Arc<Shared>,
}

struct Shared {
    bus: Arc<dyn Bus>,
    live: Snapshots<Live>,
    sockets: Sockets,
    origins: Origins,
    crew: Crew,
    edges: Arc<Edges>,
    limits: HostLimits,
    ids: RequestIds,
    places: Arc<Places>,
    spaces: Mutex<BTreeMap<Name, Arc<Space>>>,
    socketio: SocketIoSide,
    calls: AtomicU64,
    /// Whether everything is there that a browser may ask for.
    is_open: AtomicBool,
    is_closing: AtomicBool,
}

/// What browsers stand on.
pub(crate) struct Footing {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) live: Snapshots<Live>,
    pub(crate) sockets: Sockets,
    pub(crate) origins: Origins,
    pub(crate) crew: Crew,
    /// Where their calls are counted.
    pub(crate) edges: Arc<Edges>,
}

/// Browsers in figures.
pub(crate) struct BrowserCounts {
    /// Those that are there, by transport.
    pub(crate) open: Vec<(Transport, usize)>,
    /// Those that are gone, by cause.
    pub(crate) closed: Vec<(Cause, u64)>,
    /// Calls that they made.
    pub(crate) calls: u64,
}

impl Browsers {
    /// Nobody is let in before [`open`](Self::open).
    pub(crate) fn new(footing: Footing, limits: HostLimits) -> Self {
        let Footing { bus, live, sockets, origins, crew, edges } = footing;
        let places = Places::new(
            limits.browsers_max,
            limits.browsers_per_address_max,
            limits.websocket_messages_per_second_max,
        );
        let socketio = SocketIoSide::new(limits.websocket_message_bytes_max);
        Self {
            shared: Arc::new(Shared {
                bus,
                live,
                sockets,
                origins,
                crew,
                edges,
                limits,
                ids: RequestIds::default(),
                places,
                spaces: Mutex::default(),
                socketio,
                calls: AtomicU64::new(0),
                is_open: AtomicBool::new(false),
                is_closing: AtomicBool::new(false),
            }),
        }
    }

    /// Lets browsers in. A client of socket.io that comes too early and does not
    /// find its namespace gives up for good; one that is turned away comes again.
    pub(crate) fn open(&self) {
        self.shared.is_open.store(true, Ordering::Relaxed);
    }

    /// Takes up what the services show that are live now. Called after each
    /// change of the table, by who changed it.
    pub(crate) fn follow(&self) {
        let live = self.shared.live.take();
        let named = live.services().filter_map(|one| one.declaration.exposed.namespace());
        let named: BTreeSet<&Name> = named.collect();
        let mut gone = Vec::new();
        let mut spaces = self.shared.spaces();
        spaces.retain(|name, space| {
            let stays = named.contains(name);
            if !stays {
                gone.push(space.clone());
            }
            stays
        });
        for name in named {
            let shown = Shown::of(&live, name);
            match spaces.get(name) {
                Some(space) => space.show(shown),
                None => {
                    let Shared { bus, crew, .. } = &*self.shared;
                    let space = Arc::new(Space::new(name.clone(), bus.clone(), crew.clone()));
                    space.show(shown);
                    spaces.insert(name.clone(), space.clone());
                    if !self.is_closing() {
                        self.shared.socketio.open(self, &space);
                    }
                }
            }
        }
        drop(spaces);
        for space in gone {
            let reason = format!("nobody is in the namespace {} any more", space.name);
            space.close_for_good(&Closing { code: NAMESPACE_GONE, reason });
            self.shared.socketio.forget(&space.name);
        }
    }

    /// Whether browsers are let in now.
    fn check_open(&self) -> Result<(), Fault> {
        if self.is_closing() {
            return Err(Fault::Stopping);
        }
        let is_open = self.shared.is_open.load(Ordering::Relaxed);
        if is_open { Ok(()) } else { Err(BrowserFault::NotReady.into()) }
    }

    /// A namespace by name.
    pub(crate) fn space(&self, name: &str) -> Result<Arc<Space>, Fault> {
        self.check_open()?;
        let space = self.shared.spaces().get(name).cloned();
        space.ok_or_else(|| BrowserFault::NoSuchNamespace { namespace: name.to_owned() }.into())
    }

    /// A place for one more, unless the host is starting or stopping.
    pub(crate) fn place(&self, from: IpAddr, transport: Transport) -> Result<Arc<Place>, Fault> {
        self.check_open()?;
        Ok(self.shared.places.take(from, transport)?)
    }

    /// Judges on whose behalf a request is made.
    pub(crate) fn judge_origin<B>(&self, request: &Request<B>) -> Result<(), Fault> {
        self.shared.origins.judge(request)
    }

    /// A browser in a namespace, which services can send to. None is let in
    /// where the namespace has gone meanwhile.
    pub(crate) fn enter(
        &self,
        space: &Arc<Space>,
        outlet: &Arc<dyn Outlet>,
    ) -> Result<Present, Fault> {
        let owner = Owner::Namespace(space.name.clone());
        let present = self.shared.sockets.enter(owner, outlet.clone());
        let present = present.map_err(|_| BrowserFault::TooManyBrowsers { of: "the host" })?;
        space.enter(present.id().clone(), outlet.clone())?;
        Ok(present)
    }

    /// Events that a query asks for, as server-sent events: those that its
    /// namespace exposes, or any namespace where it names none.
    pub(crate) fn tell(&self, query: &str, last: Option<&str>) -> Result<Told, Fault> {
        self.check_open()?;
        let EventQuery { subjects, rest } = EventQuery::read(query).map_err(|error| {
            let message = error.to_string();
            match error {
                EventQueryError::Subject(_) => Fault::BadSubject { message },
                _ => Fault::BadRequest { message },
            }
        })?;
        let mut namespace = None;
        for (name, value) in rest {
            if name != "namespace" {
                let message = format!("there is no {name}, only subject and namespace");
                return Err(Fault::BadRequest { message });
            }
            namespace = Some(self.space(&value)?.name.clone());
        }
        let reached = self.reached(namespace.as_ref());
        if let Some(subject) =
            subjects.iter().find(|wanted| !reached.iter().any(|space| space.may_hear(wanted)))
        {
            return Err(BrowserFault::NoSuchEvent { subject: subject.to_string() }.into());
        }
        let wanted: Vec<Subscription> =
            subjects.into_iter().map(|pattern| Subscription { pattern, group: None }).collect();
        let last = last.map(|last| EventId::parse(last).unwrap_or(EventId::UNKNOWN));
        let told = Told::new(&self.shared.bus, &wanted, last);
        let browsers = self.clone();
        Ok(told.where_allowed(move |subject| {
            let reached = browsers.reached(namespace.as_ref());
            reached.iter().any(|space| space.may_be_told(subject))
        }))
    }

    /// Where one of them hears what it asked for.
    pub(crate) fn feed(&self, bounds: FeedBounds) -> Feed {
        Feed::of_stream(&self.shared.bus, bounds)
    }

    /// One namespace, or all.
    fn reached(&self, namespace: Option<&Name>) -> Vec<Arc<Space>> {
        let spaces = self.shared.spaces();
        match namespace {
            Some(name) => spaces.get(name).cloned().into_iter().collect(),
            None => spaces.values().cloned().collect(),
        }
    }

    /// Sends everybody away; nobody is let in any more.
    pub(crate) async fn close(&self) {
        self.shared.is_closing.store(true, Ordering::Relaxed);
        let spaces = self.reached(None);
        for space in &spaces {
            space.close_for_good(&Closing::new(code::AWAY, "the host is stopping"));
        }
        self.shared.socketio.close().await;
    }

    fn is_closing(&self) -> bool {
        self.shared.is_closing.load(Ordering::Relaxed)
    }

    /// Bytes of an answer that a browser gets.
    fn answer_bytes_max(&self) -> usize {
        self.shared.limits.websocket_message_bytes_max
    }

    /// Messages that a browser may send in a second.
    fn messages_per_second(&self) -> u32 {
        self.shared.limits.websocket_messages_per_second_max
    }

    /// Browsers in figures.
    pub(crate) fn counts(&self) -> BrowserCounts {
        let (open, closed) = (self.shared.places.open(), self.shared.places.closed());
        BrowserCounts { open, closed, calls: self.shared.calls.load(Ordering::Relaxed) }
    }
}

/// Nobody is in the namespace: of those that anybody may use, and like 404.
const NAMESPACE_GONE: u16 = 4404;

impl Cause {
    /// What it means that a socket is closed so.
    pub(crate) fn of(closing: &Closing) -> Self {
        match closing.code {
            code::AWAY => Self::Stopping,
            code::TRY_LATER => Self::Slow,
            NAMESPACE_GONE => Self::Namespace,
            code::NORMAL | 3000..=4999 => Self::Service,
            _ => Self::Left,
        }
    }
}

impl Shared {
    fn spaces(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Space>>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
