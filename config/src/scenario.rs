//! `[[tests]]`: what the policy must answer. Nothing of it works yet; its shape is checked.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::name::{Email, Name};
use crate::shape::shape;
use crate::user::Group;
use crate::word::{Word, Wrong, spellings, words};

shape! {
    /// What an element of `tests` may say.
    pub(crate) unread struct RawScenario {
        name: String,
        given: RawGiven,
        expect: RawExpectation,
    }
}

shape! {
    unread struct RawGiven {
        url: String,
        method: String,
        user: Email,
        groups: Vec<Group>,
        login: String,
        ip: IpAddr,
        at: Timestamp,
    }
}

shape! {
    unread struct RawExpectation {
        decision: Decision,
        reason: String,
        circuit: Name,
    }
}

/// `decision`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    Login,
    Deny,
    Limited,
    NotFound,
}

spellings!(read Decision {
    "allow" => Allow,
    "login" => Login,
    "deny" => Deny,
    "limited" => Limited,
    "not_found" => NotFound,
});

impl Word for IpAddr {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |_| Wrong::new(format!("{text:?} is not an address")).help("write one such as \"192.0.2.7\"");
        text.parse::<Self>().map(|address| address.to_canonical()).map_err(wrong)
    }
}

words!(IpAddr);
