//! When a file is whole.
//!
//! A writer that closes its file, or renames one into place, has finished. What
//! came by another way (a link, a swapped folder, an event that was lost) counts
//! as whole when it has stayed the same for a while. No clock: the caller says
//! what time it is.

use std::collections::HashMap;
use std::time::Duration;

/// Time since the loader started.
pub(super) type Now = Duration;

/// A file that nobody was seen writing is whole after it stayed the same for
/// this long.
pub(super) const QUIET: Duration = Duration::from_millis(200);

/// The same for a plain file, whose writer's events may only be late.
const QUIET_PLAIN: Duration = Duration::from_secs(1);

/// Time after which a plain file that nobody was seen writing was not made by
/// writing it.
const QUIET_CREATED: Duration = Duration::from_secs(30);

/// What a file itself tells of its writing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// How long ago it was changed.
    pub(super) age: Duration,
    /// Whether it is a regular file, neither a link nor one of several names.
    pub(super) is_plain: bool,
}

/// What was seen of a file's writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Somebody has it open and writes.
    Writing,
    /// It is whole since it was closed or renamed.
    Finished,
    /// It came into the folder at this time.
    Created(Now),
    /// It was changed at this time by something that does not say when it ends.
    Touched(Now),
}

/// One event of the watcher, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Written,
    Closed,
    Renamed,
}

/// Files whose writing was seen.
///
/// What the watcher reported is kept until the file is taken; a change that no
/// event came with starts a wait of its own.
#[derive(Debug, Default)]
pub(super) struct Settling {
    files: HashMap<String, Seen>,
}

/// Whether a file may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Whole,
    /// Ask again at this time.
    Wait(Now),
    /// An event will tell. The greatest: it decides for a module and its
    /// manifest together.
    BeingWritten,
}

impl Settling {
    /// The watcher reported a change.
    pub(super) fn see(&mut self, file: &str, change: Change, now: Now) {
        let seen = match change {
            Change::Closed | Change::Renamed => Seen::Finished,
            Change::Written => Seen::Writing,
            Change::Created => Seen::Created(now),
        };
        self.files.insert(file.to_owned(), seen);
    }

    /// A scan found a file different from what was loaded.
    pub(super) fn judge(&mut self, file: &str, look: Look, now: Now) -> Verdict {
        let quiet = if look.is_plain { QUIET_PLAIN } else { QUIET };
        if !self.files.contains_key(file) && quiet <= look.age {
            return Verdict::Whole;
        }
        let touched = Seen::Touched(now.saturating_sub(look.age));
        match self.files.entry(file.to_owned()).or_insert(touched) {
            Seen::Finished => Verdict::Whole,
            Seen::Writing => Verdict::BeingWritten,
            // Who makes a plain file has it open, and will close it. One that
            // was linked into place was closed before.
            Seen::Created(_) if look.is_plain && look.age < QUIET_CREATED => Verdict::BeingWritten,
            Seen::Created(since) | Seen::Touched(since) if *since + quiet <= now => Verdict::Whole,
            Seen::Created(since) | Seen::Touched(since) => Verdict::Wait(*since + quiet),
        }
    }

    /// A file was taken as it is, or is gone.
    pub(super) fn forget(&mut self, file: &str) {
        self.files.remove(file);
    }

    /// Events were lost: what is believed of writers may be wrong.
    pub(super) fn lose_track(&mut self, now: Now) {
        for seen in self.files.values_mut() {
            *seen = Seen::Touched(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replays events on one file: `n`ew, `w`rite, `c`lose, `r`ename, `l`ost,
    /// `+N` milliseconds; `?` asks: `W`hole, `L`ater, `B`eing written.
    #[track_caller]
    fn check(is_plain: bool, script: &str, expected: &str) {
        let look = Look { age: Duration::ZERO, is_plain };
        let mut settling = Settling::default();
        let mut now = Duration::from_secs(1);
        let mut seen = String::new();
        for step in script.split_whitespace() {
            match step {
                "n" => settling.see("a", Change::Created, now),
                "w" => settling.see("a", Change::Written, now),
                "c" => settling.see("a", Change::Closed, now),
                "r" => settling.see("a", Change::Renamed, now),
                "l" => settling.lose_track(now),
                "?" => seen.push(match settling.judge("a", look, now) {
                    Verdict::Whole => 'W',
                    Verdict::Wait(_) => 'L',
                    Verdict::BeingWritten => 'B',
                }),
                wait => now += Duration::from_millis(wait[1..].parse().unwrap()),
            }
        }
        assert_eq!(seen, expected, "script {script:?}");
    }

    #[test]
    fn a_writer_that_closes_has_finished() {
        check(true, "n ? w ? +9000 ? c ?", "BBBW");
        check(true, "r ?", "W");
        check(true, "c w ?", "B");
    }

    #[test]
    fn what_nobody_writes_is_whole_when_it_rests() {
        check(false, "n ? +200 ?", "LW");
        check(false, "? +199 ? +1 ?", "LLW");
        check(true, "? +999 ? +1 ?", "LLW");
        check(true, "w l ? +1000 ?", "LW");
    }
}
