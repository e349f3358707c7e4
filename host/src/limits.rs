//! Every bound in the host, in one place. Units end the name.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The bounds of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostLimits {
    /// Open connections on `--listen`.
    pub connections_max: usize,
    /// Open connections of one address that is not loopback.
    pub connections_per_address_max: usize,
    /// Requests that run at once, over all services.
    pub requests_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Bytes of a request's target.
    pub uri_bytes_max: usize,
    /// Time for a whole head to arrive.
    pub head_ms_max: u64,
    /// Time in which a body must bring something.
    pub body_idle_ms_max: u64,
    /// Bytes a second a body must bring on average after its first seconds.
    pub body_bytes_per_second_min: u64,
    /// Time in which a client must take something of its answer.
    pub write_stall_ms_max: u64,
    /// Time a connection may stay open without a request.
    pub idle_ms_max: u64,
    /// Requests that one HTTP/1.1 connection carries.
    pub(crate) connection_requests_max: u64,
    /// Time the host keeps accepting after it was told to stop.
    pub linger_ms_max: u64,
    /// Time that requests have to finish while draining.
    pub drain_ms_max: u64,
    /// Bytes of a module.
    pub module_bytes_max: u64,
    /// Bytes of a manifest.
    pub manifest_bytes_max: u64,
    /// Modules in the folder.
    pub modules_max: usize,
    /// Functions of a module, all its core modules together.
    pub functions_max: u32,
    /// Time for one compile.
    pub compile_ms_max: u64,
    /// Address space of one compile.
    pub compile_mib_max: u64,
    /// Compiles at once.
    pub compiles_max: usize,
    /// Time for `describe`.
    pub describe_ms_max: u64,
    /// Methods a module may declare.
    pub methods_max: usize,
    /// Bytes kept of compiled modules on disk.
    pub cache_mib_max: u64,
    /// Modules kept on disk for a rollback, all together.
    pub revisions_mib_max: u64,
    /// Instances at once, over all services.
    pub instances_max: u32,
    /// Services in a chain of calls.
    pub call_depth_max: usize,
    /// Records in the registry.
    pub records_max: usize,
    /// What all buckets of state may hold together.
    pub state_mib_max: u64,
    /// Buckets of state.
    pub buckets_max: usize,
    /// What the disk must have free for state to grow.
    pub disk_free_mib_min: u64,
    /// Bytes of an event's payload.
    pub event_bytes_max: usize,
    /// WebSockets of services that are open at once.
    pub websockets_max: usize,
    /// Bytes of a message that a client sends.
    pub websocket_message_bytes_max: usize,
    /// Messages a second that a client may send; what is over waits.
    pub websocket_messages_per_second_max: u32,
    /// Time without a message in either direction after which a WebSocket is closed.
    pub websocket_idle_ms_max: u64,
    /// Browsers that are connected, by whatever they are.
    pub(crate) browsers_max: usize,
    /// The same of one address that is not loopback.
    pub(crate) browsers_per_address_max: usize,
    /// Requests a second of one address that is not loopback; 0 is no bound.
    pub(crate) requests_per_second_per_address_max: u32,
    /// Bytes of one record or other admin request.
    pub admin_body_bytes_max: usize,
}

impl HostLimits {
    /// What holds unless the settings say otherwise.
    pub(crate) const DEFAULT: Self = Self {
        connections_max: 10_000,
        connections_per_address_max: 256,
        requests_max: 1_024,
        head_bytes_max: 32 << 10,
        headers_max: 100,
        uri_bytes_max: 8 << 10,
        head_ms_max: 10_000,
        body_idle_ms_max: 15_000,
        body_bytes_per_second_min: 500,
        write_stall_ms_max: 30_000,
        idle_ms_max: 75_000,
        connection_requests_max: 1_000,
        linger_ms_max: 0,
        drain_ms_max: 30_000,
        module_bytes_max: 64 << 20,
        manifest_bytes_max: 256 << 10,
        modules_max: 10_000,
        functions_max: 50_000,
        compile_ms_max: 60_000,
        compile_mib_max: 2_048,
        compiles_max: 4,
        describe_ms_max: 1_000,
        methods_max: 1_000,
        cache_mib_max: 1_024,
        revisions_mib_max: 1_024,
        instances_max: 2_048,
        call_depth_max: 8,
        records_max: 10_000,
        state_mib_max: 1_024,
        buckets_max: 10_000,
        disk_free_mib_min: 64,
        event_bytes_max: 1 << 20,
        websockets_max: 10_000,
        websocket_message_bytes_max: 1 << 20,
        websocket_messages_per_second_max: 200,
        websocket_idle_ms_max: 3_600_000,
        browsers_max: 10_000,
        browsers_per_address_max: 64,
        requests_per_second_per_address_max: 0,
        admin_body_bytes_max: 1 << 20,
    };
}

