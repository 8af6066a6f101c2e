//! A posted form, and the values read from it: days, amounts, percentages, lines of an assessment.

use claim_api::Problem;
use claim_domain::lifecycle::{Line, Work};
use claim_domain::validate::Code;
use claim_domain::{Day, FieldError, local_day, money};

use crate::failure::Result;
use crate::now;

/// What a form holds, by field name.
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    pub fn get(&self, name: &str) -> String {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.trim().to_owned())
            .unwrap_or_default()
    }
    /// Every value of a group of checkboxes.
    pub fn all(&self, name: &str) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.clone())
    }
    /// A day, today or later.
    pub fn day(&self, name: &str) -> Result<Day> {
        let text = self.get(name);
        let code = if text.is_empty() {
            Code::Required
        } else {
            Code::DateFormat
        };
        let day = Day::parse(&text).filter(|day| *day >= local_day(now()));
        day.ok_or_else(|| {
            Problem::validation(vec![FieldError::new(format!("/{name}"), code)]).into()
        })
    }
    pub fn amount(&self, name: &str) -> Result<i64> {
        money::parse(&self.get(name)).map_err(|finding| {
            Problem::validation(vec![FieldError::new(format!("/{name}"), finding)]).into()
        })
    }
    /// One item per line, the amount last; the kind of work may come before it:
    /// `前保险杠 更换 800.00`.
    pub fn lines(&self) -> Result<Vec<Line>> {
        let text = self.get("lines");
        let apart = [' ', '\t', '　', '：', ':'];
        let line = |text: &str| {
            let (name, amount) = text.trim().rsplit_once(apart).ok_or(Code::AmountFormat)?;
            let fen = money::parse(amount).map_err(|f| f.code)?;
            let (name, work) = match name
                .trim()
                .rsplit_once(apart)
                .and_then(|(n, w)| Some((n, work_of(w)?)))
            {
                Some((name, work)) => (name, Some(work)),
                None => (name, None),
            };
            Ok(Line {
                name: name.trim().into(),
                work,
                fen,
            })
        };
        let lines: std::result::Result<Vec<Line>, Code> = text
            .lines()
            .filter(|l| !l.trim().is_empty())
            .map(line)
            .collect();
        lines.map_err(|code| Problem::validation(vec![FieldError::new("/lines", code)]).into())
    }
    /// An amount that may be empty or zero.
    pub fn taken(&self, name: &str) -> Result<i64> {
        if matches!(self.get(name).as_str(), "" | "0" | "0.00") {
            Ok(0)
        } else {
            self.amount(name)
        }
    }
    /// `70` or `87.5`, as hundredths of a percent.
    pub fn percent(&self, name: &str, otherwise: u32) -> Result<u32> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(otherwise);
        }
        let bp = match text.trim_end_matches('%').trim() {
            "0" => Some(0),
            text => money::parse(text)
                .ok()
                .and_then(|bp| u32::try_from(bp).ok())
                .filter(|bp| *bp <= 10_000),
        };
        bp.ok_or_else(|| {
            Problem::validation(vec![FieldError::new(format!("/{name}"), Code::AmountRange)]).into()
        })
    }
}

/// 修复, 更换, 工时.
fn work_of(word: &str) -> Option<Work> {
    match word.trim() {
        "修复" | "修" => Some(Work::Repair),
        "更换" | "换" => Some(Work::Replace),
        "工时" => Some(Work::Labour),
        _ => None,
    }
}
