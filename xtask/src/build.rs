//! Building the app and the server, and starting them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use claim_api::pages;
use claim_domain::Catalogue;
use claim_domain::catalog::{Asked, Papers};
use sha2::{Digest, Sha256};

use crate::{Result, cargo, root, run, say, slim, tools};

/// Leaves `dist/` and `target/release/claim-server`.
pub fn build() -> Result {
    tools::for_building()?;
    app()?;
    server()
}

/// Builds `dist/` if one of its sources is newer.
pub fn app() -> Result {
    let stamp = root().join("dist/.built");
    let sources = [
        "src",
        "style",
        "public",
        "index.html",
        "Trunk.toml",
        "build.rs",
        "Cargo.toml",
        "Cargo.lock",
        "package-lock.json",
        "crates/claim-domain",
        "crates/claim-api",
        "crates/claim-photo",
        "xtask/src/build.rs",
    ];
    let newest = sources.iter().filter_map(|s| newest(&root().join(s))).max();
    if fs::metadata(&stamp)
        .and_then(|m| m.modified())
        .is_ok_and(|built| newest.is_some_and(|n| n < built))
    {
        return Ok(());
    }
    say("building the app (minutes the first time)");
    run(Command::new("trunk")
        .args(["build", "--release"])
        .env("PATH", tools::path())
        .env_remove("NO_COLOR"))?;
    fs::write(stamp, "").map_err(|e| format!("dist cannot be written: {e}"))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let meta = fs::metadata(path).ok()?;
    if meta.is_dir() {
        return fs::read_dir(path)
            .ok()?
            .filter_map(|e| newest(&e.ok()?.path()))
            .max();
    }
    meta.modified().ok()
}

pub fn server() -> Result {
    say("building the server");
    run(&mut cargo(&[
        "build",
        "--quiet",
        "--profile",
        "server",
        "-p",
        "claim-server",
    ]))?;
    let (made, wanted) = (
        root().join("target/server/claim-server"),
        root().join("target/release/claim-server"),
    );
    fs::create_dir_all(root().join("target/release"))
        .map_err(|e| format!("target/release cannot be made: {e}"))?;
    // Replaced, not overwritten: a running server keeps its file.
    let fresh = wanted.with_extension("new");
    fs::copy(&made, &fresh)
        .and_then(|_| fs::rename(&fresh, &wanted))
        .map_err(|e| format!("{} cannot be written: {e}", wanted.display()))
}

/// Builds a server that needs no library of the machine, and returns its file. No path of this
/// machine is in it, so that the same source gives the same bytes wherever it stands.
pub fn static_server() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    tools::for_static(&target)?;
    say("building the static server");
    let home = std::env::var("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|_| std::env::var("HOME").map(|home| Path::new(&home).join(".cargo")));
    let home = home.map_err(|_| "neither CARGO_HOME nor HOME is set")?;
    let (source, home) = (root().display().to_string(), home.display().to_string());
    let here = [(&source, "/baoan"), (&home, "/cargo")];
    let rust = here.map(|(from, to)| format!("--remap-path-prefix={from}={to}"));
    let c = here.map(|(from, to)| format!("-ffile-prefix-map={from}={to}"));
    let name = target.replace('-', "_");
    let mut command = cargo(&["build", "--quiet", "--locked", "--profile", "server"]);
    command
        .args(["-p", "claim-server", "--target", &target])
        .env(format!("CC_{name}"), "musl-gcc")
        .env(format!("CFLAGS_{name}"), c.join(" "))
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\x1f"));
    run(&mut command)?;
    Ok(target_folder().join(target).join("server/claim-server"))
}

/// Where cargo builds.
fn target_folder() -> PathBuf {
    std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from)
}

