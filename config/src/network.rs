//! Networks and the lists of them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::name::Name;
use crate::shape::{At, Reading, Shape, shape};
use crate::suggest;
use crate::tree::{Node, Value};
use crate::word::{Word, Wrong, words};

/// Entries of one list in a configuration file; an `@set` counts as one.
pub(crate) const LIST_MAX: usize = 200;
/// A file of an IP set is not read beyond this.
const FILE_BYTES_MAX: usize = 16 << 20;
/// Networks in one file of an IP set.
const FILE_LINES_MAX: usize = 100_000;

/// One entry of `ip_allow` or `ip_block`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member {
    Network(IpNet),
    /// `@office`
    Set(Name),
}

/// `[ip_sets]`: a list, or a file of one network a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IpSet(pub(crate) Vec<IpNet>);

shape! {
    struct RawFile {
        file: String,
    }
}

impl Word for IpNet {
    const EXAMPLE: &str = "\"192.0.2.0/24\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(format!("{text:?} is not an address or network"))
                .help("write one such as \"192.0.2.0/24\" or \"192.0.2.7\"")
        };
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.to_canonical().into());
        }
        let network: Self = text.parse().map_err(|_| wrong())?;
        if network.trunc() != network {
            return Err(Wrong::new(format!("{text:?} has bits set beyond its prefix")).help(format!(
                "write {:?} for the network, or {:?} for the one address",
                fold(network.trunc()).to_string(),
                network.addr().to_string()
            )));
        }
        Ok(fold(network))
    }
}

words!(IpNet);

impl Word for Member {
    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.strip_prefix('@') {
            Some(name) => Name::parse(name).map(Self::Set),
            None => IpNet::parse(text).map(Self::Network),
        }
    }
}

words!(Member);

impl Shape for IpSet {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        if matches!(node.value, Value::List(_)) {
            let span = node.span;
            let networks = Vec::<IpNet>::read(node, reading)?;
            return bounded(networks.len(), LIST_MAX, "networks", span, reading).then_some(Self(networks));
        }
        if !matches!(node.value, Value::Table(_)) {
            reading.wrong_kind(&node, "a list or { file = \"…\" }");
            return None;
        }
        let RawFile { table, file } = RawFile::read(node, reading)?;
        let span = file.span();
        let name = file.required("file", "\"…\"", table, reading)?;
        read_file(&At { value: name, span: span.unwrap_or(table) }, reading).map(Self)
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&Vec::<IpNet>::schema(), &RawFile::schema())
    }
}

/// Reports a list that is longer than `most`.
pub(crate) fn bounded(
    count: usize,
    most: usize,
    what: &str,
    span: crate::text::Span,
    reading: &mut Reading<'_>,
) -> bool {
    if count > most {
        let finding = reading.findings.error(span, format!("{count} {what} are more than one list may hold"));
        finding.help(format!("write at most {most}"));
    }
    count <= most
}

/// An IPv4-mapped IPv6 network is the IPv4 network.
fn fold(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    match mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()) {
        Some(v4) => v4.into(),
        None => network,
    }
}

/// One address or network a line; `#` starts a comment. The first wrong line is reported.
fn read_file(name: &At<String>, reading: &mut Reading<'_>) -> Option<Vec<IpNet>> {
    let file = At { value: reading.resolve(&name.value), span: name.span };
    let text = reading.text_of(&file, FILE_BYTES_MAX)?;
    let mut networks = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        match IpNet::parse(entry) {
            Ok(network) => networks.push(network),
            Err(Wrong { message, help }) => {
                let message = format!("line {} of {:?}: {message}", index + 1, name.value);
                reading.findings.error(name.span, message).help(help.unwrap_or_default());
                return None;
            }
        }
    }
    bounded(networks.len(), FILE_LINES_MAX, "networks", name.span, reading).then_some(networks)
}

/// The networks of a list, its `@sets` replaced by theirs. `sets` holds an absent value for a set that is broken.
pub(crate) fn resolve(
    members: Vec<At<Member>>,
    sets: &std::collections::BTreeMap<Name, Option<Vec<IpNet>>>,
    reading: &mut Reading<'_>,
) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for At { value, span } in members {
        match value {
            Member::Network(network) => networks.push(network),
            Member::Set(name) => match sets.get(&name) {
                Some(set) => networks.extend(set.iter().flatten()),
                None => {
                    let known: Vec<String> = sets.keys().map(|name| format!("@{name}")).collect();
                    let finding = reading.findings.error(span, format!("there is no IP set {:?}", name.as_str()));
                    finding.help(suggest::one_of("[ip_sets] has", &format!("@{name}"), &known));
                }
            },
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_canonical() {
        let cases = [
            ("192.0.2.0/24", Ok("192.0.2.0/24")),
            ("192.0.2.7", Ok("192.0.2.7/32")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("2001:db8::1", Ok("2001:db8::1/128")),
            ("::ffff:192.0.2.7", Ok("192.0.2.7/32")),
            ("::ffff:192.0.2.0/120", Ok("192.0.2.0/24")),
            ("::/0", Ok("::/0")),
            ("10.1.2.3/8", Err("write \"10.0.0.0/8\" for the network, or \"10.1.2.3\" for the one address")),
            ("10.0.0.0/33", Err("write one such as \"192.0.2.0/24\" or \"192.0.2.7\"")),
            ("fe80::1%eth0", Err("write one such as \"192.0.2.0/24\" or \"192.0.2.7\"")),
            ("010.0.0.1", Err("write one such as \"192.0.2.0/24\" or \"192.0.2.7\"")),
        ];
        for (text, expected) in cases {
            let found = IpNet::parse(text).map(|network| network.to_string()).map_err(|wrong| wrong.help.unwrap());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
