//! What the entries of a circuit tell about people, where it is less than everything.
//!
//! `hashed` puts pseudonyms in place of e-mail, user id, session and user agent, so that an auditor can still count,
//! filter and follow; an address has no room for one, so that it goes into `metadata` of requests and is absent from
//! attempts. `none` leaves all of it out. City, subdivision and what people write as their purpose are absent in both;
//! country and network stay.

use std::net::IpAddr;
use std::sync::Arc;

use vestibule_auth::Auth;
use vestibule_config::Circuit;
use vestibule_config::logs::PersonalData;
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, RequestEntry};

/// In place of a key that names somebody, where nothing may.
const WITHHELD: &str = "(withheld)";

/// What takes the place of what one entry would tell.
#[derive(Debug, Default)]
pub(crate) struct Disguise {
    email: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
    user_agent: Option<String>,
    /// JSON.
    metadata: Option<String>,
}

/// What one entry would tell.
struct Told<'a> {
    email: Option<&'a str>,
    user_id: Option<&'a str>,
    session_id: Option<&'a str>,
    user_agent: Option<&'a str>,
    source_ip: Option<IpAddr>,
}

impl Disguise {
    /// For the entry of a request; none where it tells everything.
    pub(crate) fn of_request(auth: &Auth, circuit: Option<&Circuit>, entry: &RequestEntry<'_>) -> Option<Self> {
        let RequestEntry { common, email, user_id, session_id, .. } = entry;
        Self::of(auth, circuit, common, [*email, *user_id, *session_id])
    }

    /// For the entry of an attempt; none where it tells everything.
    pub(crate) fn of_attempt(auth: &Auth, circuit: Option<&Circuit>, entry: &AccessEntry<'_>) -> Option<Self> {
        let AccessEntry { common, email, user_id, session_id, .. } = entry;
        Self::of(auth, circuit, common, [*email, *user_id, *session_id])
    }

    fn of(
        auth: &Auth,
        circuit: Option<&Circuit>,
        common: &Common<'_>,
        [email, user_id, session_id]: [Option<&str>; 3],
    ) -> Option<Self> {
        match circuit.map(|circuit| circuit.log.personal_data) {
            None | Some(PersonalData::Full) => None,
            Some(PersonalData::Nothing) => Some(Self::default()),
            Some(PersonalData::Hashed) => {
                let Common { user_agent, source_ip, .. } = *common;
                Some(Self::hashed(auth, &Told { email, user_id, session_id, user_agent, source_ip }))
            }
        }
    }

    fn hashed(auth: &Auth, told: &Told<'_>) -> Self {
        let hash = |text: Option<&str>| text.map(|text| auth.pseudonym(text));
        let Told { email, user_id, session_id, user_agent, source_ip } = told;
        let address = source_ip.map(|address| auth.pseudonym(&address.to_canonical().to_string()));
        Self {
            email: hash(*email),
            user_id: hash(*user_id),
            session_id: hash(*session_id),
            user_agent: hash(*user_agent),
            metadata: address.map(|address| serde_json::json!({ "source_ip": address }).to_string()),
        }
    }

    pub(crate) fn put_on_request<'a>(&'a self, entry: &mut RequestEntry<'a>) {
        let Self { email, user_id, session_id, user_agent, metadata } = self;
        hide(&mut entry.common, user_agent.as_deref());
        entry.email = email.as_deref();
        entry.user_id = user_id.as_deref();
        entry.session_id = session_id.as_deref();
        entry.metadata = metadata.as_deref();
    }

    pub(crate) fn put_on_attempt<'a>(&'a self, entry: &mut AccessEntry<'a>) {
        let Self { email, user_id, session_id, user_agent, metadata: _no_room } = self;
        hide(&mut entry.common, user_agent.as_deref());
        entry.email = email.as_deref();
        entry.user_id = user_id.as_deref();
        entry.session_id = session_id.as_deref();
        entry.purpose = None;
    }
}

fn hide<'a>(common: &mut Common<'a>, user_agent: Option<&'a str>) {
    common.user_agent = user_agent;
    common.source_ip = None;
    common.subdivision = None;
    common.city = None;
}

/// An address as an entry of this circuit may tell it.
pub(crate) fn address(circuit: &Circuit, address: IpAddr) -> Option<IpAddr> {
    match circuit.log.personal_data {
        PersonalData::Full => Some(address),
        PersonalData::Hashed | PersonalData::Nothing => None,
    }
}

/// An account or an address, as text, as an entry of this circuit may tell it.
pub(crate) fn name(auth: &Auth, circuit: &Circuit, name: Arc<str>) -> Arc<str> {
    match circuit.log.personal_data {
        PersonalData::Full => name,
        PersonalData::Hashed => auth.pseudonym(&name).into(),
        PersonalData::Nothing => WITHHELD.into(),
    }
}
