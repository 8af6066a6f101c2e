//! What the server says to people, in every language of the app (`src/i18n`, one file each). Codes
//! cross the wire, words do not; these are for what people read outside the app: plain pages,
//! letters, messages.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// The sentences of one language.
#[derive(Deserialize)]
pub struct Words {
    #[serde(skip)]
    pub lang: &'static str,
    page: BTreeMap<String, String>,
    /// Sentences of the catalogue by their Chinese form, where the catalogue itself lacks the
    /// language.
    #[serde(default)]
    catalogue: BTreeMap<String, String>,
    pub lite: Lite,
    pub letters: Letters,
    pub messages: Messages,
}

macro_rules! sentences {
    ($(#[$about:meta])* $name:ident: $($field:ident)* $(; names: $($names:ident)*)?) => {
        $(#[$about])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(pub $field: String,)*
            $($(pub $names: BTreeMap<String, String>,)*)?
        }
    };
}

sentences! {
    /// `/lite`. Fields of the form are named by their pointers.
    Lite: title first yes no choose hint_policy send wrong done number next call app; names: fields
}

sentences! {
    /// Letters; lines of the claim form and of the calculation by their keys.
    Letters:
        no contact contact_text checked disagree reason basis accepted accepted_text handler papers
        papers_text not_accepted you_can supplement needed why until term term_text approved amount
        sum excluded share deductible payment payment_text refused clause facts evidence limitation
        limitation_text paid paid_amount paid_lines account account_text bank_reference paid_at form
        agreed signature signature_text typed_name;
    names: lines steps
}

sentences! {
    /// SMS messages.
    Messages:
        frame code reported not_accepted survey_started assessed approved rejected payment_failed paid
        advance_paid closed supplement_asked document_returned requested review_answered
        complaint_filed complaint_answered policy_found entitled genuine answered advance_due
        escalated owner_told reminder reminder_late
}

/// Every language, Chinese first.
static ALL: LazyLock<Vec<Words>> = LazyLock::new(|| {
    let files: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/languages.rs"));
    let read = |(lang, text): &(&'static str, &str)| {
        // A test parses all of them, so an embedded file cannot be wrong at run time.
        let words: Words = serde_json::from_str(text).unwrap_or_else(|e| panic!("{lang}: {e}"));
        Words { lang, ..words }
    };
    files.iter().map(read).collect()
});

/// All languages with their display names.
pub fn languages() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|words| (words.lang, words.name()))
}

/// The words for a language tag, or for the nearest language; Chinese if there is none (RFC 4647,
/// section 3.4).
pub fn of(lang: &str) -> &'static Words {
    let lang = lang.replace('_', "-").to_ascii_lowercase();
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_owned();
    let traditional = ["zh-tw", "zh-hk", "zh-mo"].contains(&lang.as_str());
    let wanted = if traditional { "zh-hant" } else { &lang };
    let is = |words: &&Words| words.lang.eq_ignore_ascii_case(wanted);
    let near = |words: &&Words| primary(words.lang) == primary(wanted);
    ALL.iter()
        .find(is)
        .or_else(|| ALL.iter().find(near))
        .unwrap_or(&ALL[0])
}

/// The words in the insurer's own language: for SMS, where we do not know the recipient's language,
/// for staff, and for exported files.
pub fn own() -> &'static Words {
    &ALL[0]
}

impl Words {
    fn name(&'static self) -> &'static str {
        self.page.get("language").map_or(self.lang, String::as_str)
    }

    /// A text of the catalogue or of the deployment.
    pub fn text<'a>(&'a self, text: &'a claim_domain::Text) -> &'a str {
        match self.catalogue.get(&text.zh) {
            Some(said) => said,
            None if self.lang == "en" => &text.en,
            None => &text.zh,
        }
    }
}

/// A sentence with its placeholders filled: `{name}`.
pub fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(sentence.to_owned(), |said, (name, value)| {
            said.replace(&format!("{{{name}}}"), value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_of_the_app_is_spoken_here() {
        let tags: Vec<&str> = languages().map(|(tag, _)| tag).collect();
        assert_eq!(tags[0], "zh-CN");
        assert!(
            tags.contains(&"en") && tags.contains(&"zh-Hant"),
            "{tags:?}"
        );
        for traditional in ["zh-hant", "zh-TW", "zh_HK"] {
            assert_eq!(of(traditional).lang, "zh-Hant");
        }
        assert_eq!(of("en_US").lang, "en");
        assert_eq!(
            (of("en-GB").lang, of("fr").lang, of("").lang),
            ("en", "zh-CN", "zh-CN")
        );
        assert_eq!(
            fill("{n} of {n}, {m}", &[("n", "1"), ("m", "{n}")]),
            "1 of 1, {n}"
        );
        let keys = |words: &Words| {
            let all = [
                &words.lite.fields,
                &words.letters.lines,
                &words.letters.steps,
            ];
            all.map(|names| names.keys().cloned().collect::<Vec<_>>())
        };
        assert!(languages().all(|(tag, _)| keys(of(tag)) == keys(of("zh-CN"))));
    }
}
