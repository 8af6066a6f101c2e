//! Runs each fuzzer for a while. Installs what it needs: cargo-fuzz through cargo, libFuzzer
//! through its crate.

use std::fs;
use std::process::Command;

use crate::{Result, root, run, say, tools};

const TARGETS: [&str; 8] = [
    "values",
    "catalogue",
    "picture",
    "headers",
    "pdf",
    "wire",
    "draft",
    "events",
];

/// # Errors
/// The fuzzer that found something; its input lies under `fuzz/artifacts`.
pub fn fuzz(seconds: u32) -> Result {
    tools::for_fuzzing()?;
    for target in TARGETS {
        let corpus = root().join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus)
            .map_err(|e| format!("{} cannot be made: {e}", corpus.display()))?;
        // Valid seeds to start from.
        let seeds: &[&str] = match target {
            "catalogue" => &[
                "public/catalog.json",
                "crates/claim-domain/golden/catalog.bin",
            ],
            "wire" => &["crates/claim-domain/golden/draft-1.json"],
            "draft" => &["crates/claim-domain/golden/draft-1.json"],
            "events" => &["fuzz/seeds/events.txt"],
            "picture" | "headers" => &[
                "fuzz/seeds/small.jpg",
                "fuzz/seeds/small.png",
                "fuzz/seeds/small.webp",
                "fuzz/seeds/small.avif",
            ],
            "pdf" => &[
                "fuzz/seeds/small.pdf",
                "fuzz/seeds/pdf/packed.pdf",
                "fuzz/seeds/pdf/r3_generate.pdf",
                "fuzz/seeds/pdf/r4aes_generate.pdf",
                "fuzz/seeds/pdf/r6_generate.pdf",
            ],
            _ => &[],
        };
        for seed in seeds {
            let name = seed.rsplit('/').next().unwrap_or(seed);
            fs::copy(root().join(seed), corpus.join(name))
                .map_err(|e| format!("{seed} cannot be copied: {e}"))?;
        }
        say(&format!("fuzzing {target} for {seconds} s"));
        // The compiler's own coverage flags are for nightly; this project has one toolchain.
        run(Command::new(root().join("target/tools/bin/cargo-fuzz"))
            .args(["run", "--sanitizer", "none", target, "--"])
            .args([
                &format!("-max_total_time={seconds}"),
                "-max_len=100000",
                "-timeout=20",
                "-print_final_stats=1",
            ])
            .env("RUSTC_BOOTSTRAP", "1")
            .current_dir(root()))?;
    }
    Ok(())
}
