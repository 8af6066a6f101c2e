//! 我的保单: what each policy covers, up to how much, for whom, and who is paid after a death.

use claim_api::{BASE, CoverView, PolicyDetail};
use claim_domain::money;
use claim_domain::payout::percent;
use claim_domain::policy::{Cover, Party};
use leptos::prelude::*;

use super::{Fetched, trouble};
use crate::i18n::{c, t};
use crate::platform::{http, spawn};
use crate::ui::{button_link, live, sheet};
use crate::visit::Visit;

/// `/claims/policies`
pub fn policies(visit: Visit) -> AnyView {
    let all: Fetched<Vec<PolicyDetail>> = RwSignal::new(None);
    spawn(
        async move { drop(all.try_set(Some(http::get_whole(&format!("{BASE}/policies")).await))) },
    );
    let content = move || match all.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, "/claims/policies"),
        Some(Ok(all)) if all.is_empty() => {
            view! { <p>{c().no_policies}</p>{button_link("/report".into(), t().report, true)} }
                .into_any()
        }
        Some(Ok(all)) => {
            view! { <div class="cards">{all.into_iter().map(one).collect_view()}</div> }.into_any()
        }
    };
    sheet(
        c().my_policies,
        Some("/claims"),
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

fn names<'a>(parties: impl Iterator<Item = &'a Party>) -> String {
    parties
        .map(|p| p.name.as_str())
        .collect::<Vec<_>>()
        .join(t().comma)
}

fn one(detail: PolicyDetail) -> AnyView {
    let policy = detail.policy;
    let plate = policy
        .vehicle
        .as_ref()
        .map(|v| v.plate.clone())
        .filter(|p| !p.is_empty());
    let period = c()
        .policy_in_force
        .replace("{from}", &policy.from.to_string())
        .replace("{to}", &policy.to.to_string());
    let beneficiaries = (!policy.beneficiaries.is_empty()).then(|| {
        let one = |b: &claim_domain::policy::Beneficiary| match b.share_bp {
            Some(bp) => format!("{} {}", b.party.name, percent(bp)),
            None => b.party.name.clone(),
        };
        let names = policy
            .beneficiaries
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .join(t().comma);
        view! { <p>{c().policy_beneficiaries.replace("{names}", &names)}</p> }
    });
    let covers = policy
        .covers
        .iter()
        .map(|cover| line(cover, None))
        .collect_view();
    view! {
        <section class="card" data-policy=policy.no.clone()>
            <h2>{super::lob_name(policy.lob)}</h2>
            <p><strong>{plate}</strong>" "{policy.no.clone()}</p>
            <p class="quiet">{period}{(!detail.in_force).then(|| view! { " "<span class="tag">{c().policy_over}</span> })}</p>
            <p>{c().policy_insured.replace("{names}", &names(policy.insured.iter()))}</p>
            {beneficiaries}
            <ul class="covers">{covers}</ul>
        </section>
    }
    .into_any()
}

/// One cover: its sum insured, what is left, and what reduces the payment.
fn line(cover: &Cover, left: Option<i64>) -> AnyView {
    let sum = match left {
        Some(left) => c()
            .cover_left
            .replace("{sum}", &money::show(cover.sum_fen))
            .replace("{left}", &money::show(left)),
        None => money::show(cover.sum_fen),
    };
    let parts = [
        (cover.deductible_fen > 0).then(|| {
            c().cover_deductible
                .replace("{sum}", &money::show(cover.deductible_fen))
        }),
        (cover.deductible_bp > 0)
            .then(|| c().cover_rate.replace("{p}", &percent(cover.deductible_bp))),
        (cover.share_bp < 10_000).then(|| c().cover_share.replace("{p}", &percent(cover.share_bp))),
        cover.daily_fen.map(|fen| {
            let days = cover
                .most_days
                .map_or_else(|| "–".into(), |d| d.to_string());
            c().cover_daily
                .replace("{sum}", &money::show(fen))
                .replace("{n}", &days)
        }),
        (cover.waiting_days > 0).then(|| {
            c().cover_waiting
                .replace("{n}", &cover.waiting_days.to_string())
        }),
        (!cover.hospital.is_empty()).then(|| cover.hospital.clone()),
        (!cover.exclusions.is_empty()).then(|| {
            c().cover_excludes
                .replace("{text}", &cover.exclusions.join(t().comma))
        }),
    ];
    let parts = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    view! {
        <li data-cover=cover.code.clone()>
            <strong>{cover.name.clone()}</strong>" "{sum}
            {(!parts.is_empty()).then(|| view! { <p class="quiet">{parts}</p> })}
        </li>
    }
    .into_any()
}

/// What the policy of a claim pays for, and what is left of it.
pub fn covers(covers: &[CoverView]) -> Option<AnyView> {
    let lines = covers
        .iter()
        .map(|v| line(&v.cover, Some(v.left_fen)))
        .collect_view();
    (!covers.is_empty())
        .then(|| view! { <details id="covers"><summary>{c().covers}</summary><ul class="covers">{lines}</ul></details> }.into_any())
}
