//! Chromium, as a child process of chromedriver, which is told what to do over HTTP (WebDriver, W3C).

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::{Request, port, until};

/// Starting takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(30);

/// What a page shows, and where it leads, comes within this time.
const PAGE_BOUND: Duration = Duration::from_secs(20);

/// The member that holds an element's name.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The key, as WebDriver spells it.
const ENTER: &str = "\u{e007}";

/// The viewport: a small telephone.
pub const WIDTH: u64 = 360;

/// One browser window with cookies of its own; ended when dropped.
#[derive(Debug)]
pub struct Chromium {
    driver: Child,
    address: SocketAddr,
    session: String,
    scripts: bool,
}

impl Chromium {
    /// `chromium` and `chromedriver` of this machine; `scripts`: pages may run theirs.
    #[track_caller]
    pub fn start(scripts: bool) -> Self {
        let port = port::free();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut chromium = Self { driver, address, session: String::new(), scripts };
        until(START_BOUND, "chromedriver is ready", || {
            let answer = Request::new(address, "GET", &address.to_string(), "/status").try_send().ok()?;
            answer.json()["value"]["ready"].as_bool().filter(|ready| *ready)
        });
        let preferences = json!({ "profile.managed_default_content_settings.javascript": if scripts { 1 } else { 2 } });
        // Nothing but loopback: every other name leads nowhere.
        let names = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost";
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", names],
            "prefs": preferences,
            "mobileEmulation": { "deviceMetrics": { "width": WIDTH, "height": 740, "pixelRatio": 1.0 } },
        });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let made = chromium.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        chromium.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        chromium
    }

    /// Goes to an address and waits until its page is there.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.tell("/url", &json!({ "url": url }));
    }

    /// Where it is now.
    #[track_caller]
    pub fn url(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// Waits until it is at an address that begins so.
    #[track_caller]
    pub fn arrives_at(&self, url: &str) {
        until(PAGE_BOUND, &format!("the browser arrives at {url}"), || self.url().starts_with(url).then_some(()));
    }

    /// Waits until a person reads this in the first element that a CSS selector names.
    #[track_caller]
    pub fn reads(&self, css: &str, text: &str) {
        until(PAGE_BOUND, &format!("{text:?} in {css}"), || {
            let found = self.find(css)?;
            let path = format!("{}/element/{found}/text", self.session);
            // What was found may be of the page before.
            let told = self.try_ask("GET", &path, &Value::Null).ok()?;
            (told.as_str() == Some(text)).then_some(())
        });
    }

    /// Waits until there is such an element.
    #[track_caller]
    pub fn has(&self, css: &str) {
        self.element(css);
    }

    /// An attribute of an element.
    #[track_caller]
    pub fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let element = self.element(css);
        self.get(&format!("/element/{element}/attribute/{name}")).as_str().map(str::to_owned)
    }

    /// Types as a person does.
    #[track_caller]
    pub fn write(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.tell(&format!("/element/{element}/clear"), &json!({}));
        self.tell(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses a button, and waits for what that leads to. Without scripts by the keyboard: the driver's own click is made
    /// of one.
    #[track_caller]
    pub fn press(&self, css: &str) {
        let element = self.element(css);
        if self.scripts {
            self.tell(&format!("/element/{element}/click"), &json!({}));
        } else {
            self.tell(&format!("/element/{element}/value"), &json!({ "text": ENTER }));
        }
    }

    /// Presses keys where the page has its focus.
    #[track_caller]
    pub fn type_keys(&self, keys: &str) {
        let pressed =
            keys.chars().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })));
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": pressed.collect::<Vec<_>>() }] });
        self.tell("/actions", &actions);
    }

    /// Presses keys one after the other while another one is held down.
    #[track_caller]
    pub fn type_keys_with(&self, held: &str, keys: &[&str]) {
        let press = |kind: &str, key: &str| json!({ "type": kind, "value": key });
        let pressed = keys.iter().flat_map(|key| ["keyDown", "keyUp"].map(|kind| press(kind, key)));
        let all: Vec<_> =
            std::iter::once(press("keyDown", held)).chain(pressed).chain([press("keyUp", held)]).collect();
        self.tell("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": all }] }));
    }

    /// Gives an element the focus.
    #[track_caller]
    pub fn focus(&self, css: &str) {
        self.element(css);
        let script = "document.querySelector(arguments[0]).focus()";
        self.tell("/execute/sync", &json!({ "script": script, "args": [css] }));
    }

    /// An attribute of what has the focus.
    #[track_caller]
    pub fn focused(&self, name: &str) -> Option<String> {
        let script = "return document.activeElement.getAttribute(arguments[0])";
        let told = self.tell("/execute/sync", &json!({ "script": script, "args": [name] }));
        told.as_str().map(str::to_owned)
    }

    /// The window's title.
    #[track_caller]
    pub fn title(&self) -> String {
        self.get("/title").as_str().unwrap().to_owned()
    }

    /// Another width, and the colours that people see who prefer dark ones.
    #[track_caller]
    pub fn look(&self, width: u64, dark: bool) {
        let do_it = |command: &str, parameters: Value| {
            self.tell("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
        };
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == WIDTH });
        do_it("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        do_it("Emulation.setEmulatedMedia", features);
    }

    /// Pixels that the page needs from left to right.
    #[track_caller]
    pub fn page_width(&self) -> u64 {
        let script = json!({ "script": "return document.documentElement.scrollWidth", "args": [] });
        self.tell("/execute/sync", &script).as_u64().unwrap()
    }

    /// What it shows, as PNG.
    #[track_caller]
    pub fn screenshot(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(self.get("/screenshot").as_str().unwrap()).unwrap()
    }

    /// What it complained about since the last time: blocked styles and scripts, for example.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.tell("/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        until(PAGE_BOUND, &format!("{css} at {}", self.url()), || self.find(css))
    }

    fn find(&self, css: &str) -> Option<String> {
        let wanted = json!({ "using": "css selector", "value": css });
        let found = self.try_ask("POST", &format!("{}/element", self.session), &wanted).ok()?;
        found[ELEMENT].as_str().map(str::to_owned)
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.ask("GET", &format!("{}{path}", self.session), &Value::Null)
    }

    #[track_caller]
    fn tell(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_ask(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn try_ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let request = Request::new(self.address, method, &self.address.to_string(), path);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.try_send().map_err(|error| json!(error.to_string()))?;
        let value = answer.json()["value"].clone();
        if answer.status == 200 { Ok(value) } else { Err(value["message"].clone()) }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            drop(self.try_ask("DELETE", &self.session, &Value::Null));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
