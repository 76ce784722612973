//! The countries there are.

use crate::name::CountryCode;
use crate::word::{Word, Wrong, words};

/// The officially assigned codes of ISO 3166-1 alpha-2, and `XK`, which the geo databases use for Kosovo.
const CODES: &str = "\
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP \
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT \
MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ \
UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

impl Word for CountryCode {
    const EXAMPLE: &str = "\"DE\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let code = text.to_ascii_uppercase();
        if CODES.split(' ').any(|known| known == code) {
            return Ok(Self(code.into()));
        }
        let wrong = Wrong::new(format!("{text:?} is not a country"));
        Err(match code.as_str() {
            "UK" => wrong.help("did you mean \"GB\"?"),
            "EL" => wrong.help("did you mean \"GR\"?"),
            "EU" => wrong.help("write the code of each country"),
            _ => wrong.help("write the two letters of ISO 3166-1, such as \"DE\""),
        })
    }
}

words!(CountryCode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_in_order() {
        let codes: Vec<&str> = CODES.split(' ').collect();
        assert_eq!(codes.len(), 249 + 1);
        assert!(codes.is_sorted() && codes.iter().all(|code| code.len() == 2));
    }

    #[test]
    fn letter_case_is_free() {
        assert_eq!(CountryCode::parse("de").map(|code| code.to_string()).as_deref(), Ok("DE"));
        for text in ["", "D", "DEU", "ZZ", "UK", "49"] {
            assert!(CountryCode::parse(text).is_err(), "{text}");
        }
    }
}
