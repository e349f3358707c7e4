//! How many requests may come in a second: of a service, and of each address.
//!
//! They come evenly, or as many at once as come in a second. Where addresses are many,
//! those are forgotten that may send as many again.

use crate::addresses::counted;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

type Limiter<K, S, C> = RateLimiter<K, S, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The requests of one service.
pub(crate) struct Throttle<C: Clock = MonotonicClock> {
    limiter: Limiter<NotKeyed, InMemoryState, C>,
}

/// The requests of each address.
///
/// With [`Throttles::forget`] every second, at most [`ADDRESSES_KEPT`] addresses are
/// kept and those that came in the last three seconds: two seconds after its last
/// request was let in, each is as good as new. An address takes less than 100 bytes,
/// and cost whoever has it a connection to this host or to a proxy that is trusted. So
/// 20,000 new ones in every second take less than 10 MiB.
pub(crate) struct Throttles<C: Clock = MonotonicClock> {
    limiter: Limiter<IpAddr, DashMapStateStore<IpAddr>, C>,
}

/// Addresses that are kept without a look at when they came.
const ADDRESSES_KEPT: usize = 32_768;

impl Throttle {
    /// So many in a second; 0 is no bound.
    pub(crate) fn per_second(count: u32) -> Option<Self> {
        Self::by(MonotonicClock, count)
    }
}

impl<C: Clock> Throttle<C> {
    fn by(clock: C, per_second: u32) -> Option<Self> {
        let quota = quota(per_second)?;
        Some(Self { limiter: RateLimiter::direct_with_clock(quota, clock) })
    }

    /// Takes one, or says how long it has to wait for that.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let now = || self.limiter.clock().now();
        self.limiter.check().map_err(|early| early.wait_time_from(now()))
    }
}

impl Throttles {
    /// So many of each in a second; 0 is no bound.
    pub(crate) fn per_second(count: u32) -> Option<Self> {
        Self::by(MonotonicClock, count)
    }
}

impl<C: Clock> Throttles<C> {
    fn by(clock: C, per_second: u32) -> Option<Self> {
        let quota = quota(per_second)?;
        Some(Self { limiter: RateLimiter::dashmap_with_clock(quota, clock) })
    }

    /// Takes one of an address, or says how long it has to wait for that. Who is on
    /// the same machine is not counted.
    pub(crate) fn take(&self, from: IpAddr) -> Result<(), Duration> {
        let Some(from) = counted(from) else { return Ok(()) };
        let now = || self.limiter.clock().now();
        let taken = self.limiter.check_key(&from);
        taken.map_err(|early| early.wait_time_from(now()))
    }

    /// Forgets those that may send as many as if they were new, once there are many.
    pub(crate) fn forget(&self) {
        if ADDRESSES_KEPT < self.limiter.len() {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

fn quota(per_second: u32) -> Option<Quota> {
    NonZeroU32::new(per_second).map(Quota::per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::net::Ipv4Addr;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_may_come_at_once_and_then_the_pace_holds() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::by(clock.clone(), 4).unwrap();
        assert!((0..4).all(|_| throttle.take().is_ok()));
        let wait = throttle.take().unwrap_err();
        assert_eq!(wait, SECOND / 4);
        clock.advance(wait);
        assert_eq!(throttle.take(), Ok(()));
        assert_eq!(throttle.take(), Err(wait));
        clock.advance(5 * SECOND);
        assert_eq!((0..9).filter(|_| throttle.take().is_ok()).count(), 4);
    }

    #[test]
    fn any_pace_lets_one_in_and_none_is_no_bound() {
        assert!(Throttle::per_second(0).is_none());
        assert!(Throttles::per_second(0).is_none());
        for count in [1, 3, 7, 1_000_000, u32::MAX] {
            assert_eq!(Throttle::per_second(count).unwrap().take(), Ok(()), "{count}");
        }
    }

    #[test]
    fn each_address_has_its_own_pace_and_loopback_none() {
        let throttles = Throttles::by(FakeRelativeClock::default(), 2).unwrap();
        let taken = |from: &str| {
            let from = from.parse().unwrap();
            (0..9).filter(|_| throttles.take(from).is_ok()).count()
        };
        assert_eq!(taken("192.0.2.1"), 2);
        assert_eq!(taken("::ffff:192.0.2.1"), 0);
        assert_eq!(taken("2001:db8::1"), 2);
        assert_eq!(taken("2001:db8::2:1"), 0);
        assert_eq!(taken("2001:db8:0:1::1"), 2);
        assert_eq!([taken("127.0.0.1"), taken("::1"), taken("::ffff:127.0.0.1")], [9; 3]);
    }

    #[test]
    fn addresses_that_are_many_are_forgotten_once_they_are_as_good_as_new() {
        let clock = FakeRelativeClock::default();
        let throttles = Throttles::by(clock.clone(), 1).unwrap();
        let address = |index: usize| Ipv4Addr::from_bits(10 << 24 | index as u32).into();
        let kept = || {
            throttles.forget();
            throttles.limiter.len()
        };
        assert!((0..ADDRESSES_KEPT).all(|index| throttles.take(address(index)).is_ok()));
        clock.advance(SECOND);
        assert_eq!(kept(), ADDRESSES_KEPT, "they are not many");
        clock.advance(SECOND);
        let late = address(ADDRESSES_KEPT);
        assert_eq!(throttles.take(late), Ok(()));
        assert_eq!(kept(), 1);
        assert_eq!(throttles.take(late), Err(SECOND), "who came last is not forgotten");
    }

    #[test]
    fn addresses_that_are_over_their_pace_are_kept_however_many_they_are() {
        let clock = FakeRelativeClock::default();
        let throttles = Throttles::by(clock.clone(), 1).unwrap();
        let all = || (0..=ADDRESSES_KEPT).map(|index| Ipv4Addr::from_bits(10 << 24 | index as u32));
        assert!(all().all(|from| throttles.take(from.into()).is_ok()));
        clock.advance(SECOND / 2);
        throttles.forget();
        assert!(all().all(|from| throttles.take(from.into()).is_err()));
    }
}
