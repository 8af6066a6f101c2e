//! Who gets the money (R4): one or several, each checked against the policy, each with an account.
//!
//! Promise: an account leaves the server only by its last four digits; the deceased is never a payee; what the policy says
//! of beneficiaries and their shares is what counts, whatever was typed.

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use claim_api::{Payable, PayeeEntry, Payees, Problem, ProblemCode};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, Claim, Event, Role, What};
use claim_domain::payees::{Payee, PayeeKind, Share};
use claim_domain::policy::{Party, Policy};
use claim_domain::validate::{self, Code, Verdict};
use claim_domain::{FieldError, Moment, local_day};
use sqlx::SqliteConnection;

use crate::claims::{Stored, mine, signed_in};
use crate::failure::{Failure, Result};
use crate::people::{self, Grant};
use crate::session::{Session, masked_name};
use crate::vault::sha256_hex;
use crate::{App, attendant, guard, now, policies, standing, store};

/// Names who gets the money; possible until money goes out, and again for an account that the bank returned.
#[utoipa::path(put, path = "/api/v1/claims/{no}/payees", params(("no" = String, Path)), request_body = Payees,
    responses((status = 200, body = Event), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn name(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
    request: Request,
) -> Result<Json<Event>> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    claim.part.whole()?;
    let Payees { payees } = guard::json(request).await?;
    let at = now();
    let mut tx = app.store.begin().await?;
    let event = record(&app, &mut tx, &claim, &Actor::Customer, payees, at).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

pub fn place(claim_id: &str) -> String {
    format!("payee.sealed/{claim_id}")
}

/// Checks, masks, keeps; shop and injured party may follow their own payment from now on.
async fn record(app: &App, tx: &mut store::Tx, claim: &Stored, actor: &Actor, entries: Vec<PayeeEntry>, at: Moment) -> Result<Event> {
    let state = store::state(app, tx, &claim.id, claim.lob).await?;
    let policy = policies::of_claim(app, &mut *tx, &claim.id).await?;
    let before = whole_in(app, &mut *tx, &claim.id).await?;
    let case = Case { claim, state: &state, policy: policy.as_ref(), at };
    let entries = case.checked(entries, &before).map_err(Problem::validation)?;
    let payees: Vec<Payee> = (1..).zip(&entries).map(|(no, entry)| masked(no, entry)).collect();
    let sealed = store::key(app, tx, &claim.id).await?.seal(&place(&claim.id), &store::json(&entries));
    let (what, beside) = (What::PayeesNamed { payees }, sha256_hex(sealed.as_bytes()));
    let event = store::append_beside(app, &mut *tx, &claim.id, claim.lob, actor, what, at, &beside).await?;
    sqlx::query("INSERT INTO payee (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
        .bind(&claim.id)
        .bind(sealed)
        .execute(&mut **tx)
        .await?;
    for (no, entry) in (1u16..).zip(&entries) {
        let role = match entry.kind {
            PayeeKind::Shop => Role::Shop,
            PayeeKind::ThirdParty => Role::ThirdParty,
            _ => continue,
        };
        if !entry.phone.is_empty() {
            let phone_index = app.vault.index("phone", &entry.phone);
            people::grant(tx, &claim.id, &Grant { role, payee: Some(no), until: None, phone_index: &phone_index }).await?;
        }
    }
    Ok(event)
}

fn masked(no: u16, entry: &PayeeEntry) -> Payee {
    let digits: Vec<char> = entry.account.chars().collect();
    let last4 = digits[digits.len().saturating_sub(4)..].iter().collect();
    let holder = if entry.company { entry.holder.clone() } else { masked_name(&entry.holder) };
    Payee { no, kind: entry.kind, holder, last4, share: entry.share.clone(), company: entry.company }
}

struct Case<'a> {
    claim: &'a Stored,
    state: &'a Claim,
    policy: Option<&'a Policy>,
    at: Moment,
}

impl Case<'_> {
    fn insured(&self) -> Option<&Party> {
        standing::insured_of(self.policy?, self.claim)
    }

    fn checked(&self, entries: Vec<PayeeEntry>, before: &[PayeeEntry]) -> std::result::Result<Vec<PayeeEntry>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let entries: Vec<PayeeEntry> =
            entries.into_iter().enumerate().map(|(i, entry)| self.one(i, entry, before.get(i), &mut errors)).collect();
        if errors.is_empty() { Ok(entries) } else { Err(errors) }
    }

    fn one(&self, i: usize, mut entry: PayeeEntry, before: Option<&PayeeEntry>, errors: &mut Vec<FieldError>) -> PayeeEntry {
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
        entry.holder = take("holder", if entry.company { long(&entry.holder, 2) } else { validate::name(&entry.holder) });
        // Shown masked, sent back masked: it was not changed.
        let kept = before.filter(|b| entry.account.contains('*') && b.account.ends_with(entry.account.trim_start_matches(['*', ' '])));
        entry.account = match kept {
            Some(before) => before.account.clone(),
            None => {
                take("account", if entry.company { validate::bank_account(&entry.account) } else { validate::bank_card(&entry.account) })
            }
        };
        if entry.company {
            entry.id_no = take("id_no", validate::uscc(&entry.id_no));
            entry.bank = take("bank", long(&entry.bank, 2));
            let code: String = entry.bank_code.chars().filter(|c| !c.is_whitespace()).collect();
            let good = code.len() == 12 && code.bytes().all(|b| b.is_ascii_digit());
            entry.bank_code = take("bank_code", if good { Verdict::Ok(code) } else { Verdict::Err(Code::CardLength.into()) });
        } else if entry.kind != PayeeKind::Insured {
            entry.id_no = take("id_no", validate::id_no(&entry.id_no, local_day(self.at)));
        }
        if !entry.phone.trim().is_empty() {
            entry.phone = take("phone", validate::mobile(&entry.phone));
        }
        entry.relation = take("relation", long(&entry.relation, usize::from(entry.kind == PayeeKind::Agent)));
        entry.child = take("child", if entry.child.trim().is_empty() { Verdict::Ok(String::new()) } else { validate::name(&entry.child) });
        let mut refuse = |field: &str, code: Code| errors.push(FieldError::new(place(field), code));
        let person = Party { name: entry.holder.clone(), id_no: entry.id_no.clone(), phone: String::new() };
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
        } else if entry.kind == PayeeKind::Insured && !validate::same_name(&self.claim.notice.reporter.name, &entry.holder) {
            refuse("holder", Code::NameDiffers);
        }
        // The child's own number tells its age; where the account is the guardian's, that of the child counts.
        let today = local_day(self.at);
        match (entry.kind, person.is_under(18, today)) {
            (PayeeKind::Beneficiary | PayeeKind::Heir | PayeeKind::Agent | PayeeKind::ThirdParty, Some(true)) => {
                refuse("kind", Code::PayeeMinor)
            }
            (PayeeKind::Minor, Some(false)) if entry.child.is_empty() => refuse("child", Code::Required),
            _ => {}
        }
        if entry.kind == PayeeKind::Shop && !entry.company {
            refuse("company", Code::Required);
        }
        if let Some(policy) = self.policy
            && self.state.deceased
            && !policy.beneficiaries.is_empty()
        {
            // What the policy designates, to nobody else (保险法第四十条).
            let name = if entry.child.is_empty() { &entry.holder } else { &entry.child };
            let named = policy.beneficiaries.iter().find(|b| validate::same_name(&b.party.name, name));
            match (named, entry.kind) {
                (Some(b), PayeeKind::Beneficiary | PayeeKind::Minor) => entry.share = b.share_bp.map_or(Share::Equal, Share::Bp),
                _ => refuse("holder", Code::NameDiffers),
            }
        }
        entry
    }
}

