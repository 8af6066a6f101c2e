//! Rules beyond the code itself: licences, pictures, links between documents, and which module
//! imports which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, cargo, check, root};

/// Maximum bytes of all pictures in docs/ together: a clone over a slow link should not be mostly
/// pictures.
const PICTURES: u64 = 4 << 20;

/// An SPDX expression needs one of these, or all of them where it says AND.
const LICENCES: [&str; 14] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "MPL-2.0",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "BSL-1.0",
    "MIT-0",
    "IJG",
];

/// Crates whose modules must have no import cycles.
const ACYCLIC: [&str; 4] = ["claim-api", "claim-domain", "claim-photo", "claim-server"];

/// Floors of the server, and the floors above that each must not import (docs/ARCHITECTURE.md).
const FLOORS: [(&str, &[&str]); 2] = [
    ("store", &["work", "http", "hosts", "pages"]),
    ("work", &["http", "hosts", "pages"]),
];

/// What may appear only in `store/`: SQL and file access (docs/decisions/0010-storage.md).
const STORED: [&str; 7] = [
    "sqlx",
    " fs::",
    "(fs::",
    "{fs",
    "std::fs",
    "tokio::fs",
    "OpenOptions",
];

pub fn check(wrong: &mut Vec<String>) -> Result {
    licences(wrong)?;
    pictures(wrong);
    links(wrong)?;
    for name in ACYCLIC {
        let graph = imports(name)?;
        for circle in circles(&graph) {
            wrong.push(format!(
                "crates/{name}: {} import each other",
                circle.join(", ")
            ));
        }
        if name == "claim-server" {
            floors(&graph, wrong);
        }
    }
    storage(wrong)
}

fn floors(graph: &Graph, wrong: &mut Vec<String>) {
    let floor = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    for (module, imported) in graph {
        let above = FLOORS
            .iter()
            .find(|(below, _)| *below == floor(module))
            .map_or(&[][..], |(_, above)| above);
        for import in imported
            .iter()
            .filter(|import| above.contains(&floor(import).as_str()))
        {
            wrong.push(format!(
                "crates/claim-server: {module} imports {import}, which stands above it"
            ));
        }
    }
}

