//! A real browser: Debian's Chromium without its windows, driven by its own driver over WebDriver,
//! <https://www.w3.org/TR/webdriver2/>.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

use crate::hosts::host::until;
use crate::place::built;
use crate::service::process::{Service, TOKEN};

/// The rules that a page must keep so that everybody can use it: <https://www.deque.com/axe/>
const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");

/// The whole browser but for what draws windows, which takes half of the processor's time:
/// <https://developer.chrome.com/blog/chrome-headless-shell>. Not Debian's script of this name in front of it, which does not
/// pass on that it is to end.
const HEADLESS_SHELL: &str = "/usr/lib/chromium/chromium-headless-shell";

/// Widths at which the page must look good, in pixels: a desk and a phone.
pub const DESK: u32 = 1_400;
pub const PHONE: u32 = 400;

/// Nothing that is waited for takes so long, but for a mistake.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page. It is closed when it is dropped.
pub struct Browser {
    client: Client,
    runtime: Runtime,
    driver: Child,
    /// Where it saves files.
    downloads: TempDir,
}

/// A command that WebDriver's standard does not have.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// A browser without a page.
    pub fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("successfully on port ")?;
                port.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("chromedriver tells its port");
        std::thread::spawn(move || lines.for_each(drop));
        let downloads = tempfile::tempdir().unwrap();
        let Value::Object(capabilities) = json!({
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "binary": HEADLESS_SHELL,
                "args": [
                    // Root has no sandbox, and containers little shared memory.
                    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                    "--hide-scrollbars", "--lang=en", format!("--window-size={DESK},1000"),
                ],
            },
        }) else {
            unreachable!()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let client = runtime.block_on(async {
            ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(capabilities)
                .connect(&address)
                .await
        });
        let browser = Self {
            client: client.unwrap(),
            runtime,
            driver,
            downloads,
        };
        browser.devtools(
            "Browser.setDownloadBehavior",
            json!({ "behavior": "allow", "downloadPath": browser.downloads.path() }),
        );
        browser
    }

    /// A browser whose user has signed in.
    #[track_caller]
    pub fn open(service: &Service) -> Self {
        let browser = Self::start();
        browser.go_to(service);
        browser.sign_in(TOKEN);
        browser
    }

    /// The same at an address, such as that of a proxy before the service.
    #[track_caller]
    pub fn open_at(address: SocketAddr) -> Self {
        let browser = Self::start();
        browser.go_to_address(&format!("http://{address}/"));
        browser.sign_in(TOKEN);
        browser
    }

    /// Goes to the page.
    #[track_caller]
    pub fn go_to(&self, service: &Service) {
        self.go_to_address(&format!("http://{}/", service.address()));
    }

    #[track_caller]
    pub fn go_to_address(&self, address: &str) {
        self.wait(self.client.goto(address));
    }

    /// Signs in by hand, and waits for what is behind.
    #[track_caller]
    pub fn sign_in(&self, secret: &str) {
        self.type_into("#secret", secret);
        self.click("#sign-in-form button");
        self.sees("#link", "live");
        self.sees("#stepper [aria-current] .name", "");
    }

    /// Waits until an element can be seen and its text has these words.
    #[track_caller]
    pub fn sees(&self, selector: &str, words: &str) {
        let began = Instant::now();
        loop {
            let text = self.text_that_says(selector, words);
            let is_text = |text: &Value| text.as_str().is_some_and(|text| text.contains(words));
            if text.as_ref().is_ok_and(is_text) {
                return;
            }
            if began.elapsed() > PATIENCE {
                let test = std::thread::current()
                    .name()
                    .unwrap_or_default()
                    .replace("::", "-");
                self.screenshot(&format!("failed-{test}"));
                panic!("`{selector}` does not say `{words}`, but {text:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text of an element as soon as it has these words, or as it is after half a second; an error when the page leaves
    /// meanwhile. The page itself looks, because each question to it takes more of the processor than a hundred looks.
    fn text_that_says(&self, selector: &str, words: &str) -> Result<Value, CmdError> {
        let script = "const [selector, words, done] = arguments;
            const end = performance.now() + 500;
            const look = () => {
                const found = document.querySelector(selector);
                const text = found?.checkVisibility({ visibilityProperty: true }) ? found.innerText : null;
                if (text?.includes(words) || performance.now() > end) {
                    done(text);
                } else {
                    setTimeout(look, 20);
                }
            };
            look();";
        let arguments = vec![json!(selector), json!(words)];
        self.runtime
            .block_on(self.client.execute_async(script, arguments))
    }

    /// Waits until an element is not shown any more.
    #[track_caller]
    pub fn sees_no(&self, selector: &str) {
        until(&format!("`{selector}` is not shown"), || {
            self.text(selector).is_none()
        });
    }

    /// The text of an element as it is seen; none when it is not.
    pub fn text(&self, selector: &str) -> Option<String> {
        let text = self.evaluate(
            "const found = document.querySelector(arguments[0]);
             return found?.checkVisibility({ visibilityProperty: true }) ? found.innerText : null;",
            &[json!(selector)],
        );
        text.as_str().map(str::to_owned)
    }

    /// The texts of all such elements that can be seen.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let texts = self.evaluate(
            "return [...document.querySelectorAll(arguments[0])]
                 .filter((found) => found.checkVisibility({ visibilityProperty: true }))
                 .map((found) => found.innerText);",
            &[json!(selector)],
        );
        serde_json::from_value(texts).unwrap()
    }

    /// Runs a script in the page and returns what it returns.
    #[track_caller]
    pub fn evaluate(&self, script: &str, arguments: &[Value]) -> Value {
        self.wait(self.client.execute(script, arguments.to_vec()))
    }

    /// Clicks as a mouse does: on whatever is on top there.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.with(selector, |element| self.runtime.block_on(element.click()));
    }

    #[track_caller]
    pub fn type_into(&self, selector: &str, text: &str) {
        self.with(selector, |element| {
            self.runtime.block_on(async {
                element.clear().await?;
                element.send_keys(text).await
            })
        });
    }

    /// Waits for an element and does something with it. The page may put another in its place between the two, which is
    /// taken then.
    #[track_caller]
    fn with(&self, selector: &str, act: impl Fn(Element) -> Result<(), CmdError>) {
        let began = Instant::now();
        loop {
            self.sees(selector, "");
            let found = self
                .runtime
                .block_on(self.client.find(Locator::Css(selector)));
            match found.and_then(&act) {
                Err(error)
                    if (error.is_stale_element_reference() || error.is_no_such_element())
                        && began.elapsed() < PATIENCE => {}
                done => return done.unwrap(),
            }
        }
    }

    /// Presses keys wherever the focus is.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let focused = self.wait(self.client.active_element());
        self.wait(focused.send_keys(keys));
    }

    /// What has the focus: its id, or its text.
    pub fn focused(&self) -> String {
        let script = "const { id, innerText } = document.activeElement; return id || innerText;";
        let focused = self.evaluate(script, &[]);
        focused.as_str().unwrap_or_default().to_owned()
    }

    /// Waits for a file that the page lets the browser save.
    #[track_caller]
    pub fn downloaded(&self, name: &str) -> Value {
        let path = self.downloads.path().join(name);
        until(&format!("{name} is saved"), || path.exists());
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// What the console says since it was last asked: errors and warnings of the page and of the browser.
    pub fn console(&self) -> Vec<String> {
        let entries = self.extension("se/log", json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG")
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Demands that the console says nothing.
    #[track_caller]
    pub fn is_content(&self) {
        assert_eq!(self.console(), [""; 0]);
    }

    /// Demands that everybody can use what is shown, in both colour schemes.
    #[track_caller]
    pub fn is_accessible(&self) {
        for dark in [false, true] {
            self.show_in(DESK, dark);
            self.evaluate(AXE, &[]);
            let script = "const done = arguments[0];
                axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then(
                    ({ violations }) => done(violations.map(({ id, help, nodes }) =>
                        `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`)),
                    (error) => done([String(error)]));";
            let violations = self.wait(self.client.execute_async(script, Vec::new()));
            assert_eq!(violations, json!([]), "dark: {dark}");
        }
        self.show_in(DESK, false);
    }

    /// Sets the width of the page and its colour scheme.
    pub fn show_in(&self, width: u32, dark: bool) {
        self.show_in_size(width, 1_000, dark);
    }

    fn show_in_size(&self, width: u32, height: u32, dark: bool) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media);
    }

    /// Keeps pictures of the whole page, wide and narrow, light and dark, in the directory that cargo builds into; nothing
    /// may stick out of the page at the side.
    #[track_caller]
    pub fn pictures(&self, name: &str) {
        for width in [DESK, PHONE] {
            for (dark, scheme) in [(false, "light"), (true, "dark")] {
                self.show_in(width, dark);
                let size = self.evaluate(
                    "const { scrollWidth, scrollHeight } = document.documentElement;
                     return [scrollWidth, scrollHeight];",
                    &[],
                );
                assert_eq!(size[0], width, "{name} sticks out");
                self.show_in_size(
                    width,
                    u32::try_from(size[1].as_u64().unwrap()).unwrap(),
                    dark,
                );
                self.screenshot(&format!("{name}-{width}-{scheme}"));
            }
        }
        self.show_in(DESK, false);
    }

    fn screenshot(&self, name: &str) {
        let directory = screenshots();
        std::fs::create_dir_all(&directory).unwrap();
        // Two frames: what is due has been drawn then.
        let script = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));";
        self.wait(self.client.execute_async(script, Vec::new()));
        let picture = self.devtools("Page.captureScreenshot", json!({}));
        let picture = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
    }

    /// <https://chromedevtools.github.io/devtools-protocol/>
    fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.extension("goog/cdp/execute", body)
    }

    #[track_caller]
    fn extension(&self, path: &'static str, body: Value) -> Value {
        self.wait(self.client.issue_cmd(Extension { path, body }))
    }

    #[track_caller]
    fn wait<T>(&self, command: impl Future<Output = Result<T, CmdError>>) -> T {
        self.runtime.block_on(command).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver may have died, which is no reason to die here.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Where pictures are kept.
fn screenshots() -> PathBuf {
    built()
        .parent()
        .unwrap_or(Path::new("."))
        .join("screenshots")
}
