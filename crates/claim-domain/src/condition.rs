//! Conditions of the catalogue: `other_vehicle && !self_negotiated || incident:theft`, over facts
//! that may be unknown. Kleene's three-valued logic: `Some(true)`, `Some(false)`, `None` = unknown.
//!
//! `!` binds tighter than `&&`, `&&` tighter than `||`; parentheses group. An empty text is always
//! true.

use serde::{Deserialize, Serialize};

/// A parsed condition; [`Condition::eval`] asks the caller for each fact by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    Always,
    Fact(String),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Condition {
    /// # Errors
    /// A sentence with the position (in characters) where the text stops making sense.
    pub fn parse(text: &str) -> Result<Condition, String> {
        let mut parser = Parser {
            rest: text,
            whole: text,
            depth: 0,
        };
        parser.space();
        if parser.rest.is_empty() {
            return Ok(Condition::Always);
        }
        let condition = parser.any()?;
        if parser.rest.is_empty() {
            Ok(condition)
        } else {
            Err(parser.stuck())
        }
    }

    pub fn eval(&self, fact: &impl Fn(&str) -> Option<bool>) -> Option<bool> {
        match self {
            Condition::Always => Some(true),
            Condition::Fact(name) => fact(name),
            Condition::Not(inner) => inner.eval(fact).map(|v| !v),
            Condition::All(parts) => fold(parts, fact, false),
            Condition::Any(parts) => fold(parts, fact, true),
        }
    }

    pub fn facts<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Condition::Always => {}
            Condition::Fact(name) => into.push(name),
            Condition::Not(inner) => inner.facts(into),
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().for_each(|p| p.facts(into))
            }
        }
    }
}

/// One part equal to `decisive` decides; else an unknown part leaves it open.
fn fold(parts: &[Condition], fact: &impl Fn(&str) -> Option<bool>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for part in parts {
        match part.eval(fact) {
            Some(v) if v == decisive => return Some(decisive),
            None => result = None,
            Some(_) => {}
        }
    }
    result
}

struct Parser<'a> {
    rest: &'a str,
    whole: &'a str,
    depth: u8,
}

/// Deeper nesting is a mistake, or an attempt to overflow the stack.
const DEEPEST: u8 = 32;

impl Parser<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }
    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else {
            return false;
        };
        self.rest = rest;
        self.space();
        true
    }
    fn stuck(&self) -> String {
        let read = self.whole.chars().count() - self.rest.chars().count();
        format!(
            "condition {:?}: not understood at character {}",
            self.whole,
            read + 1
        )
    }
    fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Condition::Any(parts)
        })
    }
    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Condition::All(parts)
        })
    }
    fn one(&mut self) -> Result<Condition, String> {
        if self.depth == DEEPEST {
            return Err(self.stuck());
        }
        self.depth += 1;
        let one = self.simple();
        self.depth -= 1;
        one
    }
    fn simple(&mut self) -> Result<Condition, String> {
        if self.take("!") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.stuck())
            };
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.stuck());
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.space();
        Ok(Condition::Fact(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_valued_logic() {
        let fact = |name: &str| match name {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        for (text, value) in [
            ("", Some(true)),
            ("yes", Some(true)),
            ("!yes", Some(false)),
            ("maybe", None),
            ("!maybe", None),
            ("no && maybe", Some(false)),
            ("yes && maybe", None),
            ("yes || maybe", Some(true)),
            ("no || maybe", None),
            ("no || yes && !no", Some(true)),
            ("!(no || yes)", Some(false)),
            (" ( yes ) ", Some(true)),
        ] {
            assert_eq!(Condition::parse(text).unwrap().eval(&fact), value, "{text}");
        }
    }

    #[test]
    fn nonsense_names_its_place() {
        for (text, place) in [
            ("yes &&", "7"),
            ("(yes", "5"),
            ("yes no", "5"),
            ("&& a", "1"),
            ("a | b", "3"),
            (&"(".repeat(9999), "33"),
            (&"!".repeat(9999), "33"),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert!(
                error.ends_with(&format!("character {place}")),
                "{text}: {error}"
            );
        }
    }
}
