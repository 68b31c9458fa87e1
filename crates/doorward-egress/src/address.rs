//! Which addresses may be reached.
//!
//! [`classify`] names what an address is for, looking through every way to
//! write an IPv4 address inside of an IPv6 one. [`AddressPolicy`] decides. The
//! metadata services of clouds hand out credentials to whoever can connect;
//! they are a kind of their own, refused even where local networks are allowed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for (IANA special-purpose registries, RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressKind {
    /// Reachable over the internet.
    Global,
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// Local networks: RFC 1918, unique local `fc00::/7`, site-local `fec0::/10`.
    Private,
    /// Carrier-grade NAT, `100.64.0.0/10`.
    Shared,
    /// One link: `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// A cloud's metadata service, which hands out credentials.
    Metadata,
    /// `0.0.0.0/8`, `::`: connects to this machine on many systems.
    Unspecified,
    /// Groups, and `255.255.255.255`.
    Multicast,
    /// Documentation, benchmarking, discard, translation and reserved ranges.
    Reserved,
}

/// Which kinds of address may be reached.
///
/// The default is [`AddressPolicy::public`]. Loosening is explicit, one step
/// each, and no step but [`AddressPolicy::dangerously_allow_metadata`] opens
/// the metadata services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPolicy {
    local_networks: bool,
    link_local: bool,
    metadata: bool,
}

/// What `address` is for.
#[must_use]
pub fn classify(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

// === impl AddressPolicy ===

impl AddressPolicy {
    /// The internet alone.
    #[must_use]
    pub fn public() -> Self {
        Self {
            local_networks: false,
            link_local: false,
            metadata: false,
        }
    }

    /// Also loopback, private and carrier-grade NAT addresses: for upstreams
    /// that a person configured, such as a store on the same machine.
    #[must_use]
    pub fn with_local_networks(mut self) -> Self {
        self.local_networks = true;
        self
    }

    /// Also link-local addresses, metadata services excepted.
    #[must_use]
    pub fn dangerously_allow_link_local(mut self) -> Self {
        self.link_local = true;
        self
    }

    /// Also the clouds' metadata services. A page that can name the path can
    /// then read the machine's credentials.
    #[must_use]
    pub fn dangerously_allow_metadata(mut self) -> Self {
        self.metadata = true;
        self
    }

    /// Whether `address` may be connected to.
    ///
    /// # Errors
    ///
    /// The kind of address that this policy refuses.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressKind> {
        let kind = classify(address);
        let allowed = match kind {
            AddressKind::Global => true,
            AddressKind::Loopback | AddressKind::Private | AddressKind::Shared => {
                self.local_networks
            }
            AddressKind::LinkLocal => self.link_local,
            AddressKind::Metadata => self.metadata,
            AddressKind::Unspecified | AddressKind::Multicast | AddressKind::Reserved => false,
        };
        if allowed { Ok(()) } else { Err(kind) }
    }
}

