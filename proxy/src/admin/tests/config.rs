//! Changes of the configuration on the pages: what is put in force is what was looked at.

use http::header::COOKIE;

use super::*;
use crate::reload;
/// A browser that signed in as `admin`.
struct Browser<'a> {
    bench: &'a Bench,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn of(bench: &'a Bench) -> Self {
        let value = pages::sign_ins::sign_in_of(&bench.port, "admin").unwrap();
        Self { bench, cookie: value }
    }

    async fn page(&self, path: &str) -> Answered {
        self.ask("GET", path, String::new()).await
    }

    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answered {
        let now = self.bench.rig.state.clock.elapsed();
        let csrf = self.bench.port.sign_ins.find(&self.cookie, now).unwrap().csrf().to_owned();
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.ask("POST", path, encoded(&fields)).await
    }

    async fn ask(&self, method: &str, path: &str, body: String) -> Answered {
        let request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1:9180");
        let request = request.header(COOKIE, format!("vestibule-admin={}", self.cookie));
        let mut request = request.body(axum::body::Body::from(body)).unwrap();
        request.extensions_mut().insert(door::Peer(self.bench.peer.into()));
        read(router(self.bench.port.clone()).oneshot(request).await.unwrap()).await
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let coded = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    fields.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect::<Vec<_>>().join("&")
}

#[track_caller]
fn hidden<'a>(page: &'a Answered, name: &str) -> &'a str {
    let value = page.body.split(&format!("name=\"{name}\" value=\"")).nth(1);
    value.unwrap_or_else(|| panic!("{name} is not in {}", page.body)).split('"').next().unwrap()
}

fn failed(bench: &Bench, action: &str) -> Vec<Value> {
    bench.rig.entries(Log::Audit, &[("action", action), ("status", "failed"), ("http_status", "412")])
}

/// The circuit `preview` in the file as it stands, open to everybody.
fn opened(text: &str) -> String {
    let (before, preview) = text.split_once("access = \"allowlist\"").unwrap();
    let rest = preview.split_once("[users.").unwrap().1;
    format!("{before}access = \"public\"\n[users.{rest}")
}

#[tokio::test]
async fn files_on_disk_that_changed_since_they_were_looked_at_are_not_put_in_force() {
    let bench = Bench::new();
    let admin = Browser::of(&bench);
    let in_force = || bench.rig.state.live.load().settings.revision.to_string();
    let (of, text) = (in_force(), std::fs::read_to_string(&bench.rig.file).unwrap());
    bench.rig.write(&format!("{text}# a note\n"));
    let looked = admin.submit("/config/check", &[("of", &of)]).await;
    assert!(looked.body.contains("What would change") && !looked.body.contains("opens to"), "{}", looked.body);
    let harmless = hidden(&looked, "to").to_owned();

    bench.rig.write(&opened(&text));
    // As somebody who agrees to whatever comes.
    let sent = [("of", of.as_str()), ("to", &harmless), ("widens", "1")];
    let refused = admin.submit("/config/apply", &sent).await;
    assert_eq!(refused.status, 412);
    for said in ["Nothing was changed", "preview opens to: everybody"] {
        assert!(refused.body.contains(said), "{said}: {}", refused.body);
    }
    assert_eq!(in_force(), of);
    let entry = &failed(&bench, "config.reload")[0];
    assert_eq!((entry["actor"].as_str(), entry["details"]["to"].as_str()), (Some("admin"), Some(harmless.as_str())));

    let nothing = admin.submit("/config/apply", &[("of", &of), ("widens", "1")]).await;
    assert_eq!((nothing.status.as_u16(), in_force()), (412, of.clone()), "nothing was looked at");
    let wide = hidden(&refused, "to").to_owned();
    let unagreed = admin.submit("/config/apply", &[("of", &of), ("to", &wide)]).await;
    assert!(unagreed.body.contains("agree to the wider access first") && in_force() == of, "{}", unagreed.body);
    let applied = admin.submit("/config/apply", &[("of", &of), ("to", &wide), ("widens", "1")]).await;
    assert_eq!((applied.status.as_u16(), in_force()), (303, wide), "{}", applied.body);
}

