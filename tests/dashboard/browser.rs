//! Debian's Chromium, driven as the W3C's WebDriver has it, over plain HTTP to its chromedriver.
//!
//! Every look waits for what it looks for, at most a minute: a busy machine makes these tests slower, never red. The browser
//! and its profile are gone when this is dropped.

#![allow(unreachable_pub, reason = "a module of one test program")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::program::Running;
use crate::support::{not_tried, wait_for};

/// The longest wait for anything.
const LIMIT_S: u64 = 60;
/// How often a browser may fail to start.
const STARTS: u32 = 10;
/// How WebDriver calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Keys beyond letters (WebDriver, 17.4.2).
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";

/// Is there a browser on this machine? `scripts/setup browser` brings it.
pub fn is_here() -> bool {
    let here = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let both = here("chromium") && here("chromedriver");
    if !both {
        not_tried("the dashboard in a browser", "Chromium (`scripts/setup browser`)");
    }
    both
}

/// A browser with one page.
pub struct Browser {
    agent: ureq::Agent,
    session: String,
    site: String,
    _driver: Running,
    profile: tempfile::TempDir,
}

impl Browser {
    /// A fresh browser on a site, as large as a laptop's.
    pub fn open(site: &str) -> Browser {
        let mut tries = (0..STARTS).filter_map(|_| Browser::start(site));
        let browser = tries.next().expect("a browser starts");
        browser.size(1180, 860, 1);
        browser
    }

