//! Policy numbers differ by insurer: the catalogue lists their shapes. A number we do not know is
//! reported all the same, as 未验证保单.

use serde::{Deserialize, Serialize};

use super::{Code, Finding, Verdict, compact};

/// The shape of a number, in a sufficient subset of regular expressions: `PDAA[0-9]{18}`,
/// `[A-Z0-9]{8,32}`. Characters and classes, each with an optional `{n}` or `{m,n}`; nothing that
/// could run for long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shape {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    ranges: Vec<(char, char)>,
    least: usize,
    most: usize,
}

impl From<Shape> for String {
    fn from(shape: Shape) -> String {
        shape.text
    }
}

impl TryFrom<String> for Shape {
    type Error = String;
    fn try_from(text: String) -> Result<Shape, String> {
        let parts = parse(&text)
            .ok_or_else(|| format!("policy number shape {text:?} is not understood"))?;
        Ok(Shape { text, parts })
    }
}

fn parse(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let mut ranges = Vec::new();
        if c == '[' {
            loop {
                match rest.next()? {
                    ']' => break,
                    from if rest.next_if_eq(&'-').is_some() => ranges.push((from, rest.next()?)),
                    one => ranges.push((one, one)),
                }
            }
        } else if c.is_ascii_alphanumeric() {
            ranges.push((c, c));
        }
        let (mut least, mut most) = (1, 1);
        if rest.next_if_eq(&'{').is_some() {
            let inside: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
            rest.next()?;
            let (low, high) = inside.split_once(',').unwrap_or((&inside, &inside));
            (least, most) = (low.parse().ok()?, high.parse().ok()?);
        }
        if ranges.is_empty() || least > most || most > 64 {
            return None;
        }
        parts.push(Part {
            ranges,
            least,
            most,
        });
    }
    (!parts.is_empty() && parts.len() <= 32).then_some(parts)
}

impl Shape {
    fn fits(&self, value: &str) -> bool {
        let value: Vec<char> = value.chars().collect();
        // Every position reachable so far.
        let mut places = vec![false; value.len() + 1];
        places[0] = true;
        for part in &self.parts {
            let mut next = vec![false; value.len() + 1];
            for start in (0..=value.len()).filter(|i| places[*i]) {
                let run = value[start..]
                    .iter()
                    .take(part.most)
                    .take_while(|c| part.ranges.iter().any(|(a, b)| (a..=b).contains(c)))
                    .count();
                (part.least..=run).for_each(|n| next[start + n] = true);
            }
            places = next;
        }
        places[value.len()]
    }
}

/// Judges a policy number by the insurer's shapes; without any, 8 to 32 letters and digits.
pub fn policy_no(text: &str, shapes: &[Shape]) -> Verdict {
    let value = compact(text);
    if value.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if let Some(i) = value.chars().position(|c| !c.is_ascii_alphanumeric()) {
        return Verdict::Err(Finding::at(Code::PolicyShape, i));
    }
    let fits = if shapes.is_empty() {
        (8..=32).contains(&value.len())
    } else {
        shapes.iter().any(|s| s.fits(&value))
    };
    if fits {
        Verdict::Ok(value)
    } else {
        Verdict::Err(Code::PolicyShape.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_of_a_plausible_length() {
        assert_eq!(
            policy_no("pdaa 2026-3301-000123", &[]),
            Verdict::Ok("PDAA20263301000123".into())
        );
        for typed in ["1234567", "保单12345678", &"A".repeat(33)] {
            assert!(matches!(policy_no(typed, &[]), Verdict::Err(_)), "{typed}");
        }
    }

    #[test]
    fn an_insurer_has_its_own_shapes() {
        let shapes =
            ["PDAA[0-9]{4,6}", "[A-C]X{2}9"].map(|s| Shape::try_from(s.to_owned()).unwrap());
        for good in ["PDAA1234", "pdaa-123456", "BXX9"] {
            assert!(matches!(policy_no(good, &shapes), Verdict::Ok(_)), "{good}");
        }
        for bad in ["PDAA123", "PDAA1234567", "DXX9", "BX9", "PDAB1234"] {
            assert!(matches!(policy_no(bad, &shapes), Verdict::Err(_)), "{bad}");
        }
        for bad in ["", "[A-", "A{3,2}", "A{999}", "(A|B)", "A{", "[]"] {
            assert!(Shape::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