/// Between the look at it and the turn of the reload: the pages compare, and so does what puts it in force.
#[tokio::test]
async fn what_is_read_must_be_what_is_wanted() {
    let bench = Bench::new();
    let state = &bench.rig.state;
    let (of, text) =
        (state.live.load().settings.revision.to_string(), std::fs::read_to_string(&bench.rig.file).unwrap());
    let actor = crate::audit::Actor::system(state.clock.now());
    let apply = async |of: &str, to: &str| {
        let wanted = reload::Wanted { of: Some(of.to_owned()), to: Some(to.to_owned()), ..Default::default() };
        reload::apply(state, reload::Cause::Api, &actor, wanted).await
    };
    bench.rig.write(&opened(&text));
    assert!(matches!(apply(&of, "0123456789abcdef").await, reload::Outcome::Moved { .. }));
    assert!(matches!(apply("0123456789abcdef", &of).await, reload::Outcome::Moved { .. }));
    assert_eq!((failed(&bench, "config.reload").len(), &*state.live.load().settings.revision), (2, of.as_str()));
    assert!(state.reloads.last().is_none(), "whoever watches the files has yet to see them");
}

/// One rule of a circuit that is edited in a part of a long file, and a thousand circuits on every page.
#[tokio::test]
async fn a_thousand_circuits_are_looked_at_and_edited_in_parts() {
    const MOST: usize = 100_000;
    let circuit = |n: usize| {
        format!(
            "[circuits.c{n}]\nhosts = [\"c{n}.localhost\", \"www.c{n}.localhost\"]\nupstream = \"http://127.0.0.1:3000\"\n\
             access = \"public\"\nip_block = [\"198.51.100.{}\", \"192.0.2.1\"]\n",
            n % 250
        )
    };
    let more: String = (0..1000).map(circuit).collect();
    let bench = Bench::of(&(example() + &more));
    let admin = Browser::of(&bench);
    let file = bench.rig.file.display().to_string();
    let found = admin.page(&format!("/config/edit?file={file}&find=[CIRCUITS.c777]")).await;
    let (of, part) = (hidden(&found, "of"), hidden(&found, "part"));
    for path in ["/circuits", "/circuits?part=7", "/circuits/c500", "/config", "/config?find=circuits.c999", "/"] {
        let page = admin.page(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.len() <= MOST, "{path}: {} bytes", page.body.len());
    }
    assert!(found.body.len() <= MOST && found.body.contains("[circuits.c777]"), "{} bytes", found.body.len());
    assert!(admin.page("/config?find=circuits.c999]").await.body.contains("[circuits.c999]"));
    assert!(admin.page("/config?find=nowhere").await.body.contains("Nothing here says “nowhere”"));
    let circuits = admin.page("/circuits?find=WWW.c77").await;
    assert!(circuits.body.contains("11 of 1002 circuits") && circuits.body.contains("c779.localhost"));
    assert_eq!(admin.page("/circuits?part=0").await.status, 400);
    assert_eq!(admin.page("/circuits?colour=red").await.status, 400);

    let text = found.body.split("<textarea").nth(1).unwrap().split_once(">\n").unwrap().1;
    let text = text.split("</textarea>").next().unwrap().replace("&#34;", "\"");
    let other = text.replace("c777.localhost\"]", "c777.localhost\", \"another.localhost\"]").replace('\n', "\r\n");
    let fields = [("file", file.as_str()), ("of", of), ("part", part), ("text", &other)];
    let looked = admin.submit("/config/check", &fields).await;
    assert!(looked.body.len() <= MOST && looked.body.contains("circuits.c777.hosts"), "{}", looked.body);
    let to = hidden(&looked, "to").to_owned();
    let with = |of| [fields[0], ("of", of), fields[2], fields[3], ("to", to.as_str())];
    let before = std::fs::read_to_string(&file).unwrap();
    let late = admin.submit("/config/apply", &with("0123456789abcdef")).await;
    assert_eq!((late.status.as_u16(), failed(&bench, "config.change").len()), (412, 1), "{}", late.body);
    let applied = admin.submit("/config/apply", &with(of)).await;
    assert_eq!(applied.status, 303, "{}", applied.body);
    let after = before.replace("c777.localhost\"]", "c777.localhost\", \"another.localhost\"]");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), after);
    let history = admin.page(&format!("/config/revisions/{of}")).await;
    assert!(history.status == 404 || history.body.len() <= MOST, "{} bytes", history.body.len());
    assert!(admin.page(&format!("/config/revisions/{to}?part=3")).await.body.len() <= MOST);
}

