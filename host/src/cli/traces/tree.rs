//! A trace as a tree, with bars beside it that show when each span ran.
//!
//! Where there is little room the bars become shorter, then labels, then what is
//! said of the end; how long a span took is always whole.

use super::super::remote::{array, shown, text};
use super::{duration, number, status};
use serde_json::Value;
use std::collections::BTreeMap;

/// A span and how deep in the tree it is.
type Placed<'t> = (usize, &'t Value);

/// What the columns get, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    label: usize,
    /// None is 0, as of the end.
    bar: usize,
    end: usize,
}

/// Between two columns.
const GAP: usize = 2;
/// A time, as `999.99 ms`.
const TOOK: usize = 9;
/// A bar that has all the room it wants, and the shortest that still shows something.
const BAR: usize = 32;
const BAR_MIN: usize = 8;
/// What a longer label keeps as long as there is anything else to take from.
const LABEL_MIN: usize = 12;

impl Room {
    /// Shares out a terminal of this width, if it is one, among labels and ends
    /// that are at most so long.
    fn share(width: Option<u16>, label: usize, end: usize) -> Self {
        let Some(width) = width else { return Self { label, bar: BAR, end } };
        let left = usize::from(width).saturating_sub(GAP + TOOK);
        let end = end.min(left.saturating_sub(label.min(LABEL_MIN) + GAP));
        let left = if end == 0 { left } else { left - end - GAP };
        let for_bar = |label: usize| left.saturating_sub(label + GAP);
        let bar = match for_bar(label) {
            BAR_MIN.. => for_bar(label).min(BAR),
            _ if BAR_MIN <= for_bar(label.min(LABEL_MIN)) => BAR_MIN,
            _ => 0,
        };
        let left = if bar == 0 { left } else { left - bar - GAP };
        Self { label: label.min(left), bar, end }
    }
}

/// The lines of a trace, for a terminal of this width or for none.
pub(super) fn lines(trace: &Value, width: Option<u16>) -> Vec<String> {
    let spans = array(trace, "/spans");
    let tree = tree(spans);
    let begin = spans.iter().map(|span| number(span, "/started_us")).min().unwrap_or_default();
    let end = |span: &Value| number(span, "/started_us") + number(span, "/duration_us");
    let length = spans.iter().map(end).max().unwrap_or_default().saturating_sub(begin);
    let labels = tree.iter().map(|(depth, span)| label(*depth, span, usize::MAX));
    let ends = tree.iter().map(|(_, span)| ended(span));
    let room = Room::share(width, longest(labels), longest(ends));
    let line = |(depth, span): &Placed<'_>| {
        let label = label(*depth, span, room.label);
        let took = duration(number(span, "/duration_us"));
        let mut line = format!("{label:wide$}  {took:>TOOK$}", wide = room.label);
        let after = number(span, "/started_us").saturating_sub(begin);
        let bar = bar(after, number(span, "/duration_us"), length, room.bar);
        for column in [bar, cut(&ended(span), room.end)] {
            if !column.is_empty() {
                line.push_str("  ");
                line.push_str(&column);
            }
        }
        line
    };
    let first = format!("trace {}", text(trace, "/trace_id"));
    std::iter::once(first).chain(tree.iter().map(line)).collect()
}

/// Spans in the order of their tree.
fn tree(spans: &[Value]) -> Vec<Placed<'_>> {
    let known: Vec<String> = spans.iter().map(|span| text(span, "/span_id")).collect();
    let mut below: BTreeMap<Option<String>, Vec<&Value>> = BTreeMap::new();
    for span in spans {
        // The one above may be of another host, or gone.
        let parent = Some(text(span, "/parent_id")).filter(|parent| known.contains(parent));
        below.entry(parent).or_default().push(span);
    }
    let mut tree = Vec::new();
    let mut next: Vec<Placed<'_>> = Vec::new();
    let push = |next: &mut Vec<(usize, _)>, depth, parent: Option<String>| {
        let children = below.get(&parent).into_iter().flatten().rev();
        next.extend(children.map(|span| (depth, *span)));
    };
    push(&mut next, 0, None);
    while let Some((depth, span)) = next.pop() {
        tree.push((depth, span));
        push(&mut next, depth + 1, Some(text(span, "/span_id")));
    }
    tree
}