    /// Starts a driver and its browser. Two drivers that start at once may find the same port to be free; then one of them
    /// ends, and so may a browser where much else starts: `None`.
    fn start(site: &str) -> Option<Browser> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let driver = Running::of(child);
        let port: u16 = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split("successfully on port ").nth(1)?.trim_end_matches('.').trim().parse().ok()
        })?;
        std::thread::spawn(move || lines.for_each(drop));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(2 * LIMIT_S)))
            .build();
        let mut browser = Browser {
            agent: config.into(),
            session: format!("http://127.0.0.1:{port}/session"),
            site: site.to_owned(),
            _driver: driver,
            profile: tempfile::tempdir().unwrap(),
        };
        let arguments = [
            "--headless=new".to_owned(),
            // As root in a container there is no other sandbox; the pages are our own.
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--no-first-run".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--lang=en".to_owned(),
            format!("--user-data-dir={}", browser.profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = browser.send("POST", "", &wanted);
        let Some(id) = made["sessionId"].as_str() else {
            println!("a browser did not start: {made}");
            return None;
        };
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    /// One command; answers its value, or the error as a value with `error` in it.
    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let reply = match method {
            "GET" => self.agent.get(&url).call(),
            "DELETE" => self.agent.delete(&url).call(),
            _ => self.agent.post(&url).header("content-type", "application/json").send(body.to_string()),
        };
        let mut reply = reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = reply.body_mut().with_config().limit(1 << 28).read_to_string().unwrap();
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        value["value"].clone()
    }

    /// A command of Chromium's own protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.send("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// As large as this, in CSS pixels, with so many pixels of the screen for each.
    pub fn size(&self, width: u32, height: u32, scale: u32) {
        let phone = width < 600;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// As its owner likes it: `light` or `dark`.
    pub fn likes(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// From here on no script of any page runs.
    pub fn without_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    }

    /// Goes to a page of the site.
    pub fn go(&self, path: &str) {
        let gone = self.send("POST", "/url", &json!({"url": format!("{}{path}", self.site)}));
        assert!(gone.is_null(), "{path}: {gone}");
    }

    /// Where it is: the path and what follows.
    pub fn place(&self) -> String {
        let url = self.send("GET", "/url", &Value::Null);
        let url = url.as_str().unwrap_or_default();
        url.strip_prefix(&self.site).unwrap_or(url).to_owned()
    }

    /// Waits until it is at this place.
    #[track_caller]
    pub fn is_at(&self, path: &str) {
        wait_for(&format!("`{path}` is shown"), LIMIT_S, || (self.place() == path).then_some(()));
    }

    /// Waits until it is at a place that begins so.
    #[track_caller]
    pub fn is_below(&self, path: &str) {
        wait_for(&format!("`{path}…` is shown"), LIMIT_S, || self.place().starts_with(path).then_some(()));
    }

    fn find(&self, xpath: &str) -> Option<String> {
        let found = self.send("POST", "/element", &json!({"using": "xpath", "value": xpath}));
        found[ELEMENT].as_str().map(str::to_owned)
    }

    /// Does something to an element until it was done: it may come later, and be put anew under our hand.
    #[track_caller]
    fn on(&self, xpath: &str, what: &str, body: &Value) {
        let mut last = Value::Null;
        wait_for(&format!("{what} on {xpath}"), LIMIT_S, || {
            let element = self.find(xpath)?;
            last = self.send("POST", &format!("/element/{element}/{what}"), body);
            last.is_null().then_some(())
        });
    }

    /// Presses what `xpath` names.
    #[track_caller]
    pub fn press(&self, xpath: &str) {
        self.on(xpath, "click", &json!({}));
    }

    /// Presses the button or link with this text, within `xpath`.
    #[track_caller]
    pub fn press_text(&self, within: &str, text: &str) {
        let is = format!("normalize-space()='{text}'");
        self.press(&format!("{within}//*[self::button or self::a or self::summary][{is}]"));
    }

    /// Fills in the field of this name, within `xpath`.
    #[track_caller]
    pub fn fill(&self, within: &str, name: &str, text: &str) {
        let field = format!("{within}//*[@name='{name}' and not(@type='hidden')]");
        if !matches!(name, "file" | "system" | "what") {
            self.on(&field, "clear", &json!({}));
        }
        self.on(&field, "value", &json!({"text": text}));
    }

    /// What the element shows.
    pub fn text(&self, xpath: &str) -> Option<String> {
        let element = self.find(xpath)?;
        let text = self.send("GET", &format!("/element/{element}/text"), &Value::Null);
        text.as_str().map(str::to_owned)
    }

    /// Waits until the element shows this, among other things.
    #[track_caller]
    pub fn shows(&self, xpath: &str, text: &str) {
        let mut last = None;
        let limit = std::time::Instant::now() + Duration::from_secs(LIMIT_S);
        while std::time::Instant::now() < limit {
            last = self.text(xpath);
            if last.as_ref().is_some_and(|shown| shown.contains(text)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("`{text}` is not shown at {} in {xpath}, but {last:?}", self.place());
    }

    /// Is it not there (now)?
    pub fn lacks(&self, xpath: &str) -> bool {
        self.find(xpath).is_none()
    }

    /// Presses keys, wherever the focus is.
    pub fn keys(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
            })
            .collect();
        let done = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.send("POST", "/actions", &done);
    }

    /// What a script answers.
    pub fn script(&self, text: &str, arguments: &Value) -> Value {
        self.send("POST", "/execute/sync", &json!({"script": text, "args": arguments}))
    }

    /// Drops files onto the page, as a hand does: Chromium's own drag, not an event that a script made.
    pub fn drop_files(&self, paths: &[&Path], x: u32, y: u32) {
        let data = json!({"items": [], "files": paths, "dragOperationsMask": 1});
        for kind in ["dragEnter", "dragOver", "drop"] {
            let told = self
                .devtools("Input.dispatchDragEvent", &json!({"type": kind, "x": x, "y": y, "data": data}));
            assert!(told.get("error").is_none(), "{kind}: {told}");
        }
    }

    /// The page as a PNG, in base64.
    pub fn picture(&self) -> String {
        let told = self
            .devtools("Page.captureScreenshot", &json!({"format": "png", "captureBeyondViewport": false}));
        told["data"].as_str().unwrap_or_else(|| panic!("no picture: {told}")).to_owned()
    }

    /// What the console said since last asked.
    pub fn console(&self) -> Vec<String> {
        let said = self.send("POST", "/se/log", &json!({"type": "browser"}));
        let lines = said.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| format!("{}: {}", line["level"], line["message"])).collect()
    }

    /// Fails when the console has said anything.
    #[track_caller]
    pub fn said_nothing(&self) {
        assert_eq!(self.console(), Vec::<String>::new(), "at {}", self.place());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.text("//body").unwrap_or_default();
            println!("---- the browser at {} ----\n{text}\n{:?}", self.place(), self.console());
        }
        // Ends the browser's own processes; the driver is killed after it.
        let _ = self.agent.delete(&self.session).call();
    }
}
