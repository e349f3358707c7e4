//! `/metrics` in the text format of Prometheus.

mod services;

use super::Admin;
use super::described::{Operation, Paths, path};
use crate::browsers::BrowserCounts;
use crate::declaration::Declaration;
use crate::hearing::ListenerView;
use crate::http::Tally;
use crate::live::Live;
use crate::pool::Service;
use crate::timing::TimerView;
use ::http::header::CONTENT_TYPE;
use axum::extract::State as AxumState;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// For the description of the API.
pub(super) fn described() -> Paths {
    let metrics = Operation::new("getMetrics", "Figures, in the text format of Prometheus")
        .answers_text(200, "families with HELP and TYPE");
    vec![("/metrics", path([("get", metrics)]))]
}

pub(super) async fn metrics(AxumState(admin): AxumState<Admin>) -> Response {
    let mut text = String::new();
    let live = admin.live.take();
    let modules = admin.desk.modules();
    let refused = modules.iter().filter(|module| module.refusal.is_some()).count();
    one(&mut text, "picolet_requests", "Requests that run now.", admin.front.requests());
    let sheds = admin.front.sheds();
    let help = "Requests that were turned away since too many ran.";
    total(&mut text, "picolet_requests_shed_total", help, sheds);
    let (open, turned_away) = admin.front.connections();
    one(&mut text, "picolet_connections", "Open connections of clients.", open);
    let help = "Connections that were closed at once since too many were open.";
    total(&mut text, "picolet_connections_turned_away_total", help, turned_away);
    let over = admin.front.over_pace();
    total(&mut text, "picolet_requests_over_pace_total", "Requests that came too fast.", over);
    one(&mut text, "picolet_modules", "Modules in the folder.", modules.len());
    one(&mut text, "picolet_modules_refused", "Modules whose newest content is refused.", refused);
    one(&mut text, "picolet_registry_records", "Records in the registry.", admin.registry.len());
    one(&mut text, "picolet_tasks", "Tasks of requests, loads and drains.", admin.front.crew.len());
    let waiting = admin.client.waiting();
    one(&mut text, "picolet_client_waiting", "Calls that wait for an endpoint.", waiting);
    one(&mut text, "picolet_watches", "Readers that watch or hear.", admin.watches.count());
    let (dropped, help) =
        (admin.log.dropped() as u64, "Lines of the log that nobody took in time.");
    total(&mut text, "picolet_log_lines_dropped_total", help, dropped);
    services::write(&mut text, &live);
    write_limits(&mut text, &live);
    write_bus(&mut text, &admin);
    write_timers(&mut text, &admin);
    write_websockets(&mut text, &admin);
    write_state(&mut text, &admin);
    write_outbound(&mut text, &admin);
    write_browsers(&mut text, &admin);
    write_loads(&mut text, &admin);
    write_client(&mut text, &admin);
    write_spans(&mut text, &admin);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The limits that hold now, by their names in manifests.
fn write_limits(text: &mut String, live: &Live) {
    let (family, help) = ("picolet_service_limit", "Limits of a service, in their own units.");
    let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} gauge");
    for service in live.services() {
        let of_service = labels(service);
        let limits = serde_json::to_value(service.limits_now()).unwrap_or_default();
        for (limit, value) in limits.as_object().into_iter().flatten() {
            let labels = format!("{of_service},limit=\"{limit}\"");
            let _ = writeln!(text, "{family}{{{labels}}} {value}");
        }
    }
}

/// Loads of modules, by what came of them.
fn write_loads(text: &mut String, admin: &Admin) {
    let loads = admin.desk.loads.read();
    let loads: Vec<_> = loads
        .iter()
        .map(|(outcome, times)| (format!("outcome=\"{}\"", outcome.as_str()), times))
        .collect();
    let times = loads.iter().map(|(labels, times)| (labels.as_str(), *times));
    let help = "Loads of modules, from the settled file to the swap or the refusal.";
    services::write_times(text, "picolet_load_duration_seconds", help, times);
}

/// Calls by name, and whom they find.
fn write_client(text: &mut String, admin: &Admin) {
    let counts = admin.client.counts();
    total(text, "picolet_client_calls_total", "Calls by name.", counts.calls);
    total(text, "picolet_client_tries_total", "Times an endpoint was called.", counts.tries);
    total(text, "picolet_client_faults_total", "Calls that ended in a fault.", counts.faults);
    let mut endpoints: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for endpoint in admin.client.endpoints() {
        *endpoints.entry((endpoint.service, endpoint.state.as_str())).or_default() += 1;
    }
    let (family, help) = ("picolet_endpoints", "Endpoints of services, by how they fare.");
    let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} gauge");
    for ((service, state), count) in endpoints {
        let service = service.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "{family}{{service=\"{service}\",state=\"{state}\"}} {count}");
    }
}

/// Spans for a collector.
fn write_spans(text: &mut String, admin: &Admin) {
    let Some(counts) = admin.traces.counts() else { return };
    let (family, help) = ("picolet_otlp_spans_total", "Spans for the collector.");
    let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} counter");
    let outcomes = [("sent", counts.sent), ("failed", counts.failed), ("dropped", counts.dropped)];
    for (outcome, count) in outcomes {
        let _ = writeln!(text, "{family}{{outcome=\"{outcome}\"}} {count}");
    }
}

/// What services keep.
fn write_state(text: &mut String, admin: &Admin) {
    let counts = admin.buckets.counts();
    total(text, "picolet_state_reads_total", "Reads of state.", counts.reads);
    total(
        text,
        "picolet_state_changes_total",
        "Changes of state that were asked for.",
        counts.changes,
    );
    total(text, "picolet_state_commits_total", "Transactions that made them.", counts.commits);
    one(text, "picolet_state_buckets", "Buckets of state.", counts.buckets);
    let bytes = usize::try_from(counts.bytes).unwrap_or(usize::MAX);
    one(text, "picolet_state_bytes", "What all buckets count for.", bytes);
}