pub fn run_server(addr: &str, data: &str, dist: Option<&str>) -> Result<Child> {
    let mut command = Command::new(root().join("target/release/claim-server"));
    command.args(["--addr", addr, "--data", data, "--demo"]);
    if let Some(dist) = dist {
        command.args(["--dist", dist]);
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("the server could not be started: {e}"))?;
    let line = child
        .stdout
        .take()
        .and_then(|out| BufReader::new(out).lines().next())
        .and_then(std::result::Result::ok)
        .unwrap_or_default();
    if line.starts_with("listening") {
        Ok(child)
    } else {
        Err(format!(
            "the server did not start on {addr}; its last words are above"
        ))
    }
}

/// Builds everything and runs it until Ctrl-C.
pub fn run_all(addr: &str, data: &str) -> Result {
    build()?;
    let mut child = run_server(addr, data, Some("dist"))?;
    say(&format!(
        "open http://{addr}  (who is who: http://{addr}/demo, SMS codes: http://{addr}/demo/outbox, staff: http://{addr}/staff)"
    ));
    child.wait().map(drop).map_err(|e| e.to_string())
}

/// Live reload: trunk serves the app, our server the API.
pub fn dev() -> Result {
    tools::for_building()?;
    server()?;
    let mut child = run_server("127.0.0.1:8080", "data", None)?;
    say("open http://127.0.0.1:8081");
    let outcome = crate::run(
        Command::new("trunk")
            .arg("serve")
            .env("PATH", tools::path()),
    );
    let _ = child.kill();
    outcome
}

/// WASM features the programs use (index.html tells trunk the same): the minimum in
/// docs/ARCHITECTURE.md, and no more.
const FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// The output of trunk and [`programs`], before branding.
fn undressed() -> PathBuf {
    root().join("target/undressed")
}

/// The steps after trunk, which calls this (Trunk.toml).
pub fn finish() -> Result {
    let staging = std::env::var_os("TRUNK_STAGING_DIR")
        .map(PathBuf::from)
        .ok_or("finish is called by trunk")?;
    programs(&staging)?;
    let _ = fs::remove_dir_all(undressed());
    copy(&staging, &undressed())?;
    dress(&staging)
}

/// Builds the gallery and serves it until Ctrl-C.
pub fn show_gallery(addr: &str) -> Result {
    build()?;
    gallery()?;
    let mut child = run_server(addr, "target/gallery-data", Some("target/gallery"))?;
    say(&format!("open http://{addr}/gallery"));
    child.wait().map(drop).map_err(|e| e.to_string())
}

/// Builds the app of the last build with `/gallery` in it, into `target/gallery`.
pub fn gallery() -> Result {
    let (to, stamp) = (
        root().join("target/gallery"),
        root().join("target/gallery/.built"),
    );
    let built = newest(&undressed()).ok_or("there is no build yet: cargo xtask build")?;
    if newest(&stamp) > Some(built) {
        return Ok(());
    }
    say("building the gallery");
    let target = [
        "--target",
        "wasm32-unknown-unknown",
        "--features",
        "gallery",
        "--bin",
        "claims",
    ];
    run(&mut cargo(
        &[&["build", "--quiet", "--release"][..], &target].concat(),
    ))?;
    let _ = fs::remove_dir_all(&to);
    copy(&undressed(), &to)?;
    for entry in fs::read_dir(&to)
        .map_err(|e| e.to_string())?
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("claims-"))
    {
        let _ = fs::remove_file(entry.path());
    }
    let made = root().join("target/wasm32-unknown-unknown/release/claims.wasm");
    // Under a content-hashed name: browsers cache such files for a year.
    let name = format!(
        "claims-{}",
        short(&fs::read(&made).map_err(|e| format!("{} cannot be read: {e}", made.display()))?)
    );
    let glue = [
        "--target",
        "web",
        "--no-typescript",
        "--out-name",
        &name,
        "--out-dir",
    ];
    run(Command::new("wasm-bindgen")
        .args(glue)
        .arg(&to)
        .arg(made)
        .env("PATH", tools::path()))?;
    dress(&to)?;
    fs::write(stamp, "").map_err(|e| format!("target/gallery cannot be written: {e}"))
}

