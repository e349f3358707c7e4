//! What a guest may reach outside: the origins that its manifest grants, and
//! the addresses that their names may stand for.
//!
//! An address of the public network needs no more than the origin. Any other
//! one has to be named: by an origin that is this address, by `localhost`, or
//! by a network of the manifest.

use crate::origin::{Host, Origin, OriginGrant};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What one guest may reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    origins: Vec<OriginGrant>,
    networks: Vec<Network>,
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    bits: u32,
}

/// Networks of IPv4 that are not public
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All of IPv6 that is given out as public, and what of it is not
/// (<https://www.iana.org/assignments/iana-ipv6-special-registry>).
const GIVEN_OUT_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    // Among them the tunnels of Teredo, and below those of 6to4: both have an
    // IPv4 address inside.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

impl Reach {
    pub(crate) fn new(origins: Vec<OriginGrant>, networks: Vec<Network>) -> Self {
        Self { origins, networks }
    }

    /// Whether requests to an origin are granted.
    pub(crate) fn grants(&self, origin: &Origin) -> bool {
        self.origins.iter().any(|granted| granted.covers(origin))
    }

    /// Whether a connection to a granted origin may lead to this address.
    pub(crate) fn admits(&self, host: &Host, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_named = match host {
            Host::Address(own) => *own == address,
            Host::Name(name) => name == "localhost" && address.is_loopback(),
        };
        is_named
            || is_public(address)
            || self.networks.iter().any(|network| network.contains(address))
    }
}

/// Whether an address is one of the public network.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            !NOT_PUBLIC_V4.iter().any(|(first, bits)| same_bits_v4(address, *first, *bits))
        }
        IpAddr::V6(address) => {
            let (first, bits) = GIVEN_OUT_V6;
            same_bits_v6(address, first, bits)
                && !NOT_PUBLIC_V6.iter().any(|(first, bits)| same_bits_v6(address, *first, *bits))
        }
    }
}

impl Network {
    /// Reads `10.0.0.0/8` or `fd00::/8`; an address alone is the network of it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("got {text:?}, want a network such as \"10.0.0.0/8\" or \"fd00::/8\"");
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let bits_max = if first.is_ipv4() { 32 } else { 128 };
        let is_digits = |bits: &str| !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = match bits {
            None => bits_max,
            Some(bits) if is_digits(bits) => bits.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        if bits_max < bits || first.to_canonical() != first {
            return Err(wrong());
        }
        let network = Self { first, bits };
        if network.begins_at() == first {
            return Ok(network);
        }
        Err(format!("got {text:?}, whose first address is {}", network.begins_at()))
    }

    fn begins_at(&self) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() & mask_v4(self.bits)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() & mask_v6(self.bits)).into(),
        }
    }

    /// Whether an address is one of it; one of IPv4 is told as such.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (address, self.first) {
            (IpAddr::V4(address), IpAddr::V4(first)) => same_bits_v4(address, first, self.bits),
            (IpAddr::V6(address), IpAddr::V6(first)) => same_bits_v6(address, first, self.bits),
            _ => false,
        }
    }
}

fn same_bits_v4(one: Ipv4Addr, other: Ipv4Addr, bits: u32) -> bool {
    (one.to_bits() ^ other.to_bits()) & mask_v4(bits) == 0
}

fn same_bits_v6(one: Ipv6Addr, other: Ipv6Addr, bits: u32) -> bool {
    (one.to_bits() ^ other.to_bits()) & mask_v6(bits) == 0
}

/// So many ones, then zeros.
fn mask_v4(bits: u32) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or_default()
}

fn mask_v6(bits: u32) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const NOT_PUBLIC: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "1fff::1",
    ];
    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "2001:200::1",
        "2606:4700::1",
        "2003::1",
        "3ffe::1",
        "3fff:1000::1",
    ];

    #[test]
    fn addresses_that_are_not_public_are_told() {
        for &text in NOT_PUBLIC {
            assert!(!is_public(ip(text)), "{text}");
        }
        for &text in PUBLIC {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[track_caller]
    fn check(host: &str, networks: &[&str], address: &str, expected: bool) {
        let origin = Origin::parse(&format!("http://{host}")).unwrap();
        let networks = networks.iter().map(|text| Network::parse(text).unwrap()).collect();
        let seen = Reach::new(Vec::new(), networks).admits(origin.host(), ip(address));
        assert_eq!(seen, expected, "{host} at {address}");
    }

    #[test]
    fn an_address_that_is_not_public_has_to_be_named() {
        check("a.example", &[], "1.1.1.1", true);
        check("a.example", &[], "127.0.0.1", false);
        check("a.example", &[], "::ffff:10.0.0.1", false);
        check("127.0.0.1", &[], "127.0.0.1", true);
        check("127.0.0.1", &[], "::ffff:127.0.0.1", true);
        check("127.0.0.1", &[], "127.0.0.2", false);
        check("[::1]", &[], "::1", true);
        check("[::1]", &[], "127.0.0.1", false);
        check("localhost", &[], "127.0.0.1", true);
        check("localhost", &[], "::1", true);
        check("localhost", &[], "10.0.0.1", false);
        check("localhost.example", &[], "127.0.0.1", false);
        check("a.example", &["10.0.0.0/8"], "10.1.2.3", true);
        check("a.example", &["10.0.0.0/8"], "11.1.2.3", true);
        check("a.example", &["10.0.0.0/8"], "127.0.0.1", false);
        check("a.example", &["10.0.0.0/8"], "::ffff:10.1.2.3", true);
        check("a.example", &["127.0.0.1"], "127.0.0.1", true);
        check("a.example", &["127.0.0.1"], "127.0.0.2", false);
        check("a.example", &["fd00::/8"], "fd12::1", true);
        check("a.example", &["fd00::/8"], "fe80::1", false);
        check("a.example", &["0.0.0.0/0"], "127.0.0.1", true);
        check("a.example", &["::/0"], "127.0.0.1", false);
    }

    #[test]
    fn a_network_is_written_with_its_first_address() {
        for text in ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "a/8"] {
            let complaint = Network::parse(text).unwrap_err();
            assert!(complaint.contains("want a network such as"), "{complaint}");
        }
        for text in ["::/129", "::ffff:10.0.0.0/104", "fd00::/8/8", "[::1]"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        let complaint = Network::parse("10.0.0.1/8").unwrap_err();
        assert_eq!(complaint, "got \"10.0.0.1/8\", whose first address is 10.0.0.0");
        assert!(Network::parse("::/0").is_ok());
    }

    #[test]
    fn an_origin_is_reached_when_it_is_granted() {
        let granted = OriginGrant::parse("https://a.example").unwrap();
        let reach = Reach::new(vec![granted], Vec::new());
        assert!(reach.grants(&Origin::parse("https://a.example").unwrap()));
        assert!(!reach.grants(&Origin::parse("https://b.example").unwrap()));
        assert!(!Reach::default().grants(&Origin::parse("https://a.example").unwrap()));
    }
}