// Relations that must hold however the numbers above are tuned.
const _: () = {
    let host = HostLimits::DEFAULT;
    let module = ModuleLimits::DEFAULT;
    assert!(host.requests_max <= host.instances_max as usize, "a request needs an instance");
    assert!(module.concurrency <= host.requests_max, "one service must fit");
    assert!(host.uri_bytes_max < host.head_bytes_max, "the target is a part of the head");
    assert!(module.cpu_ms <= module.wall_ms, "running is a part of waiting");
    assert!(module.wall_ms <= host.drain_ms_max, "a drain must outlast one call");
    assert!(module.queue_ms < module.wall_ms, "waiting in line is a part of the call");
};

/// The bounds of one module: `[limits]` of its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ModuleLimits {
    /// Linear memory of one instance.
    pub memory_mib: u64,
    /// Elements of all tables of one instance.
    pub table_elements: usize,
    /// Time a call may compute.
    pub cpu_ms: u64,
    /// Time a call may take, its answer included.
    pub wall_ms: u64,
    /// Time a call may take until its answer begins.
    pub first_byte_ms: u64,
    /// Time a revision has before its first call.
    pub start_ms: u64,
    /// Time it has after its last call.
    pub stop_ms: u64,
    /// Calls that run at once.
    pub concurrency: usize,
    /// Calls that wait for one of those places.
    pub queue: usize,
    /// Time a call waits in that line before it is turned away.
    pub queue_ms: u64,
    /// Bytes of a request's body.
    pub request_body_bytes: u64,
    /// Bytes of a response's body.
    pub response_body_bytes: u64,
    /// Calls that one call may have under way.
    pub outbound: usize,
    /// Events that wait for the service; more push out the oldest.
    pub events: usize,
    /// Events that it hears at once.
    pub events_at_once: usize,
    /// What each of its buckets of state may hold.
    pub state_mib: u64,
    /// Bytes a second that the log takes from the module.
    pub log_bytes_per_second: u64,
    /// Instances kept for later calls.
    pub kept: usize,
    /// Calls that one instance may have at once.
    pub calls_per_instance: usize,
    /// Calls of its methods a second; 0 is no bound.
    pub(crate) requests_per_second: u32,
}

impl ModuleLimits {
    /// What holds unless the manifest says otherwise.
    pub(crate) const DEFAULT: Self = Self {
        memory_mib: 128,
        table_elements: 100_000,
        cpu_ms: 1_000,
        wall_ms: 30_000,
        first_byte_ms: 30_000,
        start_ms: 10_000,
        stop_ms: 5_000,
        concurrency: 64,
        queue: 128,
        queue_ms: 500,
        request_body_bytes: 10 << 20,
        response_body_bytes: 1 << 30,
        outbound: 32,
        events: 1_024,
        events_at_once: 8,
        state_mib: 64,
        log_bytes_per_second: 1 << 20,
        kept: 64,
        calls_per_instance: 1,
        requests_per_second: 0,
    };

    /// Bytes of one instance's memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        usize::try_from(self.memory_mib << 20).unwrap_or(usize::MAX)
    }

    /// Time a call may compute.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }

    /// Time a call may take.
    pub(crate) fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms)
    }

    /// Time until the answer of a call begins.
    pub(crate) fn first_byte(&self) -> Duration {
        Duration::from_millis(self.first_byte_ms)
    }
}

/// Milliseconds that a revision may be given before its first and after its last
/// call.
pub(crate) const HOOK_MS: RangeInclusive<u64> = 10..=60_000;

/// Calls of one service that may run at once.
pub(crate) const CONCURRENCY: RangeInclusive<u64> = 1..=1_024;

/// How often the engine interrupts a guest that computes. Between two ticks it
/// has its thread for itself.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(1);

/// How a lease of an external record runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseTimes {
    /// How often an external record's health is asked.
    pub check_every: Duration,
    /// The same of a record that is down.
    pub check_down_every: Duration,
    /// How long one such question may take.
    pub check_timeout: Duration,
    /// How long a record lives after it was renewed, as far as callers go.
    pub lease: Duration,
    /// How long it is listed after it was renewed.
    pub removal: Duration,
    /// Failed checks in a row that mark a record down.
    pub failures_down: u32,
}

impl LeaseTimes {
    /// What holds unless the settings say otherwise.
    pub(crate) const DEFAULT: Self = Self {
        check_every: Duration::from_secs(5),
        check_down_every: Duration::from_secs(1),
        check_timeout: Duration::from_secs(2),
        lease: Duration::from_secs(30),
        removal: Duration::from_secs(60),
        failures_down: 2,
    };
}
