//! `picolet traces`: what was done for the requests of late.

mod tree;

use super::args::TracesArgs;
use super::remote::{array, block_on, get, text};
use super::services::nothing_kept;
use super::table::{Column, Listing, Paper, Tone};
use super::{Failure, print};
use serde_json::Value;

const TRACES: [Column; 7] = [
    Column::id("trace", 0),
    Column::text("began with", 2),
    Column::number("took", 1),
    Column::number("status", 3),
    Column::text("fault", 4),
    Column::number("spans", 6),
    Column::number("services", 5),
];

pub(super) fn traces(args: &TracesArgs) -> Result<(), Failure> {
    let TracesArgs { trace, service, slow, failed, limit, remote } = args;
    if let Some(trace) = trace {
        let id = crate::path::encode(trace);
        let shown = get(remote, &format!("/admin/v1/traces/{id}"))?;
        if remote.json {
            print(&shown.to_string());
        } else {
            tree::lines(&shown, Paper::stdout().width).iter().for_each(|line| print(line));
        }
        return Ok(());
    }
    let kind = match (slow, failed) {
        (true, _) => "slow",
        (_, true) => "failed",
        _ => "newest",
    };
    let mut path = format!("/admin/v1/traces?kind={kind}&limit={limit}");
    if let Some(service) = service {
        path.push_str(&format!("&service={}", crate::path::encode(service)));
    }
    let listing = get(remote, &path)?;
    let traces = array(&listing, "/traces");
    if remote.json {
        print(&listing.to_string());
    } else if !traces.is_empty() || service.is_none() {
        print(&table(traces).render(Paper::stdout()));
    }
    match service {
        Some(service) if traces.is_empty() => {
            let what = if kind == "newest" { "no trace" } else { "no such trace" };
            block_on(nothing_kept(remote, service, what))
        }
        _ => Ok(()),
    }
}

fn table(traces: &[Value]) -> Listing {
    let mut table = Listing::new(&TRACES);
    for trace in traces {
        let plain = |text: String| (text, Tone::Plain);
        let fault = text(trace, "/fault");
        table.add([
            plain(text(trace, "/trace_id")),
            plain(text(trace, "/root")),
            plain(duration(number(trace, "/duration_us"))),
            plain(status(trace)),
            (fault, Tone::Bad),
            plain(text(trace, "/spans")),
            plain(array(trace, "/services").len().to_string()),
        ]);
    }
    table
}

fn status(value: &Value) -> String {
    match number(value, "/status") {
        0 => String::new(),
        status => status.to_string(),
    }
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// A time for people.
#[allow(clippy::cast_precision_loss, reason = "of a time, three digits are shown")]
pub(super) fn duration(us: u64) -> String {
    let us_exact = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.2} ms", us_exact / 1e3),
        _ => format!("{:.2} s", us_exact / 1e6),
    }
}