/// Rebrands the app of the last build: `folder` holds config.json, tokens.css with what differs
/// from ours (it is appended), and optionally icon.svg, icon-192.png, icon-512.png.
pub fn brand(folder: &Path, to: &Path) -> Result {
    if !undressed().is_dir() {
        return Err("there is no build yet: cargo xtask build".into());
    }
    let _ = fs::remove_dir_all(to);
    copy(&undressed(), to)?;
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
    };
    let write = |path: PathBuf, text: String| {
        fs::write(&path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
    };
    write(to.join("config.json"), read(&folder.join("config.json"))?)?;
    // A brand with its own icon gets none of ours beside it.
    for icon in ["icon.svg", "icon-192.png", "icon-512.png"] {
        if folder.join(icon).is_file() {
            fs::copy(folder.join(icon), to.join(icon))
                .map_err(|e| format!("{icon} cannot be copied: {e}"))?;
        } else if icon != "icon.svg" && folder.join("icon.svg").is_file() {
            fs::remove_file(to.join(icon)).map_err(|e| format!("{icon} cannot be removed: {e}"))?;
        }
    }
    // tokens.css has a name from trunk.
    let names = fs::read_dir(to)
        .map_err(|e| e.to_string())?
        .filter_map(|e| e.ok()?.file_name().into_string().ok());
    let tokens = names
        .into_iter()
        .find(|n| n.starts_with("tokens-") && n.ends_with(".css"))
        .ok_or("trunk left no tokens-….css")?;
    let tokens = to.join(tokens);
    write(
        tokens.clone(),
        read(&tokens)? + &read(&folder.join("tokens.css"))?,
    )?;
    dress(to)
}

