//! What the logs of tests must not tell: names, numbers, phones and plates of anybody.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::release::read;
use crate::{Result, root, run, say};

/// Runs tests whose servers write their logs into a folder, and then searches that.
///
/// # Errors
/// A failing test, or the first log that tells something.
pub fn kept(mut tests: Command, layer: &str) -> Result {
    let folder = root().join("target/logs").join(layer);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let tests = run(tests.env("BAOAN_LOGS", &folder));
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    let (mut files, mut lines) = (0, 0);
    let known = known()?;
    for file in fs::read_dir(&folder).map_err(told)? {
        let path = file.map_err(told)?.path();
        let text = fs::read_to_string(&path).map_err(told)?;
        (files, lines) = (files + 1, lines + text.lines().count());
        if let Some(wrong) = text.lines().find_map(|line| tells(line, &known)) {
            return Err(format!("{} tells {wrong:?}", path.display()));
        }
    }
    if files == 0 {
        return tests.and(Err(format!("{} has no logs", folder.display())));
    }
    say(&format!(
        "{files} logs with {lines} lines, searched for {} names, numbers, phones and plates and for any phone or ID number: 0 hits ({})",
        known.len(),
        folder.display()
    ));
    tests
}

/// Whoever is invented for demonstrations and tests.
fn known() -> Result<BTreeSet<String>> {
    let csv = read("examples/policies/demo.csv")?;
    let mut lines = csv.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let personal = ["holder", "holder_id", "holder_phone", "plate", "vin"];
    let mut known = BTreeSet::new();
    for line in lines {
        let fields = columns.iter().zip(line.split(','));
        let fields = fields.filter(|(name, text)| personal.contains(name) && text.len() > 5);
        known.extend(fields.map(|(_, text)| text.to_owned()));
    }
    match known.len() {
        0..30 => Err("examples/policies/demo.csv tells of too few people".into()),
        _ => Ok(known),
    }
}

/// What a line tells of a person.
fn tells(line: &str, known: &BTreeSet<String>) -> Option<String> {
    let named = known.iter().find(|text| line.contains(text.as_str()));
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
    let numbered = words.find(|word| is_phone(word) || is_id_no(word));
    named.cloned().or(numbered.map(str::to_owned))
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_phone(word: &str) -> bool {
    word.len() == 11 && digits(word) && matches!(&word.as_bytes()[..2], [b'1', b'3'..=b'9'])
}

fn is_id_no(word: &str) -> bool {
    word.len() == 18
        && digits(&word[..17])
        && word.ends_with(|c: char| c.is_ascii_digit() || c == 'X')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_a_person_is_found() {
        let known = known().unwrap_or_default();
        assert!(known.len() >= 30);
        let found = |line: &str| tells(line, &known);
        for line in [
            "phone=13812345678",
            "\"id\":\"11010519491231002X\"",
            "for 张伟,",
            "浙A12345",
        ] {
            assert!(found(line).is_some(), "{line}");
        }
        for line in [
            "2026-12-01T05:27:55.207723Z took 1764567890123",
            "id 0a13812345678b",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