/// What a span is called. Where that is too long, half of the room is for the
/// name, however deep the span is.
fn label(depth: usize, span: &Value, room: usize) -> String {
    let (name, kind) = (shown(span, "/name"), text(span, "/kind"));
    let kind = if kind == "internal" { String::new() } else { format!(" ({kind})") };
    let name = format!("{name}{kind}");
    let beside = room.saturating_sub(name.chars().count());
    let indent = (2 * depth).min(beside.max(room / 2));
    format!("{}{}", " ".repeat(indent), cut(&name, room - indent))
}

/// How a span ended.
fn ended(span: &Value) -> String {
    [status(span), shown(span, "/fault")].join(" ").trim().to_owned()
}

/// As much of a text as there is room for.
fn cut(text: &str, room: usize) -> String {
    match text.chars().count() {
        count if count <= room => text.to_owned(),
        _ if room == 0 => String::new(),
        _ => text.chars().take(room - 1).chain(['…']).collect(),
    }
}

fn longest(texts: impl Iterator<Item = String>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or_default()
}

/// Where a span lies in its trace, in so many characters.
fn bar(after_us: u64, took_us: u64, length_us: u64, room: usize) -> String {
    let Some(last) = room.checked_sub(1) else { return String::new() };
    let place = |us: u64| {
        let place = u128::from(us) * room as u128 / u128::from(length_us.max(1));
        usize::try_from(place).map_or(room, |place| place.min(room))
    };
    let begin = place(after_us).min(last);
    let end = place(after_us.saturating_add(took_us)).max(begin + 1);
    format!("{}{}{}", "·".repeat(begin), "█".repeat(end - begin), "·".repeat(room - end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn span(id: &str, parent: Option<&str>, name: &str, started: u64, took: u64) -> Value {
        json!({
            "span_id": id, "parent_id": parent, "name": name, "kind": "server",
            "started_us": started, "duration_us": took, "status": 200, "fault": null,
        })
    }

    #[test]
    fn a_trace_is_a_tree_with_bars() {
        let trace = json!({ "trace_id": "7", "spans": [
            span("a", Some("elsewhere"), "calc.add", 1_000, 3_200),
            span("b", Some("a"), "one", 1_000, 1_600),
            span("d", Some("b"), "deep", 1_100, 100),
            span("c", Some("a"), "two", 2_600, 1_600),
        ] });
        let seen = lines(&trace, None);
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
        assert_eq!(lines(&trace, Some(200)), seen);
    }

    #[test]
    fn a_trace_fits_every_terminal() {
        let mut spans = vec![span("0", None, "welcome.guest-with-a-long-name", 0, 999_990)];
        for depth in 1..20 {
            let (id, above) = (depth.to_string(), (depth - 1).to_string());
            spans.push(span(&id, Some(&above), &format!("deep{depth}.of"), 0, 1));
        }
        spans[7]["fault"] = "guest-stopped".into();
        let trace = json!({ "trace_id": "7", "spans": spans });
        for width in 12..200 {
            for line in lines(&trace, Some(width)).iter().skip(1) {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line:?}");
                assert!(line.contains(" ms") || line.contains(" µs"), "{line:?}");
            }
        }
        let seen = lines(&trace, Some(60));
        assert!(seen[1].starts_with("welcome.gu") && seen[1].contains('…'), "{seen:?}");
        assert!(seen[1].contains("999.99 ms  ████████  200"), "{seen:?}");
        assert!(seen[8].contains("deep7.of") && seen[8].contains("guest-stopped"), "{seen:?}");
    }

    #[test]
    fn what_there_is_least_need_of_goes_first() {
        let room = |label, bar, end| Room { label, bar, end };
        for (width, expected) in [
            (None, room(40, 32, 20)),
            (Some(120), room(40, 32, 20)),
            (Some(95), room(40, 20, 20)),
            (Some(80), room(37, 8, 20)),
            (Some(60), room(17, 8, 20)),
            (Some(50), room(17, 0, 20)),
            (Some(40), room(12, 0, 15)),
            (Some(20), room(9, 0, 0)),
        ] {
            assert_eq!(Room::share(width, 40, 20), expected, "{width:?}");
        }
    }

    #[test]
    fn bars_stay_within_their_place() {
        for (after, took, length) in [(0, 0, 0), (5, 10, 10), (10, 0, 10), (0, u64::MAX, 1)] {
            for room in [0, 1, 8, 32] {
                let bar = bar(after, took, length, room);
                assert_eq!(bar.chars().count(), room, "{after} {took} {length}");
            }
        }
    }
}
