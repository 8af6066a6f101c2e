//! Words for people. A page uses a sentence of [`Messages`] or, after the report, of
//! [`ClaimMessages`]. Both are generated at build time from the files beside this one (build.rs); a
//! missing sentence does not compile. Each program gets its own words on the wire, in one language,
//! in the file of its catalogue. What the server says too (errors, stages, documents) is in the
//! catalogue, in Chinese and English. The file of any other language also translates the catalogue
//! and the first page, so a language is one file. The language is chosen before the app starts
//! (boot.js) and fixed for the life of the page.

use std::str::Split;
use std::sync::OnceLock;

use claim_domain::{Catalogue, Text};

use crate::platform::page;

include!(concat!(env!("OUT_DIR"), "/words.rs"));

/// What a program reads at start: every sentence in the order of the names, then the catalogue
/// (xtask, build.rs).
pub struct Lines(Split<'static, char>);

impl Lines {
    #[inline(never)]
    fn word(&mut self) -> &'static str {
        self.0.next().unwrap_or_default()
    }

    /// Their number, then each name and its word.
    fn names(&mut self) -> Names {
        let count = self.word().parse().unwrap_or(0);
        Names((0..count).map(|_| (self.word(), self.word())).collect())
    }
}

/// Words found by a name that is data: a field, a picture to take.
pub struct Names(Vec<(&'static str, &'static str)>);

impl Names {
    pub fn get(&self, name: &str) -> &'static str {
        let exact = self.0.iter().find(|(n, _)| *n == name);
        exact
            .or_else(|| self.0.iter().find(|(n, _)| name.ends_with(n)))
            .map_or("", |(_, word)| word)
    }
}

static REPORT: OnceLock<Messages> = OnceLock::new();
static CLAIMS: OnceLock<ClaimMessages> = OnceLock::new();

/// The name of a field of the pages after the report; none in the report's program.
pub fn claim_field(field: &str) -> &'static str {
    CLAIMS.get().map_or("", |words| words.fields.get(field))
}

/// Splits the words of the report off the front; the rest is the catalogue.
///
/// # Errors
/// The bytes are not of this build.
pub fn open_report(bytes: Vec<u8>) -> Result<(Lines, &'static [u8]), String> {
    // 0xff never occurs in UTF-8 (RFC 3629, section 1).
    let bytes: &'static [u8] = bytes.leak();
    let end = bytes.iter().position(|b| *b == 0xff).ok_or("no words")?;
    let words = std::str::from_utf8(&bytes[..end]).map_err(|e| e.to_string())?;
    let mut lines = Lines(words.split('\0'));
    REPORT.get_or_init(|| Messages::read(&mut lines));
    Ok((lines, &bytes[end + 1..]))
}

/// Takes the words of the pages after the report, which follow.
pub fn open_claims(mut lines: Lines) {
    CLAIMS.get_or_init(|| ClaimMessages::read(&mut lines));
}

thread_local! {
    static ENGLISH: bool = page::language() == "en";
}

fn is_english() -> bool {
    ENGLISH.with(|e| *e)
}

/// The words of this page's language.
pub fn t() -> &'static Messages {
    // Both programs read them before they draw (lib.rs).
    REPORT.get().expect("words")
}

/// The words of this page's language, after the report.
pub fn c() -> &'static ClaimMessages {
    CLAIMS.get().expect("words")
}

/// A text of the catalogue in this page's language.
pub fn text(text: &Text) -> &str {
    if is_english() { &text.en } else { &text.zh }
}

/// The sentence for an error code.
pub fn error<'a>(catalogue: &'a Catalogue, code: &str) -> &'a str {
    catalogue
        .errors
        .get(code)
        .or_else(|| catalogue.errors.get("internal"))
        .map_or("", text)
}
