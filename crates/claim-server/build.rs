//! Lists the app's language files, so that the server picks up every language automatically.

use std::fmt::Write;
use std::path::Path;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/i18n");
    println!("cargo::rerun-if-changed={}", folder.display());
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|e| e == "json"))
        .collect();
    // Chinese first: it is the default.
    files.sort_by_key(|file| (!file.ends_with("zh.json"), file.clone()));
    let mut code = String::from("[\n");
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let tag = if name == "zh" { "zh-CN" } else { &*name };
        let _ = writeln!(
            code,
            "    ({tag:?}, include_str!({:?})),",
            file.display().to_string()
        );
    }
    code.push(']');
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    std::fs::write(Path::new(&out).join("languages.rs"), code)
        .unwrap_or_else(|e| panic!("languages.rs: {e}"));
}
