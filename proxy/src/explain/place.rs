//! Which line of which file a rule is.

use vestibule_auth::Visitor;
use vestibule_config::{Circuit, Origin, Settings};

/// Where the key stands by which a layer decides: `vestibule.toml:12`. Absent where no file says anything about it.
pub(super) fn of(settings: &Settings, rule: &str, visitor: &Visitor) -> Option<String> {
    let at = |path: &[&str]| settings.origins.at(path).map(Origin::to_string);
    if rule == "users.state" {
        let Visitor::Person { email, .. } = visitor else { return None };
        return at(&["users", email, "state"]).or_else(|| at(&["users", email]));
    }
    let circuit = rule.strip_prefix("circuits.").map(|rest| rest.split_once('.').unwrap_or((rest, "")));
    let Some((name, rest)) = circuit else {
        return at(&rule.split('.').collect::<Vec<_>>());
    };
    let circuit = settings.circuits.get(name)?;
    let (part, key) = part(circuit, rest)?;
    if key == "members" {
        return at(&["projects", circuit.project.as_ref()?.as_str(), "members"]);
    }
    let base: Vec<&str> = ["circuits", name].into_iter().chain(part.iter().flat_map(|at| ["paths", at])).collect();
    let below: Vec<&str> = base.iter().copied().chain(key.split('.').filter(|key| !key.is_empty())).collect();
    // A list that is left empty is meant by the policy that asks for it.
    at(&below).or_else(|| if key == "allow" { at(&[&base[..], &["access"]].concat()) } else { None })
}

/// Of a circuit: which of its paths, if one, and the key below.
fn part<'a>(circuit: &Circuit, rest: &'a str) -> Option<(Option<String>, &'a str)> {
    let Some(rest) = rest.strip_prefix("paths[") else { return Some((None, rest)) };
    let (at, path) = circuit.paths.iter().enumerate().find_map(|(at, path)| {
        let quoted = format!("{:?}]", path.prefix.as_str());
        Some((at, rest.strip_prefix(&quoted)?))
    })?;
    Some((Some(at.to_string()), path.trim_start_matches('.')))
}
