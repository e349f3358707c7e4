//! Who is behind an address, and how many of something there are from each. Who is
//! on the same machine is not counted: behind a proxy that is everybody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Counts by address.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses(HashMap<IpAddr, usize>);

/// What stands for whoever has an address: whoever has one of IPv6 has all of its
/// network.
pub(crate) fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// The same for those who are counted.
pub(crate) fn counted(from: IpAddr) -> Option<IpAddr> {
    (!from.to_canonical().is_loopback()).then(|| network(from))
}

impl Addresses {
    /// Counts one in. False when there are as many from there as may be.
    #[must_use]
    pub(crate) fn enter(&mut self, from: IpAddr, max: usize) -> bool {
        let Some(from) = counted(from) else { return true };
        let is_free = self.0.get(&from).copied().unwrap_or_default() < max;
        if is_free {
            *self.0.entry(from).or_default() += 1;
        }
        is_free
    }

    /// Counts one out that was counted in.
    pub(crate) fn leave(&mut self, from: IpAddr) {
        let Some(from) = counted(from) else { return };
        let Some(count) = self.0.get_mut(&from) else { return };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address_however_it_is_written() {
        let counted = |text: &str| counted(text.parse().unwrap());
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::2"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
        for local in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(counted(local), None, "{local}");
        }
    }

    #[test]
    fn each_address_is_counted_by_itself_and_loopback_not_at_all() {
        let mut addresses = Addresses::default();
        let [one, other, local] =
            [[192, 0, 2, 1], [192, 0, 2, 2], [127, 0, 0, 1]].map(IpAddr::from);
        assert!(addresses.enter(one, 2) && addresses.enter(one, 2));
        assert!(!addresses.enter(one, 2));
        assert!(addresses.enter(other, 1));
        assert!(!addresses.enter(other, 0));
        assert!((0..9).all(|_| addresses.enter(local, 1)));
        for from in [one, one, other, local] {
            addresses.leave(from);
        }
        assert_eq!(addresses, Addresses::default());
    }
}
