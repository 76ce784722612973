//! The house that most tests live in: five circuits over one upstream, and the people who come and go.
//!
//! | host | access | who is let in |
//! |---|---|---|
//! | `pub.localhost` | public | everybody |
//! | `mem.localhost` | members of `docs` | maya, noor |
//! | `list.localhost` | allowlist | maya, the group `reviewers` (ines) |
//! | `pw.localhost` | allowlist, empty but for a shared password | who knows it |
//! | `pin.localhost` | members, and a shared PIN | who knows it |

use crate::client::Request;
use crate::secrets::{PASSWORD, PASSWORD_HASH, PIN_HASH, SHARED_PASSWORD_HASH, SHARED_PIN_HASH};
use crate::{Gateway, Setup, Upstream};

/// A gateway with an upstream behind it.
#[derive(Debug)]
pub struct House {
    /// Records what arrives.
    pub upstream: Upstream,
    /// In front of it.
    pub gateway: Gateway,
}

impl House {
    /// The standard house.
    #[track_caller]
    pub fn start() -> Self {
        Self::with("")
    }

    /// The standard house and further TOML.
    #[track_caller]
    pub fn with(more: &str) -> Self {
        let upstream = Upstream::start();
        let gateway = Gateway::start(&(plan(&upstream) + more));
        Self { upstream, gateway }
    }

    /// The standard house with other lines in `[server]`.
    #[track_caller]
    pub fn with_server(server: &str) -> Self {
        let upstream = Upstream::start();
        let gateway = Setup::new(&plan(&upstream)).server(server).start();
        Self { upstream, gateway }
    }

    /// Signs a person in with the password and returns the cookie.
    #[track_caller]
    pub fn session(&self, host: &str, person: &str) -> String {
        let answer = self.gateway.sign_in(host, &[("email", person), ("password", PASSWORD)]).send();
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.session().unwrap_or_else(|| panic!("no cookie: {answer:?}"))
    }

    /// `GET`.
    pub fn get(&self, host: &str, target: &str) -> Request {
        self.gateway.get(host, target)
    }
}

/// Member of `docs`, on the allowlist.
pub const MAYA: &str = "maya@example.net";
/// Member of `docs` only.
pub const NOOR: &str = "noor@example.net";
/// In the group `reviewers` only.
pub const INES: &str = "ines@partner.example";
/// Member of `docs`, blocked.
pub const BRAM: &str = "bram@example.net";
/// Member of `docs`, not yet approved.
pub const PETRA: &str = "petra@example.net";

/// The standard configuration.
pub fn plan(upstream: &Upstream) -> String {
    format!("{}{}", people(), circuits(&upstream.url()))
}

/// Users and projects.
pub fn people() -> String {
    let person =
        |email: &str, more: &str| format!("[users.\"{email}\"]\npassword_hash = \"{PASSWORD_HASH}\"\n{more}\n");
    [
        person(MAYA, &format!("name = \"Maya\"\ngroups = [\"writers\"]\npin_hash = \"{PIN_HASH}\"")),
        person(NOOR, "name = \"Noor\""),
        person(INES, "name = \"Ines\"\ngroups = [\"reviewers\"]"),
        person(BRAM, "state = \"blocked\""),
        person(PETRA, "state = \"pending\""),
        format!(
            "[projects.docs]\nlabel = \"Documentation\"\nmembers = [\"{MAYA}\", \"{NOOR}\", \"{BRAM}\", \"{PETRA}\"]\n"
        ),
    ]
    .concat()
}

/// The five circuits over an upstream.
pub fn circuits(url: &str) -> String {
    format!(
        r#"
[circuits.pub]
project = "docs"
hosts = ["pub.localhost"]
upstream = "{url}"
access = "public"

[circuits.mem]
project = "docs"
hosts = ["mem.localhost"]
upstream = "{url}"
access = "members"
login = ["password", "pin"]

[circuits.list]
project = "docs"
hosts = ["list.localhost"]
upstream = "{url}"
access = "allowlist"
allow = ["{MAYA}", "group:reviewers"]
login = ["password", "pin"]

[circuits.pw]
project = "docs"
hosts = ["pw.localhost"]
upstream = "{url}"
access = "allowlist"
allow = []
shared = {{ password_hash = "{SHARED_PASSWORD_HASH}" }}

[circuits.pin]
project = "docs"
hosts = ["pin.localhost"]
upstream = "{url}"
access = "members"
shared = {{ pin_hash = "{SHARED_PIN_HASH}" }}
"#
    )
}
