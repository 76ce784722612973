//! What every page has around it: the ways to the others, who is signed in, what was just done.

use vestibule_config::admin::{LogName, Role};

use crate::admin::door::{Call, role_name};

/// What every page shows.
pub(super) struct Frame {
    /// Of the page.
    pub(super) title: String,
    /// Absent before somebody signed in.
    pub(super) who: Option<Who>,
    /// Another page, to which the browser goes on by itself.
    pub(super) on_to: Option<String>,
    /// Seconds after which the browser loads it again.
    pub(super) refresh: Option<u32>,
    /// The same for browsers without script, where the script would follow a log.
    pub(super) refresh_without_script: Option<u32>,
    /// What was just done.
    pub(super) done: &'static str,
}

/// Who is signed in.
pub(super) struct Who {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) csrf: String,
    pub(super) tabs: Vec<Tab>,
    pub(super) may_change: bool,
    pub(super) may_export: bool,
}

/// The way to a page.
pub(super) struct Tab {
    pub(super) label: &'static str,
    pub(super) path: &'static str,
    pub(super) is_here: bool,
}

const TABS: [(&str, &str, Option<LogName>); 12] = [
    ("Overview", "/", None),
    ("Requests", "/logs/requests", Some(LogName::Requests)),
    ("Access", "/logs/access", Some(LogName::Access)),
    ("Audit", "/logs/audit", Some(LogName::Audit)),
    ("People", "/people", Some(LogName::Access)),
    ("Sessions", "/sessions", None),
    ("Bans", "/bans", None),
    ("Circuits", "/circuits", None),
    ("Why", "/why", None),
    ("Configuration", "/config", None),
    ("Integrity", "/integrity", None),
    ("Status", "/status", None),
];

impl Frame {
    /// Of a page for who came in.
    pub(super) fn of(call: &Call, title: impl Into<String>) -> Self {
        Self { who: Some(Who::of(call)), ..Self::outside(title, done(call)) }
    }

    /// Of a page for anybody.
    pub(super) fn outside(title: impl Into<String>, done: &'static str) -> Self {
        Self { title: title.into(), who: None, on_to: None, refresh: None, refresh_without_script: None, done }
    }

    /// Whether forms that change something are shown; they are refused to others in any case.
    pub(super) fn may_change(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.may_change)
    }

    pub(super) fn may_export(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.may_export)
    }

    /// What the page's forms carry.
    pub(super) fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |who| &who.csrf)
    }
}

impl Who {
    fn of(call: &Call) -> Self {
        let readable = |log: Option<LogName>| log.is_none_or(|log| reads(call, log));
        let is_here = |path: &str| match path {
            "/" => call.path == "/",
            path => call.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        let tabs = TABS.iter().filter(|(.., log)| readable(*log));
        Self {
            name: call.actor.name.clone(),
            role: role_name(call.pass.role),
            csrf: call.pass.signed_in.as_ref().map_or_else(String::new, |signed_in| signed_in.csrf().to_owned()),
            tabs: tabs.map(|(label, path, _)| Tab { label, path, is_here: is_here(path) }).collect(),
            may_change: call.pass.is(Role::Admin),
            may_export: call.pass.is(Role::Auditor),
        }
    }
}

/// Whether this token reads a log.
pub(super) fn reads(call: &Call, log: LogName) -> bool {
    call.logs.as_ref().is_none_or(|logs| logs.contains(&log))
}

/// The parameter that says what a form has done, after its redirect.
pub(super) const DONE: &str = "done";

/// Sentences for what forms do; others are not shown, so that a link says nothing in our name.
pub(super) const DEEDS: [(&str, &str); 9] = [
    ("revoked", "The sessions are ended."),
    ("banned", "The network is kept out from the next request on."),
    ("unbanned", "The ban is lifted."),
    ("unlocked", "The account is unlocked."),
    ("reloaded", "The configuration was read again and is in force."),
    ("applied", "The change stands in the file and is in force."),
    ("restored", "The files are as they were in that revision, and in force."),
    ("unchanged", "The files have not changed; nothing was done."),
    ("anchored", "The heads of the logs were sent to every place."),
];

fn done(call: &Call) -> &'static str {
    let named = call.parameters.iter().find(|(name, _)| name == DONE);
    named.and_then(|(_, deed)| DEEDS.iter().find(|(word, _)| word == deed)).map_or("", |(_, sentence)| sentence)
}
