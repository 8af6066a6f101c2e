//! 收款人: who gets the money, one person or several, each with a bank account. Names and shares
//! from the policy are filled in; an account is checked when saved, and afterwards only its last
//! four digits are shown.

use claim_api::{BASE, ClaimView, CoverView, Payable, PayeeEntry, Payees};
use claim_domain::lifecycle::{Claim, Event};
use claim_domain::payees::{Payee, PayeeKind, Share};
use claim_domain::{FieldError, money};
use leptos::prelude::*;

use super::action::ClaimAction;
use super::{Fetched, trouble};
use crate::i18n::c;
use crate::platform::{address, http, page, spawn};
use crate::ui::{Errors, changed, click, error_text, live, sheet};
use crate::visit::Visit;

/// `/claims/:no/payees`
pub fn payees(visit: Visit, no: &str) -> AnyView {
    let claim: Fetched<ClaimView> = RwSignal::new(None);
    let (path, here, back) = (
        format!("{BASE}/claims/{no}"),
        address::path().get_untracked(),
        format!("/claims/{no}"),
    );
    spawn(async move { drop(claim.try_set(Some(http::get_whole(&path).await))) });
    let content = move || match claim.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, &here),
        Some(Ok(view)) => untrack(|| form(visit, &view)),
    };
    sheet(
        c().payee,
        Some(&back),
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

/// How a share is chosen: equally, by percentage, as the policy says, or the money of one cover.
const EQUAL: &str = "equal";
const BP: &str = "bp";

/// One payee as it is typed. Its signals live as long as the page.
#[derive(Clone, Copy)]
struct Row {
    id: u32,
    kind: RwSignal<PayeeKind>,
    holder: RwSignal<String>,
    account: RwSignal<String>,
    id_no: RwSignal<String>,
    company: RwSignal<bool>,
    bank: RwSignal<String>,
    bank_code: RwSignal<String>,
    phone: RwSignal<String>,
    relation: RwSignal<String>,
    child: RwSignal<String>,
    /// `equal`, `bp`, or the code of a cover.
    share: RwSignal<String>,
    percent: RwSignal<String>,
    /// The policy fixes the share: it is not asked.
    designated: bool,
}

impl Row {
    fn empty(id: u32) -> Row {
        let text = || RwSignal::new(String::new());
        Row {
            id,
            kind: RwSignal::new(PayeeKind::Insured),
            holder: text(),
            account: text(),
            id_no: text(),
            company: RwSignal::new(false),
            bank: text(),
            bank_code: text(),
            phone: text(),
            relation: text(),
            child: text(),
            share: RwSignal::new(EQUAL.into()),
            percent: text(),
            designated: false,
        }
    }

    /// Somebody whom the policy names.
    fn of(id: u32, payable: &Payable) -> Row {
        let row = Row {
            designated: payable.kind != PayeeKind::Insured,
            ..Row::empty(id)
        };
        row.kind.set(payable.kind);
        row.holder.set(payable.name.clone());
        row.company.set(payable.company);
        row.shares(&payable.share);
        row
    }

    /// A payee entered before: the account stays as it is unless retyped.
    fn again(id: u32, payee: &Payee, payable: &[Payable]) -> Row {
        let row = Row::empty(id);
        row.kind.set(payee.kind);
        row.company.set(payee.company);
        row.shares(&payee.share);
        row.account.set(format!("**** {}", payee.last4));
        // The policy has the full name; the one we show is masked.
        let first = payee.holder.chars().next();
        let known = payable
            .iter()
            .find(|p| p.kind == payee.kind && p.name.chars().next() == first);
        row.holder.set(known.map_or_else(
            || {
                if payee.company {
                    payee.holder.clone()
                } else {
                    String::new()
                }
            },
            |p| p.name.clone(),
        ));
        Row {
            designated: known.is_some_and(|p| p.kind != PayeeKind::Insured),
            ..row
        }
    }

    fn shares(&self, share: &Share) {
        match share {
            Share::Equal => self.share.set(EQUAL.into()),
            Share::Bp(bp) => {
                self.share.set(BP.into());
                self.percent.set(
                    claim_domain::payout::percent(*bp)
                        .trim_end_matches('%')
                        .into(),
                );
            }
            Share::Covers(codes) => self.share.set(codes.first().cloned().unwrap_or_default()),
        }
    }

    fn entry(&self) -> PayeeEntry {
        let text = |signal: RwSignal<String>| signal.get_untracked();
        let share = match self.share.get_untracked().as_str() {
            EQUAL => Share::Equal,
            // 87.5 % is 8750 of ten thousand, as ¥87.50 is 8750 fen.
            BP => Share::Bp(
                money::parse(&text(self.percent))
                    .ok()
                    .and_then(|bp| u32::try_from(bp).ok())
                    .unwrap_or(0),
            ),
            cover => Share::Covers(vec![cover.to_owned()]),
        };
        let (kind, company) = (self.kind.get_untracked(), self.company.get_untracked());
        let minor = kind == PayeeKind::Minor;
        let agent = matches!(kind, PayeeKind::Agent | PayeeKind::Heir | PayeeKind::Minor);
        PayeeEntry {
            kind,
            holder: text(self.holder),
            account: text(self.account),
            id_no: text(self.id_no),
            company,
            bank: if company {
                text(self.bank)
            } else {
                String::new()
            },
            bank_code: if company {
                text(self.bank_code)
            } else {
                String::new()
            },
            phone: text(self.phone),
            relation: if agent {
                text(self.relation)
            } else {
                String::new()
            },
            child: if minor {
                text(self.child)
            } else {
                String::new()
            },
            share,
        }
    }
}

fn kind_name(kind: PayeeKind) -> &'static str {
    match kind {
        PayeeKind::Insured => c().kind_insured,
        PayeeKind::Beneficiary => c().kind_beneficiary,
        PayeeKind::Heir => c().kind_heir,
        PayeeKind::Minor => c().kind_minor,
        PayeeKind::Agent => c().kind_agent,
        PayeeKind::Shop => c().kind_shop,
        PayeeKind::ThirdParty => c().kind_third,
    }
}

