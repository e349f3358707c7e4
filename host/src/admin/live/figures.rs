//! How services do: what each counts, by method.

use crate::figures::{Latency, MethodFigures};
use crate::pool::Service;
use serde::Serialize;
use std::time::Duration;

/// The times of all methods of a service together.
pub(super) fn latency(service: &Service) -> Latency {
    let figures = service.figures();
    Latency::sum_of(figures.iter().map(|method| &method.latency))
}

/// What one method has done since its revision is live.
#[derive(Serialize)]
pub(in crate::admin) struct MethodView {
    name: String,
    calls: u64,
    faults: u64,
    failures: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_us: Option<u64>,
}

/// The methods of a service, in the order of its declaration.
pub(in crate::admin) fn methods(service: &Service) -> Vec<MethodView> {
    let view = |(name, figures): (String, MethodFigures)| MethodView {
        name,
        calls: figures.calls,
        faults: figures.faults,
        failures: figures.failures,
        p50_us: figures.latency.quantile(0.5).map(micros),
        p99_us: figures.latency.quantile(0.99).map(micros),
    };
    let names = service.declaration.methods.iter().map(|method| method.name.to_string());
    names.zip(service.figures()).map(view).collect()
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