fn copy(from: &Path, to: &Path) -> Result {
    let failed = |e: std::io::Error| format!("{} cannot be copied: {e}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}

/// Processes the programs: strips what our browsers do not need, minifies, puts each worker into
/// one file, under content-hashed names.
fn programs(staging: &Path) -> Result {
    let read = |name: &str| {
        fs::read(staging.join(name)).map_err(|e| format!("{name} cannot be read: {e}"))
    };
    let write = |name: &str, bytes: &[u8]| {
        fs::write(staging.join(name), bytes).map_err(|e| format!("{name} cannot be written: {e}"))
    };

    // Minify readable sources: this saves two thirds of their bytes on the wire.
    let terser = |name: &str, kind: &[&str]| {
        let file = staging.join(name);
        run(Command::new("terser")
            .arg(&file)
            .args(kind)
            .args(["--compress", "--mangle", "--output"])
            .arg(&file)
            .env("PATH", tools::path()))
    };
    let glue = fs::read_dir(staging)
        .map_err(|e| e.to_string())?
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .find(|n| n.starts_with("baoan-") && n.ends_with(".js"));
    let glue = glue.ok_or("trunk left no baoan-….js")?;
    for (name, wasm) in [
        (glue.as_str(), glue.replace(".js", "_bg.wasm")),
        ("claims.js", "claims_bg.wasm".into()),
    ] {
        let (glue, program) = (
            slim::without_streams_glue(&read(name)?),
            slim::without_streams(&read(&wasm)?),
        );
        write(&wasm, &program)?;
        let file = staging.join(&wasm);
        run(Command::new("wasm-opt")
            .arg(&file)
            .args(FEATURES)
            // Optimise again after the removal: 1.2 KB less on the wire.
            .args(["--flatten", "--rereloop", "-Oz", "-Oz", "-o"])
            .arg(&file)
            .env("PATH", tools::path()))?;
        let (glue, program) = slim::plain_imports(&glue, &read(&wasm)?);
        write(name, &glue)?;
        write(&wasm, &program)?;
        terser(name, &["--module"])?;
    }
    for name in [
        "floor.js",
        "storage.js",
        "boot.js",
        "sw.js",
        "embed.js",
        "wechat.js",
        "kiosk/kiosk.js",
    ] {
        let script = String::from_utf8(read(name)?).map_err(|_| format!("{name} is not UTF-8"))?;
        write(name, with_pages(&script).as_bytes())?;
        terser(name, &[])?;
    }
    write("kiosk/words.js", kiosk_words()?.as_bytes())?;

    // The second program, under content-hashed names.
    let renamed = |from: &str, to: String| {
        fs::rename(staging.join(from), staging.join(&to))
            .map_err(|e| format!("{from} cannot be renamed: {e}"))
    };
    renamed(
        "claims_bg.wasm",
        format!("claims-{}_bg.wasm", short(&read("claims_bg.wasm")?)),
    )?;
    renamed(
        "claims.js",
        format!("claims-{}.js", short(&read("claims.js")?)),
    )?;

    // Classic workers: their glue, and a last line that starts each from a content-hashed file.
    for worker in ["photo_worker", "photo_rest"] {
        let (from_glue, from_wasm) = (format!("{worker}.js"), format!("{worker}_bg.wasm"));
        let wasm = read(&from_wasm)?;
        let wasm_name = format!("{worker}-{}_bg.wasm", short(&wasm));
        write(&wasm_name, &wasm)?;
        let mut glue = read(&from_glue)?;
        glue.extend(format!("\nwasm_bindgen({{ module_or_path: '/{wasm_name}' }});\n").as_bytes());
        let name = format!("{worker}-{}.js", short(&glue));
        write(&name, &glue)?;
        for old in [from_wasm, from_glue, format!("{worker}_loader.js")] {
            let _ = fs::remove_file(staging.join(old));
        }
    }
    let _ = fs::remove_file(staging.join("claims_loader.js"));
    Ok(())
}

/// Deployment-specific steps: hashed addresses, integrity for every file, its words in the first
/// page, its styles in one file, the catalogue compiled, brotli and gzip next to each file.
fn dress(staging: &Path) -> Result {
    let read = |name: &str| {
        fs::read(staging.join(name)).map_err(|e| format!("{name} cannot be read: {e}"))
    };
    let write = |name: &str, bytes: &[u8]| {
        fs::write(staging.join(name), bytes).map_err(|e| format!("{name} cannot be written: {e}"))
    };
    let names: Vec<String> = fs::read_dir(staging)
        .map_err(|e| e.to_string())?
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .collect();
    let named = |start: &str, end: &str| {
        let found = names
            .iter()
            .find(|n| n.starts_with(start) && n.ends_with(end) && !n.contains("_bg.js"));
        found
            .cloned()
            .ok_or_else(|| format!("trunk left no {start}…{end}"))
    };
    let (claims_js, claims_wasm) = (named("claims-", ".js")?, named("claims-", "_bg.wasm")?);
    let workers = [named("photo_worker-", ".js")?, named("photo_rest-", ".js")?];

    let config: serde_json::Value =
        serde_json::from_slice(&read("config.json")?).map_err(|e| format!("config.json: {e}"))?;
    let told = |pointer: &str| {
        config
            .pointer(pointer)
            .and_then(|v| v.as_str())
            .ok_or_else(|| format!("config.json: {pointer} is missing"))
    };
    // On the wire each program gets its part of the catalogue, in one language, compiled.
    let text = String::from_utf8(read("catalog.json")?).map_err(|_| "catalog.json is not UTF-8")?;
    let rules_version = Catalogue::load(&text)?.rules_version;
    let (languages, mut chips, mut links) = (languages()?, String::new(), String::new());
    for lang in &languages {
        let words = words(lang)?;
        let tag = if lang == "zh" { "zh-CN" } else { lang };
        let name = words["page"]
            .get("language")
            .and_then(|name| name.as_str())
            .unwrap_or(tag);
        chips.push_str(&format!("<button type=\"button\" class=\"chip\" data-lang=\"{tag}\" lang=\"{tag}\">{name}</button>"));
        for (program, file) in [("app", "questions"), ("claims", "catalog")] {
            links.push_str(&format!(
                "<link id=\"{program}-catalog-{lang}\" rel=\"x-later\" href=\"/{file}.{lang}.bin\">"
            ));
        }
        let mut whole: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| format!("catalog.json: {e}"))?;
        silence(&mut whole, if lang == "en" { "zh" } else { "en" });
        if let Some(said) = words.get("catalogue") {
            say_instead(&mut whole, said).map_err(|sentence| {
                format!("src/i18n/{lang}.json: catalogue lacks {sentence:?}")
            })?;
            let index =
                String::from_utf8(read("index.html")?).map_err(|_| "index.html is not UTF-8")?;
            let said = index
                .split("class=\"zh\">")
                .skip(1)
                .filter_map(|rest| rest.split('<').next());
            if let Some(unsaid) = said
                .into_iter()
                .find(|sentence| !words["page"].contains_key(*sentence))
            {
                return Err(format!("src/i18n/{lang}.json: page lacks {unsaid:?}"));
            }
            let first = serde_json::json!(words["page"])
                .to_string()
                .replace("{{hotline}}", told("/hotline")?);
            write(&format!("page.{lang}.json"), first.as_bytes())?;
            links.push_str(&format!(
                "<link id=\"page-{tag}\" rel=\"x-later\" href=\"/page.{lang}.json\">"
            ));
        }
        let mut catalogue: Catalogue =
            serde_json::from_value(whole).map_err(|e| format!("catalog.json: {e}"))?;
        catalogue.rules_version.clone_from(&rules_version);
        let [report, claims] = ["report", "claims"].map(|section| lines(&words[section]));
        write(
            &format!("catalog.{lang}.bin"),
            &[
                report.as_bytes(),
                claims.as_bytes(),
                &[0xff],
                &catalogue.compiled()[..],
            ]
            .concat(),
        )?;
        catalogue.papers = Papers::default();
        catalogue.consents.retain(|c| c.at == Asked::Notice);
        // The report neither signs in nor talks to other sites.
        let unused = [
            "otp-",
            "cross-",
            "method-",
            "session-",
            "not-allowed",
            "amount-",
            "rate-",
            "malformed-json",
            "unsupported-",
            "precondition-",
            "draft-",
            "handoff-",
            "not-this-person",
            // It always sends a key, and recovers from the other errors by itself.
            "idempotency-key-missing",
            "upload-offset-",
            "upload-locked",
            "submission-",
        ];
        // Nor does it judge documents.
        let later = [
            "uscc-",
            "card-",
            "vin-",
            "pdf-",
            "invoice-",
            "items-",
            "document-",
            "reason-",
            "signature-",
            "side-",
            "expired",
            "better-",
        ];
        let later = later.iter().chain(&[
            "payee-",
            "payment-",
            "date-",
            "name-differs",
            "number-differs",
            "photo-small",
            "photo-blurred",
            "photo-dark",
            "photo-bright",
            "photo-glare",
            "photo-elsewhere",
            "photo-alike",
            "photo-far",
            "photo-early",
            "photo-late",
        ]);
        catalogue.errors.retain(|code, _| {
            !unused
                .iter()
                .chain(later.clone())
                .any(|u| code.starts_with(u))
        });
        write(
            &format!("questions.{lang}.bin"),
            &[report.as_bytes(), &[0xff], &catalogue.compiled()[..]].concat(),
        )?;
    }
    let mut page = String::from_utf8(read("index.html")?).map_err(|_| "index.html is not UTF-8")?;
    page = page
        .replace("{{hotline}}", told("/hotline")?)
        .replace("{{insurer}}", told("/insurer/zh")?)
        .replace("{{languages}}", &chips);
    let later = [
        ("photo-worker", &workers[0]),
        ("photo-rest", &workers[1]),
        ("claims-js", &claims_js),
        ("claims-wasm", &claims_wasm),
    ];
    links.extend(
        later
            .iter()
            .map(|(id, name)| format!("<link id=\"{id}\" rel=\"x-later\" href=\"/{name}\">")),
    );
    page = page.replace("</head>", &format!("{links}</head>"));
    let of_languages = languages.iter().flat_map(|lang| {
        [
            format!("catalog.{lang}.bin"),
            format!("questions.{lang}.bin"),
            format!("page.{lang}.json"),
        ]
    });
    let plain = [
        "floor.js",
        "storage.js",
        "boot.js",
        "claims.css",
        "config.json",
        "icon.svg",
    ]
    .map(str::to_owned);
    for name in of_languages.chain(plain) {
        if let Ok(bytes) = read(&name) {
            page = page.replace(
                &format!("\"/{name}\""),
                &format!("\"/{name}?v={}\"", short(&bytes)),
            );
        }
    }
    let mut manifest: serde_json::Value = serde_json::from_slice(&read("manifest.webmanifest")?)
        .map_err(|e| format!("manifest.webmanifest: {e}"))?;
    if let Some(icons) = manifest["icons"].as_array_mut() {
        icons.retain(|icon| {
            icon["src"]
                .as_str()
                .is_some_and(|src| staging.join(src.trim_start_matches('/')).is_file())
        });
    }
    write("manifest.webmanifest", manifest.to_string().as_bytes())?;
    page = one_style(&page, staging)?;
    page = with_integrity(&page, staging)?;
    // An open page compares this with the server's answer (`SessionView::build`): everything is
    // named by its content.
    let build = short(
        &[
            page.as_bytes(),
            &read("kiosk/words.js")?,
            &read("kiosk/kiosk.js")?,
            &read("kiosk/kiosk.css")?,
            &read("sw.js")?,
        ]
        .concat(),
    );
    page = page.replace(
        "</head>",
        &format!("<link id=\"build\" rel=\"x-later\" href=\"/{build}\"></head>"),
    );
    write("index.html", page.as_bytes())?;
    // What the report needs to start offline.
    let shell = page
        .split('"')
        .filter(|part| part.starts_with('/'))
        .filter(|part| {
            let name = part
                .trim_start_matches('/')
                .split('?')
                .next()
                .unwrap_or_default();
            let later = ["claims", "catalog.", "photo", "lite", "manifest"]
                .iter()
                .any(|other| name.starts_with(other));
            !later && staging.join(name).is_file() && !name.is_empty()
        });
    // Each only once: a list that names a file twice is refused as a whole.
    let shell = shell
        .map(|part| format!("'{part}'"))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
        .join(",");
    let worker = String::from_utf8(read("sw.js")?).map_err(|_| "sw.js is not UTF-8")?;
    write(
        "sw.js",
        worker
            .replace("{{build}}", &build)
            .replace("\"{{shell}}\"", &shell)
            .as_bytes(),
    )?;
    pack(staging)
}

/// The names of the files in src/i18n; Chinese first.
fn languages() -> Result<Vec<String>> {
    let files = fs::read_dir(root().join("src/i18n")).map_err(|e| format!("src/i18n: {e}"))?;
    let mut names: Vec<String> = files
        .filter_map(|file| {
            Some(
                file.ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".json")?
                    .to_owned(),
            )
        })
        .collect();
    names.sort_by_key(|name| (name != "zh", name.clone()));
    Ok(names)
}

