//! Wrong tokens by address. The time is told.
//!
//! Who has the token is let in however many wrong ones came from the same
//! address, which may be that of a proxy: what keeps guesses out is the length
//! of the token. This keeps them from filling the log and the memory.

use crate::addresses::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong tokens of each address within the last minute.
#[derive(Debug, Default)]
pub(super) struct Tries(HashMap<IpAddr, Seen>);

#[derive(Debug)]
struct Seen {
    count: usize,
    since: Instant,
}

/// How a wrong token is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    Counted,
    /// The next ones will be too many.
    Last,
    TooMany,
}

/// Wrong tokens of one address within its time.
const TRIES_MAX: usize = 10;
/// That time.
const TRIES_TIME: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 1_024;

impl Tries {
    /// A wrong token came from there.
    pub(super) fn note(&mut self, from: IpAddr, now: Instant) -> Try {
        let from = network(from);
        if ADDRESSES_MAX <= self.0.len() && !self.0.contains_key(&from) {
            self.make_room(now);
        }
        let seen = self.0.entry(from).or_insert(Seen { count: 0, since: now });
        if seen.since + TRIES_TIME <= now {
            *seen = Seen { count: 0, since: now };
        }
        seen.count += 1;
        match seen.count {
            ..TRIES_MAX => Try::Counted,
            TRIES_MAX => Try::Last,
            _ => Try::TooMany,
        }
    }

    /// Forgets those whose time is over, or the oldest.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, seen| now < seen.since + TRIES_TIME);
        if ADDRESSES_MAX <= self.0.len() {
            let oldest = self.0.iter().min_by_key(|(_, seen)| seen.since).map(|(from, _)| *from);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_tries_and_a_minute_later_again() {
        let (mut tries, start) = (Tries::default(), Instant::now());
        let [one, two] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
        for _ in 1..TRIES_MAX {
            assert_eq!(tries.note(one, start), Try::Counted);
        }
        assert_eq!(tries.note(two, start), Try::Last, "of the same network");
        assert_eq!(tries.note(one, start), Try::TooMany);
        assert_eq!(tries.note([192, 0, 2, 1].into(), start), Try::Counted);
        assert_eq!(tries.note(one, start + TRIES_TIME), Try::Counted);
    }

    #[test]
    fn no_more_addresses_are_remembered_than_may_be() {
        let (mut tries, start) = (Tries::default(), Instant::now());
        for address in 0..2 * u32::try_from(ADDRESSES_MAX).unwrap() {
            let from = std::net::Ipv4Addr::from_bits(address).into();
            tries.note(from, start + Duration::from_millis(u64::from(address)));
        }
        assert_eq!(tries.0.len(), ADDRESSES_MAX);
    }
}
