//! The configuration on the pages: what a change comes to is seen before it is in force, and undone by a button.

use harness::House;
use harness::house::MAYA;
use harness::secrets::{ADMIN_TOKEN, PASSWORD_HASH, READER_TOKEN};
use serde_json::Value;

use crate::pages::Reader;

/// The text of the page's field, as the browser reads it.
#[track_caller]
fn text_of(page: &str) -> String {
    let text =
        page.split("<textarea").nth(1).unwrap().split_once(">\n").unwrap().1.split("</textarea>").next().unwrap();
    let entities = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
}

#[track_caller]
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap()
}

fn revision(house: &House) -> String {
    house.gateway.admin("/api/v1/config").json()["revision"].as_str().unwrap().to_owned()
}

#[test]
fn config_is_changed_only_after_it_was_seen_who_gains_access() {
    let house = House::start();
    let admin = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
    let page = admin.page("/config");
    let link = page.split("href=\"/config/edit?file=").nth(1).unwrap().split('"').next().unwrap();
    let edit = admin.page(&format!("/config/edit?file={link}"));
    let (file, of, text) = (hidden(&edit, "file").to_owned(), hidden(&edit, "of").to_owned(), text_of(&edit));
    assert!(text.contains("[hidden]") && !text.contains(PASSWORD_HASH), "{text}");

    let wider = text.replacen("access = \"members\"", "access = \"public\"", 1);
    let sent = |text: &str, more: &[(&str, &str)], target: &str| {
        // As browsers send what stands in a field.
        let text = text.replace('\n', "\r\n");
        let fields = [("file", file.as_str()), ("of", of.as_str()), ("text", text.as_str())];
        admin.send(target, &fields.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let checked = sent(&wider, &[], "/config/check");
    assert_eq!(checked.status, 200, "{}", checked.text());
    assert!(checked.text().contains("<li>mem opens to: everybody</li>"), "{}", checked.text());
    assert_eq!(text_of(&checked.text()).trim(), wider.trim(), "nothing of what was typed is lost");
    let looked = checked.text();
    let to = ("to", hidden(&looked, "to"));
    let kept = sent(&wider, &[to], "/config/apply");
    assert!(kept.status == 200 && kept.text().contains("agree to the wider access first"), "{}", kept.text());
    assert_eq!((revision(&house), house.get("mem.localhost", "/").send().status), (of.clone(), 401));

    let broken = sent(&text.replacen("access = \"members\"", "access = \"membres\"", 1), &[], "/config/apply");
    assert!(broken.text().contains("did you mean") && revision(&house) == of, "{}", broken.text());

    let more = wider.replacen("name = \"Noor\"", "name = \"Noor N.\"", 1);
    let unseen = sent(&more, &[to, ("widens", "1")], "/config/apply");
    assert!(unseen.status == 412 && unseen.text().contains("than what you looked at"), "{}", unseen.text());
    let failed = house.gateway.logs_when("audit", "action=config.change&http_status=412&status=failed", 1);
    assert_eq!((failed.len(), failed[0]["before"]["revision"].as_str()), (1, Some(of.as_str())), "{failed:?}");
    assert_eq!(revision(&house), of);
    let applied = sent(&wider, &[to, ("widens", "1")], "/config/apply");
    assert_eq!(applied.header("location"), Some("/config?done=applied"), "{}", applied.text());
    assert_eq!(house.get("mem.localhost", "/").send().status, 200);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(PASSWORD_HASH) && !written.contains("[hidden]") && !written.contains('\r'), "{written}");
    let entry = house.gateway.logs_when("audit", "action=config.change&status=success", 1).remove(0);
    assert_eq!((entry["actor"].as_str(), entry["details"]["widens"].as_bool()), (Some("ops"), Some(true)));
    house.session("list.localhost", MAYA);

    let late = sent(&text, &[("to", of.as_str())], "/config/apply");
    assert!(late.status == 412 && late.text().contains("mem closes to: everybody"), "{} {}", late.status, late.text());
    assert_eq!(house.get("mem.localhost", "/").send().status, 200, "somebody else's change stays");
}

#[test]
fn config_goes_back_by_a_button() {
    let mut house = House::start();
    let narrow = house.gateway.body().to_owned();
    let first = revision(&house);
    let public = narrow.replacen("access = \"members\"", "access = \"public\"", 1);
    house.gateway.reconfigure(&public);
    let wide = revision(&house);
    let admin = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
    let page = admin.page("/config");
    assert!(page.contains(&format!("/config/revisions/{first}")) && page.contains("ops · token"), "{page}");
    let page = admin.page(&format!("/config/revisions/{first}"));
    assert!(page.contains("mem closes to: everybody") && !page.contains(PASSWORD_HASH), "{page}");
    let back = |revision: &str, of: &str, more: &[(&str, &str)]| {
        let fields = [("revision", revision), ("of", of)];
        admin.send("/config/rollback", &fields.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let to = ("to", first.as_str());
    assert_eq!(hidden(&page, "to"), first, "with nothing else read, a revision comes back as itself");
    assert_eq!(back(&first, &first, &[to]).status, 412, "it was looked at from another revision");
    assert_eq!(back(&first, &wide, &[]).status, 412, "nothing was looked at");
    let answer = back(&first, &wide, &[to]);
    assert_eq!(answer.header("location"), Some("/config?done=restored"), "{}", answer.text());
    assert_eq!((revision(&house), house.get("mem.localhost", "/").send().status), (first.clone(), 401));
    let answer = back(&wide, &first, &[("to", &wide)]);
    assert!(answer.status == 200 && answer.text().contains("agree to the wider access first"), "{}", answer.text());
    assert_eq!(revision(&house), first);
    let entries = house.gateway.logs_when("audit", "action=config.rollback", 1);
    assert!(entries.iter().all(|entry: &Value| entry["actor"] == "ops"), "{entries:?}");
}

#[test]
fn config_on_disk_is_looked_at_before_it_is_read() {
    let mut house = House::start();
    let of = revision(&house);
    let admin = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
    let unchanged = admin.send("/config/check", &[("of", &of)]);
    assert!(unchanged.text().contains("This is in force already"), "{}", unchanged.text());
    drop(admin);
    // Its mistake keeps the watcher from taking it.
    let body = house.gateway.body().to_owned() + "\n[circuits.bad]\n";
    house.gateway.rewrite(&body);
    let admin = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
    let page = admin.send("/config/check", &[("of", &of)]).text();
    assert!(page.contains("This cannot be put in force") && page.contains("[circuits.bad]"), "{page}");
}

#[test]
fn config_is_changed_by_admins_alone() {
    let house = House::start();
    let reader = Reader::sign_in(&house.gateway, READER_TOKEN);
    let page = reader.page("/config");
    assert!(
        page.contains("Revisions") && !page.contains("/config/revisions/") && !page.contains("/config/edit"),
        "{page}"
    );
    for target in ["/config/edit", &format!("/config/revisions/{}", revision(&house))] {
        assert_eq!(reader.ask("GET", target).send().status, 403, "{target}");
    }
    for target in ["/config/check", "/config/apply", "/config/rollback", "/config/reload"] {
        assert_eq!(reader.send(target, &[("of", "x"), ("revision", "x")]).status, 403, "{target}");
    }
    let admin = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
    for target in ["/config/check", "/config/apply", "/config/rollback"] {
        let foreign = admin.ask("POST", target).header("Origin", "http://evil.example").form(&[("of", "x")]).send();
        assert_eq!(foreign.status, 403, "{target}");
        let without = admin.ask("POST", target).form(&[("of", "x"), ("csrf", "x")]).send();
        assert_eq!(without.status, 403, "{target}");
    }
}