/// Who can be paid after this loss.
fn kinds(state: &Claim) -> Vec<PayeeKind> {
    let fits = |kind: &PayeeKind| match kind {
        PayeeKind::Insured | PayeeKind::Agent => !state.deceased,
        PayeeKind::Beneficiary | PayeeKind::Heir => state.deceased,
        PayeeKind::Shop => state.lob == claim_domain::Lob::Motor,
        PayeeKind::ThirdParty => state.lob.is_surveyed(),
        PayeeKind::Minor => true,
    };
    PayeeKind::ALL.iter().copied().filter(fits).collect()
}

/// How a payee is shown elsewhere.
pub fn shown(payees: &[Payee]) -> String {
    let one = |p: &Payee| format!("{}（{}） ****{}", p.holder, kind_name(p.kind), p.last4);
    payees.iter().map(one).collect::<Vec<_>>().join("；")
}

fn form(visit: Visit, view: &ClaimView) -> AnyView {
    let no = view.summary.claim_no.clone();
    let deed = ClaimAction::new(visit, &no);
    let state = Claim::replay(view.summary.lob, &view.events);
    let kinds = StoredValue::new(kinds(&state));
    let covers = StoredValue::new(view.covers.clone());
    let first: Vec<Row> = match (state.payees.is_empty(), view.payable.is_empty()) {
        (false, _) => (0..)
            .zip(&state.payees)
            .map(|(id, p)| Row::again(id, p, &view.payable))
            .collect(),
        (true, false) => (0..)
            .zip(&view.payable)
            .map(|(id, p)| Row::of(id, p))
            .collect(),
        (true, true) => vec![Row::empty(0)],
    };
    if state.payees.is_empty() && view.payable.is_empty() {
        first[0]
            .kind
            .set(kinds.with_value(|k| k.first().copied().unwrap_or(PayeeKind::Insured)));
        first[0].holder.set(
            view.insured
                .clone()
                .filter(|_| !state.deceased)
                .unwrap_or_default(),
        );
    }
    let next = StoredValue::new(u32::try_from(first.len()).unwrap_or(0));
    let rows = RwSignal::new(first);
    let add = move |_| {
        let row = Row::empty(next.get_value());
        next.update_value(|n| *n += 1);
        row.kind
            .set(kinds.with_value(|k| k.last().copied().unwrap_or(PayeeKind::Agent)));
        rows.update(|all| all.push(row));
    };
    let send = move |_| {
        let payees = Payees {
            payees: rows.with_untracked(|all| all.iter().map(Row::entry).collect()),
        };
        let (path, back) = (
            format!("{BASE}/claims/{no}/payees"),
            format!("/claims/{no}"),
        );
        deed.call(
            async move { http::put::<Event>(&path, &payees).await.map(drop) },
            move || address::go(&back),
        );
    };
    // The server names a field by its position among the rows.
    let place = move |row: Row| {
        rows.with(|all| all.iter().position(|r| r.id == row.id))
            .unwrap_or_default()
    };
    let one = move |row: Row| {
        fields(
            visit,
            deed.errors,
            rows,
            row,
            Signal::derive(move || place(row)),
            kinds,
            covers,
        )
    };
    view! {
        {deed.trouble()}
        <p>{c().payees_hint}</p>
        <For each=move || rows.get() key=|row| row.id children=one></For>
        <p><button class="chip" type="button" id="add-payee" on:click=click(add)>{c().payee_add}</button></p>
        <p class="quiet">{c().payee_papers}</p>
        <button class="weui-btn weui-btn_primary" type="button" id="save-payees" on:click=click(send)>{c().payee_save}</button>
    }
    .into_any()
}

