//! Payees (R4): one or several, each checked against the policy, each with an account.
//!
//! Promise: only the last four digits of an account leave the server; the deceased is never a
//! payee; for beneficiaries and their shares the policy decides, whatever was typed.

use claim_api::{Payable, PayeeEntry, Problem, ProblemCode};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, Claim, Event, EventKind, Role};
use claim_domain::payees::{Payee, PayeeKind, Share};
use claim_domain::policy::{Party, Policy};
use claim_domain::validate::{self, Code, Verdict};
use claim_domain::{FieldError, Moment, local_day};

use super::{log, papers};
use crate::failure::{Failure, Result};
use crate::store::claims::ClaimRow;
use crate::store::parties::{self, Grant};
use crate::store::payees::{self, Sealed};
use crate::store::{Tx, events, policies};
use crate::{App, mask, now};

/// Checks, masks and stores payees; from then on, a shop or an injured party may follow its own
/// payment.
pub async fn record(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    actor: &Actor,
    entries: Vec<PayeeEntry>,
    at: Moment,
) -> Result<Event> {
    let state = events::state(tx, &claim.id, claim.lob).await?;
    let policy = policies::of_claim(tx, &claim.id).await?;
    let before = payees::whole(tx, &claim.id).await?;
    let case = Case {
        claim,
        state: &state,
        policy: policy.as_ref(),
        at,
    };
    let entries = case
        .checked(entries, &before)
        .map_err(Problem::validation)?;
    let sealed = Sealed::of(tx, &claim.id, &entries).await?;
    let what = EventKind::PayeesNamed {
        payees: (1..)
            .zip(&entries)
            .map(|(no, entry)| masked(no, entry))
            .collect(),
    };
    let event = log::append_beside(
        app,
        tx,
        (&claim.id, claim.lob),
        actor,
        what,
        at,
        &sealed.sha256(),
    )
    .await?;
    payees::keep(tx, &claim.id, sealed).await?;
    for (no, entry) in (1u16..).zip(&entries) {
        let role = match entry.kind {
            PayeeKind::Shop => Role::Shop,
            PayeeKind::ThirdParty => Role::ThirdParty,
            _ => continue,
        };
        if !entry.phone.is_empty() {
            parties::grant(
                tx,
                &claim.id,
                &Grant {
                    role,
                    payee: Some(no),
                    until: None,
                    phone: &entry.phone,
                },
            )
            .await?;
        }
    }
    Ok(event)
}

fn masked(no: u16, entry: &PayeeEntry) -> Payee {
    let holder = if entry.company {
        entry.holder.clone()
    } else {
        mask::name(&entry.holder)
    };
    Payee {
        no,
        kind: entry.kind,
        holder,
        last4: mask::tail(&entry.account),
        share: entry.share.clone(),
        company: entry.company,
    }
}

struct Case<'a> {
    claim: &'a ClaimRow,
    state: &'a Claim,
    policy: Option<&'a Policy>,
    at: Moment,
}

