//! `picolet traces`: what was done for the requests of late.

use super::args::TracesArgs;
use super::remote::{array, get, text};
use super::table::{Column, Listing, Paper, Tone};
use super::{Failure, print};
use serde_json::Value;
use std::collections::BTreeMap;

const TRACES: [Column; 7] = [
    Column::text("trace", 0),
    Column::text("began with", 1),
    Column::number("took", 0),
    Column::number("status", 2),
    Column::text("fault", 3),
    Column::number("spans", 5),
    Column::number("services", 4),
];
/// Characters of the bars that show when a span ran.
const BAR: usize = 32;

pub(super) fn traces(args: &TracesArgs) -> Result<(), Failure> {
    let TracesArgs { trace, service, slow, failed, limit, remote } = args;
    if let Some(trace) = trace {
        let id = crate::path::encode(trace);
        let shown = get(remote, &format!("/admin/v1/traces/{id}"))?;
        if remote.json {
            print(&shown.to_string());
        } else {
            lines(&shown).iter().for_each(|line| print(line));
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
    if remote.json {
        print(&listing.to_string());
        return Ok(());
    }
    let mut table = Listing::new(&TRACES);
    for trace in array(&listing, "/traces") {
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
    print(&table.render(Paper::stdout()));
    Ok(())
}

/// A trace as a tree, with bars beside it that show when each span ran.
fn lines(trace: &Value) -> Vec<String> {
    let spans = array(trace, "/spans");
    let known: Vec<String> = spans.iter().map(|span| text(span, "/span_id")).collect();
    let mut below: BTreeMap<Option<String>, Vec<&Value>> = BTreeMap::new();
    for span in spans {
        // The one above may be of another host, or gone.
        let parent = Some(text(span, "/parent_id")).filter(|parent| known.contains(parent));
        below.entry(parent).or_default().push(span);
    }
    let mut tree = Vec::new();
    let mut next: Vec<(usize, &Value)> = Vec::new();
    let push = |next: &mut Vec<(usize, _)>, depth, parent: Option<String>| {
        let children = below.get(&parent).into_iter().flatten().rev();
        next.extend(children.map(|span| (depth, *span)));
    };
    push(&mut next, 0, None);
    while let Some((depth, span)) = next.pop() {
        tree.push((depth, span));
        push(&mut next, depth + 1, Some(text(span, "/span_id")));
    }
    let begin = spans.iter().map(|span| number(span, "/started_us")).min().unwrap_or_default();
    let end = |span: &Value| number(span, "/started_us") + number(span, "/duration_us");
    let length = spans.iter().map(end).max().unwrap_or_default().saturating_sub(begin);
    let label = |depth: usize, span: &Value| {
        let (name, kind) = (text(span, "/name"), text(span, "/kind"));
        let kind = if kind == "internal" { String::new() } else { format!(" ({kind})") };
        format!("{}{name}{kind}", "  ".repeat(depth))
    };
    let labels: Vec<String> = tree.iter().map(|(depth, span)| label(*depth, span)).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or_default();
    let line = |(label, (_, span)): (&String, &(usize, &Value))| {
        let after = number(span, "/started_us").saturating_sub(begin);
        let bar = bar(after, number(span, "/duration_us"), length);
        let took = duration(number(span, "/duration_us"));
        let end = [status(span), text(span, "/fault")].join(" ");
        format!("{label:width$}  {took:>9}  {bar}  {end}").trim_end().to_owned()
    };
    let first = format!("trace {}", text(trace, "/trace_id"));
    std::iter::once(first).chain(labels.iter().zip(&tree).map(line)).collect()
}

/// Where a span lies in its trace.
fn bar(after_us: u64, took_us: u64, length_us: u64) -> String {
    let place = |us: u64| {
        let place = u128::from(us) * BAR as u128 / u128::from(length_us.max(1));
        usize::try_from(place).map_or(BAR, |place| place.min(BAR))
    };
    let begin = place(after_us).min(BAR - 1);
    let end = place(after_us.saturating_add(took_us)).max(begin + 1);
    format!("{}{}{}", "·".repeat(begin), "█".repeat(end - begin), "·".repeat(BAR - end))
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
fn duration(us: u64) -> String {
    let us_exact = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.2} ms", us_exact / 1e3),
        _ => format!("{:.2} s", us_exact / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_trace_is_a_tree_with_bars() {
        let span = |id: &str, parent: Option<&str>, name: &str, started: u64, took: u64| {
            json!({
                "span_id": id, "parent_id": parent, "name": name, "kind": "server",
                "started_us": started, "duration_us": took, "status": 200, "fault": null,
            })
        };
        let trace = json!({ "trace_id": "7", "spans": [
            span("a", Some("elsewhere"), "calc.add", 1_000, 3_200),
            span("b", Some("a"), "one", 1_000, 1_600),
            span("d", Some("b"), "deep", 1_100, 100),
            span("c", Some("a"), "two", 2_600, 1_600),
        ] });
        let seen = lines(&trace);
        assert_eq!(seen[0], "trace 7");
        let labels: Vec<&str> =
            seen[1..].iter().map(|line| line.split("  ").last().unwrap()).collect();
        assert_eq!(labels, ["200"; 4]);
        assert!(seen[1].starts_with("calc.add (server)"), "{seen:?}");
        assert!(seen[2].starts_with("  one (server)"), "{seen:?}");
        assert!(seen[3].starts_with("    deep (server)"), "{seen:?}");
        assert!(seen[4].starts_with("  two (server)"), "{seen:?}");
        assert!(seen[1].contains("3.20 ms") && seen[1].contains(&"█".repeat(32)), "{seen:?}");
        let halves = ["█".repeat(16), "·".repeat(16)];
        assert!(seen[2].contains(&halves.concat()), "{seen:?}");
        assert!(seen[4].contains(&[halves[1].as_str(), &halves[0]].concat()), "{seen:?}");
    }

    #[test]
    fn bars_stay_within_their_place() {
        for (after, took, length) in [(0, 0, 0), (5, 10, 10), (10, 0, 10), (0, u64::MAX, 1)] {
            assert_eq!(bar(after, took, length).chars().count(), BAR, "{after} {took} {length}");
        }
    }
}
