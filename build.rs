//! Generates the two structs of [`src/i18n`] from the word files, one file per language. A sentence
//! that is missing from one language, or has different placeholders there, does not compile.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

type Section = BTreeMap<String, Value>;

fn main() {
    let folder = Path::new("src/i18n");
    println!("cargo::rerun-if-changed={}", folder.display());
    let read = |file: &Path| {
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let words: BTreeMap<String, Section> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        words
    };
    let zh = read(&folder.join("zh.json"));
    let files = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("src/i18n: {e}"))
        .filter_map(|file| Some(file.ok()?.path()));
    let others = files
        .filter(|file| file.extension().is_some_and(|e| e == "json") && !file.ends_with("zh.json"));
    let others: Vec<_> = others
        .map(|file| (file.display().to_string(), read(&file)))
        .collect();
    // What the server and a branch machine say: the same names and placeholders in every language.
    for section in ["kiosk", "lite", "letters", "messages"] {
        let zh = Value::from_iter(zh[section].clone());
        for (file, words) in &others {
            let words = words.get(section).cloned().unwrap_or_default();
            alike(&format!("{file}: {section}"), &zh, &Value::from_iter(words));
        }
    }
    let mut code = String::new();
    for (section, name) in [("report", "Messages"), ("claims", "ClaimMessages")] {
        let zh = &zh[section];
        for (file, words) in &others {
            alike(
                &format!("{file}: {section}"),
                &Value::from_iter(zh.clone()),
                &Value::from_iter(words[section].clone()),
            );
        }
        let kind = |value: &Value| {
            if value.is_object() {
                ("Names", "names")
            } else {
                ("&'static str", "word")
            }
        };
        let (mut fields, mut reads) = (String::new(), String::new());
        for (field, value) in zh {
            let (kind, read) = kind(value);
            let _ = writeln!(fields, "    pub {field}: {kind},");
            let _ = writeln!(reads, "            {field}: lines.{read}(),");
        }
        let _ = write!(
            code,
            "pub struct {name} {{\n{fields}}}\n\nimpl {name} {{\n    fn read(lines: &mut Lines) -> {name} {{\n        {name} {{\n{reads}        }}\n    }}\n}}\n\n"
        );
    }
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    std::fs::write(Path::new(&out).join("words.rs"), code)
        .unwrap_or_else(|e| panic!("words.rs: {e}"));
}

/// Checks that both sides have the same names and the same placeholders at `place`.
fn alike(place: &str, zh: &Value, other: &Value) {
    match (zh, other) {
        (Value::String(zh), Value::String(other)) => {
            assert_eq!(
                placeholders(zh),
                placeholders(other),
                "{place}: zh.json has other placeholders"
            );
        }
        (Value::Object(zh), Value::Object(other)) => {
            let one = zh
                .keys()
                .chain(other.keys())
                .find(|name| zh.contains_key(*name) != other.contains_key(*name));
            assert!(
                one.is_none(),
                "{place}: one of this and zh.json lacks {one:?}"
            );
            zh.iter()
                .for_each(|(name, zh)| alike(&format!("{place}.{name}"), zh, &other[name]));
        }
        _ => panic!("{place} is not a sentence in both languages"),
    }
}

fn placeholders(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .split('{')
        .skip(1)
        .filter_map(|p| p.split('}').next())
        .collect();
    found.sort_unstable();
    found
}
