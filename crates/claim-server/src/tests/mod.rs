//! Shared by the server's tests: a server of their own, and callers with cookies.

mod attacks;
mod interrupted;
mod items;
mod keys;
mod races;
mod retention;
mod routes;
mod staff;
mod steps;
mod systems;
mod versions;

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{App, Options, now};

/// A caller with its cookies.
#[derive(Clone)]
pub struct Caller {
    router: Router,
    pub cookie: String,
}

impl Caller {
    pub fn new(app: &App) -> Caller {
        Caller {
            router: app.router(),
            cookie: String::new(),
        }
    }

    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let (status, _, text) = self.bytes(method, path, headers, body.as_bytes()).await;
        (status, text)
    }

    /// The same with a body of arbitrary bytes, and the response headers.
    pub async fn bytes(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, HeaderMap, String) {
        let mut request = Request::builder()
            .method(method.to_uppercase().as_str())
            .uri(path)
            .header(header::COOKIE, &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            let name = pair.split('=').next().unwrap().to_owned();
            let kept = self
                .cookie
                .split("; ")
                .filter(|c| !c.is_empty() && !c.starts_with(&format!("{name}=")));
            self.cookie = kept
                .map(str::to_owned)
                .chain(std::iter::once(pair.clone()))
                .collect::<Vec<_>>()
                .join("; ");
        }
        let (status, answered) = (response.status().as_u16(), response.headers().clone());
        // A stream does not end by itself.
        let is_stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|t| t == "text/event-stream");
        let text = match is_stream {
            true => Vec::new(),
            false => axum::body::to_bytes(response.into_body(), 1 << 22)
                .await
                .unwrap()
                .to_vec(),
        };
        (
            status,
            answered,
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// A response whose body the caller reads as far as they like.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> axum::response::Response {
        let mut request = Request::builder()
            .uri(path)
            .header(header::COOKIE, &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    pub async fn json(&mut self, method: &str, path: &str, body: &Value) -> (u16, String) {
        self.call(
            method,
            path,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
        .await
    }

    /// Begins an upload of this length; returns its address.
    pub async fn begin_upload(&mut self, length: usize) -> String {
        let length = length.to_string();
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-length", length.as_str()),
        ];
        let (status, answered, text) = self.bytes("post", "/api/v1/uploads", &headers, b"").await;
        assert_eq!(status, 201, "{text}");
        answered["location"].to_str().unwrap().to_owned()
    }

    /// Uploads a whole file; returns its id.
    pub async fn upload(&mut self, file: &[u8]) -> String {
        let location = self.begin_upload(file.len()).await;
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-offset", "0"),
            ("content-type", claim_api::tus::CHUNK_TYPE),
        ];
        assert_eq!(self.bytes("patch", &location, &headers, file).await.0, 204);
        location.rsplit('/').next().unwrap().to_owned()
    }

    pub async fn report(&mut self, role: &str, phone: &str) -> String {
        self.report_as(role, phone, phone).await
    }

    pub async fn report_as(&mut self, role: &str, phone: &str, key: &str) -> String {
        let notice = json!({
            "incident": "motor.single",
            "scene": { "injured": false, "road": "clear", "special": "none" },
            "loss_at": now(),
            "place": { "text": "杭州市西湖区文三路 90 号" },
            "parts": [], "narrative": "",
            "reporter": { "role": role, "name": "张伟", "phone": phone },
            "policy": { "plate": "浙A12345" },
            "consents": [{ "id": "privacy", "version": 1, "at": now() }, { "id": "truth", "version": 1, "at": now() }]
        });
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let (status, text) = self
            .call("post", "/api/v1/notices", &headers, &notice.to_string())
            .await;
        assert_eq!(status, 201, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["claim_no"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub async fn sign_in(&mut self, app: &App, phone: &str) {
        assert_eq!(
            self.json("post", "/api/v1/session/code", &json!({ "phone": phone }))
                .await
                .0,
            204
        );
        let sealed: String = sqlx::query_scalar(
            "SELECT text_sealed FROM message WHERE kind = 'code' ORDER BY id DESC LIMIT 1",
        )
        .fetch_one(app.store.pool())
        .await
        .unwrap();
        let text = app
            .vault
            .open_text(
                &crate::store::messages::place("text", &app.vault.index("phone", phone)),
                &sealed,
            )
            .unwrap();
        let code = &text.split("验证码 ").nth(1).unwrap()[..6];
        assert_eq!(
            self.json(
                "post",
                "/api/v1/session",
                &json!({ "phone": phone, "code": code })
            )
            .await
            .0,
            200
        );
    }
}

/// A demo server in a temporary directory, which is removed when the first value is dropped.
pub async fn opened() -> (tempfile::TempDir, App) {
    // In memory where possible: these tests check order, not the disk.
    let memory = std::path::Path::new("/dev/shm");
    let data = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .unwrap();
    let options = Options {
        data: data.path().to_owned(),
        demo: true,
        address: "https://claims.example".into(),
        ..Options::default()
    };
    let app = App::open(options).await.unwrap();
    (data, app)
}

/// Copies everything below a folder into another.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            assert!(std::fs::copy(entry.path(), to).is_ok())
        }
    }
}

/// A unique PDF of one page.
pub fn pdf(text: &str) -> Vec<u8> {
    let objects = "1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj";
    format!("%PDF-1.4\n{objects} 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n%{text}\ntrailer<</Root 1 0 R>>\n%%EOF")
        .into_bytes()
}

/// Reproducible pseudo-random numbers (Steele, Lea & Flood 2014, SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most
    }
}
