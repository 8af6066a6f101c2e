//! Which promise is held by which test: docs/COVERAGE.md, made of tests/rows.tsv and the names of the tests, which begin
//! with the letters of their rows.

use std::collections::BTreeMap;
use std::fs;

use crate::check::sources;
use crate::{Result, root};

const FILE: &str = "docs/COVERAGE.md";

/// The page as it must be, and the rows that no test is named after.
fn made() -> Result<(String, Vec<String>)> {
    let rows = fs::read_to_string(root().join("tests/rows.tsv")).map_err(|e| format!("tests/rows.tsv cannot be read: {e}"))?;
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in ["crates", "tests"] {
        for (path, text) in sources(folder)? {
            let place = path.with_extension("").to_string_lossy().replace('\\', "/");
            let place = place.replace("/src/", "::").replace("/all/", "::").replace('/', "::").replace("crates::", "");
            for name in text.lines().filter_map(|l| l.split_once("fn ")?.1.split('(').next()) {
                for row in name.split('_').take_while(|part| is_row(part)) {
                    tests.entry(row.to_uppercase()).or_default().push(format!("`{place}::{name}`"));
                }
            }
        }
    }
    let mut page = String::from(
        "# Coverage\n\nEach promise and the tests that are named after it, made by `cargo xtask coverage` from `tests/rows.tsv`, which \
         lists every promise. One without a test says that it is not there yet, or why it is not built. What several \
         promises need together is walked in `tests::life`.\n\n| | promise | tests |\n|---|---|---|\n",
    );
    let mut lacking = Vec::new();
    for line in rows.lines() {
        let mut cells = line.split('\t');
        let (Some(id), Some(promise), state) = (cells.next(), cells.next(), cells.next().unwrap_or_default()) else { continue };
        let found = tests.get(id).map(|found| found.join("<br>")).unwrap_or_default();
        let known = ["", "in part: ", "not yet", "not built: "]
            .iter()
            .position(|kind| state.starts_with(kind) && kind.is_empty() == state.is_empty());
        match (known, found.is_empty()) {
            (None, _) => lacking.push(format!("tests/rows.tsv: {id}: {state:?} is neither in part, not yet, nor not built, with why")),
            (Some(0 | 1), true) => lacking.push(format!("tests/rows.tsv: no test is named after {id} ({promise})")),
            _ => {
                let apart = if found.is_empty() || state.is_empty() { "" } else { "<br>" };
                page.push_str(&format!("| {id} | {promise} | {found}{apart}{state} |\n"));
            }
        }
    }
    Ok((page, lacking))
}

/// `f7`, but neither `k07` nor `fn`.
fn is_row(part: &str) -> bool {
    let mut letters = part.chars();
    let row = letters.next().is_some_and(|c| matches!(c, 'a'..='r' | 'u'));
    let number = letters.as_str();
    row && !number.is_empty() && !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit())
}

/// Writes the page.
pub fn write() -> Result {
    let (page, lacking) = made()?;
    fs::write(root().join(FILE), page).map_err(|e| format!("{FILE} cannot be written: {e}"))?;
    if lacking.is_empty() { Ok(()) } else { Err(lacking.join("\n")) }
}

/// Names rows without a test, and a page that is out of date.
pub fn check(wrong: &mut Vec<String>) -> Result {
    let (page, lacking) = made()?;
    wrong.extend(lacking);
    if fs::read_to_string(root().join(FILE)).ok().as_deref() != Some(&page) {
        wrong.push(format!("{FILE} is not what the tests say; run `cargo xtask coverage`"));
    }
    Ok(())
}