fn wrong(visit: Visit, errors: Errors, place: Signal<usize>, name: &'static str) -> AnyView {
    live(move || {
        let field = format!("/payees/{}/{name}", place.get());
        let error: Option<FieldError> =
            errors.with(|e| e.iter().find(|e| e.field == field).cloned());
        error.map(|e| view! { <p class="wrong">{error_text(visit, &e)}</p> })
    })
}

/// One line of a row.
#[derive(Clone, Copy)]
struct Line {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    complete: &'static str,
    text: RwSignal<String>,
}

fn line(visit: Visit, errors: Errors, place: Signal<usize>, l: Line) -> AnyView {
    let id = Signal::derive(move || format!("payees-{}-{}", place.get(), l.name));
    view! {
        <label class="label" for=id>{l.label}</label>
        {wrong(visit, errors, place, l.name)}
        <input class="input" id=id type="text" inputmode=l.kind autocomplete=l.complete prop:value=move || page::Typed(l.text.get()) on:input=changed(move |e| l.text.set(page::value_of(&e))) />
    }
    .into_any()
}

fn fields(
    visit: Visit,
    errors: Errors,
    rows: RwSignal<Vec<Row>>,
    row: Row,
    place: Signal<usize>,
    kinds: StoredValue<Vec<PayeeKind>>,
    covers: StoredValue<Vec<CoverView>>,
) -> AnyView {
    let text = move |name, label, kind, complete, text| {
        line(
            visit,
            errors,
            place,
            Line {
                name,
                label,
                kind,
                complete,
                text,
            },
        )
    };
    let options = kinds.get_value().into_iter().map(|kind| {
        let chosen = move || row.kind.get() == kind;
        view! { <option value=kind.as_str() prop:selected=Signal::derive(chosen)>{kind_name(kind)}</option> }
    });
    let options = options.collect_view();
    let pick =
        move |e| {
            let value = page::value_of(&e);
            if let Some(kind) = PayeeKind::ALL.iter().copied().find(|k| k.as_str() == value) {
                row.kind.set(kind);
                row.company.set(kind == PayeeKind::Shop);
                if matches!(kind, PayeeKind::Shop | PayeeKind::ThirdParty) {
                    row.share.set(covers.with_value(|all| {
                        all.first().map_or(EQUAL.into(), |c| c.cover.code.clone())
                    }));
                }
            }
        };
    let many = Memo::new(move |_| rows.with(|all| all.len() > 1));
    let flip = move |_| row.company.update(|is| *is = !*is);
    let bank = move || {
        let card = row.account.get();
        let hint = visit
            .catalogue
            .bank_of(&card)
            .filter(|_| !row.company.get())
            .map(|name| c().payee_bank_hint.replace("{name}", name));
        hint.map(|text| view! { <p class="quiet" role="status">{text}</p> })
    };
    let of_company = move || {
        row.company.get().then(|| {
            view! {
                {text("id_no", c().payee_uscc, "text", "off", row.id_no)}
                {text("bank", c().payee_bank, "text", "off", row.bank)}
                {text("bank_code", c().payee_bank_code, "numeric", "off", row.bank_code)}
            }
        })
    };
    let of_person = move || {
        let kind = row.kind.get();
        let relation = matches!(kind, PayeeKind::Agent | PayeeKind::Heir | PayeeKind::Minor);
        (!row.company.get() && kind != PayeeKind::Insured).then(|| {
            view! {
                {(kind == PayeeKind::Minor).then(|| text("child", c().payee_child, "text", "off", row.child))}
                {text("id_no", c().payee_id, "text", "off", row.id_no)}
                {relation.then(|| text("relation", c().payee_relation, "text", "off", row.relation))}
            }
        })
    };
    let of_other = move || {
        matches!(row.kind.get(), PayeeKind::Shop | PayeeKind::ThirdParty)
            .then(|| text("phone", c().payee_phone, "tel", "off", row.phone))
    };
    let share = move || {
        if row.designated {
            return Some(
                view! { <p class="quiet">{c().share_policy}{(row.share.get() == BP).then(|| format!(" {}%", row.percent.get()))}</p> }
                    .into_any(),
            );
        }
        let alone = matches!(row.kind.get(), PayeeKind::Shop | PayeeKind::ThirdParty);
        (many.get() || alone).then(|| shares(visit, errors, place, row, covers))
    };
    let remove = move |_| rows.update(|all| all.retain(|r| r.id != row.id));
    let id = Signal::derive(move || format!("payees-{}-kind", place.get()));
    view! {
        <fieldset class="payee">
            <legend>{live(move || c().payee_n.replace("{n}", &(place.get() + 1).to_string()))}</legend>
            <label class="label" for=id>{c().payee_kind}</label>
            {wrong(visit, errors, place, "kind")}
            <select class="input" id=id on:change=changed(pick)>{options}</select>
            {text("holder", c().payee_holder, "text", "name", row.holder)}
            <div class="choices"><label class="choice">
                <input type="checkbox" id=Signal::derive(move || format!("payees-{}-company", place.get())) prop:checked=row.company on:change=changed(flip) />
                <span>{c().payee_company}</span>
            </label></div>
            {wrong(visit, errors, place, "company")}
            {text("account", c().payee_account, "numeric", "off", row.account)}
            <div>{live(bank)}</div>
            <div>{live(of_company)}</div>
            <div>{live(of_person)}</div>
            <div>{live(of_other)}</div>
            <div>{live(share)}</div>
            <div>{live(move || many.get().then(|| view! { <button class="link" type="button" on:click=click(remove)>{c().payee_remove}</button> }))}</div>
        </fieldset>
    }
    .into_any()
}

