//! What was live of one module, and to what it was rolled back.
//!
//! A plain value; [`super::past`] keeps it over restarts.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// Revisions, the newest first, and which of them is live when it is not the
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    revisions: Vec<Entry>,
    pin: Option<Pin>,
    #[serde(default)]
    withdrawn: Option<Withdrawn>,
}

/// A revision that is live and was taken out of traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Withdrawn {
    digest: String,
    why: String,
}

/// A revision that was live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) digest: String,
    pub(super) version: String,
}

/// A revision that is live in place of what the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pin {
    /// The digest of what the file holds. Anything else ends the pin.
    file: String,
    /// The digest of what is live.
    pub(super) to: String,
    pub(super) why: String,
}

/// Revisions of one module that can be gone back to, the live one included.
const REVISIONS_MAX: usize = 5;

impl Journal {
    /// What is to be live in place of a file with this content.
    pub(super) fn pin_of(&self, file: &Digest) -> Option<&Pin> {
        self.pin.as_ref().filter(|pin| pin.file == file.hex())
    }

    /// The revision before the one that is live.
    pub(super) fn before(&self, live: &Digest) -> Option<&Entry> {
        let live = live.hex();
        let at = self.revisions.iter().position(|entry| entry.digest == live)?;
        self.revisions.get(at + 1)
    }

    /// A revision went live that a file with this content leads to. What came
    /// after the one that is replaced is forgotten: it was rolled back.
    pub(super) fn went_live(&mut self, entry: Entry, file: &Digest) {
        self.withdrawn = self.withdrawn.take().filter(|known| known.digest == entry.digest);
        if self.pin_of(file).is_some_and(|pin| pin.to == entry.digest) {
            return;
        }
        if let Some(pin) = self.pin.take() {
            let at = self.revisions.iter().position(|known| known.digest == pin.to);
            self.revisions.drain(..at.unwrap_or_default());
        }
        if self.revisions.first() != Some(&entry) {
            self.revisions.retain(|known| known.digest != entry.digest);
            self.revisions.insert(0, entry);
            self.revisions.truncate(REVISIONS_MAX);
        }
    }

    /// From now on this revision is live in place of a file with this content.
    pub(super) fn roll_back(&mut self, file: &Digest, to: &Digest, why: String) {
        self.pin = Some(Pin { file: file.hex(), to: to.hex(), why });
    }

    /// A revision was taken out of traffic.
    pub(super) fn withdraw(&mut self, digest: &Digest, why: String) {
        self.withdrawn = Some(Withdrawn { digest: digest.hex(), why });
    }

    /// Why a revision was taken out of traffic.
    pub(super) fn withdrawn(&self, digest: &Digest) -> Option<&str> {
        let known = self.withdrawn.as_ref().filter(|known| known.digest == digest.hex());
        known.map(|known| known.why.as_str())
    }

    /// Whether a revision may be gone back to.
    pub(super) fn knows(&self, digest: &str) -> bool {
        self.revisions.iter().any(|entry| entry.digest == digest)
    }

    /// Whether this revision is live in place of what the file holds.
    pub(super) fn is_pinned_to(&self, digest: &str) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.to == digest)
    }

    /// Digests of the revisions, the newest first.
    pub(super) fn digests(&self) -> impl Iterator<Item = &str> {
        self.revisions.iter().map(|entry| entry.digest.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: char) -> Digest {
        Digest::of(&[&[name as u8]])
    }

    fn letter(hex: &str) -> char {
        ('a'..='z').find(|name| digest(*name).hex() == hex).unwrap()
    }

    /// Plays `a` (a file with this content goes live) and `<` (a rollback), and
    /// tells what is live, what is known, and whether it is pinned.
    #[track_caller]
    fn check(steps: &str, expected: &str) {
        let (mut journal, mut live, mut file) = (Journal::default(), ' ', ' ');
        for step in steps.chars() {
            if step == '<' {
                let Some(before) = journal.before(&digest(live)).cloned() else {
                    live = '-';
                    continue;
                };
                live = letter(&before.digest);
                journal.roll_back(&digest(file), &digest(live), "told to".into());
            } else {
                file = step;
                // What is read of a file may be pinned to something else.
                let pinned = journal.pin_of(&digest(file)).map(|pin| letter(&pin.to));
                live = pinned.unwrap_or(file);
            }
            let entry = Entry { digest: digest(live).hex(), version: "1.0.0".into() };
            journal.went_live(entry, &digest(file));
        }
        let known: String = journal.digests().map(letter).collect();
        let pin = if journal.pin_of(&digest(file)).is_some() { "pinned" } else { "free" };
        assert_eq!(format!("{live} of {known} {pin}"), expected, "{steps}");
    }

    #[test]
    fn what_was_withdrawn_stays_so_until_other_content_is_live() {
        let mut journal = Journal::default();
        let entry = |name| Entry { digest: digest(name).hex(), version: "1.0.0".into() };
        journal.went_live(entry('a'), &digest('a'));
        journal.withdraw(&digest('a'), "it failed".into());
        journal.went_live(entry('a'), &digest('a'));
        assert_eq!(journal.withdrawn(&digest('a')), Some("it failed"));
        journal.went_live(entry('b'), &digest('b'));
        assert_eq!(
            (journal.withdrawn(&digest('a')), journal.withdrawn(&digest('b'))),
            (None, None)
        );
    }

    #[test]
    fn a_rollback_goes_back_one_by_one_and_holds_until_the_file_changes() {
        check("ab", "b of ba free");
        check("ab<", "a of ba pinned");
        check("ab<b", "a of ba pinned");
        check("ab<c", "c of ca free");
        check("abc<<", "a of cba pinned");
        check("abc<d", "d of dba free");
        check("abc<<d<", "a of da pinned");
        check("ab<a", "a of a free");
        check("a<", "- of a free");
        check("ab<<", "- of ba pinned");
        check("aba<", "b of ab pinned");
        check("aab", "b of ba free");
        check("abcdefg", "g of gfedc free");
    }
}
