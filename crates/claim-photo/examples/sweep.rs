//! Prints what becomes of every picture and PDF in a folder, one line each, and writes the prepared
//! pictures, for comparison with other readers:
//! `cargo run --profile server -p claim-photo --example sweep -- FOLDER OUT > sweep.tsv`, then
//! `python3 tests/corpora/compare.py FOLDER OUT sweep.tsv`.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use claim_photo::{Limits, pdf, prepare};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

fn outcome(file: &[u8], is_pdf: bool, to: &Path) -> String {
    let told = catch_unwind(|| {
        if is_pdf {
            return pdf::inspect(file).map(|p| {
                if p.locked {
                    "locked".into()
                } else {
                    format!("pages {}", p.pages)
                }
            });
        }
        let photo = prepare(file, &Limits::default())?;
        let said = format!(
            "{}x{}{}",
            photo.width,
            photo.height,
            if photo.salvaged { " salvaged" } else { "" }
        );
        let _ = std::fs::write(to, photo.jpeg);
        Ok(said)
    });
    match told {
        Err(_) => "PANIC".into(),
        Ok(Err(error)) => error.code().as_str().into(),
        Ok(Ok(said)) => said,
    }
}

fn main() {
    let mut args = std::env::args().skip(1).map(PathBuf::from);
    let (Some(folder), Some(out)) = (args.next(), args.next()) else {
        return eprintln!("sweep FOLDER OUT");
    };
    if let Err(error) = std::fs::create_dir_all(&out) {
        return eprintln!("{}: {error}", out.display());
    }
    for (n, path) in files(&folder).iter().enumerate() {
        let Ok(file) = std::fs::read(path) else {
            continue;
        };
        let is_pdf = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("pdf"));
        let began = Instant::now();
        let said = outcome(&file, is_pdf, &out.join(format!("{n}.jpg")));
        println!(
            "{n}\t{}\t{said}\t{}",
            path.strip_prefix(&folder).unwrap_or(path).display(),
            began.elapsed().as_millis()
        );
    }
}