impl Case<'_> {
    fn insured(&self) -> Option<&Party> {
        papers::insured_of(self.policy?, self.claim)
    }

    fn checked(
        &self,
        entries: Vec<PayeeEntry>,
        before: &[PayeeEntry],
    ) -> std::result::Result<Vec<PayeeEntry>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let entries: Vec<PayeeEntry> = entries
            .into_iter()
            .enumerate()
            .map(|(i, entry)| self.one(i, entry, before.get(i), &mut errors))
            .collect();
        if errors.is_empty() {
            Ok(entries)
        } else {
            Err(errors)
        }
    }

    fn one(
        &self,
        i: usize,
        mut entry: PayeeEntry,
        before: Option<&PayeeEntry>,
        errors: &mut Vec<FieldError>,
    ) -> PayeeEntry {
        let place = |field: &str| format!("/payees/{i}/{field}");
        let mut take = |field: &str, verdict: Verdict| match verdict {
            Verdict::Ok(value) | Verdict::Warn(value, _) => value,
            Verdict::Err(finding) => {
                errors.push(FieldError::new(place(field), finding));
                String::new()
            }
        };
        let long = |text: &str, least: usize| {
            let text = text.trim().to_owned();
            match text.chars().count() {
                n if n < least => Verdict::Err(Code::Required.into()),
                n if n > 100 => Verdict::Err(Code::TooLong.into()),
                _ => Verdict::Ok(text),
            }
        };
        entry.holder = take(
            "holder",
            if entry.company {
                long(&entry.holder, 2)
            } else {
                validate::name(&entry.holder)
            },
        );
        // Shown masked and sent back masked: unchanged.
        let kept = before.filter(|b| {
            entry.account.contains('*')
                && b.account
                    .ends_with(entry.account.trim_start_matches(['*', ' ']))
        });
        entry.account = match kept {
            Some(before) => before.account.clone(),
            None => take(
                "account",
                if entry.company {
                    validate::bank_account(&entry.account)
                } else {
                    validate::bank_card(&entry.account)
                },
            ),
        };
        if entry.company {
            entry.id_no = take("id_no", validate::uscc(&entry.id_no));
            entry.bank = take("bank", long(&entry.bank, 2));
            let code: String = entry
                .bank_code
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect();
            let good = code.len() == 12 && code.bytes().all(|b| b.is_ascii_digit());
            entry.bank_code = take(
                "bank_code",
                if good {
                    Verdict::Ok(code)
                } else {
                    Verdict::Err(Code::CardLength.into())
                },
            );
        } else if entry.kind != PayeeKind::Insured {
            entry.id_no = take("id_no", validate::id_no(&entry.id_no, local_day(self.at)));
        }
        if !entry.phone.trim().is_empty() {
            entry.phone = take("phone", validate::mobile(&entry.phone));
        }
        entry.relation = take(
            "relation",
            long(&entry.relation, usize::from(entry.kind == PayeeKind::Agent)),
        );
        entry.child = take(
            "child",
            if entry.child.trim().is_empty() {
                Verdict::Ok(String::new())
            } else {
                validate::name(&entry.child)
            },
        );
        let mut refuse = |field: &str, code: Code| errors.push(FieldError::new(place(field), code));
        let person = Party {
            name: entry.holder.clone(),
            id_no: entry.id_no.clone(),
            phone: String::new(),
        };
        if let Some(insured) = self.insured() {
            let is_insured = if entry.kind == PayeeKind::Insured || entry.id_no.is_empty() {
                validate::same_name(&insured.name, &entry.holder)
            } else {
                person.is_same(insured)
            };
            if self.state.deceased && is_insured {
                refuse("holder", Code::PayeeDeceased);
            } else if entry.kind == PayeeKind::Insured && !is_insured {
                refuse("holder", Code::NameDiffers);
            }
            if entry.kind == PayeeKind::Insured {
                entry.id_no.clone_from(&insured.id_no);
            }
        } else if entry.kind == PayeeKind::Insured
            && !validate::same_name(&self.claim.notice.reporter.name, &entry.holder)
        {
            refuse("holder", Code::NameDiffers);
        }
        // The holder's ID number shows the age; if the account is a guardian's, the child must be
        // named.
        let today = local_day(self.at);
        match (entry.kind, person.is_under(18, today)) {
            (
                PayeeKind::Beneficiary | PayeeKind::Heir | PayeeKind::Agent | PayeeKind::ThirdParty,
                Some(true),
            ) => refuse("kind", Code::PayeeMinor),
            (PayeeKind::Minor, Some(false)) if entry.child.is_empty() => {
                refuse("child", Code::Required)
            }
            _ => {}
        }
        if entry.kind == PayeeKind::Shop && !entry.company {
            refuse("company", Code::Required);
        }
        if let Some(policy) = self.policy
            && self.state.deceased
            && !policy.beneficiaries.is_empty()
        {
            // Only beneficiaries that the policy designates (保险法第四十条).
            let name = if entry.child.is_empty() {
                &entry.holder
            } else {
                &entry.child
            };
            let named = policy
                .beneficiaries
                .iter()
                .find(|b| validate::same_name(&b.party.name, name));
            match (named, entry.kind) {
                (Some(b), PayeeKind::Beneficiary | PayeeKind::Minor) => {
                    entry.share = b.share_bp.map_or(Share::Equal, Share::Bp)
                }
                _ => refuse("holder", Code::NameDiffers),
            }
        }
        entry
    }
}

/// Who may be paid under the policy, with their shares.
pub fn hints(policy: &Policy, claim: &ClaimRow, state: &Claim) -> Vec<Payable> {
    let today = local_day(now());
    let of = |party: &Party, kind: PayeeKind, share: Share| {
        let minor = party.is_under(18, today) == Some(true);
        let kind = if minor { PayeeKind::Minor } else { kind };
        Payable {
            kind,
            name: party.name.clone(),
            share,
            company: party.is_company(),
        }
    };
    if state.deceased {
        let share = |bp: Option<u32>| bp.map_or(Share::Equal, Share::Bp);
        return policy
            .beneficiaries
            .iter()
            .map(|b| of(&b.party, PayeeKind::Beneficiary, share(b.share_bp)))
            .collect();
    }
    papers::insured_of(policy, claim)
        .map(|p| of(p, PayeeKind::Insured, Share::Equal))
        .into_iter()
        .collect()
}

/// Takes the account from the claim request, so that it is not asked for again.
pub async fn from_request(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    folder: &Folder,
    at: Moment,
) -> Result<()> {
    use claim_domain::catalog::Field;
    let card = folder
        .typed
        .values()
        .find_map(|fields| fields.get(&Field::Card))
        .filter(|card| !card.trim().is_empty());
    let (Some(card), true) = (card, folder.answers.get("payee_is_insured") != Some(&false)) else {
        return Ok(());
    };
    let policy = policies::of_claim(tx, &claim.id).await?;
    let Some(insured) = policy.as_ref().and_then(|p| papers::insured_of(p, claim)) else {
        return Ok(());
    };
    let entry = PayeeEntry {
        kind: PayeeKind::Insured,
        holder: insured.name.clone(),
        account: card.clone(),
        id_no: String::new(),
        company: false,
        bank: String::new(),
        bank_code: String::new(),
        phone: String::new(),
        relation: String::new(),
        child: String::new(),
        share: Share::Equal,
    };
    match record(app, tx, claim, &Actor::System, vec![entry], at).await {
        // The insured is a child, a company or dead, so a payee must be named. Or the payment is
        // already on its way.
        Err(Failure::Problem(problem))
            if matches!(
                problem.code,
                ProblemCode::NotAllowed | ProblemCode::Validation
            ) =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}
