//! Another insurer: two files changed, everything else as it was.

use std::path::Path;

use baoan_tests::{Browser, Look, Server, Setting, root};
use serde_json::{Value, json};

/// Positions and sizes of the main elements.
const STANDS: &str = "return ['h1', '#start', '.tiles', '.foot'].map((css) => { const r = document.querySelector(css).getBoundingClientRect(); return [css, r.x, r.y, r.width, r.height].join(' ') })";

async fn first_page(server: &Server, look: Look) -> (Browser, Value, image::RgbImage) {
    let browser = Browser::phone().await;
    browser.look(&server.base, look).await;
    browser.at(&server.base).await;
    let file = tempfile::NamedTempFile::with_suffix(".png").unwrap();
    browser.screenshot(file.path()).await;
    let stands = browser.run(STANDS).await;
    (browser, stands, image::open(file.path()).unwrap().to_rgb8())
}

/// The share of pixels that differ.
fn differing(one: &image::RgbImage, other: &image::RgbImage) -> f64 {
    assert_eq!(one.dimensions(), other.dimensions());
    let unlike = one
        .pixels()
        .zip(other.pixels())
        .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 24))
        .count();
    unlike as f64 / f64::from(one.width() * one.height())
}

#[tokio::test]
async fn a_brand_is_two_files() {
    let ours = Server::start();
    for (name, insurer, hotline, color) in [
        ("ocean", "海洋保险", "95599", "rgb(10, 92, 158)"),
        ("plum", "紫荆保险", "95511", "rgb(123, 36, 105)"),
    ] {
        let folder = root().join("examples/brands").join(name);
        let files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .collect();
        assert_eq!(files.len(), 2, "{files:?}");
        let dist = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("cargo")
            .args(["xtask", "brand"])
            .args([folder.as_path(), Path::new(dist.path())])
            .current_dir(root())
            .status();
        assert!(made.unwrap().success());
        let theirs = Server::with(Setting {
            dist: Some(dist.path().to_owned()),
            ..Setting::default()
        });
        for look in [Look::Zh, Look::Dark] {
            let (browser, stands, picture) = first_page(&theirs, look).await;
            let (_ours, before, plain) = first_page(&ours, look).await;
            assert_eq!(stands, before, "{name}: nothing moves");
            let share = differing(&picture, &plain);
            assert!(
                (0.01..0.4).contains(&share),
                "{name} {look:?}: {share} of the page looks different"
            );
            assert!(browser.text("body").await.contains(insurer));
            assert!(
                browser.has(&format!("a[href='tel:{hotline}']")).await
                    && !browser.has("a[href='tel:95500']").await
            );
            assert_eq!(
                browser
                    .run(
                        "return getComputedStyle(document.querySelector('#start')).backgroundColor"
                    )
                    .await,
                json!(color)
            );
            assert_eq!(browser.axe().await, Vec::<String>::new(), "{name} {look:?}");
            browser.tap("#start").await;
            browser.arrive("/report/safety").await;
            browser.tap("input[name='/scene/injured'][value=no]").await;
            assert_eq!(browser.axe().await, Vec::<String>::new(), "{name} {look:?}");
        }
        assert!(
            theirs.caller().get("/api/v1/config").text.contains(insurer),
            "the server speaks in its name, too"
        );
    }
}