/// Who can be paid by the policy, with the policy's shares.
pub fn hints(policy: &Policy, claim: &Stored, state: &Claim) -> Vec<Payable> {
    let today = local_day(now());
    let of = |party: &Party, kind: PayeeKind, share: Share| {
        let minor = party.is_under(18, today) == Some(true);
        let kind = if minor { PayeeKind::Minor } else { kind };
        Payable { kind, name: party.name.clone(), share, company: party.is_company() }
    };
    if state.deceased {
        let share = |bp: Option<u32>| bp.map_or(Share::Equal, Share::Bp);
        return policy.beneficiaries.iter().map(|b| of(&b.party, PayeeKind::Beneficiary, share(b.share_bp))).collect();
    }
    standing::insured_of(policy, claim).map(|p| of(p, PayeeKind::Insured, Share::Equal)).into_iter().collect()
}

/// The account that came with the claim request: not asked for again.
pub async fn from_request(app: &App, tx: &mut store::Tx, claim: &Stored, folder: &Folder, at: Moment) -> Result<()> {
    use claim_domain::catalog::Field;
    let card = folder.typed.values().find_map(|fields| fields.get(&Field::Card)).filter(|card| !card.trim().is_empty());
    let (Some(card), true) = (card, folder.answers.get("payee_is_insured") != Some(&false)) else { return Ok(()) };
    let policy = policies::of_claim(app, &mut *tx, &claim.id).await?;
    let Some(insured) = policy.as_ref().and_then(|p| standing::insured_of(p, claim)) else { return Ok(()) };
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
        // A child, a company, the dead: somebody is to be named. Or the money is on its way already.
        Err(Failure::Problem(problem)) if matches!(problem.code, ProblemCode::NotAllowed | ProblemCode::Validation) => Ok(()),
        other => other.map(drop),
    }
}

async fn whole_in(app: &App, db: &mut SqliteConnection, claim_id: &str) -> Result<Vec<PayeeEntry>> {
    let sealed: Option<String> =
        sqlx::query_scalar("SELECT sealed FROM payee WHERE claim_id = ?").bind(claim_id).fetch_optional(&mut *db).await?;
    let Some(sealed) = sealed else { return Ok(Vec::new()) };
    let key = store::key(app, db, claim_id).await?;
    let text = key.open(&place(claim_id), &sealed).ok_or_else(|| Failure::internal("payee", "sealed with another key"))?;
    // Of before there were several: one, without a kind.
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// For the finance desk: whole holders and accounts. A look at them is noted.
pub async fn whole(app: &App, claim_id: &str) -> Result<Vec<PayeeEntry>> {
    whole_in(app, &mut *app.store.read.acquire().await?, claim_id).await
}
