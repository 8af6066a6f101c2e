//! Rules for the whole tree: which layer may name what, how many bytes the first tap may cost,
//! where text for people may be.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, build, coverage, house, root, say, tools};

/// Brotli bytes on the wire until the first tap is answered.
const FIRST_TAP: u64 = 200_000;
/// Brotli bytes of the photo worker, fetched when a photo page is near.
const PHOTO_WORKER: u64 = 130_000;

/// Checks all rules; names every violation.
pub fn check() -> Result {
    tools::for_building()?;
    build::app()?;
    let mut wrong = Vec::new();
    layering(&mut wrong)?;
    words(&mut wrong)?;
    page(&mut wrong)?;
    kindness(&mut wrong)?;
    coverage::check(&mut wrong)?;
    budgets(&mut wrong)?;
    house::check(&mut wrong)?;
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{} rules are broken:\n  {}",
            wrong.len(),
            wrong.join("\n  ")
        ))
    }
}

pub fn sources(folder: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)
            .map_err(|e| format!("{} cannot be read: {e}", folder.display()))?
        {
            let path = entry.map_err(|e| e.to_string())?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path)
                    .map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
                found.push((
                    path.strip_prefix(root()).unwrap_or(&path).to_path_buf(),
                    text,
                ));
            }
        }
    }
    Ok(found)
}

/// Lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, l)| !l.trim_start().starts_with("//"))
        .map(|(n, l)| (n + 1, l))
}

fn layering(wrong: &mut Vec<String>) -> Result {
    const WEB: [&str; 6] = [
        "web_sys",
        "js_sys",
        "gloo",
        "wasm_bindgen",
        "leptos",
        "idb::",
    ];
    const SERVER: [&str; 4] = ["axum", "tokio", "sqlx", "hyper"];
    let rules: [(&str, &[&str], &[&str]); 5] = [
        ("crates/claim-domain/src", &WEB, &SERVER),
        ("crates/claim-api/src", &WEB, &SERVER),
        ("crates/claim-photo/src", &WEB, &SERVER),
        ("crates/claim-server/src", &WEB, &[]),
        ("src", &["web_sys", "js_sys", "gloo", "idb::"], &SERVER),
    ];
    for (folder, forbidden, more) in rules {
        for (path, text) in sources(folder)? {
            let place = path.to_string_lossy().replace('\\', "/");
            if place.starts_with("src/platform/") || place.starts_with("src/bin/") {
                continue;
            }
            for (line, text) in code(&text) {
                for name in forbidden.iter().chain(more).filter(|n| text.contains(**n)) {
                    wrong.push(format!("{place}:{line} names {name}"));
                }
                if text.contains("inner_html") {
                    wrong.push(format!("{place}:{line} sets inner_html"));
                }
            }
        }
    }
    Ok(())
}