/// Fills the addresses of the app's pages into a script.
fn with_pages(script: &str) -> String {
    let kept = pages::CLAIMS
        .iter()
        .filter(|page| !pages::FROM_OUTSIDE.contains(page));
    let kept: Vec<&str> = kept.copied().collect();
    script
        .replace("{{claims}}", &pages::CLAIMS.join("|"))
        .replace("{{kept_pages}}", &kept.join("|"))
}

/// The texts of a branch kiosk, in every language: it has its own script, which runs before any
/// WASM.
fn kiosk_words() -> Result<String> {
    let mut all = serde_json::Map::new();
    for lang in languages()? {
        let tag = if lang == "zh" { "zh-CN" } else { &lang };
        all.insert(tag.into(), serde_json::json!(words(&lang)?["kiosk"]));
    }
    Ok(format!(
        "globalThis.baoanKioskWords={};",
        serde_json::Value::Object(all)
    ))
}

/// The words of one language: section, name, sentence (or a map of names to sentences).
pub fn words(lang: &str) -> Result<BTreeMap<String, BTreeMap<String, serde_json::Value>>> {
    let wrong = |e: &dyn std::fmt::Display| format!("src/i18n/{lang}.json: {e}");
    let text =
        fs::read_to_string(root().join(format!("src/i18n/{lang}.json"))).map_err(|e| wrong(&e))?;
    serde_json::from_str(&text).map_err(|e| wrong(&e))
}

