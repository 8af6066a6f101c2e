//! Names for what staff see: roles, payees, matters, gaps.

use claim_domain::lifecycle::{Gap, Matter, Role, Work};
use claim_domain::money;
use claim_domain::payees::PayeeKind;

use crate::App;

pub fn payee_kind(kind: PayeeKind) -> &'static str {
    match kind {
        PayeeKind::Insured => "被保险人",
        PayeeKind::Beneficiary => "受益人",
        PayeeKind::Heir => "继承人",
        PayeeKind::Minor => "未成年人",
        PayeeKind::Agent => "受托收款人",
        PayeeKind::Shop => "修理厂（直赔）",
        PayeeKind::ThirdParty => "受害方",
    }
}

pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "投保人或被保险人",
        Role::Reporter => "报案人",
        Role::Agent => "受托人",
        Role::Beneficiary => "受益人或继承人",
        Role::Guardian => "监护人",
        Role::Shop => "修理厂",
        Role::ThirdParty => "受害方",
    }
}

pub fn matter(matter: Matter) -> &'static str {
    match matter {
        Matter::TotalLoss => "全损",
        Matter::SubrogationClaim => "向责任方追偿（代位求偿）",
        Matter::CourtCase => "已诉讼或仲裁",
        Matter::InsuredDeceased => "被保险人已去世",
    }
}

/// What still blocks the payment, in the words of the staff.
pub fn gap(app: &App, gap: &Gap) -> String {
    match gap {
        Gap::Disowned => "投保人否认报案，待核实".into(),
        Gap::Policy => "没有关联保单".into(),
        Gap::Request => "客户还没有提交索赔申请".into(),
        Gap::Paper(id) => format!("缺{}", name_of(app, id)),
        Gap::Verdict(id) => format!("{}还没有审核", name_of(app, id)),
        Gap::Decision => "还没有核赔".into(),
        Gap::Agreement => "客户还没有同意金额".into(),
        Gap::Payees => "收款人不全".into(),
        Gap::Account(no) => format!("第 {no} 位收款人的账户被退回"),
    }
}

pub fn name_of<'a>(app: &'a App, document: &'a str) -> &'a str {
    app.catalogue
        .document(document)
        .map_or(document, |d| d.name.zh.as_str())
}

pub fn overlay_name<'a>(app: &'a App, id: &'a str) -> &'a str {
    app.catalogue
        .papers
        .after
        .overlays
        .get(id)
        .map_or(id, |t| t.zh.as_str())
}

pub fn cause_name<'a>(app: &'a App, id: &'a str) -> &'a str {
    app.catalogue
        .papers
        .after
        .causes
        .iter()
        .find(|c| c.id == id)
        .map_or(id, |c| c.name.zh.as_str())
}

/// `前保险杠　更换　¥800.00` as it was typed.
pub fn line(line: &claim_domain::lifecycle::Line) -> String {
    let work = match line.work {
        Some(Work::Repair) => "修复 ",
        Some(Work::Replace) => "更换 ",
        Some(Work::Labour) => "工时 ",
        None => "",
    };
    format!(
        "{} {work}{}",
        line.name,
        money::show(line.fen)
            .trim_start_matches('¥')
            .replace(',', "")
    )
}