impl Default for AddressPolicy {
    fn default() -> Self {
        Self::public()
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "carrier-grade NAT",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

/// The metadata services known by a fixed IPv4 address: AWS, GCP, Azure and
/// OpenStack; ECS tasks; EKS pods; Alibaba; Oracle; Azure's wire server.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// The same over IPv6: AWS, EKS pods, GCP.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

fn classify_v4(address: Ipv4Addr) -> AddressKind {
    if METADATA_V4.contains(&address) {
        return AddressKind::Metadata;
    }
    match address.octets() {
        [0, ..] => AddressKind::Unspecified,
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressKind::Private,
        [100, 64..=127, ..] => AddressKind::Shared,
        [169, 254, ..] => AddressKind::LinkLocal,
        [224..=239, ..] | [255, 255, 255, 255] => AddressKind::Multicast,
        [192, 0, 0, _]
        | [192, 0, 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [240..=255, ..] => AddressKind::Reserved,
        _ => AddressKind::Global,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressKind {
    if METADATA_V6.contains(&address) {
        return AddressKind::Metadata;
    }
    if address == Ipv6Addr::UNSPECIFIED {
        return AddressKind::Unspecified;
    }
    if address == Ipv6Addr::LOCALHOST {
        return AddressKind::Loopback;
    }
    match address.segments() {
        // IPv4-mapped, IPv4-compatible, NAT64: the address inside is reached.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            classify_v4(inner_v4(high, low))
        }
        // IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0xffff, 0, high, low] => classify_v4(inner_v4(high, low)),
        // 6to4: never better than the IPv4 address inside.
        [0x2002, high, low, ..] => match classify_v4(inner_v4(high, low)) {
            AddressKind::Global => AddressKind::Reserved,
            kind => kind,
        },
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xfec0..=0xfeff, ..] | [0xfc00..=0xfdff, ..] => AddressKind::Private,
        // Local NAT64, discard, Teredo, benchmarking, ORCHID, documentation,
        // segment routing.
        [0x64, 0xff9b, ..]
        | [0x100, 0, 0, 0..=1, ..]
        | [0x2001, 0..=0x1ff, ..]
        | [0x2001, 0xdb8, ..]
        | [0x3fff, 0..=0xfff, ..]
        | [0x5f00, ..] => AddressKind::Reserved,
        [0x2000..=0x3fff, ..] => AddressKind::Global,
        _ => AddressKind::Reserved,
    }
}

fn inner_v4(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> AddressKind {
        classify(text.parse().unwrap())
    }

    #[test]
    fn m37_every_special_range_is_known() {
        use AddressKind::*;
        let table = [
            ("1.1.1.1", Global),
            ("52.219.1.1", Global),
            ("2606:4700::1111", Global),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("::1", Loopback),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("172.32.0.1", Global),
            ("192.168.1.1", Private),
            ("fc00::1", Private),
            ("fdff::1", Private),
            ("fec0::1", Private),
            ("100.64.0.1", Shared),
            ("100.127.255.255", Shared),
            ("100.128.0.1", Global),
            ("169.254.0.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("192.0.2.1", Reserved),
            ("198.18.0.1", Reserved),
            ("240.0.0.1", Reserved),
            ("2001:db8::1", Reserved),
            ("2001::1", Reserved),
            ("64:ff9b:1::1", Reserved),
            ("4000::1", Reserved),
        ];
        for (text, expected) in table {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn m37_an_address_inside_an_address_is_seen() {
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
        ] {
            let v4: Ipv4Addr = inside.parse().unwrap();
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for outside in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                assert_eq!(classify(outside.into()), classify(v4.into()), "{outside}");
                assert!(
                    AddressPolicy::public().check(outside.into()).is_err(),
                    "{outside}"
                );
            }
        }
    }

    #[test]
    fn m37_local_networks_never_include_metadata() {
        let local = AddressPolicy::public().with_local_networks();
        assert_eq!(local.check("127.0.0.1".parse().unwrap()), Ok(()));
        assert_eq!(local.check("192.168.0.9".parse().unwrap()), Ok(()));
        for metadata in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
            let address = metadata.parse().unwrap();
            assert_eq!(local.check(address), Err(AddressKind::Metadata));
            let linked = local.dangerously_allow_link_local();
            assert_eq!(linked.check(address), Err(AddressKind::Metadata));
            assert_eq!(local.dangerously_allow_metadata().check(address), Ok(()));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_public_policy_only_ever_lets_global_addresses_pass(bits: u128, v4: u32) {
            for address in [IpAddr::from(Ipv6Addr::from(bits)), IpAddr::from(Ipv4Addr::from(v4))] {
                let passes = AddressPolicy::public().check(address).is_ok();
                proptest::prop_assert_eq!(passes, classify(address) == AddressKind::Global);
                if let IpAddr::V4(v4) = address {
                    let special = v4.is_private() || v4.is_loopback() || v4.is_link_local()
                        || v4.is_multicast() || v4.is_broadcast() || v4.is_documentation()
                        || v4.is_unspecified();
                    proptest::prop_assert!(!(passes && special));
                }
            }
        }
    }
}
