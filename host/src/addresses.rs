//! How many of something there are from each address. Who is on the same machine
//! is not counted: behind a proxy that is everybody.

use std::collections::HashMap;
use std::net::IpAddr;

/// Counts by address.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses(HashMap<IpAddr, usize>);

impl Addresses {
    /// Counts one in. False when there are as many from there as may be.
    #[must_use]
    pub(crate) fn enter(&mut self, from: IpAddr, max: usize) -> bool {
        if from.is_loopback() {
            return true;
        }
        let is_free = self.0.get(&from).copied().unwrap_or_default() < max;
        if is_free {
            *self.0.entry(from).or_default() += 1;
        }
        is_free
    }

    /// Counts one out that was counted in.
    pub(crate) fn leave(&mut self, from: IpAddr) {
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
