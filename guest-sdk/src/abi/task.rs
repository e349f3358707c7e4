//! Runs one call of an exported function: its future, what that spawned, and
//! the host's events they wait for.
//!
//! It stands where the executor of the bindings would, for two reasons. What is
//! spawned may outlive the return of the function, so that a body is written
//! after its head; and a call that never waits costs one allocation and touches
//! neither the host's sets of waitables nor its context slot.
//!
//! The futures of the bindings find it through `wasip3_task_set`, which their
//! generator documents for executors other than its own.

#![allow(unsafe_code, reason = "the ABI of a guest, which is pointers")]

use std::{
    cell::{Cell, RefCell},
    ffi::c_void,
    mem::ManuallyDrop,
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use crate::call;

type Spawned = Pin<Box<dyn Future<Output = ()>>>;
type PollSpawned = fn(&mut Vec<Spawned>, &mut Context<'_>);

thread_local! {
    /// What was spawned during the poll that runs now. Every poll empties it;
    /// that nothing is ever left to drop spares the code for it.
    static SPAWNED: Cell<ManuallyDrop<Vec<Spawned>>> =
        const { Cell::new(ManuallyDrop::new(Vec::new())) };

    /// Polls what was spawned; a module that spawns nothing has none of it.
    static POLL_SPAWNED: Cell<Option<PollSpawned>> = const { Cell::new(None) };

    /// Of the task that ended last, for the next one.
    static SPARE: Cell<ManuallyDrop<Option<Handle>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
}

/// Runs a future beside the exported function being polled, and after it.
pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
    POLL_SPAWNED.set(Some(poll_spawned));
    let mut spawned = take_spawned();
    spawned.push(Box::pin(future));
    SPAWNED.set(ManuallyDrop::new(spawned));
}

fn take_spawned() -> Vec<Spawned> {
    ManuallyDrop::into_inner(SPAWNED.replace(ManuallyDrop::new(Vec::new())))
}

fn poll_spawned(others: &mut Vec<Spawned>, context: &mut Context<'_>) {
    others.retain_mut(|other| other.as_mut().poll(context).is_pending());
    loop {
        let newer = take_spawned();
        if newer.is_empty() {
            return;
        }
        for mut other in newer {
            if other.as_mut().poll(context).is_pending() {
                others.push(other);
            }
        }
    }
}

/// What the exported function calls with its own future.
pub fn start_task(future: impl Future<Output = ()> + 'static) -> i32 {
    start(Box::pin(future))
}

fn start(main: Spawned) -> i32 {
    let (main, others) = (Some(main), Vec::new());
    let mut task = Task { call: call::current(), main, others, handle: Handle::take() };
    let code = task.entered(Task::advance);
    match code {
        EXIT => task.handle.give_back(),
        _ => keep(Box::new(task)),
    }
    code.cast_signed()
}

/// What the host calls when something the task waits for has happened.
///
/// # Safety
///
/// The host calls it with the context slot that the task has set.
pub unsafe fn callback(event: u32, waitable: u32, code: u32) -> u32 {
    // SAFETY: a task that goes on has put itself there, and its slot is empty
    // while it runs, so it is taken back once.
    let mut task = unsafe {
        let task = Box::from_raw(context_get().cast::<Task>());
        context_set(ptr::null_mut());
        task
    };
    let code = task.entered(|task| task.resume(event, waitable, code));
    match code {
        EXIT => task.handle.give_back(),
        _ => keep(task),
    }
    code
}

/// Puts a task where the host finds it again.
fn keep(task: Box<Task>) {
    // SAFETY: the slot belongs to the exported function that runs.
    unsafe { context_set(Box::into_raw(task).cast()) }
}

// What the host is told to do next; `WAIT` with the set above its four bits.
const EXIT: u32 = 0;
const YIELD: u32 = 1;
const WAIT: u32 = 2;

// Of the events of the host, those that name no waitable.
const EVENT_NONE: u32 = 0;
const EVENT_CANCEL: u32 = 6;

struct Task {
    /// What runs in it belongs to this call.
    call: u64,
    main: Option<Spawned>,
    others: Vec<Spawned>,
    handle: Handle,
}

impl Task {
    /// Does something as the task that the bindings' futures belong to.
    fn entered(&mut self, act: impl FnOnce(&mut Self) -> u32) -> u32 {
        let mut exposed = Exposed {
            version: 2,
            shared: Arc::as_ptr(&self.handle.shared),
            register,
            unregister,
            references: &References { register, unregister, clone, drop },
        };
        // SAFETY: what is exposed lives until it is replaced again, and nothing
        // unwinds in between since panics abort.
        unsafe {
            let before = wasip3_task_set(ptr::from_mut(&mut exposed).cast());
            let call_before = call::enter(self.call);
            let code = act(self);
            self.call = call::enter(call_before);
            wasip3_task_set(before);
            code
        }
    }

    fn resume(&mut self, event: u32, waitable: u32, code: u32) -> u32 {
        self.handle.shared.mode.set(Mode::Woken);
        match event {
            EVENT_NONE => {}
            EVENT_CANCEL => {
                self.main = None;
                self.others.clear();
            }
            _ => self.handle.shared.deliver(waitable, code),
        }
        self.advance()
    }

    /// Polls until everything waits or has ended.
    fn advance(&mut self) -> u32 {
        loop {
            self.handle.shared.mode.set(Mode::Awake);
            self.poll();
            let waits = !self.handle.shared.waiting.borrow().is_empty();
            let wait = WAIT | (self.handle.shared.set.get() << 4);
            if self.main.is_none() && self.others.is_empty() {
                // Values that the bindings write in the background have no
                // future of their own.
                return if waits { wait } else { EXIT };
            }
            if let Mode::Woken = self.handle.shared.mode.get() {
                match waits.then(|| self.handle.shared.happened()).flatten() {
                    Some((waitable, code)) => self.handle.shared.deliver(waitable, code),
                    None => return YIELD,
                }
                continue;
            }
            assert!(waits, "a handler waits for what the host knows nothing of");
            self.handle.shared.mode.set(Mode::Asleep);
            return wait;
        }
    }

    fn poll(&mut self) {
        let mut context = Context::from_waker(&self.handle.waker);
        if let Some(main) = &mut self.main
            && main.as_mut().poll(&mut context).is_ready()
        {
            self.main = None;
        }
        if let Some(poll_spawned) = POLL_SPAWNED.get() {
            poll_spawned(&mut self.others, &mut context);
        }
    }
}

/// A task as seen from outside of it.
struct Handle {
    shared: Arc<Shared>,
    waker: Waker,
}

impl Handle {
    fn take() -> Self {
        ManuallyDrop::into_inner(SPARE.replace(ManuallyDrop::new(None))).unwrap_or_else(Self::new)
    }

    #[cold]
    fn new() -> Self {
        let shared = Arc::new(Shared {
            mode: Cell::new(Mode::Awake),
            set: Cell::new(0),
            waiting: RefCell::new(Vec::new()),
        });
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// For the next task, when nobody else can see this one any more.
    fn give_back(self) {
        if Arc::strong_count(&self.shared) == 2 {
            ManuallyDrop::into_inner(SPARE.replace(ManuallyDrop::new(Some(self))));
        }
    }
}

/// What wakers and the bindings' futures hold of a task.
struct Shared {
    mode: Cell<Mode>,
    /// The host's set of what is waited for; 0 until something is.
    set: Cell<u32>,
    waiting: RefCell<Vec<Waiting>>,
}

// SAFETY: a guest has one thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

#[derive(Clone, Copy)]
enum Mode {
    Awake,
    Woken,
    Asleep,
}

struct Waiting {
    waitable: u32,
    callback: Callback,
    pointer: *mut c_void,
}

impl Shared {
    fn register(&self, new: Waiting) -> *mut c_void {
        if self.set.get() == 0 {
            // SAFETY: takes nothing.
            self.set.set(unsafe { waitable_set_new() });
        }
        // SAFETY: both are handles of this instance.
        unsafe { waitable_join(new.waitable, self.set.get()) };
        let mut waiting = self.waiting.borrow_mut();
        match waiting.iter_mut().find(|known| known.waitable == new.waitable) {
            Some(known) => std::mem::replace(known, new).pointer,
            None => {
                waiting.push(new);
                ptr::null_mut()
            }
        }
    }

    /// Leaves the set; gives what was registered.
    fn take(&self, waitable: u32) -> Option<Waiting> {
        // SAFETY: a waitable may leave its set at any time.
        unsafe { waitable_join(waitable, 0) };
        let mut waiting = self.waiting.borrow_mut();
        let index = waiting.iter().position(|known| known.waitable == waitable)?;
        Some(waiting.swap_remove(index))
    }

    fn deliver(&self, waitable: u32, code: u32) {
        if let Some(Waiting { callback, pointer, .. }) = self.take(waitable) {
            // SAFETY: who registered keeps both alive until called or taken out.
            unsafe { callback(pointer, code) }
        }
    }

    /// An event that is there already.
    fn happened(&self) -> Option<(u32, u32)> {
        let mut payload = [0; 2];
        // SAFETY: the set is one of this instance, since something waits.
        let event = unsafe { waitable_set_poll(self.set.get(), &mut payload) };
        let [waitable, code] = payload;
        (event != EVENT_NONE).then_some((waitable, code))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.set.get() != 0 {
            // SAFETY: nobody waits for the set of a task that has ended.
            unsafe { waitable_set_drop(self.set.get()) }
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Mode::Asleep = self.mode.replace(Mode::Woken) {
            asleep();
        }
    }
}

#[cold]
#[allow(clippy::panic, reason = "the host cannot be told, so the call would never end")]
fn asleep() {
    panic!("a call was woken by another call of the instance");
}

// From here on: what the generator of the bindings documents in its module
// `cabi`, of version 2.

type Callback = unsafe extern "C" fn(*mut c_void, u32);
type Register = unsafe extern "C" fn(*const Shared, u32, Callback, *mut c_void) -> *mut c_void;
type Unregister = unsafe extern "C" fn(*const Shared, u32) -> *mut c_void;

#[repr(C)]
struct Exposed {
    version: u32,
    shared: *const Shared,
    register: Register,
    unregister: Unregister,
    references: &'static References,
}

#[repr(C)]
struct References {
    register: Register,
    unregister: Unregister,
    clone: unsafe extern "C" fn(*const Shared) -> *const Shared,
    drop: unsafe extern "C" fn(*const Shared),
}

unsafe extern "C" fn register(
    shared: *const Shared,
    waitable: u32,
    callback: Callback,
    pointer: *mut c_void,
) -> *mut c_void {
    // SAFETY: the caller has it from `Exposed` or from `clone`.
    unsafe { (*shared).register(Waiting { waitable, callback, pointer }) }
}

unsafe extern "C" fn unregister(shared: *const Shared, waitable: u32) -> *mut c_void {
    // SAFETY: the caller has it from `Exposed` or from `clone`.
    let taken = unsafe { (*shared).take(waitable) };
    taken.map_or(ptr::null_mut(), |waiting| waiting.pointer)
}

unsafe extern "C" fn clone(shared: *const Shared) -> *const Shared {
    // SAFETY: it comes out of an `Arc` that is alive.
    unsafe { Arc::increment_strong_count(shared) };
    shared
}

unsafe extern "C" fn drop(shared: *const Shared) {
    // SAFETY: it comes from `clone` and is given back once.
    unsafe { Arc::decrement_strong_count(shared) }
}

unsafe extern "C" {
    fn wasip3_task_set(task: *mut c_void) -> *mut c_void;
}

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[context-get-0]"]
    fn context_get() -> *mut u8;
    #[link_name = "[context-set-0]"]
    fn context_set(value: *mut u8);
    #[link_name = "[waitable-set-new]"]
    fn waitable_set_new() -> u32;
    #[link_name = "[waitable-set-drop]"]
    fn waitable_set_drop(set: u32);
    #[link_name = "[waitable-set-poll]"]
    fn waitable_set_poll(set: u32, payload: &mut [u32; 2]) -> u32;
    #[link_name = "[waitable-join]"]
    fn waitable_join(waitable: u32, set: u32);
}