fn shares(
    visit: Visit,
    errors: Errors,
    place: Signal<usize>,
    row: Row,
    covers: StoredValue<Vec<CoverView>>,
) -> AnyView {
    let id = Signal::derive(move || format!("payees-{}-share", place.get()));
    let mut all = vec![
        (EQUAL.to_owned(), c().share_equal.to_owned()),
        (BP.to_owned(), c().share_bp.to_owned()),
    ];
    covers.with_value(|covers| {
        all.extend(covers.iter().map(|v| {
            (
                v.cover.code.clone(),
                format!("{}：{}", c().share_covers, v.cover.name),
            )
        }))
    });
    let options = all.into_iter().map(|(value, name)| {
        let mine = value.clone();
        view! { <option value=value prop:selected=Signal::derive(move || row.share.get() == mine)>{name}</option> }
    });
    let options = options.collect_view();
    let percent = move || {
        (row.share.get() == BP).then(|| {
            let l = Line {
                name: "percent",
                label: c().share_bp,
                kind: "decimal",
                complete: "off",
                text: row.percent,
            };
            line(visit, errors, place, l)
        })
    };
    view! {
        <label class="label" for=id>{c().payee_share}</label>
        <select class="input" id=id on:change=changed(move |e| row.share.set(page::value_of(&e)))>{options}</select>
        <div>{live(percent)}</div>
    }
    .into_any()
}