/// Requests of guests to outside, by what they came to.
fn write_outbound(text: &mut String, admin: &Admin) {
    let (family, help) = ("picolet_outbound_requests_total", "Requests to outside.");
    let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} counter");
    for (service, counts) in admin.abroad.counts() {
        for (outcome, count) in counts {
            let labels = format!("service=\"{service}\",outcome=\"{}\"", outcome.as_str());
            let _ = writeln!(text, "{family}{{{labels}}} {count}");
        }
    }
}

/// Browsers: who is there, who left, what they called.
fn write_browsers(text: &mut String, admin: &Admin) {
    let BrowserCounts { open, closed, calls } = admin.front.browsers.counts();
    let (family, help) = ("picolet_browsers", "Browsers that are connected.");
    let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} gauge");
    for (transport, count) in open {
        let _ = writeln!(text, "{family}{{transport=\"{}\"}} {count}", transport.as_str());
    }
    let (family, help) = ("picolet_browsers_closed_total", "Browsers that are gone.");
    let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} counter");
    for (cause, count) in closed {
        let _ = writeln!(text, "{family}{{cause=\"{}\"}} {count}", cause.as_str());
    }
    total(text, "picolet_browser_calls_total", "Calls that browsers made.", calls);
    let (family, help) = ("picolet_browser_ws_messages_total", "Messages of browsers at /ws.");
    let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} counter");
    let tally = &admin.front.browser_tally;
    for (direction, count) in [("in", tally.count_came()), ("out", tally.count_went())] {
        let _ = writeln!(text, "{family}{{direction=\"{direction}\"}} {count}");
    }
}

/// Events: all of them, and how each service hears them.
fn write_bus(text: &mut String, admin: &Admin) {
    let counts = admin.bus.counts();
    total(text, "picolet_events_published_total", "Events that were published.", counts.published);
    let help = "Events put in line for a subscriber.";
    total(text, "picolet_events_delivered_total", help, counts.delivered);
    total(text, "picolet_events_unheard_total", "Events nobody wanted to hear.", counts.unheard);
    one(text, "picolet_subscriptions", "Subscriptions there are now.", counts.subscriptions);
    let listeners = admin.hearing.views();
    type Read = fn(&ListenerView) -> u64;
    let families: [(&str, &str, &str, Read); 4] = [
        ("picolet_service_events_heard_total", "counter", "Events it was given.", |l| l.heard),
        ("picolet_service_events_failed_total", "counter", "Events ended by a fault.", |l| {
            l.failed
        }),
        ("picolet_service_events_dropped_total", "counter", "Events lost to overflow.", |l| {
            l.dropped
        }),
        ("picolet_service_events_waiting", "gauge", "Events in line.", |l| l.waiting as u64),
    ];
    for (name, kind, help, read) in families {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (service, listener) in &listeners {
            let _ = writeln!(text, "{name}{{service=\"{service}\"}} {}", read(listener));
        }
    }
}

/// Timers of services.
fn write_timers(text: &mut String, admin: &Admin) {
    let services = admin.timing.views();
    type Read = fn(&TimerView) -> u64;
    let families: [(&str, &str, Read); 3] = [
        ("picolet_timer_fired_total", "Times that the timer fired.", |timer| timer.fired),
        ("picolet_timer_failed_total", "Of these, those ended by a fault.", |timer| timer.failed),
        ("picolet_timer_skipped_total", "Times that were left out.", |timer| timer.skipped),
    ];
    for (name, help, read) in families {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for (service, timers) in &services {
            for timer in timers {
                let TimerView { name: timer_name, schedule, .. } = timer;
                let labels =
                    format!("service=\"{service}\",timer=\"{timer_name}\",schedule=\"{schedule}\"");
                let _ = writeln!(text, "{name}{{{labels}}} {}", read(timer));
            }
        }
    }
}

/// WebSockets of services.
fn write_websockets(text: &mut String, admin: &Admin) {
    let tallies = admin.front.websockets.all();
    type Read = fn(&Tally) -> u64;
    let families: [(&str, &str, &str, Read); 2] = [
        ("picolet_websockets", "gauge", "WebSockets that are open.", |tally| {
            tally.count_open() as u64
        }),
        ("picolet_websocket_faults_total", "counter", "What happened there and failed.", |tally| {
            tally.count_failed()
        }),
    ];
    for (name, kind, help, read) in families {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (service, tally) in &tallies {
            let _ = writeln!(text, "{name}{{service=\"{service}\"}} {}", read(tally));
        }
    }
    let (name, help) = ("picolet_websocket_messages_total", "Messages of WebSockets.");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for (service, tally) in &tallies {
        for (direction, count) in [("in", tally.count_came()), ("out", tally.count_went())] {
            let labels = format!("service=\"{service}\",direction=\"{direction}\"");
            let _ = writeln!(text, "{name}{{{labels}}} {count}");
        }
    }
    let (name, help) = ("picolet_websockets_closed_total", "WebSockets that were closed.");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for (service, tally) in &tallies {
        for (cause, count) in tally.counts_closed() {
            let labels = format!("service=\"{service}\",cause=\"{}\"", cause.as_str());
            let _ = writeln!(text, "{name}{{{labels}}} {count}");
        }
    }
}

/// What tells a live revision from every other.
fn labels(service: &Service) -> String {
    let Declaration { name, version, .. } = &service.declaration;
    format!("service=\"{name}\",version=\"{version}\"")
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn total(text: &mut String, name: &str, help: &str, value: u64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
}

fn one(text: &mut String, name: &str, help: &str, value: usize) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
}
