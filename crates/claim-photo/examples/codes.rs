//! How many pictures in a folder have a readable QR code, and how long reading takes:
//! `cargo run --release -p claim-photo --example codes -- FOLDER`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use claim_photo::{Limits, measure, prepare};

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(pictures(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

fn main() {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "../shared/photos".into());
    let (mut all, mut read, began) = (0, 0, Instant::now());
    for path in pictures(Path::new(&folder)) {
        let Ok(photo) = std::fs::read(&path)
            .map_err(drop)
            .and_then(|f| prepare(&f, &Limits::default()).map_err(drop))
        else {
            continue;
        };
        let codes = measure(&photo.jpeg, true)
            .map(|look| look.codes)
            .unwrap_or_default();
        all += 1;
        read += usize::from(!codes.is_empty());
        println!("{}\t{codes:?}", path.display());
    }
    println!(
        "{read} of {all} pictures have a code that is read; {} ms each, all told",
        began.elapsed().as_millis() / all.max(1)
    );
}
