//! From what is known to what is on the screen; nothing else comes in.

use super::super::remote::{array, shown};
use super::super::services::limit;
use super::super::table::Tone;
use super::known::{FIELDS, Field, Known, Line as Service, View};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, StatefulWidget, Table, TableState, Widget, Wrap};
use serde_json::Value;
use std::time::Duration;

/// What there is to draw with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inks {
    Coloured,
    Plain,
}

impl Inks {
    fn style(self, tone: Tone) -> Style {
        let colour = match (self, tone) {
            (Self::Plain, _) | (_, Tone::Plain) => return Style::new(),
            (_, Tone::Good) => Color::Green,
            (_, Tone::Doubtful) => Color::Yellow,
            (_, Tone::Bad) => Color::Red,
        };
        Style::new().fg(colour)
    }
}

/// Draws one picture.
pub(super) fn draw(known: &Known, inks: Inks, area: Rect, buffer: &mut Buffer) {
    let parts = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [head, middle, foot] = Layout::vertical(parts).areas(area);
    title(known, inks).render(head, buffer);
    match known.view {
        View::Detail => detail(known, inks).render(middle, buffer),
        View::List | View::Filtering => list(known, inks, middle, buffer),
    }
    keys(known, foot.width).render(foot, buffer);
}

fn title(known: &Known, inks: Inks) -> Line<'static> {
    let host = known.host.trim_start_matches("http://").to_owned();
    if let Some(away) = known.away {
        let text = format!("no answer for {}, trying again: {host}", seconds(away));
        return Line::styled(text, inks.style(Tone::Bad).add_modifier(Modifier::BOLD));
    }
    let (services, refused) = known.counts();
    let plural = if services == 1 { "" } else { "s" };
    let mut spans = vec![
        Span::styled(format!("{services} service{plural}"), Modifier::BOLD),
        Span::raw(format!(" at {host}")),
    ];
    if 0 < refused {
        spans.insert(1, Span::styled(format!(", {refused} refused"), inks.style(Tone::Bad)));
    }
    Line::from(spans)
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

/// What a column needs; the first one takes what is left.
fn width(field: Field) -> u16 {
    match field {
        Field::Service => 14,
        Field::State => 9,
        Field::Version | Field::Rate | Field::Calls => 8,
        Field::Errors | Field::Faults => 7,
        Field::Running | Field::Waiting | Field::Idle => 5,
        Field::At => 16,
    }
}

/// The columns that there is room for.
fn columns(room: u16) -> Vec<Field> {
    let mut columns = FIELDS.to_vec();
    let needs = |columns: &[Field]| columns.iter().map(|field| width(*field) + 1).sum::<u16>();
    while room + 1 < needs(&columns) {
        let least = columns.iter().copied().max_by_key(|field| field.dispensable());
        match least {
            Some(field) if 0 < field.dispensable() => columns.retain(|kept| *kept != field),
            _ => break,
        }
    }
    columns
}

fn list(known: &Known, inks: Inks, area: Rect, buffer: &mut Buffer) {
    let columns = columns(area.width);
    let shown = known.shown();
    if shown.is_empty() {
        let text = if known.filter.is_empty() {
            "no service yet: put a .wasm file into the folder of the host"
        } else {
            "nothing passes the filter; Esc gives it up"
        };
        return Paragraph::new(text).wrap(Wrap { trim: true }).render(area, buffer);
    }
    let header = columns.iter().map(|field| {
        let mark = match (known.order.by == *field, known.order.is_reversed) {
            (false, _) => "",
            (true, false) => "▼",
            (true, true) => "▲",
        };
        aligned(*field, format!("{}{mark}", field.title()))
    });
    let rows = shown.iter().map(|line| Row::new(columns.iter().map(|f| cell(line, *f, inks))));
    let widths = columns.iter().map(|field| match field {
        Field::Service => Constraint::Fill(1),
        other => Constraint::Length(width(*other)),
    });
    let table = Table::new(rows, widths)
        .header(Row::new(header).style(Modifier::BOLD))
        .row_highlight_style(Modifier::REVERSED);
    let mut state = TableState::new().with_selected(known.cursor().map(|(place, _)| place));
    StatefulWidget::render(table, area, buffer, &mut state);
}

fn aligned(field: Field, text: String) -> Cell<'static> {
    let line = Line::raw(text);
    Cell::new(if field.is_number() { line.right_aligned() } else { line })
}

fn cell(line: &Service, field: Field, inks: Inks) -> Cell<'static> {
    aligned(field, line.text(field)).style(inks.style(line.tone(field)))
}

fn detail(known: &Known, inks: Inks) -> Paragraph<'static> {
    let mut lines = Vec::new();
    if let Some((_, line)) = known.cursor() {
        lines.push(Line::styled(
            format!("{} {}", line.text(Field::Service), line.text(Field::Version)),
            Style::new().add_modifier(Modifier::BOLD),
        ));
        for field in FIELDS.into_iter().filter(|f| !matches!(f, Field::Service | Field::Version)) {
            let figure = Span::styled(line.text(field), inks.style(line.tone(field)));
            lines.push(Line::from(vec![Span::raw(format!("{:<9}", field.title())), figure]));
        }
    } else {
        lines.push(Line::raw("this service is not there any more"));
    }
    if let Some(told) = &known.detail {
        lines.extend(told_lines(told));
    }
    Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((known.scrolled, 0))
}