/// The app's Chinese text is only in i18n/ and in the catalogue; every sentence of i18n is used.
fn words(wrong: &mut Vec<String>) -> Result {
    let app = sources("src")?;
    let chinese = |c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c);
    for (path, text) in &app {
        let place = path.to_string_lossy();
        for (line, text) in code(text) {
            let literal = text.split("//").next().unwrap_or_default();
            if !place.contains("i18n") && literal.contains('"') && literal.chars().any(chinese) {
                wrong.push(format!("{place}:{line} holds words that belong into i18n"));
            }
        }
    }
    let words = build::words("zh")?;
    // Join method chains that the formatter broke into lines.
    let code_of_app: Vec<String> = app
        .iter()
        .filter(|(path, _)| !path.to_string_lossy().contains("i18n"))
        .map(|(_, text)| {
            let lines = text.lines().map(str::trim);
            lines.fold(String::new(), |code, line| match line.starts_with('.') {
                true => code + line,
                false => code + "\n" + line,
            })
        })
        .collect();
    for name in ["report", "claims"]
        .iter()
        .flat_map(|section| words[*section].keys())
    {
        let used = code_of_app.iter().any(|text| {
            ["t()", "c()"].iter().any(|words| {
                let call = format!("{words}.{name}");
                text.match_indices(&call).any(|(at, _)| {
                    !text[at + call.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            })
        });
        if !used {
            wrong.push(format!("src/i18n: {name} is never used"));
        }
    }
    // A step with its own sentence is spelled out there; the others are looked up.
    let history = app
        .iter()
        .find(|(path, _)| path.ends_with("claim/history.rs"));
    let history = history.map_or("", |(_, text)| text.as_str());
    let sentences = words["claims"]["events"].clone();
    for kind in claim_domain::lifecycle::StepKind::ALL {
        let name: String = kind.as_str().split('-').map(capital).collect();
        let written = history.contains(&format!("EventKind::{name} "))
            || history.contains(&format!("EventKind::{name} =>"));
        if !written && sentences[kind.as_str()].is_null() {
            wrong.push(format!(
                "src/i18n: claims.events has no sentence for {}",
                kind.as_str()
            ));
        }
    }
    let kiosk = fs::read_to_string(root().join("public/kiosk/kiosk.js"))
        .map_err(|e| format!("kiosk.js cannot be read: {e}"))?;
    let unused = words["kiosk"]
        .keys()
        .filter(|name| !kiosk.contains(&format!("say('{name}'")));
    wrong.extend(unused.map(|name| format!("src/i18n: {name} is never used by the kiosk")));
    if kiosk.chars().filter(|c| chinese(*c)).count() > 60 {
        // The keys for number plates do not count as words.
        wrong.push("public/kiosk/kiosk.js holds words that belong into i18n".into());
    }
    Ok(())
}

/// `paid`: `Paid`.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// No congratulations: people who have lost somebody read the same words.
fn kindness(wrong: &mut Vec<String>) -> Result {
    const JOY: [&str; 9] = [
        "恭喜",
        "祝贺",
        "🎉",
        "太棒",
        "开心",
        "Congratulations",
        "Great!",
        "Hooray",
        "Awesome",
    ];
    for file in [
        "src/i18n/zh.json",
        "src/i18n/en.json",
        "src/i18n/zh-Hant.json",
        "public/catalog.json",
        "crates/claim-server/src/work/messages.rs",
        "crates/claim-server/src/work/letters.rs",
    ] {
        let text = fs::read_to_string(root().join(file))
            .map_err(|e| format!("{file} cannot be read: {e}"))?;
        wrong.extend(
            JOY.iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{file}: {word:?} is no word for a loss")),
        );
    }
    Ok(())
}

/// The built page: no inline script or style, integrity everywhere, nothing of another site.
fn page(wrong: &mut Vec<String>) -> Result {
    let page = fs::read_to_string(root().join("dist/index.html"))
        .map_err(|e| format!("dist/index.html cannot be read: {e}"))?;
    for tag in page.split('<').filter(|t| t.starts_with("script")) {
        if !tag.contains("src=") || !tag.contains("integrity=") {
            wrong.push(format!(
                "dist/index.html: <{} is inline or has no integrity",
                tag.trim()
            ));
        }
    }
    for sign in [
        "<style",
        " style=",
        " onclick=",
        "javascript:",
        "src=\"http",
        "{{",
    ] {
        if page.contains(sign) {
            wrong.push(format!("dist/index.html holds {sign:?}"));
        }
    }
    Ok(())
}

fn budgets(wrong: &mut Vec<String>) -> Result {
    let dist = root().join("dist");
    let page = fs::read_to_string(dist.join("index.html")).map_err(|e| e.to_string())?;
    let on_wire = |path: &Path| {
        fs::metadata(PathBuf::from(format!("{}.br", path.display())))
            .or_else(|_| fs::metadata(path))
            .map_or(0, |m| m.len())
    };
    let mut total = on_wire(&dist.join("index.html"));
    let (mut lines, mut words) = (vec![format!("{total:>8}  index.html")], (0, ""));
    for tag in page
        .split('<')
        .filter(|t| t.starts_with("script") || t.starts_with("link"))
    {
        let address = tag
            .split("src=\"")
            .nth(1)
            .or_else(|| tag.split("href=\"").nth(1))
            .and_then(|a| a.split('"').next())
            .unwrap_or_default();
        let name = address
            .trim_start_matches('/')
            .split('?')
            .next()
            .unwrap_or_default();
        // Fetched by boot.js at once: the report's program with its catalogue, in one language; the
        // longest of them.
        if tag.contains("id=\"app-catalog-") {
            words = words.max((on_wire(&dist.join(name)), name));
            continue;
        }
        let at_once = tag.contains("id=\"app-");
        let later = ["x-later", "icon", "manifest"]
            .iter()
            .any(|r| tag.contains(&format!("rel=\"{r}\"")))
            && !at_once;
        if name.is_empty() || later {
            continue;
        }
        let bytes = on_wire(&dist.join(name));
        lines.push(format!("{bytes:>8}  {name}"));
        total += bytes;
    }
    lines.push(format!("{:>8}  {}", words.0, words.1));
    total += words.0;
    say(&format!(
        "bytes to the first tap (brotli), of {FIRST_TAP}:\n{}\n{total:>8}  together",
        lines.join("\n")
    ));
    if total > FIRST_TAP {
        wrong.push(format!(
            "the first tap costs {total} bytes, more than {FIRST_TAP}"
        ));
    }
    let worker: u64 = fs::read_dir(&dist)
        .map_err(|e| e.to_string())?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| {
            p.to_string_lossy().contains("photo_worker")
                && p.extension().is_some_and(|e| e == "wasm" || e == "js")
        })
        .map(|p| on_wire(&p))
        .sum();
    say(&format!(
        "photo worker: {worker} bytes (brotli), of {PHOTO_WORKER}"
    ));
    if worker > PHOTO_WORKER {
        wrong.push(format!(
            "the photo worker costs {worker} bytes, more than {PHOTO_WORKER}"
        ));
    }
    Ok(())
}
