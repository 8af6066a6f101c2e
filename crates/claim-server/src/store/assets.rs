//! The built app, held in memory with its brotli and gzip forms. Files whose name or `?v=` carries
//! their hash are immutable; `index.html` is revalidated every time. Hashed files of earlier builds
//! are kept for [`KEPT`], so that a page opened before a deployment still finds its photo worker.

use std::collections::HashMap;
use std::io::Read;
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

/// Files of a build by name, without a leading slash.
type Files = HashMap<String, Bytes>;

impl Assets {
    /// Reads the folder that `trunk build` made, or what `cargo xtask package` has put behind the
    /// program; and the earlier builds kept in `earlier`, unless nothing may be written.
    ///
    /// # Errors
    /// A message naming the file.
    pub fn load(dist: Option<&Path>, earlier: Option<&Path>) -> Result<Assets, String> {
        let files = match dist {
            Some(dist) => folder(dist)?,
            None => behind_the_program()?,
        };
        if !files.contains_key("index.html") {
            return match dist {
                Some(dist) => Err(format!(
                    "{} holds no built app: index.html is missing",
                    dist.display()
                )),
                None => Ok(Assets::default()),
            };
        }
        let mut assets = Assets::default();
        assets.add(&files);
        // Without them, older pages are merely asked to reload.
        if let Some(earlier) = earlier
            && let Err(error) = assets.remember(&files, earlier)
        {
            tracing::warn!(%error, "files of earlier builds cannot be kept");
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
    fn remember(&mut self, files: &Files, earlier: &Path) -> io::Result<()> {
        let Some(build) = self.build() else {
            return Ok(());
        };
        let mine = earlier.join(build.trim_start_matches('/'));
        fs::create_dir_all(&mine)?;
        for (name, bytes) in files {
            let to = mine.join(name);
            if hashed_name(name) && !name.contains('/') && !to.exists() {
                let part = mine.join("part");
                fs::write(&part, bytes)?;
                fs::rename(part, to)?;
            }
        }
        fs::File::open(&mine)?.set_modified(SystemTime::now())?;
        let now = std::mem::take(&mut self.0);
        for kept in fs::read_dir(earlier)? {
            let kept = kept?;
            match kept.metadata()?.modified()?.elapsed() {
                Ok(age) if age > KEPT => fs::remove_dir_all(kept.path())?,
                _ => self.add(&folder(&kept.path()).map_err(io::Error::other)?),
            }
        }
        self.0.extend(now);
        Ok(())
    }

    fn add(&mut self, files: &Files) {
        for (name, plain) in files {
            if name.ends_with(".br") || name.ends_with(".gz") {
                continue;
            }
            let packed = |suffix: &str| files.get(&format!("{name}{suffix}")).cloned();
            let asset = Asset {
                hash: sha256_hex(plain)[..16].to_owned(),
                brotli: packed(".br"),
                gzip: packed(".gz"),
                media: media(name),
                plain: plain.clone(),
            };
            self.0.insert(format!("/{name}"), asset);
        }
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

/// Everything below a folder.
fn folder(root: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |e: io::Error| format!("{} cannot be read: {e}", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().replace('\\', "/");
            files.insert(name, fs::read(&path).map_err(failed)?.into());
        }
    }
    Ok(files)
}

/// The app as a ZIP archive at the end of this program's own file: one file to copy, and nothing to
/// install. A reader of ZIP files finds its directory from the end, and a loader of programs ignores
/// what comes after them.
fn behind_the_program() -> Result<Files, String> {
    let failed = |e: &dyn std::fmt::Display| format!("the app in this program cannot be read: {e}");
    let program = std::env::current_exe().and_then(fs::File::open);
    let Ok(Ok(mut archive)) = program.map(zip::ZipArchive::new) else {
        return Ok(Files::new());
    };
    let mut files = Files::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).map_err(|e| failed(&e))?;
        if file.is_file() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|e| failed(&e))?;
            let name = file.name().map_err(|e| failed(&e))?.into_owned();
            files.insert(name, bytes.into());
        }
    }
    Ok(files)
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
