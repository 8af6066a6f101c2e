//! Names of people. Rare characters (CJK extensions, GB 18030-2022) are names like any other and never refused;
//! the dot of 间隔号 names has one form, `·`.

use super::{Code, Finding, Verdict};

/// Judges a name of 2 to 50 characters; a single character is kept with a warning.
pub fn name(text: &str) -> Verdict {
    let value = folded(text);
    let allowed = |c: char| c.is_alphabetic() || is_mark(c) || matches!(c, '·' | ' ' | '-' | '\'' | '’' | '〇');
    if value.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if let Some(i) = value.chars().position(|c| !allowed(c)) {
        return Verdict::Err(Finding::at(Code::NameCharacter, i));
    }
    match value.chars().count() {
        1 => Verdict::Warn(value, Code::NameShort.into()),
        2..=50 => Verdict::Ok(value),
        _ => Verdict::Err(Code::NameLength.into()),
    }
}

/// Whether two names mean one person: after folding width, dots, spaces and the case of Latin letters.
pub fn same_name(a: &str, b: &str) -> bool {
    let plain = |text: &str| folded(text).replace(' ', "").to_ascii_lowercase();
    plain(a) == plain(b)
}

/// Combining marks (U+0300..U+036F) and the variation selectors that tell apart forms of one hanzi.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// One form of width, dots and spaces. Not full NFKC: its tables weigh 60 KB on the wire, and the phone needs none
/// of the rest of it.
fn folded(text: &str) -> String {
    let text: String = super::half_width(text).map(|c| if matches!(c, '・' | '•' | '‧' | '∙' | '･' | '．') { '·' } else { c }).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(" ·", "·").replace("· ", "·")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_rare_characters_and_latin_letters() {
        for (typed, kept) in [
            ("张伟", "张伟"),
            (" 欧阳 娜娜 ", "欧阳 娜娜"),
            ("阿卜杜拉•买买提", "阿卜杜拉·买买提"),
            ("阿卜杜拉・买买提", "阿卜杜拉·买买提"),
            ("𠮷野", "𠮷野"),
            ("㛃䶮", "㛃䶮"),
            ("O'Brien Anne-Marie", "O'Brien Anne-Marie"),
        ] {
            assert_eq!(name(typed), Verdict::Ok(kept.into()), "{typed}");
        }
        assert!(same_name("阿卜杜拉•买买提", "阿卜杜拉·买买提") && same_name("ANNE Lee", "anne lee") && !same_name("张伟", "张玮"));
        assert!(matches!(name("王"), Verdict::Warn(_, f) if f.code == Code::NameShort));
        assert_eq!(name("张伟3").finding().map(|f| (f.code, f.at)), Some((Code::NameCharacter, Some(3))));
        assert_eq!(name("<b>张</b>").finding().map(|f| f.code), Some(Code::NameCharacter));
        assert_eq!(name(&"张".repeat(51)).finding().map(|f| f.code), Some(Code::NameLength));
    }
}
