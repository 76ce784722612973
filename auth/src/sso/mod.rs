//! Signing in at an OpenID Connect provider: the code flow with a proof key.
//!
//! A started sign-in is remembered here, bound to the browser by a cookie, for ten minutes and for one use. What comes
//! back is believed only after every rule about tokens held. The network is somebody else's: all that goes to a
//! provider goes through a [`BackChannel`].

mod back_channel;
mod directory;
mod finish;
mod logout;
mod operators;
mod person;
mod provider;
mod recheck;
pub(crate) mod seal;
mod start;
mod starts;
mod token;

use std::time::Duration;

pub use back_channel::{Answer, BackChannel, NoBackChannel, Unreachable};
pub use finish::{Callback, Finished};
pub use logout::LogoutToken;
pub use operators::{Denied, Operator, Operators};
pub use recheck::Rechecked;
pub use start::{Begin, Begun};
pub use starts::{Started, TTL};

pub(crate) use directory::Directories;
pub(crate) use logout::Used as UsedLogouts;
pub(crate) use provider::Provider;
pub(crate) use starts::Starts;

/// One step of a sign-in at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The browser was sent to the provider.
    Redirect,
    /// It came back.
    Callback,
    /// The code was exchanged for tokens.
    Token,
    /// The provider's keys were fetched again.
    Keys,
    /// What the tokens say was checked.
    Claims,
    /// The provider was asked about the person.
    UserInfo,
}

impl Step {
    /// The word of the logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Callback => "callback",
            Self::Token => "token",
            Self::Keys => "keys",
            Self::Claims => "claims",
            Self::UserInfo => "userinfo",
        }
    }
}

/// A step, and how long it took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Which.
    pub step: Step,
    /// By the clock that never goes back.
    pub time: Duration,
}
