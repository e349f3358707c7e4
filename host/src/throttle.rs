//! How many requests may come in a second: of a service, and of each address.
//!
//! They come evenly, or as many at once as come in a second. The time is told.
//! What is kept of addresses takes the same memory however many there are.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

/// How fast requests may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    each_ns: u64,
}

impl Pace {
    /// So many in a second; 0 is no bound.
    pub(crate) fn per_second(count: u32) -> Option<Self> {
        let each_ns = SECOND_NS.checked_div(count.into())?;
        Some(Self { each_ns: each_ns.max(1) })
    }
}

/// The requests of one service, or of addresses that share it.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// When all that was taken would have come at that pace, in nanoseconds of the
    /// time that is told.
    spent_ns: AtomicU64,
}

impl Throttle {
    /// Takes one, or says how long it has to wait for that.
    pub(crate) fn take(&self, pace: Pace, now: Duration) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let ahead = |spent: u64| spent.max(now).saturating_add(pace.each_ns) - now;
        let next = |spent| (ahead(spent) <= SECOND_NS).then(|| now.saturating_add(ahead(spent)));
        match self.spent_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(spent) => Err(Duration::from_nanos(ahead(spent) - SECOND_NS)),
        }
    }
}

/// Places in each of the two rows.
const ROW: usize = 32_768;

/// The requests of each address.
///
/// An address has a place in each of two rows, drawn by a hash that nobody
/// outside knows, and is turned away when both are full. So one that shares a
/// place with a busy one is let in by the other.
#[derive(Debug)]
pub(crate) struct Throttles {
    pace: Pace,
    rows: [Box<[Throttle]>; 2],
    hashes: [RandomState; 2],
}

impl Throttles {
    pub(crate) fn new(pace: Pace) -> Self {
        let row = || (0..ROW).map(|_| Throttle::default()).collect();
        Self { pace, rows: [row(), row()], hashes: Default::default() }
    }

    /// Takes one of an address, or says how long it has to wait for that. Who is on
    /// the same machine is not counted.
    pub(crate) fn take(&self, from: IpAddr, now: Duration) -> Result<(), Duration> {
        let from = from.to_canonical();
        if from.is_loopback() {
            return Ok(());
        }
        let place = |row: &[Throttle], hash: &RandomState| {
            let index = usize::try_from(hash.hash_one(network(from)) % ROW as u64);
            let throttle = row.get(index.unwrap_or_default());
            throttle.map_or(Ok(()), |throttle| throttle.take(self.pace, now))
        };
        let [first, second] = &self.rows;
        let [one, other] = &self.hashes;
        match (place(first, one), place(second, other)) {
            (Err(one), Err(other)) => Err(one.min(other)),
            _ => Ok(()),
        }
    }
}

/// Whoever has an address of IPv6 has all of its network.
fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(5);

    #[test]
    fn a_second_may_come_at_once_and_then_the_pace_holds() {
        let (throttle, pace) = (Throttle::default(), Pace::per_second(4).unwrap());
        assert!((0..4).all(|_| throttle.take(pace, NOW).is_ok()));
        let wait = throttle.take(pace, NOW).unwrap_err();
        assert_eq!(wait, Duration::from_millis(250));
        assert_eq!(throttle.take(pace, NOW + wait), Ok(()));
        assert!(throttle.take(pace, NOW + wait).is_err());
        assert!((0..4).all(|_| throttle.take(pace, 2 * NOW).is_ok()));
    }

    #[test]
    fn any_pace_lets_one_in_and_none_is_no_bound() {
        assert_eq!(Pace::per_second(0), None);
        for count in [1, 3, 7, 999_999_937, u32::MAX] {
            let pace = Pace::per_second(count).unwrap();
            assert_eq!(Throttle::default().take(pace, Duration::ZERO), Ok(()), "{count}");
        }
    }

    #[test]
    fn each_address_has_its_own_pace_and_loopback_none() {
        let throttles = Throttles::new(Pace::per_second(2).unwrap());
        let taken = |from: &str| {
            let from = from.parse().unwrap();
            (0..9).filter(|_| throttles.take(from, NOW).is_ok()).count()
        };
        assert_eq!(taken("192.0.2.1"), 2);
        assert_eq!(taken("::ffff:192.0.2.1"), 0);
        assert_eq!(taken("2001:db8::1"), 2);
        assert_eq!(taken("2001:db8::2:1"), 0);
        assert_eq!(taken("2001:db8:0:1::1"), 2);
        assert_eq!([taken("127.0.0.1"), taken("::1"), taken("::ffff:127.0.0.1")], [9; 3]);
    }
}