/// On pages, in answers and in the log: as many as can be read.
#[tokio::test]
async fn many_warnings_are_told_in_brief() {
    let bench = Bench::new();
    let admin = Browser::of(&bench);
    let of = bench.rig.state.live.load().settings.revision.to_string();
    let text = std::fs::read_to_string(&bench.rig.file).unwrap();
    let paths: String = (0..60).map(|at| format!("[[circuits.open.paths]]\nprefix = \"/{at}\"\n")).collect();
    bench.rig.write(&(text + &paths));
    let page = admin.submit("/config/check", &[("of", &of)]).await;
    let said = bench.ask("POST", "/api/v1/config/validate", Some("admin")).await.json();
    let most = vestibule_config::Report::BRIEF_MAX;
    // The file's own mode may be another one.
    let more = said["warnings"].as_u64().unwrap() - most as u64;
    assert!(more >= 10 && page.body.contains(&format!("and {more} more; vestibule check shows all")), "{}", page.body);
    let report = said["report"].as_str().unwrap();
    let told = report.lines().filter(|line| line.starts_with("warning"));
    assert_eq!(told.count(), most, "{report}");
}

/// Of what changes as much is told as a page holds, however long names and values are; what widens access before
/// everything else.
#[tokio::test]
async fn a_long_difference_is_bounded_by_its_length() {
    const MOST: usize = 100_000;
    let list =
        |entry: &dyn Fn(usize) -> String| (0..60).map(|at| format!("{:?}", entry(at))).collect::<Vec<_>>().join(", ");
    let people = |number: usize| list(&|at| format!("somebody-of-a-long-name-{number}-{at}@example.test"));
    let networks = |number: usize| list(&|at| format!("198.51.{number}.{at}"));
    let circuit = |number: usize, policy: &str, block: &str| {
        format!(
            "[circuits.{number:03}-{}]\nhosts = [\"n{number}.localhost\"]\nupstream = \"http://127.0.0.1:3000\"\n\
             {policy}ip_block = [{block}]\n",
            "x".repeat(60)
        )
    };
    let listed = |list: &str| format!("access = \"allowlist\"\nlogin = [\"pin\"]\nallow = [{list}]\n");
    let before: String = (0..99).map(|number| circuit(number, &listed(&people(number)), "")).collect();
    // All of them close to sixty people, but for the last one, which opens.
    let closed: String = (0..98).map(|number| circuit(number, &listed(""), &networks(number))).collect();
    let bench = Bench::of(&(example() + &before));
    let admin = Browser::of(&bench);
    let of = bench.rig.state.live.load().settings.revision.to_string();
    bench.rig.write(&(example() + &closed + &circuit(98, "access = \"public\"\n", "")));
    let page = admin.submit("/config/check", &[("of", &of)]).await;
    assert!(page.body.len() <= MOST, "{} bytes", page.body.len());
    for said in ["Access is widened", "opens to: everybody", "more keys are not shown", "more places with other access"]
    {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let file = bench.rig.file.display().to_string();
    let edited = [("of", of.as_str()), ("file", &file), ("part", "0"), ("text", "[circuits.\"]")];
    let refused = admin.submit("/config/check", &edited).await;
    assert!(refused.body.contains("cannot be put in force") && refused.body.len() <= MOST, "{}", refused.body.len());
}