/// Words in the order of their names, each terminated by a zero byte; words looked up by name are
/// preceded by their count.
fn lines(section: &BTreeMap<String, serde_json::Value>) -> String {
    let ended = |word: &str| format!("{word}\0");
    let lines = section.values().map(|value| match value {
        serde_json::Value::Object(names) => {
            let pairs = names
                .iter()
                .map(|(name, word)| ended(name) + &ended(word.as_str().unwrap_or_default()));
            pairs.fold(ended(&names.len().to_string()), |all, pair| all + &pair)
        }
        word => ended(word.as_str().unwrap_or_default()),
    });
    lines.collect()
}

/// Empties every text of one language.
fn silence(value: &mut serde_json::Value, lang: &str) {
    match value {
        serde_json::Value::Object(fields)
            if fields.contains_key("zh") && fields.contains_key("en") =>
        {
            fields.insert(lang.into(), "".into());
        }
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|v| silence(v, lang)),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|v| silence(v, lang)),
        _ => {}
    }
}

/// Replaces the Chinese texts with another language. The error is a sentence without a translation.
fn say_instead(
    value: &mut serde_json::Value,
    said: &BTreeMap<String, serde_json::Value>,
) -> Result {
    match value {
        serde_json::Value::Object(fields)
            if fields.contains_key("zh") && fields.contains_key("en") =>
        {
            let sentence = fields["zh"].as_str().unwrap_or_default().to_owned();
            fields.insert("zh".into(), said.get(&sentence).cloned().ok_or(sentence)?);
            Ok(())
        }
        serde_json::Value::Object(fields) => {
            fields.values_mut().try_for_each(|v| say_instead(v, said))
        }
        serde_json::Value::Array(items) => items.iter_mut().try_for_each(|v| say_instead(v, said)),
        _ => Ok(()),
    }
}

