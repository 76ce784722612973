//! Programs that look for holes and say so in `User-Agent`. Who hides it is not found by this.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use http::HeaderMap;
use http::header::USER_AGENT;

/// What their user agents hold, in small letters. No word that honest clients use: libraries and search engines are none
/// of them.
const SIGNATURES: [&str; 40] = [
    "acunetix",
    "appscan",
    "arachni",
    "burpcollaborator",
    "burpsuite",
    "censysinspect",
    "cmsmap",
    "commix",
    "dirbuster",
    "dirsearch",
    "droopescan",
    "feroxbuster",
    "ffuf",
    "fimap",
    "fuzz faster u fool",
    "gobuster",
    "havij",
    "jaeles",
    "joomscan",
    "masscan",
    "nessus",
    "netsparker",
    "nikto",
    "nmap",
    "nuclei",
    "openvas",
    "skipfish",
    "sqlmap",
    "sqlninja",
    "vega/",
    "w3af",
    "wafw00f",
    "webinspect",
    "wfuzz",
    "whatweb",
    "wpscan",
    "xsstrike",
    "zaproxy",
    "zgrab",
    "zmap",
];

/// All of them in one pass over an agent: one after the other they cost a tenth of a request.
static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    let built = builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(SIGNATURES);
    built.expect("forty short signatures fit")
});

pub(super) fn is_scanner(headers: &HeaderMap) -> bool {
    headers.get_all(USER_AGENT).iter().any(|agent| FINDER.is_match(agent.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn scanners_are_known_in_any_case_and_browsers_are_none() {
        let is = |agent: &str| is_scanner(&HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_str(agent).unwrap())]));
        for agent in [
            "sqlmap/1.7.2#stable (https://sqlmap.org)",
            "Mozilla/5.00 (Nikto/2.1.6)",
            "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
            "WPScan v3.8.22 (https://wpscan.com/wordpress-security-scanner)",
            "Mozilla/5.0 zgrab/0.x",
            "SQLMAP",
        ] {
            assert!(is(agent), "{agent}");
        }
        for agent in [
            "",
            "curl/8.5.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "python-httpx/0.27",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Go-http-client/2.0",
        ] {
            assert!(!is(agent), "{agent}");
        }
        assert!(!is_scanner(&HeaderMap::new()));
    }
}
