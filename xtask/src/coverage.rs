//! Which test holds which promise: docs/COVERAGE.md, generated from tests/rows.tsv and from the
//! test names, which begin with the letters of their rows.

use std::collections::BTreeMap;
use std::fs;

use crate::check::sources;
use crate::{Result, root};

const FILE: &str = "docs/COVERAGE.md";
const ITEMS: &str = "docs/SECURITY.md";
/// The line that ends the hand-written part; the generated list follows it.
const MARK: &str = "<!-- below: cargo xtask coverage, from tests/items.tsv -->";

/// The page as it must be, and the rows that no test is named after.
fn made() -> Result<(String, Vec<String>)> {
    let rows = fs::read_to_string(root().join("tests/rows.tsv"))
        .map_err(|e| format!("tests/rows.tsv cannot be read: {e}"))?;
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in ["crates", "tests"] {
        for (path, text) in sources(folder)? {
            let place = path.with_extension("").to_string_lossy().replace('\\', "/");
            let place = place
                .replace("/src/", "::")
                .replace("/all/", "::")
                .replace('/', "::")
                .replace("crates::", "");
            for name in text
                .lines()
                .filter_map(|l| l.split_once("fn ")?.1.split('(').next())
            {
                for row in name.split('_').take_while(|part| is_row(part)) {
                    tests
                        .entry(row.to_uppercase())
                        .or_default()
                        .push(format!("`{place}::{name}`"));
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
        let (Some(id), Some(promise), state) =
            (cells.next(), cells.next(), cells.next().unwrap_or_default())
        else {
            continue;
        };
        let found = tests
            .get(id)
            .map(|found| found.join("<br>"))
            .unwrap_or_default();
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
    row && !number.is_empty()
        && !number.starts_with('0')
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// The list of the security items with the tests that hold them, below what is written by hand; and
/// what is wrong with it.
fn items() -> Result<(String, Vec<String>)> {
    let read = |file: &str| {
        fs::read_to_string(root().join(file)).map_err(|e| format!("{file} cannot be read: {e}"))
    };
    let (list, page) = (read("tests/items.tsv")?, read(ITEMS)?);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for folder in ["crates", "tests"] {
        for (path, text) in sources(folder)? {
            for name in text
                .lines()
                .filter_map(|l| l.split_once("fn ")?.1.split('(').next())
            {
                names.insert(name.to_owned(), path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let head = page
        .split_once(MARK)
        .map_or(page.as_str(), |(head, _)| head)
        .trim_end();
    let mut page = format!("{head}\n\n{MARK}\n\n| | ASVS 5.0 | | tests |\n|---|---|---|---|\n");
    let mut wrong = Vec::new();
    for line in list.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [number, asvs, what, tests, note] = cells[..] else {
            wrong.push(format!("tests/items.tsv: {line:?} has not five columns"));
            continue;
        };
        let tests: Vec<&str> = tests.split(' ').filter(|t| !t.is_empty()).collect();
        wrong.extend(
            tests
                .iter()
                .filter(|t| !names.contains_key(**t))
                .map(|t| format!("tests/items.tsv: {number}: there is no test {t}")),
        );
        if tests.is_empty() {
            wrong.push(format!("tests/items.tsv: {number}: no test"));
        }
        let named: Vec<String> = tests.iter().map(|t| format!("`{t}`")).collect();
        let note = if note.is_empty() {
            String::new()
        } else {
            format!("<br>{note}")
        };
        page.push_str(&format!(
            "| {number} | {asvs} | {what} | {}{note} |\n",
            named.join("<br>")
        ));
    }
    Ok((page, wrong))
}

/// Writes the pages.
pub fn write() -> Result {
    let (page, mut lacking) = made()?;
    fs::write(root().join(FILE), page).map_err(|e| format!("{FILE} cannot be written: {e}"))?;
    let (page, wrong) = items()?;
    fs::write(root().join(ITEMS), page).map_err(|e| format!("{ITEMS} cannot be written: {e}"))?;
    lacking.extend(wrong);
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(lacking.join("\n"))
    }
}

/// Reports rows without a test, and an outdated page.
pub fn check(wrong: &mut Vec<String>) -> Result {
    let (page, lacking) = made()?;
    wrong.extend(lacking);
    let (security, lacking) = items()?;
    wrong.extend(lacking);
    if fs::read_to_string(root().join(ITEMS)).ok().as_deref() != Some(&security) {
        wrong.push(format!(
            "{ITEMS} is not what tests/items.tsv says; run `cargo xtask coverage`"
        ));
    }
    if fs::read_to_string(root().join(FILE)).ok().as_deref() != Some(&page) {
        wrong.push(format!(
            "{FILE} is not what the tests say; run `cargo xtask coverage`"
        ));
    }
    Ok(())
}
