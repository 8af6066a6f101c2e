//! Every component in every state (src/gallery.rs): axe finds nothing, the keyboard reaches
//! everything, and it looks as before.

use baoan_tests::{Browser, Look, Server, Setting, root};

/// Share of an example's pixels; another build of the browser draws letters slightly differently.
const MAY_DIFFER: f64 = 0.03;

/// With BAOAN_BLESS=1 the pictures are regenerated, for somebody to review.
#[tokio::test]
async fn every_component_in_every_state_as_it_was() {
    let server = Server::with(Setting {
        dist: Some(root().join("target/gallery")),
        ..Setting::default()
    });
    let browser = Browser::phone().await;
    let mut found = Vec::new();
    for look in Look::ALL {
        browser.look(&server.base, look).await;
        browser.at(&server.url("/gallery")).await;
        browser.until("drawn", "document.querySelectorAll('section').length > 10 && document.activeElement.id === 'summary'").await;
        found.extend(
            browser
                .examine()
                .await
                .into_iter()
                .map(|v| format!("{look:?}: {v}")),
        );
        if look == Look::Zh {
            found.extend(browser.by_keyboard().await);
        }
        if matches!(look, Look::Zh | Look::Care | Look::Dark) {
            found.extend(compare(&browser, look).await);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Where the page differs from the golden picture, example by example.
async fn compare(browser: &Browser, look: Look) -> Vec<String> {
    // Stop what moves and remove the focus.
    browser.run("document.activeElement.blur(); scrollTo(0, 0); for (const p of document.querySelectorAll('progress:not([value])')) { p.value = 0; }").await;
    let picture = async || {
        let file = tempfile::NamedTempFile::with_suffix(".png").unwrap();
        browser.whole_page(file.path()).await;
        image::open(file.path()).unwrap()
    };
    // Until it stops changing.
    let (mut before, mut seen) = (picture().await, picture().await);
    for _ in 0..20 {
        if before == seen {
            break;
        }
        (before, seen) = (seen, picture().await);
    }
    let places = browser.run("return [...document.querySelectorAll('section')].map((s) => { const r = s.getBoundingClientRect(); return [s.dataset.example, r.top, r.height]; })").await;
    // One pixel of the picture is two of the page and four of the screen.
    let seen = seen
        .resize_exact(
            seen.width() / 4,
            seen.height() / 4,
            image::imageops::FilterType::Triangle,
        )
        .to_rgb8();
    let golden = root().join(format!("tests/golden/gallery-{look:?}.png"));
    if std::env::var_os("BAOAN_BLESS").is_some() {
        seen.save(&golden).unwrap();
    }
    let before = image::open(&golden)
        .unwrap_or_else(|e| panic!("{}: {e}", golden.display()))
        .to_rgb8();
    if before.dimensions() != seen.dimensions() {
        return vec![format!(
            "{look:?}: {:?} pixels, before {:?}",
            seen.dimensions(),
            before.dimensions()
        )];
    }
    let mut found = Vec::new();
    for place in places.as_array().unwrap() {
        let (top, height) = (
            place[1].as_f64().unwrap() as u32 / 2,
            place[2].as_f64().unwrap() as u32 / 2,
        );
        let rows = top..(top + height).min(seen.height());
        let differs = |x: u32, y: u32| {
            before
                .get_pixel(x, y)
                .0
                .iter()
                .zip(seen.get_pixel(x, y).0)
                .any(|(a, b)| a.abs_diff(b) > 32)
        };
        let unlike = rows
            .flat_map(|y| (0..seen.width()).map(move |x| (x, y)))
            .filter(|(x, y)| differs(*x, *y))
            .count();
        let share = unlike as f64 / f64::from(seen.width() * height.max(1));
        if share > MAY_DIFFER {
            found.push(format!(
                "{look:?} {}: {share:.3} of it looks otherwise",
                place[0]
            ));
        }
    }
    if !found.is_empty() {
        let kept = root().join(format!("target/tmp/gallery-{look:?}.png"));
        let _ = std::fs::create_dir_all(root().join("target/tmp"))
            .and_then(|()| seen.save(&kept).map_err(std::io::Error::other));
        found.push(format!("what is seen now is in {}", kept.display()));
    }
    found
}
