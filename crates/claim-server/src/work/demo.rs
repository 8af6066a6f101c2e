//! Invented people with well-formed data: the policies of `examples/policies/demo.csv`, and one
//! member of staff per desk.

use claim_domain::lifecycle::Desk;

use super::{accounts, policies};
use crate::App;
use crate::failure::Failure;
use crate::store::staff;

/// In the format of every other import.
pub const POLICIES: &str = include_str!("../../../../examples/policies/demo.csv");

pub const STAFF: [(&str, &str, Desk); 6] = [
    ("intake", "李 工号 1001", Desk::Intake),
    ("surveyor", "赵 工号 2001", Desk::Surveyor),
    ("assessor", "钱 工号 3001", Desk::Assessor),
    ("adjudicator", "孙 工号 4001", Desk::Adjudicator),
    ("finance", "周 工号 5001", Desk::Finance),
    ("supervisor", "吴 工号 6001", Desk::Supervisor),
];

pub fn password(name: &str) -> String {
    format!("demo-{name}")
}

/// Writes what is missing.
///
/// # Errors
/// A sentence for the command line.
pub async fn seed(app: &App) -> Result<(), String> {
    let outcome = policies::import(app, &policies::Pages::Text(POLICIES), false).await?;
    if let Some((line, reason)) = outcome.wrong.first() {
        return Err(format!("examples/policies/demo.csv, line {line}: {reason}"));
    }
    let there = async { staff::count(&mut app.store.read().await?).await };
    let there = there.await.map_err(Failure::sentence)?;
    if there == 0 {
        for (name, shown_as, desk) in STAFF {
            accounts::add(app, name, shown_as, desk, &password(name)).await?;
        }
    }
    Ok(())
}

/// Closes accounts left behind by a demo: anybody who has read this file knows their passwords.
///
/// # Errors
/// A sentence for the command line.
pub async fn end(app: &App) -> Result<(), String> {
    for (name, ..) in STAFF {
        if accounts::is_password(app, name, &password(name))
            .await
            .map_err(Failure::sentence)?
        {
            accounts::remove(app, name).await?;
            tracing::warn!(name, "a demo account was closed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use claim_domain::{Lob, Moment, local_day};

    /// Everything a newcomer may try: every line of business, an expired policy, one person with
    /// two, a minor, a company, a mortgaged car, beneficiaries named and not named.
    #[test]
    fn r1_the_demo_has_everybody_that_a_newcomer_tries() {
        let all = policies::read(POLICIES).unwrap();
        let now = Moment::from_rfc3339("2026-11-27T00:00:00Z").unwrap();
        let day = local_day(now);
        let holders: std::collections::BTreeSet<_> = all.iter().map(|p| &p.holder.name).collect();
        assert!(holders.len() >= 12, "{}", holders.len());
        assert!(Lob::ALL.iter().all(|lob| all.iter().any(|p| p.lob == *lob)));
        assert!(all.iter().any(|p| !p.covers_moment(now)) && holders.len() < all.len());
        assert!(
            all.iter()
                .any(|p| p.insured.iter().any(|i| i.is_under(18, day) == Some(true)))
        );
        assert!(
            all.iter().any(|p| p.holder.is_company())
                && all.iter().any(|p| !p.mortgagee.is_empty())
        );
        let life = || all.iter().filter(|p| p.lob == Lob::Life);
        assert!(
            life().any(|p| p.beneficiaries.is_empty())
                && life().any(|p| p
                    .beneficiaries
                    .iter()
                    .any(|b| b.party.is_under(18, day) == Some(true)))
        );
    }
}
