//! Every component in every state (src/gallery.rs): nothing for axe to find, reached by keyboard, and as it looked before.

use baoan_tests::{Browser, Look, Server, Setting, root};

/// Of the pixels; letters are drawn a little otherwise by another build of the browser.
const MAY_DIFFER: f64 = 0.01;

/// With BAOAN_BLESS=1 the pictures are made anew, for somebody to look at.
#[tokio::test]
async fn every_component_in_every_state_as_it_was() {
    let server = Server::with(Setting { dist: Some(root().join("target/gallery")), ..Setting::default() });
    let browser = Browser::phone().await;
    let mut found = Vec::new();
    for look in Look::ALL {
        browser.look(&server.base, look).await;
        browser.at(&server.url("/gallery")).await;
        browser.until("drawn", "document.querySelectorAll('section').length > 10 && document.activeElement.id === 'summary'").await;
        found.extend(browser.examine().await.into_iter().map(|v| format!("{look:?}: {v}")));
        if look == Look::Zh {
            found.extend(browser.by_keyboard().await);
        }
        if matches!(look, Look::Zh | Look::Care | Look::Dark) {
            found.extend(compare(&browser, look).await);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A difference of what is seen to what was seen.
async fn compare(browser: &Browser, look: Look) -> Option<String> {
    // What moves is held still, what has the focus lets it go.
    browser.run("document.activeElement.blur(); scrollTo(0, 0); for (const p of document.querySelectorAll('progress:not([value])')) { p.value = 0; }").await;
    let file = tempfile::NamedTempFile::with_suffix(".png").unwrap();
    browser.whole_page(file.path()).await;
    let seen = image::open(file.path()).unwrap();
    let seen = seen.resize_exact(seen.width() / 2, seen.height() / 2, image::imageops::FilterType::Triangle).to_rgb8();
    let golden = root().join(format!("tests/golden/gallery-{look:?}.png"));
    if std::env::var_os("BAOAN_BLESS").is_some() {
        seen.save(&golden).unwrap();
    }
    let before = image::open(&golden).unwrap_or_else(|e| panic!("{}: {e}", golden.display())).to_rgb8();
    if before.dimensions() != seen.dimensions() {
        return Some(format!("{look:?}: {:?} pixels, before {:?}", seen.dimensions(), before.dimensions()));
    }
    let unlike = before.pixels().zip(seen.pixels()).filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 48)).count();
    let share = unlike as f64 / f64::from(seen.width() * seen.height());
    let kept = root().join(format!("target/tmp/gallery-{look:?}.png"));
    (share > MAY_DIFFER).then(|| {
        let _ = std::fs::create_dir_all(root().join("target/tmp")).and_then(|()| seen.save(&kept).map_err(std::io::Error::other));
        format!("{look:?}: {share:.3} of the picture differs; it is in {}", kept.display())
    })
}
