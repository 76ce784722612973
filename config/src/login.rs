//! The login host: one place where people sign in for all circuits.

use std::sync::Arc;

use crate::access::{Access, Ways};
use crate::circuit::{AddressRules, Circuit, IdentityHeaders};
use crate::logs::CircuitLog;
use crate::name::{Host, Name};
use crate::session::SessionLimits;
use crate::steps::Steps;

/// The login host in the shape of a circuit, so that gates and routes know one kind of host. A circuit cannot have an
/// empty name, and nothing is behind it.
pub(crate) fn circuit<'a>(
    host: Host,
    circuits: impl Iterator<Item = &'a Arc<Circuit>>,
    session: SessionLimits,
) -> Circuit {
    Circuit {
        name: Name("".into()),
        project: None,
        hosts: vec![host],
        upstreams: None,
        access: Access::Allowlist { allow: Vec::new(), ways: ways(circuits) },
        paths: Vec::new(),
        cors: None,
        steps: Steps::default(),
        trusted_addresses: Vec::new(),
        rules: AddressRules::default(),
        rate_limits: Vec::new(),
        session,
        identity: IdentityHeaders::default(),
        log: CircuitLog::default(),
        expires: None,
        enabled: true,
        place: String::new(),
    }
}

/// Of all circuits, each once. A shared secret is none: it is its own circuit's, and names nobody. A
/// code by e-mail is its circuit's too, which sends it.
fn ways<'a>(circuits: impl Iterator<Item = &'a Arc<Circuit>>) -> Ways {
    let mut all = Ways::default();
    for ways in circuits.flat_map(|circuit| circuit.policies()).filter_map(Access::ways) {
        let Ways { login, providers, code: _, shared: _, header_auth: _ } = ways;
        all.login.extend(login.iter().filter(|way| !all.login.contains(way)).copied().collect::<Vec<_>>());
        all.providers
            .extend(providers.iter().filter(|name| !all.providers.contains(name)).cloned().collect::<Vec<_>>());
    }
    all
}
