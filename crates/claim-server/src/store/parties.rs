//! The parties to a claim, and the rights of each.
//!
//! Promise: a right is proved, never just claimed: by a code sent to a phone of the policy, by a
//! document that staff accepted, or by staff who saw the papers. Until then, reporters see only
//! their own report and its stages. A stronger right is kept.

use claim_api::ProblemCode;
use claim_domain::lifecycle::{Event, Eyes, Role};
use claim_domain::{Day, Moment};

use super::{Db, Tx};
use crate::failure::{Failure, Result};

/// A party's right in a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub role: Role,
    /// The payee's number, if they take part as a payee.
    pub payee: Option<u16>,
}

impl Part {
    /// The insurer's own view.
    pub const STAFF: Part = Part {
        role: Role::Owner,
        payee: None,
    };

    pub fn of(role: &str, payee: Option<u16>) -> Result<Part> {
        let role = Role::parse(role).ok_or_else(|| Failure::internal("role", role))?;
        Ok(Part { role, payee })
    }

    /// Whether they may see and do everything that the insured person may.
    pub fn is_whole(self) -> bool {
        self.role.is_whole()
    }

    /// # Errors
    /// `not-this-person` for people who may only follow the stages.
    pub fn whole(self) -> Result<()> {
        if self.is_whole() {
            Ok(())
        } else {
            Err(ProblemCode::NotThisPerson.into())
        }
    }

    pub fn eyes(self) -> Eyes {
        match (self.is_whole(), self.payee) {
            (true, _) => Eyes::Whole,
            (false, Some(no)) => Eyes::Payee(no),
            (false, None) => Eyes::Stages,
        }
    }

    pub fn shown(self, event: Event) -> Event {
        Event {
            what: event.what.seen_by(self.eyes()),
            ..event
        }
    }
}

fn rank(role: Role) -> i64 {
    match role {
        Role::Owner => 9,
        Role::Beneficiary | Role::Guardian | Role::Agent => 5,
        Role::Shop | Role::ThirdParty => 3,
        Role::Reporter => 1,
    }
}

/// A right in a claim, granted to a phone.
pub struct Grant<'a> {
    pub role: Role,
    pub payee: Option<u16>,
    pub until: Option<Day>,
    pub phone: &'a str,
}

/// Lets the reporter follow the claim: the session it came from, and anybody signed in with the
/// reporter's phone.
pub async fn admit_reporter(tx: &mut Tx, claim_id: &str, subject: &str, phone: &str) -> Result<()> {
    write(tx, claim_id, subject, Role::Reporter, None, None).await?;
    let phone_index = tx.vault.index("phone", phone);
    let known: Option<String> = sqlx::query_scalar("SELECT id FROM subject WHERE phone_index = ?")
        .bind(phone_index)
        .fetch_optional(tx.sql())
        .await?;
    match known {
        Some(reporter) => write(tx, claim_id, &reporter, Role::Reporter, None, None).await,
        None => Ok(()),
    }
}

async fn write(
    tx: &mut Tx,
    claim_id: &str,
    subject: &str,
    role: Role,
    payee: Option<u16>,
    until: Option<i64>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO party (claim_id, subject_id, role, rank, payee, until) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (claim_id, subject_id) DO UPDATE SET role = excluded.role, rank = excluded.rank, payee = excluded.payee, \
         until = excluded.until WHERE excluded.rank >= party.rank OR party.until IS NOT NULL",
    )
    .bind(claim_id)
    .bind(subject)
    .bind(role.as_str())
    .bind(rank(role))
    .bind(payee)
    .bind(until)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Grants a proved right to the owner of a phone, now or when they sign in.
pub async fn grant(tx: &mut Tx, claim_id: &str, grant: &Grant<'_>) -> Result<()> {
    let until = grant.until.map(|day| day.ends().0);
    let phone_index = tx.vault.index("phone", grant.phone);
    sqlx::query(
        "INSERT INTO access (claim_id, phone_index, role, payee, until) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (claim_id, phone_index, role) DO UPDATE SET payee = excluded.payee, until = excluded.until",
    )
    .bind(claim_id)
    .bind(&phone_index)
    .bind(grant.role.as_str())
    .bind(grant.payee)
    .bind(until)
    .execute(tx.sql())
    .await?;
    let known: Option<String> = sqlx::query_scalar("SELECT id FROM subject WHERE phone_index = ?")
        .bind(&phone_index)
        .fetch_optional(tx.sql())
        .await?;
    match known {
        Some(subject) => write(tx, claim_id, &subject, grant.role, grant.payee, until).await,
        None => Ok(()),
    }
}

/// Admits the holder and the insured persons of the policy to the claim, if they have signed in
/// before.
pub async fn admit_owners(tx: &mut Tx, claim_id: &str, policy_id: &str) -> Result<()> {
    let owners: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT s.id FROM policy_person x JOIN subject s ON s.phone_index = x.phone_index WHERE x.policy_id = ?",
    )
    .bind(policy_id)
    .fetch_all(tx.sql())
    .await?;
    for owner in owners {
        write(tx, claim_id, &owner, Role::Owner, None, None).await?;
    }
    Ok(())
}

/// Called when somebody signs in with a phone: they get every right that the phone has.
pub async fn arrive(tx: &mut Tx, subject: &str, phone: &str) -> Result<()> {
    type Right = (String, String, Option<u16>, Option<i64>);
    let phone_index = tx.vault.index("phone", phone);
    let rights: Vec<Right> = sqlx::query_as(
        "SELECT c.id, 'owner', NULL, NULL FROM policy_person x JOIN claim c ON c.policy_id = x.policy_id WHERE x.phone_index = ?1 \
         UNION SELECT id, 'reporter', NULL, NULL FROM claim WHERE reporter_phone_index = ?1 \
         UNION SELECT claim_id, role, payee, until FROM access WHERE phone_index = ?1",
    )
    .bind(phone_index)
    .fetch_all(tx.sql())
    .await?;
    for (claim_id, role, payee, until) in rights {
        let Part { role, payee } = Part::of(&role, payee)?;
        write(tx, &claim_id, subject, role, payee, until).await?;
    }
    Ok(())
}

/// The rights of `subject` in a claim, as of now. An expired right leaves what a reporter may see,
/// or nothing.
///
/// # Errors
/// `not-found` if they are not a party to it.
pub async fn part(db: &mut Db, claim_id: &str, subject: &str, at: Moment) -> Result<Part> {
    let row: Option<(String, Option<u16>, Option<i64>, bool)> = sqlx::query_as(
        "SELECT p.role, p.payee, p.until, coalesce(s.phone_index = c.reporter_phone_index, 0) FROM party p \
         JOIN claim c ON c.id = p.claim_id JOIN subject s ON s.id = p.subject_id WHERE p.claim_id = ? AND p.subject_id = ?",
    )
    .bind(claim_id)
    .bind(subject)
    .fetch_optional(db.sql())
    .await?;
    match row {
        Some((.., Some(until), false)) if until <= at.0 => Err(ProblemCode::NotFound.into()),
        Some((.., Some(until), true)) if until <= at.0 => Ok(Part {
            role: Role::Reporter,
            payee: None,
        }),
        Some((role, payee, ..)) => Part::of(&role, payee),
        None => Err(ProblemCode::NotFound.into()),
    }
}
