//! The built app, held in memory with its brotli and gzip forms. Files whose name or `?v=` carries
//! their hash are immutable; `index.html` is revalidated every time. Hashed files of earlier builds
//! are kept for [`KEPT`], so that a page opened before a deployment still finds its photo worker.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use base64::Engine;
use bytes::Bytes;
use sha2::Digest;

use crate::vault::sha256_hex;

#[derive(Default)]
pub struct Assets(HashMap<String, Asset>);

pub struct Asset {
    pub plain: Bytes,
    pub brotli: Option<Bytes>,
    pub gzip: Option<Bytes>,
    pub hash: String,
    pub media: &'static str,
}

/// How long hashed files of an earlier build are served.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

impl Assets {
    /// Reads the folder that `trunk build` made, and the earlier builds kept in `earlier`.
    ///
    /// # Errors
    /// A message naming the file.
    pub fn load(dist: Option<&Path>, earlier: &Path) -> Result<Assets, String> {
        let mut assets = Assets::default();
        if let Some(dist) = dist {
            if !dist.join("index.html").is_file() {
                return Err(format!(
                    "{} holds no built app: index.html is missing",
                    dist.display()
                ));
            }
            assets.walk(dist, dist)?;
            // Without them, older pages are merely asked to reload.
            if let Err(error) = assets.remember(dist, earlier) {
                tracing::warn!(%error, "files of earlier builds cannot be kept");
            }
        }
        Ok(assets)
    }

    /// Names this build (`xtask`, build.rs).
    pub fn build(&self) -> Option<String> {
        let page = self.text("/index.html")?;
        let (_, rest) = page.split_once("id=\"build\"")?;
        Some(rest.split_once("href=\"")?.1.split_once('"')?.0.to_owned())
    }

    /// Keeps this build's hashed files for later, and loads those of earlier builds.
    fn remember(&mut self, dist: &Path, earlier: &Path) -> io::Result<()> {
        let Some(build) = self.build() else {
            return Ok(());
        };
        let folder = earlier.join(build.trim_start_matches('/'));
        fs::create_dir_all(&folder)?;
        for file in fs::read_dir(dist)? {
            let file = file?;
            let (name, to) = (file.file_name(), folder.join(file.file_name()));
            if hashed_name(&name.to_string_lossy())
                && !to.exists()
                && fs::hard_link(file.path(), &to).is_err()
            {
                // Hard links do not cross file systems.
                let part = folder.join("part");
                fs::copy(file.path(), &part)?;
                fs::rename(part, to)?;
            }
        }
        fs::File::open(&folder)?.set_modified(SystemTime::now())?;
        let now = std::mem::take(&mut self.0);
        for folder in fs::read_dir(earlier)? {
            let folder = folder?;
            match folder.metadata()?.modified()?.elapsed() {
                Ok(age) if age > KEPT => fs::remove_dir_all(folder.path())?,
                _ => self
                    .walk(&folder.path(), &folder.path())
                    .map_err(io::Error::other)?,
            }
        }
        self.0.extend(now);
        Ok(())
    }

    fn walk(&mut self, root: &Path, folder: &Path) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("{} cannot be read: {e}", folder.display());
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                self.walk(root, &path)?;
                continue;
            }
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            if name.ends_with(".br") || name.ends_with(".gz") {
                continue;
            }
            let plain: Bytes = fs::read(&path).map_err(failed)?.into();
            let packed = |suffix: &str| {
                fs::read(format!("{}{suffix}", path.display()))
                    .ok()
                    .map(Bytes::from)
            };
            let asset = Asset {
                hash: sha256_hex(&plain)[..16].to_owned(),
                brotli: packed(".br"),
                gzip: packed(".gz"),
                media: media(&name),
                plain,
            };
            self.0.insert(format!("/{name}"), asset);
        }
        Ok(())
    }

    /// The address of a file with its content's hash, and its integrity (Subresource Integrity,
    /// 3.1).
    pub fn named(&self, path: &str) -> Option<(String, String)> {
        let asset = self.0.get(path)?;
        let digest =
            base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(&asset.plain));
        Some((
            format!("{path}?v={}", asset.hash),
            format!("sha256-{digest}"),
        ))
    }

    pub fn find(&self, path: &str) -> Option<&Asset> {
        self.0.get(path)
    }

    pub fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.0.get(path)?.plain.to_vec()).ok()
    }
}

fn media(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Trunk's names: `baoan-0123456789abcdef_bg.wasm`.
pub fn hashed_name(path: &str) -> bool {
    let Some((_, rest)) = path.rsplit('/').next().unwrap_or_default().split_once('-') else {
        return false;
    };
    // A hexadecimal number: trunk writes no leading zeros.
    let hash = rest.split(['_', '.']).next().unwrap_or_default();
    (8..=16).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit())
}
