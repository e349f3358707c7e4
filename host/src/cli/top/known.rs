//! What is known of a host's services, and which of it is looked at.

use super::super::remote::{array, root, text};
use super::super::services::{compare_versions, state};
use super::super::table::Tone;
use crate::telemetry::printable;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

/// A figure of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Service,
    State,
    Version,
    Rate,
    Errors,
    Running,
    Waiting,
    Idle,
    Calls,
    Faults,
    At,
}

/// In the order in which they are shown.
pub(super) const FIELDS: [Field; 11] = [
    Field::Service,
    Field::State,
    Field::Version,
    Field::Rate,
    Field::Errors,
    Field::Running,
    Field::Waiting,
    Field::Idle,
    Field::Calls,
    Field::Faults,
    Field::At,
];

impl Field {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::State => "state",
            Self::Version => "version",
            Self::Rate => "calls/s",
            Self::Errors => "err/s",
            Self::Running => "run",
            Self::Waiting => "wait",
            Self::Idle => "idle",
            Self::Calls => "calls",
            Self::Faults => "faults",
            Self::At => "at",
        }
    }

    /// The highest goes first where there is no room; 0 always stays.
    pub(super) fn dispensable(self) -> u8 {
        match self {
            Self::Service | Self::State => 0,
            Self::Rate => 1,
            Self::Errors => 2,
            Self::Running => 3,
            Self::Waiting => 4,
            Self::Version => 5,
            Self::Idle => 6,
            Self::Calls => 7,
            Self::Faults => 8,
            Self::At => 9,
        }
    }

    pub(super) fn is_number(self) -> bool {
        !matches!(self, Self::Service | Self::State | Self::Version | Self::At)
    }
}

/// One version of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) version: String,
    registration: String,
    state: String,
    tone: Option<Tone>,
    at: String,
    calls: u64,
    faults: u64,
    running: u64,
    waiting: u64,
    idle: u64,
    /// In a second, from one look to the next.
    rate: Option<f64>,
    errors: Option<f64>,
}

impl Line {
    fn read(service: &Value) -> Self {
        let number = |name: &str| service.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (state, tone) = state(service);
        Self {
            name: text(service, "/name"),
            version: text(service, "/version"),
            registration: text(service, "/registration"),
            state,
            tone: Some(tone),
            at: root(service),
            calls: number("calls"),
            faults: number("faults"),
            running: number("running"),
            waiting: number("waiting"),
            idle: number("idle_instances"),
            rate: None,
            errors: None,
        }
    }

    fn refused(module: &Value) -> Self {
        Self {
            name: text(module, "/file"),
            state: "refused".to_owned(),
            tone: Some(Tone::Bad),
            at: text(module, "/refusal"),
            ..Self::default()
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.registration.is_empty()
    }

    /// What is shown of it: what others wrote does nothing to a terminal.
    pub(super) fn text(&self, field: Field) -> String {
        let is_refused = self.is_refused();
        let count = |count: u64| if is_refused { String::new() } else { count.to_string() };
        let rate = |rate: Option<f64>| rate.map(|rate| format!("{rate:.1}")).unwrap_or_default();
        match field {
            Field::Service => printable(&self.name).into_owned(),
            Field::State => self.state.clone(),
            Field::Version => printable(&self.version).into_owned(),
            Field::Rate => rate(self.rate),
            Field::Errors => rate(self.errors),
            Field::Running => count(self.running),
            Field::Waiting => count(self.waiting),
            Field::Idle => count(self.idle),
            Field::Calls => count(self.calls),
            Field::Faults => count(self.faults),
            Field::At => printable(&self.at).into_owned(),
        }
    }

    pub(super) fn tone(&self, field: Field) -> Tone {
        match field {
            Field::State => self.tone.unwrap_or(Tone::Plain),
            Field::Errors if self.errors.is_some_and(|rate| 0.0 < rate) => Tone::Bad,
            Field::Waiting if 0 < self.waiting => Tone::Doubtful,
            _ => Tone::Plain,
        }
    }

    fn compare(&self, other: &Self, field: Field) -> Ordering {
        let rate = |rate: Option<f64>| rate.unwrap_or(-1.0);
        match field {
            Field::Service => self.name.cmp(&other.name),
            Field::State => self.state.cmp(&other.state),
            Field::Version => compare_versions(&self.version, &other.version),
            Field::Rate => rate(self.rate).total_cmp(&rate(other.rate)),
            Field::Errors => rate(self.errors).total_cmp(&rate(other.errors)),
            Field::Running => self.running.cmp(&other.running),
            Field::Waiting => self.waiting.cmp(&other.waiting),
            Field::Idle => self.idle.cmp(&other.idle),
            Field::Calls => self.calls.cmp(&other.calls),
            Field::Faults => self.faults.cmp(&other.faults),
            Field::At => self.at.cmp(&other.at),
        }
    }

    fn is(&self, chosen: &Chosen) -> bool {
        (self.name.as_str(), self.version.as_str()) == (&chosen.name, &chosen.version)
    }
}

/// The line that the cursor is on, wherever it is sorted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    name: String,
    version: String,
}