/// Puts all styles into one file, without rules that no page uses: four requests fewer, and half
/// the bytes.
fn one_style(page: &str, folder: &Path) -> Result<String> {
    let (mut css, mut out, mut placed) = (String::new(), String::new(), false);
    let is_style = |tag: &str| tag.contains("rel=\"stylesheet\"");
    for piece in page.split_inclusive('>') {
        let tag = piece.rfind('<').map_or("", |at| &piece[at..]);
        if !is_style(tag) {
            out.push_str(piece);
            continue;
        }
        let name = tag
            .split("href=\"")
            .nth(1)
            .and_then(|a| a.split('"').next())
            .unwrap_or_default()
            .trim_start_matches('/');
        css.push_str(
            &fs::read_to_string(folder.join(name))
                .map_err(|e| format!("{name} cannot be read: {e}"))?,
        );
        let _ = fs::remove_file(folder.join(name));
        if !placed {
            out.push_str("<!--style-->");
            placed = true;
        }
    }
    let whole = folder.join("style.css");
    fs::write(&whole, css).map_err(|e| format!("style.css cannot be written: {e}"))?;
    let pages = ["src/**/*.rs", "index.html", "public/*.js"];
    run(Command::new("purgecss")
        .args(["--variables", "--css"])
        .arg(&whole)
        .arg("--content")
        .args(pages)
        .arg("--output")
        .arg(&whole)
        .env("PATH", tools::path()))?;
    let css = fs::read(&whole).map_err(|e| format!("style.css cannot be read: {e}"))?;
    let name = format!("style-{}.css", short(&css));
    fs::rename(&whole, folder.join(&name)).map_err(|e| format!("{name} cannot be written: {e}"))?;
    Ok(out.replace(
        "<!--style-->",
        &format!("<link rel=\"stylesheet\" href=\"/{name}\">"),
    ))
}

