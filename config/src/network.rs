//! Networks and the lists of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net};

use crate::name::Name;
use crate::shape::{At, Reading, Shape, shape};
use crate::suggest;
use crate::text::Span;
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
pub(crate) enum IpSet {
    /// Checked.
    Known(Vec<IpNet>),
    /// Of a file that is not there, by the place that names it: whoever makes it may come later than this program.
    Awaited(Span),
}

/// The sets of a configuration. Absent are those that are broken, which was said of them already.
pub(crate) type IpSets = BTreeMap<Name, Option<IpSet>>;

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
            return bounded(networks.len(), LIST_MAX, "networks", span, reading).then_some(Self::Known(networks));
        }
        if !matches!(node.value, Value::Table(_)) {
            reading.wrong_kind(&node, "a list or { file = \"…\" }");
            return None;
        }
        let RawFile { table, file } = RawFile::read(node, reading)?;
        let span = file.span();
        let name = file.required("file", "\"…\"", table, reading)?;
        read_file(&At { value: name, span: span.unwrap_or(table) }, reading)
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&Vec::<IpNet>::schema(), &RawFile::schema())
    }
}

/// Reports a list that is longer than `most`.
pub(crate) fn bounded(count: usize, most: usize, what: &str, span: Span, reading: &mut Reading<'_>) -> bool {
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

/// What its file holds, or that there is none.
fn read_file(name: &At<String>, reading: &mut Reading<'_>) -> Option<IpSet> {
    let file = At { value: reading.resolve(&name.value), span: name.span };
    if reading.awaits(&file.value) {
        return Some(IpSet::Awaited(name.span));
    }
    networks_of(name, &file, reading).map(IpSet::Known)
}

/// One address or network a line; `#` starts a comment. The first wrong line is reported.
fn networks_of(name: &At<String>, file: &At<PathBuf>, reading: &mut Reading<'_>) -> Option<Vec<IpNet>> {
    let text = reading.text_of(file, FILE_BYTES_MAX)?;
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

/// The networks of a list, its `@sets` replaced by theirs. A set whose file is not there is a mistake.
pub(crate) fn resolve(members: Vec<At<Member>>, sets: &IpSets, reading: &mut Reading<'_>) -> Vec<IpNet> {
    let Resolved { networks, awaited } = resolve_known(members, sets, reading);
    for At { value: name, span } in awaited {
        let finding = reading.findings.error(span, format!("the file of \"@{name}\" is not there"));
        finding.help("write the file, or name the set in \"reputation\" alone, which waits for it");
    }
    networks
}

/// What is known of a list, and its sets of which nothing is known yet.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) networks: Vec<IpNet>,
    pub(crate) awaited: Vec<At<Name>>,
}

/// The same, for a rule that waits for files that are not there.
pub(crate) fn resolve_known(members: Vec<At<Member>>, sets: &IpSets, reading: &mut Reading<'_>) -> Resolved {
    let Resolved { mut networks, mut awaited } = Resolved::default();
    for At { value, span } in members {
        match value {
            Member::Network(network) => networks.push(network),
            Member::Set(name) => match sets.get(&name) {
                Some(Some(IpSet::Known(set))) => networks.extend(set),
                Some(Some(IpSet::Awaited(_))) => awaited.push(At { value: name, span }),
                Some(None) => (),
                None => {
                    let known: Vec<String> = sets.keys().map(|name| format!("@{name}")).collect();
                    let finding = reading.findings.error(span, format!("there is no IP set {:?}", name.as_str()));
                    finding.help(suggest::one_of("[ip_sets] has", &format!("@{name}"), &known));
                }
            },
        }
    }
    Resolved { networks, awaited }
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
