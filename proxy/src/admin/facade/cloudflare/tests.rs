use super::*;

fn asked(query: &str, account: &str) -> String {
    let uri = format!("/?{query}").parse().unwrap();
    let axum::extract::Query(given) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap();
    let circuits = ["wiki".to_owned(), "preview".to_owned()];
    let asked = Parameters::read(&given, PARAMETERS).and_then(|given| question(&given, account, &circuits));
    asked.map_or_else(|problem| problem.detail, |question| question.shown())
}

#[test]
fn each_filter_and_operator_says_what_it_says_in_our_language() {
    let all = "order=desc\naction=login,reauth,logout\nstatus=success,failure";
    let wiki = app_uid("wiki");
    let other = Uuid::nil();
    for (query, expected) in [
        ("", String::new()),
        ("limit=5&page=2&per_page=3&fields=action&user_id=x&user_idOp=y", String::new()),
        ("email=@Example", "any: email.contains=@example".into()),
        ("email=a@b&email_exact=true", "any: email=a@b".into()),
        ("email=A@b&emailOp=eq", "any: email=a@b".into()),
        ("email=a&emailOp=contains", "any: email.contains=a".into()),
        ("email=A&emailOp=contains", "any: ".into()),
        ("email=A@b&emailOp=contains&email_exact=true", "any: email=a@b".into()),
        ("email=a&emailOp=neq", "none: email.contains=a".into()),
        ("email=a&emailOp=neq&email_exact=true", "none: email=a".into()),
        ("emailOp=neq", String::new()),
        ("allowed=true", "any: status=success".into()),
        ("allowed=true&allowedOp=neq", "none: status=success".into()),
        ("allowed=false", "none: status=success".into()),
        ("allowed=false&allowedOp=neq", "any: status=success".into()),
        ("app_type=self_hosted", String::new()),
        ("app_type=self_hosted&app_typeOp=neq", "any: ".into()),
        ("app_type=saas", "any: ".into()),
        ("app_type=saas&app_typeOp=neq", String::new()),
        (&format!("app_uid={wiki}"), "any: circuit=wiki".into()),
        (&format!("app_uid={wiki}&app_uidOp=neq"), "none: circuit=wiki".into()),
        (&format!("app_uid={other}"), "any: ".into()),
        (&format!("app_uid={other}&app_uidOp=neq"), "none: ".into()),
        ("country_code=de", "any: country=DE".into()),
        ("country_code=DE&country_codeOp=neq", "none: country=DE".into()),
        ("idp=okta", "any: provider=okta".into()),
        ("idp=password", "any: auth_method=password | provider=password".into()),
        ("idp=onetimepin&idpOp=neq", "none: auth_method=code | provider=onetimepin".into()),
        ("non_identity=true", "any: auth_method=token,header,ip,none".into()),
        ("non_identity=false", "none: auth_method=token,header,ip,none".into()),
        ("non_identity=true&non_identityOp=neq", "none: auth_method=token,header,ip,none".into()),
        ("ray_id=x,y", "any: request_id=x\\,y".into()),
        ("ray_id=x&ray_idOp=neq", "none: request_id=x".into()),
    ] {
        let expected = if expected.is_empty() { all.to_owned() } else { format!("{all}\n{expected}") };
        assert_eq!(asked(query, WHOLE), expected, "{query}");
    }
    assert_eq!(asked("", "docs"), format!("{all}\nproject=docs"));
    assert!(asked("direction=ASC", WHOLE).starts_with("order=asc\n"));
    assert!(asked("since=2026-11-01T00:00:00Z", WHOLE).starts_with("since=2026-11-01T00:00:00Z\n"));
}

#[test]
fn what_is_wrong_is_named() {
    for (query, parameter) in [
        ("direction=up", "direction"),
        ("emailOp=like", "emailOp"),
        ("email_exact=1", "email_exact"),
        ("allowed=yes", "allowed"),
        ("allowedOp=contains", "allowedOp"),
        ("app_type=desktop", "app_type"),
        ("app_uid=wiki", "app_uid"),
        ("country_code=Germany", "country_code"),
        ("non_identity=1", "non_identity"),
        ("ray_idOp=is", "ray_idOp"),
        ("since=24h", "since"),
        ("since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", "since"),
        ("email=a&email=b", "email"),
        ("email_op=eq", "email_op"),
    ] {
        assert!(asked(query, WHOLE).starts_with(&format!("{parameter}: ")), "{query}: {}", asked(query, WHOLE));
    }
    assert!(columns(Some("action,size")).unwrap_err().detail.starts_with("fields: \"size\""));
}

#[test]
fn an_application_has_one_uuid_of_version_5_for_ever() {
    assert_eq!(app_uid("wiki").get_version_num(), 5);
    assert_eq!(app_uid("wiki").to_string(), "1301f8f8-daf7-540d-b9f1-08d2509642ee");
    assert_ne!(app_uid("wiki"), app_uid("Wiki"));
}

#[test]
fn fields_are_projected_and_the_old_name_is_known() {
    let names = |fields: &str| columns(Some(fields)).unwrap().iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names("allowed,action"), ["action", "allowed"]);
    assert_eq!(names("add_domain"), ["app_domain"]);
    assert_eq!(columns(None).unwrap().len(), COLUMNS.len());
}
