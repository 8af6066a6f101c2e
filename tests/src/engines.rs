//! The other engines, driven by the same code: Firefox by geckodriver, WebKit by WebKitWebDriver in
//! a virtual screen.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::ClientBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::{Browser, root};

/// The browser engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Chromium,
    Firefox,
    WebKit,
}

/// A driver with everything that it starts: ended together.
pub struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // The whole process group: killing only the driver leaves its browser behind.
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.0.id())])
            .status();
        let _ = self.0.wait();
    }
}

fn started(program: &str, args: &[&str]) -> Driver {
    let path = std::env::join_paths(std::iter::once(root().join("target/tools/bin")).chain(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
    ));
    let mut command = Command::new(program);
    command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .env("PATH", path.unwrap_or_default());
    Driver(command.spawn().unwrap_or_else(|e| panic!("{program}: {e}")))
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
    listener
        .local_addr()
        .map(|a| a.port().to_string())
        .unwrap_or_default()
}

impl Engine {
    pub const ALL: [Engine; 3] = [Engine::Chromium, Engine::Firefox, Engine::WebKit];

    /// A phone's page in this engine.
    pub async fn browser(self) -> Browser {
        let port = free_port();
        let (driver, capabilities) = match self {
            Engine::Chromium => return Browser::phone().await,
            Engine::Firefox => {
                let options = json!({ "binary": "/usr/bin/firefox-esr", "args": ["-headless", "-width", "500", "-height", "900"] });
                (
                    started("geckodriver", &["--port", &port]),
                    json!({ "browserName": "firefox", "moz:firefoxOptions": options }),
                )
            }
            Engine::WebKit => {
                // No headless mode: a virtual screen.
                let options = json!({ "binary": "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser", "args": ["--automation"] });
                let driver = started(
                    "xvfb-run",
                    &[
                        "-a",
                        "-s",
                        "-screen 0 500x900x24",
                        "WebKitWebDriver",
                        &format!("--port={port}"),
                    ],
                );
                (driver, json!({ "webkitgtk:browserOptions": options }))
            }
        };
        let Value::Object(capabilities) = capabilities else {
            panic!("an object")
        };
        let address = format!("http://127.0.0.1:{port}");
        for _ in 0..200 {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            match builder
                .capabilities(capabilities.clone())
                .connect(&address)
                .await
            {
                Ok(client) => return Browser::driven(client, driver),
                Err(error) if error.to_string().contains("did not respond") => {
                    tokio::time::sleep(Duration::from_millis(100)).await
                }
                Err(error) => panic!("{self:?}: {error}"),
            }
        }
        panic!("{self:?} does not answer")
    }
}
