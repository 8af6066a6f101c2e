//! Figures for the insurer, computed from the claims each time: there is no second copy to differ.

use std::collections::BTreeMap;

use claim_domain::deadlines::Clock;
use claim_domain::{Day, Moment, local_day};

use super::{attendant, papers};
use crate::failure::Result;
use crate::store::snapshot::Snapshot;
use crate::store::{claims, events};
use crate::{App, now};

/// How often a deadline was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub kept: u32,
    pub missed: u32,
}

#[derive(Default)]
pub struct Figures {
    pub claims: u32,
    pub paid_fen: i64,
    /// By incident: how many, and what was paid.
    pub by_incident: BTreeMap<String, (u32, i64)>,
    pub by_stage: BTreeMap<&'static str, u32>,
    /// By clock: met in time, or not.
    pub kept: BTreeMap<Clock, Kept>,
    /// Median hours from the notice to the claim request, and over how many claims.
    pub complete_hours: Option<(i64, usize)>,
    /// By document: how often it was sent back.
    pub returned: BTreeMap<String, u32>,
    pub second_lists: u32,
    /// Why people did not agree, by cause.
    pub causes: BTreeMap<String, u32>,
    /// 1 to 5.
    pub ratings: [u32; 5],
    pub by_catastrophe: BTreeMap<String, u32>,
}

/// One claim in the exported CSV list.
pub struct Row {
    pub no: String,
    pub incident: String,
    pub stage: &'static str,
    pub reported_at: Moment,
    pub paid_fen: i64,
    pub place: String,
    pub catastrophe: String,
}

/// Claims that were reported on these days.
pub async fn figures(app: &App, from: Day, to: Day) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut hours = Vec::new();
    let at = now();
    let reported = claims::reported(&mut app.store.read().await?, from, to).await?;
    for (row, catastrophe) in reported {
        // Given back in between: a year of claims is a long time.
        let mut db = app.store.read().await?;
        let Snapshot { claim, tally, .. } = events::snapshot(&mut db, &row.id, row.lob).await?;
        figures.claims += 1;
        figures.paid_fen += claim.paid_fen;
        let of_kind = figures.by_incident.entry(row.incident.clone()).or_default();
        *of_kind = (of_kind.0 + 1, of_kind.1 + claim.paid_fen);
        *figures.by_stage.entry(claim.stage.as_str()).or_default() += 1;
        let folder = papers::folder(&mut db, &row).await?;
        for deadline in attendant::deadlines_of(app, &row, &claim, &folder, at) {
            let kept = figures.kept.entry(deadline.clock).or_default();
            match deadline.met {
                Some(_) if !deadline.was_missed() => kept.kept += 1,
                Some(_) => kept.missed += 1,
                None if deadline.is_overdue(at) => kept.missed += 1,
                None => {}
            }
        }
        hours.extend(
            claim
                .requested_at
                .zip(claim.reported_at)
                .map(|(asked, reported)| (asked.0 - reported.0) / 3600),
        );
        figures.second_lists += u32::from(claim.supplements.saturating_sub(1));
        if !catastrophe.is_empty() {
            *figures.by_catastrophe.entry(catastrophe).or_default() += 1;
        }
        for (all, of_claim) in [
            (&mut figures.returned, tally.returned),
            (&mut figures.causes, tally.causes),
        ] {
            for (name, count) in of_claim {
                *all.entry(name).or_default() += count;
            }
        }
        figures
            .ratings
            .iter_mut()
            .zip(tally.ratings)
            .for_each(|(all, count)| *all += count);
    }
    hours.sort_unstable();
    figures.complete_hours = hours
        .get(hours.len() / 2)
        .map(|middle| (*middle, hours.len()));
    Ok(figures)
}

pub async fn rows(app: &App, from: Day, to: Day) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let reported = claims::reported(&mut app.store.read().await?, from, to).await?;
    for (row, catastrophe) in reported {
        // Given back in between: a year of claims is a long time.
        let mut db = app.store.read().await?;
        let claim = events::state(&mut db, &row.id, row.lob).await?;
        rows.push(Row {
            no: row.no,
            incident: row.incident,
            stage: claim.stage.as_str(),
            reported_at: row.reported_at,
            paid_fen: claim.paid_fen,
            place: row.notice.place.text,
            catastrophe,
        });
    }
    Ok(rows)
}

/// A table that opens in a spreadsheet: UTF-8 with BOM, amounts in 元, and no cell that is read as
/// a formula (OWASP, CSV Injection).
pub fn csv(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cell = |text: &str| {
        let tame = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{text}")
        } else {
            text.to_owned()
        };
        format!("\"{}\"", tame.replace('"', "\"\""))
    };
    let line = |cells: Vec<String>| cells.iter().map(|c| cell(c)).collect::<Vec<_>>().join(",");
    let mut out = String::from("\u{feff}");
    out.push_str(&line(head.iter().map(|h| (*h).to_owned()).collect()));
    for row in rows {
        out.push_str("\r\n");
        out.push_str(&line(row));
    }
    out
}

/// `1234.50`
pub fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// The month of `at`, up to that day.
pub fn this_month(at: Moment) -> (Day, Day) {
    let today = local_day(at);
    (
        Day::parse(&format!("{}-01", &today.to_string()[..7])).unwrap_or(today),
        today,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_quotes_stay_inside() {
        let text = csv(
            &["a", "b"],
            [
                vec!["=1+1".into(), "说\"好\"".into()],
                vec!["-2".into(), "@x".into()],
            ],
        );
        assert_eq!(
            text,
            "\u{feff}\"a\",\"b\"\r\n\"'=1+1\",\"说\"\"好\"\"\"\r\n\"'-2\",\"'@x\""
        );
        assert_eq!(yuan(123_405), "1234.05");
    }
}