fn short(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// Whether boot.js starts this file itself, with the integrity that it finds here.
fn is_program(tag: &str) -> bool {
    [
        "app-js",
        "app-wasm",
        "claims-js",
        "claims-wasm",
        "claims-style",
    ]
    .iter()
    .any(|id| tag.contains(&format!("id=\"{id}\"")))
}

/// Adds `integrity` to every script, style and preload of the page that has none.
fn with_integrity(page: &str, folder: &Path) -> Result<String> {
    let mut out = String::new();
    for (i, piece) in page.split_inclusive('>').enumerate() {
        let tag = piece.rfind('<').map_or("", |at| &piece[at..]);
        let loads = tag.starts_with("<script src=")
            || (tag.starts_with("<link")
                && (tag.contains("rel=\"stylesheet\"")
                    || tag.contains("preload\"")
                    || is_program(tag)));
        let address = tag
            .split("src=\"")
            .nth(1)
            .or_else(|| tag.split("href=\"").nth(1))
            .and_then(|a| a.split('"').next());
        let (true, Some(address), false, true) =
            (loads, address, tag.contains("integrity="), i > 0)
        else {
            out.push_str(piece);
            continue;
        };
        let file = address
            .trim_start_matches('/')
            .split('?')
            .next()
            .unwrap_or_default();
        let bytes =
            fs::read(folder.join(file)).map_err(|e| format!("index.html names {address}: {e}"))?;
        let digest = STANDARD.encode(Sha256::digest(bytes));
        let (before, after) = piece.split_at(piece.len() - 1);
        out.push_str(&format!(
            "{} integrity=\"sha256-{digest}\"{after}",
            before.trim_end_matches('/')
        ));
    }
    Ok(out)
}

/// Writes brotli and gzip next to every file they make smaller.
fn pack(folder: &Path) -> Result {
    let failed = |e: std::io::Error| format!("compressing: {e}");
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let packable = path.extension().is_some_and(|e| {
            [
                "html",
                "js",
                "css",
                "wasm",
                "json",
                "bin",
                "svg",
                "webmanifest",
            ]
            .iter()
            .any(|x| e == *x)
        });
        if path.is_dir() {
            pack(&path)?;
        } else if packable {
            let bytes = fs::read(&path).map_err(failed)?;
            let mut brotli = Vec::new();
            let params = brotli::enc::BrotliEncoderParams {
                quality: 11,
                lgwin: 24,
                ..Default::default()
            };
            brotli::BrotliCompress(&mut &bytes[..], &mut brotli, &params).map_err(failed)?;
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(&bytes).map_err(failed)?;
            let with = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
            fs::write(with(".br"), brotli).map_err(failed)?;
            fs::write(with(".gz"), gzip.finish().map_err(failed)?).map_err(failed)?;
        }
    }
    Ok(())
}