/// What the host says of a service beside its figures.
fn told_lines(told: &Value) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for name in ["module", "digest", "tier", "isolation", "traffic", "withdrawn", "description"] {
        let value = shown(told, &format!("/{name}"));
        if !value.is_empty() {
            lines.push(Line::raw(format!("{name}: {value}")));
        }
    }
    let titled = |title: &'static str| Line::styled(title, Modifier::BOLD);
    lines.push(titled("methods"));
    for method in array(told, "/routes") {
        let get = |pointer: &str| shown(method, pointer);
        let path = format!("{}{}", shown(told, "/root"), get("/pattern"));
        lines.push(Line::raw(format!("  {} {} {path}", get("/name"), get("/type"))));
    }
    lines.push(titled("limits"));
    if let Some(limits) = told.get("limits").and_then(Value::as_object) {
        lines.extend(limits.keys().map(|name| Line::raw(format!("  {}", limit(limits, name)))));
    }
    lines
}

fn keys(known: &Known, room: u16) -> Line<'static> {
    let texts: &[&str] = match known.view {
        View::Filtering => return Line::raw(format!("/{}▏", known.filter)),
        View::Detail => &["q quit", "Esc back", "↑↓ scroll"],
        View::List => &["q quit", "/ filter", "s sort", "↵ look", "r reverse", "↑↓ choose"],
    };
    let mut line = String::new();
    if known.view == View::List && !known.filter.is_empty() {
        line = format!("/{}", known.filter);
    }
    for text in texts {
        let longer = if line.is_empty() { (*text).to_owned() } else { format!("{line}  {text}") };
        if longer.chars().count() <= usize::from(room) {
            line = longer;
        }
    }
    Line::styled(line, Modifier::DIM)
}

#[cfg(test)]
mod tests {
    use super::super::known::tests::{known, listing};
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    fn drawn(known: &Known, width: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, 24)).unwrap();
        let picture = |frame: &mut ratatui::Frame<'_>| {
            draw(known, Inks::Coloured, frame.area(), frame.buffer_mut());
        };
        terminal.draw(picture).unwrap();
        terminal.backend().to_string()
    }

    #[track_caller]
    fn shows(picture: &str, words: &[&str], missing: &[&str]) {
        for word in words {
            assert!(picture.contains(word), "{word:?} is missing in\n{picture}");
        }
        for word in missing {
            assert!(!picture.contains(word), "{word:?} is in\n{picture}");
        }
    }

    #[test]
    fn a_narrow_screen_shows_what_matters_most() {
        let known = known();
        let names = ["calc", "go.micro.srv", "stocks", "broken.wasm", "serving", "refused"];
        shows(&drawn(&known, 40), &names, &["faults", "idle", "version"]);
        shows(&drawn(&known, 40), &["125.0", "calls/s", "q quit"], &[]);
        shows(&drawn(&known, 80), &names, &["it is no module"]);
        shows(&drawn(&known, 80), &["1.0.0", "12.5", "wait"], &[]);
        shows(&drawn(&known, 160), &names, &[]);
        shows(&drawn(&known, 160), &["it is no module", "faults", "/stocks", "350"], &[]);
    }

    #[test]
    fn no_size_is_too_small() {
        let known = known();
        for (width, height) in [(1, 1), (3, 2), (10, 4), (20, 1)] {
            let area = Rect::new(0, 0, width, height);
            draw(&known, Inks::Plain, area, &mut Buffer::empty(area));
        }
    }

    #[test]
    fn a_host_that_is_away_is_told_with_what_was_known() {
        let mut known = known();
        known.lose(Duration::from_secs(10));
        shows(&drawn(&known, 40), &["no answer for 7 s", "calc"], &[]);
        known.learn(&listing(400), Duration::from_secs(11));
        shows(&drawn(&known, 40), &["3 services, 1 refused"], &["no answer"]);
    }

    #[test]
    fn a_filter_that_nothing_passes_says_so() {
        let mut known = known();
        known.filter = "nobody".to_owned();
        shows(&drawn(&known, 40), &["nothing passes", "/nobody"], &["calc"]);
        known.view = View::Filtering;
        shows(&drawn(&known, 40), &["/nobody▏"], &[]);
    }

    #[test]
    fn a_service_is_shown_with_its_methods_and_limits() {
        let mut known = known();
        known.choose(1);
        known.view = View::Detail;
        known.learn_detail(json!({
            "name": "calc", "version": "1.0.0", "root": "/api", "module": "calc.wasm",
            "routes": [{"name": "add1", "type": "GET", "pattern": "/add/{a}/{b}"}],
            "limits": {"memory_mib": 64},
        }));
        let words = ["calc 1.0.0", "serving", "add1 GET /api/add/{a}/{b}", "memory: 64 MiB"];
        for width in [40, 80, 160] {
            shows(&drawn(&known, width), &words, &[]);
        }
    }

    #[test]
    fn without_colours_there_are_none() {
        let area = Rect::new(0, 0, 80, 24);
        let mut buffer = Buffer::empty(area);
        draw(&known(), Inks::Plain, area, &mut buffer);
        assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset));
    }
}