/// No SQL and no file access outside `store/`; the command line may read the files it is given.
fn storage(wrong: &mut Vec<String>) -> Result {
    for (path, text) in check::sources("crates/claim-server/src")? {
        held(&path, &text, wrong);
        let place = path
            .strip_prefix("crates/claim-server/src")
            .unwrap_or(&path);
        if place.starts_with("store") || place.starts_with("tests") || place == Path::new("main.rs")
        {
            continue;
        }
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        for (line, number) in code
            .lines()
            .zip(1..)
            .filter(|(line, _)| !line.trim_start().starts_with("//"))
        {
            if let Some(what) = STORED.iter().find(|what| line.contains(**what)) {
                wrong.push(format!(
                    "{}, line {number}: {what} stands in store/ only",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

/// Every linked library has a licence that allows it.
fn licences(wrong: &mut Vec<String>) -> Result {
    // For the server's platform; the app's libraries are not platform-specific.
    let asked = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    let output = cargo(&asked)
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let licence = package["license"].as_str().unwrap_or("none");
        if !may_be_linked(licence) {
            wrong.push(format!(
                "{} {} is under {licence:?}",
                package["name"], package["version"]
            ));
        }
    }
    Ok(())
}

fn may_be_linked(licence: &str) -> bool {
    let known =
        |one: &str| LICENCES.contains(&one.trim().split(" WITH ").next().unwrap_or_default());
    let plain = licence.replace(['(', ')'], " ").replace('/', " OR ");
    plain
        .split(" AND ")
        .all(|part| part.split(" OR ").any(known))
}

fn pictures(wrong: &mut Vec<String>) {
    let picture = |path: &Path| {
        path.extension().is_some_and(|e| {
            ["png", "webp", "jpg", "svg"]
                .iter()
                .any(|known| e == *known)
        })
    };
    let bytes: u64 = files("docs")
        .iter()
        .filter(|path| picture(path))
        .filter_map(|path| Some(fs::metadata(path).ok()?.len()))
        .sum();
    if bytes > PICTURES {
        wrong.push(format!(
            "docs/ holds {bytes} bytes of pictures, more than {PICTURES}"
        ));
    }
}

/// Files tracked by git under a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", folder])
        .current_dir(root())
        .output();
    let listed = listed
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    listed.lines().map(|line| root().join(line)).collect()
}

/// Files that documents point at exist: links, and paths in code spans of docs/howto.
fn links(wrong: &mut Vec<String>) -> Result {
    for path in files(".")
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(path)
            .map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        let folder = path.parent().unwrap_or(path);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.map(|t| t.split('#').next().unwrap_or_default()) {
            let elsewhere =
                target.is_empty() || target.contains("://") || target.contains(char::is_whitespace);
            if !elsewhere && !folder.join(target).exists() {
                wrong.push(format!(
                    "{} points at {target}, which is not there",
                    path.display()
                ));
            }
        }
        let named = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|_| folder.ends_with("howto"));
        for name in named.filter(|n| {
            n.contains('/')
                && !n.contains(['*', ' '])
                && !n.starts_with('/')
                && !n.contains("LANGUAGE")
        }) {
            if !root().join(name).exists() {
                wrong.push(format!(
                    "{} names {name}, which is not there",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Which module of a crate imports which. A module and its parts count as one: imports between them
/// are ignored.
fn imports(name: &str) -> Result<Graph> {
    let folder = format!("crates/{name}/src");
    let modules: Vec<(String, String)> = check::sources(&folder)?
        .into_iter()
        .map(|(path, text)| {
            let place = path
                .strip_prefix(&folder)
                .unwrap_or(&path)
                .with_extension("");
            let parts: Vec<_> = place
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .filter(|part| part != "mod")
                .collect();
            (parts.join("::"), text)
        })
        .filter(|(module, _)| !module.ends_with("tests") && !module.starts_with("tests"))
        .filter(|(module, _)| !["lib", "main"].contains(&module.as_str()))
        .collect();
    let names: BTreeSet<&String> = modules.iter().map(|(module, _)| module).collect();
    let mut graph = Graph::new();
    for (module, text) in &modules {
        let text = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        let all = graph.entry(module.clone()).or_default();
        let above = paths(text, "super::");
        let above = above.iter().map(|path| parent_of(module, path));
        for path in paths(text, "crate::").into_iter().chain(above) {
            let longest = (1..=4).rev().map(|n| {
                path.splitn(n + 1, "::")
                    .take(n)
                    .collect::<Vec<_>>()
                    .join("::")
            });
            let found = longest.into_iter().find(|path| names.contains(path));
            all.extend(found.filter(|found| !is_part(found, module) && !is_part(module, found)));
        }
    }
    Ok(graph)
}

/// What `super::…` in a module refers to; `path` is what follows the first `super::`.
fn parent_of(module: &str, path: &str) -> String {
    let mut parts: Vec<&str> = module.split("::").collect();
    parts.pop();
    let mut rest = path;
    while let Some(further) = rest.strip_prefix("super::") {
        parts.pop();
        rest = further;
    }
    parts.push(rest);
    parts.join("::")
}

/// Whether `part` is `whole`, or inside it.
fn is_part(part: &str, whole: &str) -> bool {
    part.strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// There are only eight read connections: no code may hold one while it waits for the write lock, a
/// file or another connection. In the head of a `match` or `for`, one would live to the end of the
/// block.
fn held(path: &Path, text: &str, wrong: &mut Vec<String>) {
    let slow = [
        ".begin(",
        "spawn_blocking",
        ".open_file(",
        "app.uploads.",
        "looked(",
    ];
    for body in text.split("async fn ").skip(1) {
        let name = body.split('(').next().unwrap_or_default();
        let body = body.split("\n}\n").next().unwrap_or_default();
        let in_head = |line: &str| {
            let line = line.trim_start();
            ["match ", "for ", "if let ", "while let "]
                .iter()
                .any(|head| line.starts_with(head))
        };
        if body
            .lines()
            .any(|line| in_head(line) && line.contains("store.read()"))
        {
            wrong.push(format!(
                "{}: {name} holds a connection in a head",
                path.display()
            ));
        }
        // Bound at the outermost level of the function, so it lives to the end.
        let bound = body.find("\n    let db = &mut app.store.read().await?;");
        if let Some(at) = bound
            && let Some(what) = slow.iter().find(|what| body[at..].contains(**what))
        {
            wrong.push(format!(
                "{}: {name} holds a connection during {what}",
                path.display()
            ));
        }
    }
}

/// The paths after `crate::` or `super::`, with braces expanded.
fn paths(text: &str, root: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        let rest = &code[at + root.len()..];
        let Some(inner) = rest.strip_prefix('{') else {
            let path: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '{'))
                .collect();
            match path.split_once('{') {
                // `crate::store::{claims, events}`
                Some((begin, _)) => found.extend(
                    braced(&rest[begin.len() + 1..])
                        .into_iter()
                        .map(|part| format!("{begin}{part}")),
                ),
                None => found.push(path),
            }
            continue;
        };
        found.extend(braced(inner));
    }
    found
}

/// The items in `{…}`, without the contents of nested braces.
fn braced(inner: &str) -> Vec<String> {
    let (mut found, mut depth, mut part) = (Vec::new(), 0, String::new());
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(std::mem::take(&mut part).trim().to_owned()),
            _ if depth == 0 => part.push(c),
            _ => {}
        }
    }
    found.push(part.trim().to_owned());
    found
        .into_iter()
        .map(|part| part.split(" as ").next().unwrap_or_default().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Groups of modules that reach each other, each once (Tarjan would be faster; there are some
/// fifty).
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(next) = open.pop() {
            open.extend(
                graph
                    .get(next)
                    .into_iter()
                    .flatten()
                    .filter(|to| seen.insert((*to).clone())),
            );
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        graph.keys().map(|module| (module, reach(module))).collect();
    let mut all: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, seen) in reached
        .iter()
        .filter(|(module, seen)| seen.contains(**module))
    {
        all.insert(
            seen.iter()
                .filter(|other| {
                    reached
                        .get(other)
                        .is_some_and(|back| back.contains(*module))
                })
                .cloned()
                .collect(),
        );
    }
    all.into_iter().collect()
}

/// Prints which module imports which, and every cycle.
pub fn graph() -> Result {
    for name in ["claim-api", "claim-domain", "claim-photo", "claim-server"] {
        let graph = imports(name)?;
        println!("{name}");
        for (module, imported) in &graph {
            println!(
                "  {module} -> {}",
                imported.iter().cloned().collect::<Vec<_>>().join(" ")
            );
        }
        for circle in circles(&graph) {
            println!("  circle of {}: {}", circle.len(), circle.join(" "));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_they_are_written() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(may_be_linked(good), "{good}");
        }
        for bad in [
            "AGPL-3.0",
            "GPL-2.0 OR GPL-3.0",
            "MIT AND GPL-3.0",
            "none",
            "",
        ] {
            assert!(!may_be_linked(bad), "{bad}");
        }
    }

    #[test]
    fn circles_are_found() {
        let graph = |edges: &[(&str, &str)]| {
            let mut graph = Graph::new();
            for (from, to) in edges {
                graph
                    .entry((*from).into())
                    .or_default()
                    .insert((*to).into());
                graph.entry((*to).into()).or_default();
            }
            graph
        };
        assert!(circles(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
        assert_eq!(
            circles(&graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")])),
            [["a", "b", "c"]]
        );
    }

    #[test]
    fn imports_are_read() {
        let text = "use crate::{App, guard, store::{self, Tx}, limits::busy};\nlet x = crate::vault::token(); // crate::no";
        assert_eq!(
            paths(text, "crate::"),
            ["App", "guard", "store::", "limits::busy", "vault::token"]
        );
        let text = "use crate::store::claims::{self, ClaimRow};\nuse crate::store::{Tx, events as kept, links};";
        assert_eq!(
            paths(text, "crate::"),
            [
                "store::claims::self",
                "store::claims::ClaimRow",
                "store::Tx",
                "store::events",
                "store::links"
            ]
        );
        assert_eq!(
            paths("use super::{log, papers};\npub(super) fn x() {}", "super::"),
            ["log", "papers"]
        );
        assert!(
            is_part("store::claims", "store")
                && is_part("store", "store")
                && !is_part("stored", "store")
        );
    }
}
