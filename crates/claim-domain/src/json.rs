//! Reading JSON with little code: on the wire the app pays for every generic function of a parser.
//! serde-json-core costs 13 KB (brotli) less than serde_json here; what it cannot do is say where a
//! text is wrong.

use serde::de::DeserializeOwned;

/// The value in `text`; `None` when it is not the JSON that was expected.
pub fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    // Unescaped strings are never longer than the text they stand in.
    let mut scratch = vec![0; text.len()];
    let (value, end) = serde_json_core::from_slice_escaped(text.as_bytes(), &mut scratch).ok()?;
    text.get(end..)
        .is_some_and(|rest| rest.trim().is_empty())
        .then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_serde_json_wrote_is_read_back(texts in proptest::collection::vec(proptest::option::of(any::<String>()), 0..5), numbers in proptest::collection::vec(any::<i64>(), 0..4)) {
            let written = serde_json::to_string(&(texts.clone(), numbers.clone())).unwrap();
            type Value = (Vec<Option<String>>, Vec<i64>);
            prop_assert_eq!(read::<Value>(&written), Some((texts, numbers)));
        }
        #[test]
        fn other_text_is_refused_and_never_panics(text in ".{0,60}") {
            let _ = read::<Vec<String>>(&text);
            prop_assert_eq!(read::<u32>(&format!("{text}x")), None);
        }
    }

    #[test]
    fn a_page_of_somebody_else_is_no_json() {
        assert_eq!(read::<Vec<String>>("<html>请登录 Wi-Fi</html>"), None);
        assert_eq!(read::<Vec<String>>("[] []"), None);
    }
}
