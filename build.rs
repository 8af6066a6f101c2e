//! Makes the two structs of [`src/i18n`] from the files of words: a sentence that one language lacks, or that has other
//! placeholders there, does not compile.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

type Section = BTreeMap<String, Value>;

fn main() {
    let folder = Path::new("src/i18n");
    let [zh, en] = ["zh", "en"].map(|language| {
        let file = folder.join(format!("{language}.json"));
        println!("cargo::rerun-if-changed={}", file.display());
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let words: BTreeMap<String, Section> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        words
    });
    let mut code = String::new();
    for (section, name) in [("report", "Messages"), ("claims", "ClaimMessages")] {
        let (zh, en) = (&zh[section], &en[section]);
        alike(section, &Value::from_iter(zh.clone()), &Value::from_iter(en.clone()));
        let kind = |value: &Value| if value.is_object() { ("Names", "names") } else { ("&'static str", "word") };
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
    std::fs::write(Path::new(&out).join("words.rs"), code).unwrap_or_else(|e| panic!("words.rs: {e}"));
}

/// The same names and the same placeholders at `place`.
fn alike(place: &str, zh: &Value, en: &Value) {
    match (zh, en) {
        (Value::String(zh), Value::String(en)) => {
            assert_eq!(placeholders(zh), placeholders(en), "{place}: zh and en have other placeholders");
        }
        (Value::Object(zh), Value::Object(en)) => {
            let one = zh.keys().chain(en.keys()).find(|name| zh.contains_key(*name) != en.contains_key(*name));
            assert!(one.is_none(), "{place}: one language lacks {one:?}");
            zh.iter().for_each(|(name, zh)| alike(&format!("{place}.{name}"), zh, &en[name]));
        }
        _ => panic!("{place} is not a sentence in both languages"),
    }
}

fn placeholders(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text.split('{').skip(1).filter_map(|p| p.split('}').next()).collect();
    found.sort_unstable();
    found
}
