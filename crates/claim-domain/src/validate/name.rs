//! Names of people. Rare characters (CJK extensions, GB 18030-2022) are names like any other and
//! never refused; the dot of 间隔号 names has one form, `·`.

use super::{Code, Finding, Verdict};

/// Judges a name of 2 to 50 characters; a single character is kept with a warning.
pub fn name(text: &str) -> Verdict {
    let value = folded(text);
    let allowed = |c: char| {
        c.is_alphabetic()
            || is_mark(c)
            || matches!(c, '\u{2F00}'..='\u{2FD5}' | '\u{E816}'..='\u{E864}')
            || matches!(c, '·' | ' ' | '-' | '\'' | '’' | '〇')
    };
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

/// Whether two names mean one person: after folding width, dots, spaces and the case of Latin
/// letters.
pub fn same_name(a: &str, b: &str) -> bool {
    let plain = |text: &str| folded(text).replace(' ', "").to_ascii_lowercase();
    plain(a) == plain(b)
}

/// The intended character, where a radical stands for it (U+2F00..U+2FD5, from some keyboards and
/// PDFs), or where fonts from before GB 18030-2005 had it in the private use area. On the server
/// only: the phone just must not refuse it, since the tables weigh more than they help.
#[cfg(not(target_arch = "wasm32"))]
fn hanzi(c: char) -> char {
    let place = |from: u32| (c as u32 - from) as usize;
    match c {
        '\u{2F00}'..='\u{2FD5}' => RADICALS.chars().nth(place(0x2F00)).unwrap_or(c),
        '\u{E816}'..='\u{E864}' => PRIVATE
            .iter()
            .find(|(old, _)| usize::from(*old) == place(0xE800))
            .map_or(c, |(_, new)| *new),
        _ => c,
    }
}

#[cfg(target_arch = "wasm32")]
fn hanzi(c: char) -> char {
    c
}

/// The unified character of each Kangxi radical (Unicode, compatibility decomposition; three of
/// them as they are written on the mainland).
#[cfg(not(target_arch = "wasm32"))]
const RADICALS: &str = "一丨丶丿乙亅二亠人儿入八冂冖冫几凵刀力勹匕匚匸十卜卩厂厶又口囗土士夂夊夕大女子宀寸小尢尸屮山巛工己巾干幺广廴廾弋弓彐彡彳心戈户手支攴文斗斤方无日曰月木欠止歹殳毋比毛氏气水火爪父爻爿片牙牛犬玄玉瓜瓦甘生用田疋疒癶白皮皿目矛矢石示禸禾穴立竹米糸缶网羊羽老而耒耳聿肉臣自至臼舌舛舟艮色艸虍虫血行衣襾見角言谷豆豕豸貝赤走足身車辛辰辵邑酉釆里金長門阜隶隹雨青非面革韋韭音頁風飛食首香馬骨高髟鬥鬯鬲鬼魚鳥鹵鹿麥麻黄黍黑黹黽鼎鼓鼠鼻齊齒龍龜龠";

/// U+E8xx of GB 18030-2000 and the code since (GB 18030-2022, annex).
#[cfg(not(target_arch = "wasm32"))]
const PRIVATE: [(u8, char); 14] = [
    (0x16, '\u{20087}'),
    (0x17, '\u{20089}'),
    (0x18, '\u{200CC}'),
    (0x1E, '\u{9FB4}'),
    (0x26, '\u{9FB5}'),
    (0x2B, '\u{9FB6}'),
    (0x2C, '\u{9FB7}'),
    (0x31, '\u{215D7}'),
    (0x32, '\u{9FB8}'),
    (0x3B, '\u{2298F}'),
    (0x43, '\u{9FB9}'),
    (0x54, '\u{9FBA}'),
    (0x55, '\u{241FE}'),
    (0x64, '\u{9FBB}'),
];

/// Combining marks (U+0300..U+036F) and the variation selectors that tell apart forms of one hanzi.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// One form of width, dots and spaces. Not full NFKC: its tables weigh 60 KB on the wire, and the
/// phone needs nothing else of it.
fn folded(text: &str) -> String {
    // The wide full stop is a dot between names; `narrow` would make a plain one of it.
    let one = |c: char| match c {
        '・' | '•' | '‧' | '∙' | '･' | '．' => '·',
        c => hanzi(super::narrow(c)),
    };
    let text: String = text
        .chars()
        .filter(|c| !super::is_unseen(*c))
        .map(one)
        .collect();
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
            ("古丽．阿卜拉", "古丽·阿卜拉"),
            ("\u{202d}张\u{200b}伟\u{202c}", "张伟"),
            ("\u{2066}张伟\u{2069}\u{feff}", "张伟"),
            ("\u{2f42}王", "文王"),
            ("\u{2f3e}\u{2f64}", "户用"),
            ("王\u{e831}", "王\u{215d7}"),
            ("李\u{e864}", "李\u{9fbb}"),
        ] {
            assert_eq!(name(typed), Verdict::Ok(kept.into()), "{typed}");
        }
        assert!(
            same_name("阿卜杜拉•买买提", "阿卜杜拉·买买提")
                && same_name("ANNE Lee", "anne lee")
                && !same_name("张伟", "张玮")
        );
        assert!(matches!(name("王"), Verdict::Warn(_, f) if f.code == Code::NameShort));
        assert_eq!(
            name("张伟3").finding().map(|f| (f.code, f.at)),
            Some((Code::NameCharacter, Some(3)))
        );
        assert_eq!(
            name("<b>张</b>").finding().map(|f| f.code),
            Some(Code::NameCharacter)
        );
        assert_eq!(
            name(&"张".repeat(51)).finding().map(|f| f.code),
            Some(Code::NameLength)
        );
    }
}
