//! Figures of services and of their methods.

use super::{labels, seconds};
use crate::figures::{Latency, MethodFigures};
use crate::live::Live;
use crate::pool::Service;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The times that calls are counted by, in microseconds.
const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// How a live service does now, and what it has done.
pub(super) fn write(text: &mut String, live: &Live) {
    type Read = fn(&Service) -> u64;
    let families: [(&str, &str, &str, Read); 10] = [
        ("picolet_service_calls_total", "counter", "Calls that were let in.", |service| {
            service.counts.calls.load(Relaxed)
        }),
        ("picolet_service_failures_total", "counter", "Calls that failed.", |service| {
            service.counts.failures.load(Relaxed)
        }),
        ("picolet_service_sheds_total", "counter", "Calls that were turned away.", |service| {
            service.counts.sheds.load(Relaxed)
        }),
        ("picolet_service_over_pace_total", "counter", "Calls that came too fast.", |service| {
            service.counts.over_pace.load(Relaxed)
        }),
        ("picolet_service_traffic", "gauge", "Weight beside other versions.", |service| {
            u64::from(service.traffic())
        }),
        ("picolet_service_running", "gauge", "Calls that run now.", |service| {
            service.load().0 as u64
        }),
        ("picolet_service_waiting", "gauge", "Calls in line.", |service| service.load().1 as u64),
        ("picolet_service_idle_instances", "gauge", "Instances kept.", |service| {
            service.idle() as u64
        }),
        ("picolet_service_instances", "gauge", "Instances there are.", |service| {
            service.usage().instances() as u64
        }),
        ("picolet_service_memory_bytes", "gauge", "Memory of all instances.", |service| {
            service.usage().memory_bytes() as u64
        }),
    ];
    for (name, kind, help, read) in families {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for service in live.services() {
            let _ = writeln!(text, "{name}{{{}}} {}", labels(service), read(service));
        }
    }
    let (name, help) = ("picolet_service_cpu_seconds_total", "Time that guests computed, about.");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for service in live.services() {
        let _ = writeln!(text, "{name}{{{}}} {}", labels(service), seconds(service.usage().cpu()));
    }
    let (name, help) = ("picolet_service_faults_total", "Calls that ended in a fault.");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for service in live.services() {
        for (fault, count) in service.counts.faults_by_label() {
            let _ = writeln!(text, "{name}{{{},fault=\"{fault}\"}} {count}", labels(service));
        }
    }
    write_methods(text, live);
}

/// The same by method, for those that were called.
fn write_methods(text: &mut String, live: &Live) {
    let called: Vec<(String, MethodFigures)> = live
        .services()
        .flat_map(|service| {
            let labels = labels(service);
            let methods = service.declaration.methods.iter().zip(service.figures());
            let called = methods.filter(|(_, figures)| 0 < figures.calls);
            called.map(move |(method, figures)| {
                (format!("{labels},method=\"{}\"", method.name), figures)
            })
        })
        .collect();
    type Read = fn(&MethodFigures) -> u64;
    let families: [(&str, &str, Read); 2] = [
        ("picolet_method_faults_total", "Calls that ended in a fault.", |it| it.faults),
        ("picolet_method_failures_total", "Calls that failed.", |it| it.failures),
    ];
    for (name, help, read) in families {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for (labels, figures) in &called {
            let _ = writeln!(text, "{name}{{{labels}}} {}", read(figures));
        }
    }
    let help = "From when calls ask to be let in until their answer begins.";
    let times = called.iter().map(|(labels, figures)| (labels.as_str(), &figures.latency));
    write_times(text, "picolet_method_duration_seconds", help, times);
}

/// Times as a histogram.
pub(super) fn write_times<'a>(
    text: &mut String,
    name: &str,
    help: &str,
    times: impl Iterator<Item = (&'a str, &'a Latency)>,
) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
    for (labels, latency) in times {
        for bound in BOUNDS_US.map(Duration::from_micros) {
            let (le, count) = (seconds(bound), latency.within(bound));
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{le}\"}} {count}");
        }
        let (count, sum) = (latency.count(), seconds(latency.sum()));
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
    }
}
