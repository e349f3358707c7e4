//! How busy each subject of the bus is, reckoned from what the bus keeps
//! anyway: publishing pays nothing for it.

use super::scene::Section;
use super::window::per_second;
use crate::bus::{Bus, EventId};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Subjects that are shown.
const SUBJECTS_MAX: usize = 500;
/// How much a look counts beside those before it.
const WEIGHT: f64 = 0.3;

/// What is known of the subjects.
pub(super) struct Subjects {
    /// The event that was seen last, and how many there had been with it.
    seen: EventId,
    published: u64,
    at: Instant,
    known: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    rate: f64,
    /// Looks since it was last published on.
    idle: u32,
    last_publisher: Option<String>,
}

#[derive(Serialize)]
struct SubjectView<'k> {
    rate: f64,
    /// None when it came from outside.
    publisher: Option<&'k str>,
}

impl Subjects {
    pub(super) fn new() -> Self {
        let (seen, at) = (EventId::UNKNOWN, Instant::now());
        Self { seen, published: 0, at, known: BTreeMap::new() }
    }

    /// Looks at what was published since the last look.
    pub(super) fn look(&mut self, bus: &dyn Bus, now: Instant) {
        let is_first = self.seen == EventId::UNKNOWN;
        let events = bus.replay(self.seen).events;
        let published = bus.counts().published;
        let (count, seconds) = (published - self.published, (now - self.at).as_secs_f64());
        (self.published, self.at) = (published, now);
        self.seen = events.last().map_or(self.seen, |last| last.id);
        let mut counts: BTreeMap<&str, (u64, &Option<crate::name::Name>)> = BTreeMap::new();
        for event in &events {
            let news = &event.news;
            let entry = counts.entry(news.subject.as_str()).or_insert((0, &news.origin.publisher));
            *entry = (entry.0 + 1, &news.origin.publisher);
        }
        for known in self.known.values_mut() {
            known.idle = known.idle.saturating_add(1);
            known.rate *= 1.0 - WEIGHT;
        }
        // Of many events only the last ones are kept; they stand for the others.
        let kept = u64::try_from(events.len()).unwrap_or(u64::MAX).max(1);
        for (subject, (seen, publisher)) in counts {
            let known = self.known.entry(subject.to_owned()).or_default();
            known.idle = 0;
            known.last_publisher = publisher.as_ref().map(ToString::to_string);
            if !is_first && 0.0 < seconds {
                known.rate += WEIGHT * per_second(seen * count.max(kept) / kept, seconds);
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        while SUBJECTS_MAX < self.known.len() {
            let idlest = self.known.iter().max_by_key(|(_, known)| known.idle);
            let Some(subject) = idlest.map(|(subject, _)| subject.clone()) else { return };
            self.known.remove(&subject);
        }
    }

    pub(super) fn paint(&self, section: &mut Section) {
        for (subject, known) in &self.known {
            let rate = (known.rate * 10.0).round() / 10.0;
            section.put(subject, &SubjectView { rate, publisher: known.last_publisher.as_deref() });
        }
    }
}