/// What the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    List,
    /// The list, while a filter is typed.
    Filtering,
    /// The chosen service.
    Detail,
}

/// How lines are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) by: Field,
    pub(super) is_reversed: bool,
}

/// What is known, and what is looked at.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) host: String,
    lines: Vec<Line>,
    /// When the host answered last.
    heard: Duration,
    /// How long the host has been away.
    pub(super) away: Option<Duration>,
    pub(super) order: Order,
    pub(super) filter: String,
    pub(super) view: View,
    pub(super) chosen: Option<Chosen>,
    /// What the host says of the chosen service.
    pub(super) detail: Option<Value>,
    /// First line of a detail that is longer than the screen.
    pub(super) scrolled: u16,
}

impl Known {
    pub(super) fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            lines: Vec::new(),
            heard: Duration::ZERO,
            away: None,
            order: Order { by: Field::Service, is_reversed: false },
            filter: String::new(),
            view: View::List,
            chosen: None,
            detail: None,
            scrolled: 0,
        }
    }

    /// Takes in what the host has said at this time.
    pub(super) fn learn(&mut self, listing: &Value, at: Duration) {
        let seconds = at.saturating_sub(self.heard).as_secs_f64();
        let before: BTreeMap<&str, (u64, u64)> = self
            .lines
            .iter()
            .map(|line| (line.registration.as_str(), (line.calls, line.faults)))
            .collect();
        let mut lines: Vec<Line> = array(listing, "/services").iter().map(Line::read).collect();
        for line in &mut lines {
            let Some((calls, faults)) = before.get(line.registration.as_str()) else { continue };
            // A revision that replaces another counts from the beginning.
            let rate = |now: u64, before: u64| {
                let more = u32::try_from(now.checked_sub(before)?).ok()?;
                (0.0 < seconds).then(|| f64::from(more) / seconds)
            };
            line.rate = rate(line.calls, *calls);
            line.errors = rate(line.faults, *faults);
        }
        lines.extend(array(listing, "/refused").iter().map(Line::refused));
        self.lines = lines;
        self.heard = at;
        self.away = None;
    }

    pub(super) fn learn_detail(&mut self, detail: Value) {
        let is_meant = self.chosen.as_ref().is_some_and(|chosen| {
            text(&detail, "/name") == chosen.name && text(&detail, "/version") == chosen.version
        });
        if is_meant {
            self.detail = Some(detail);
        }
    }

    /// The host has not answered.
    pub(super) fn lose(&mut self, at: Duration) {
        self.away = Some(at.saturating_sub(self.heard));
    }

    /// The lines that pass the filter, sorted.
    pub(super) fn shown(&self) -> Vec<&Line> {
        let filter = self.filter.to_lowercase();
        let passes = |line: &&Line| {
            [&line.name, &line.state, &line.at].iter().any(|t| t.to_lowercase().contains(&filter))
        };
        let mut shown: Vec<&Line> = self.lines.iter().filter(passes).collect();
        let Order { by, is_reversed } = self.order;
        // Of figures the largest is what is looked for.
        let turns = is_reversed != by.is_number();
        shown.sort_by(|one, other| {
            let order = one.compare(other, by);
            let order = if turns { order.reverse() } else { order };
            order
                .then_with(|| one.name.cmp(&other.name))
                .then_with(|| compare_versions(&one.version, &other.version))
        });
        shown
    }

    /// How many services there are, and how many modules are refused.
    pub(super) fn counts(&self) -> (usize, usize) {
        let refused = self.lines.iter().filter(|line| line.is_refused()).count();
        (self.lines.len() - refused, refused)
    }

    /// The line of the cursor, and its place among those shown.
    pub(super) fn cursor(&self) -> Option<(usize, &Line)> {
        let chosen = self.chosen.as_ref()?;
        self.shown().into_iter().enumerate().find(|(_, line)| line.is(chosen))
    }

    /// Puts the cursor on the line at this place, or on the last.
    pub(super) fn choose(&mut self, place: usize) {
        let shown = self.shown();
        let line = shown.get(place.min(shown.len().saturating_sub(1)));
        self.chosen =
            line.map(|line| Chosen { name: line.name.clone(), version: line.version.clone() });
    }

    /// The path of what else is to be asked of the host.
    pub(super) fn wants(&self) -> Option<String> {
        let (_, line) = self.cursor().filter(|_| self.view == View::Detail)?;
        let (name, version) = (crate::path::encode(&line.name), crate::path::encode(&line.version));
        (!line.is_refused()).then(|| format!("/admin/v1/services/{name}?version={version}"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// What a host with three services and a refused module says.
    pub(in super::super) fn listing(calls: u64) -> Value {
        let service = |name: &str, calls: u64, faults: u64| {
            json!({
                "name": name, "version": "1.0.0", "root": format!("/{name}"), "traffic": 100,
                "module": format!("{name}.wasm"), "registration": format!("r-{name}"),
                "calls": calls, "faults": faults, "running": 1, "waiting": 0,
                "idle_instances": 2,
            })
        };
        json!({
            "services": [
                service("calc", calls, 0),
                service("go.micro.srv.greeter", 7, 0),
                service("stocks", 9, calls / 10),
            ],
            "refused": [{"file": "broken.wasm", "refusal": "it is no module"}],
        })
    }

    pub(in super::super) fn known() -> Known {
        let mut known = Known::new("http://127.0.0.1:9099");
        known.learn(&listing(100), Duration::from_secs(1));
        known.learn(&listing(350), Duration::from_secs(3));
        known
    }

    #[track_caller]
    fn shows(known: &Known, names: &[&str]) {
        let shown: Vec<&str> = known.shown().iter().map(|line| line.name.as_str()).collect();
        assert_eq!(shown, names);
    }

    #[test]
    fn rates_are_those_between_two_looks() {
        let known = known();
        let shown = known.shown();
        let of = |name: &str| shown.iter().find(|line| line.name == name).unwrap();
        assert_eq!(of("calc").text(Field::Rate), "125.0");
        assert_eq!(of("stocks").text(Field::Errors), "12.5");
        assert_eq!(of("stocks").tone(Field::Errors), Tone::Bad);
        assert_eq!(of("broken.wasm").text(Field::Rate), "");
    }

    #[test]
    fn a_revision_that_counts_anew_has_no_rate_yet() {
        let mut known = known();
        known.learn(&listing(3), Duration::from_secs(4));
        let calc = known.shown().into_iter().find(|line| line.name == "calc").unwrap().clone();
        assert_eq!((calc.rate, calc.calls), (None, 3));
    }

    #[test]
    fn lines_are_sorted_and_filtered() {
        let mut known = known();
        shows(&known, &["broken.wasm", "calc", "go.micro.srv.greeter", "stocks"]);
        known.order = Order { by: Field::Rate, is_reversed: false };
        shows(&known, &["calc", "go.micro.srv.greeter", "stocks", "broken.wasm"]);
        known.order.is_reversed = true;
        shows(&known, &["broken.wasm", "go.micro.srv.greeter", "stocks", "calc"]);
        known.filter = "GREET".to_owned();
        shows(&known, &["go.micro.srv.greeter"]);
        known.filter = "refused".to_owned();
        shows(&known, &["broken.wasm"]);
    }

    #[test]
    fn versions_of_a_service_have_their_own_order() {
        let versions =
            ["1.10.0", "1.9.0"].map(|version| json!({ "name": "a", "version": version }));
        let mut known = Known::new("http://127.0.0.1:9099");
        known.learn(&json!({ "services": versions }), Duration::ZERO);
        for by in [Field::Version, Field::Service] {
            known.order.by = by;
            let shown = known.shown();
            let shown: Vec<&str> = shown.iter().map(|line| line.version.as_str()).collect();
            assert_eq!(shown, ["1.9.0", "1.10.0"], "{by:?}");
        }
    }

    #[test]
    fn what_others_write_is_shown_in_one_line() {
        let mut known = Known::new("http://127.0.0.1:9099");
        let refused = json!([{ "file": "a\u{1b}[2J.wasm", "refusal": "b\nc" }]);
        known.learn(&json!({ "refused": refused }), Duration::ZERO);
        let line = known.shown()[0];
        assert_eq!(line.text(Field::Service), "a\\u{1b}[2J.wasm");
        assert_eq!(line.text(Field::At), "b\\nc");
    }

    #[test]
    fn the_cursor_stays_with_its_service() {
        let mut known = known();
        known.choose(1);
        assert_eq!(known.cursor().unwrap().1.name, "calc");
        known.order.is_reversed = true;
        assert_eq!(known.cursor().unwrap().0, 2);
        known.choose(99);
        assert_eq!(known.cursor().unwrap().1.name, "broken.wasm");
    }

    #[test]
    fn a_host_that_comes_back_is_not_away() {
        let mut known = known();
        known.lose(Duration::from_secs(8));
        assert_eq!(known.away, Some(Duration::from_secs(5)));
        known.learn(&listing(400), Duration::from_secs(9));
        assert_eq!(known.away, None);
    }
}
