//! `ip_allow` and `ip_block`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use prefix_trie::joint::JointPrefixSet;
use vestibule_config::AddressRules;

/// The networks of one circuit.
pub(crate) struct Networks {
    allow: Option<Set>,
    block: Set,
}

impl Networks {
    pub(crate) fn new(rules: &AddressRules) -> Self {
        Self { allow: rules.ip_allow.as_deref().map(Set::new), block: Set::new(&rules.ip_block) }
    }

    pub(crate) fn blocks(&self, address: IpAddr) -> bool {
        self.block.contains(address)
    }

    /// Everywhere, without a list.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.contains(address))
    }

    /// Whether the allow list names this address.
    pub(crate) fn lists(&self, address: IpAddr) -> bool {
        self.allow.as_ref().is_some_and(|allow| allow.contains(address))
    }
}

/// Networks to look an address up in.
pub(crate) struct Set(JointPrefixSet<IpNet>);

impl Set {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Self(networks.iter().map(|network| fold(*network)).collect())
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.get_lpm(&IpNet::from(address.to_canonical())).is_some()
    }
}

/// An IPv4-mapped network is the IPv4 network.
fn fold(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.network().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(length)) => Ipv4Net::new(v4, length).map_or(network, IpNet::V4),
        (Some(_) | None, _) => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: Option<&[&str]>, block: &[&str]) -> AddressRules {
        let parse = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect::<Vec<IpNet>>();
        AddressRules { ip_allow: allow.map(parse), ip_block: parse(block), ..AddressRules::default() }
    }

    #[test]
    fn a_block_wins_and_an_allow_list_must_match() {
        for (allow, block, address, expected) in [
            (None, &[][..], "203.0.113.7", None),
            (None, &["203.0.113.0/24"][..], "203.0.113.7", Some("ip_block")),
            (None, &["203.0.113.0/24"][..], "203.0.114.0", None),
            (Some(&["203.0.113.0/24"][..]), &["203.0.113.0/24"][..], "203.0.113.7", Some("ip_block")),
            (Some(&["198.51.100.0/24"][..]), &[][..], "203.0.113.7", Some("ip_allow")),
            (Some(&["198.51.100.0/24"][..]), &[][..], "198.51.100.255", None),
            (Some(&[][..]), &[][..], "198.51.100.255", Some("ip_allow")),
            (None, &["203.0.113.7/32"][..], "203.0.113.8", None),
            (None, &["203.0.113.0/24"][..], "::ffff:203.0.113.7", Some("ip_block")),
            (None, &["::ffff:203.0.113.0/120"][..], "203.0.113.7", Some("ip_block")),
            (None, &["2001:db8:40::/44"][..], "2001:db8:4f:1::1", Some("ip_block")),
            (None, &["2001:db8:40::/44"][..], "2001:db8:50::1", None),
            (Some(&["::/0"][..]), &[][..], "203.0.113.7", Some("ip_allow")),
            (None, &["0.0.0.0/0"][..], "2001:db8::1", None),
        ] {
            let (networks, parsed) = (Networks::new(&rules(allow, block)), address.parse().unwrap());
            let kept_out = || (!networks.allows(parsed)).then_some("ip_allow");
            let refuses = networks.blocks(parsed).then_some("ip_block").or_else(kept_out);
            assert_eq!(refuses, expected, "{address} {allow:?} {block:?}");
        }
    }
}
