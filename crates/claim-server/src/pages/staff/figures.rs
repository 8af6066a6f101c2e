//! /staff/figures: counts, amounts, timeliness; and the list as CSV.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use claim_domain::{Day, money};
use maud::html;

use super::{Shown, Staff, top};
use crate::pages::page;
use crate::work::statistics::{self, yuan};
use crate::{App, now};

/// First and last day of the reports; this month by default.
#[derive(serde::Deserialize)]
pub struct Days {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

impl Days {
    fn both(&self) -> (Day, Day) {
        let (from, to) = statistics::this_month(now());
        (
            Day::parse(&self.from).unwrap_or(from),
            Day::parse(&self.to).unwrap_or(to),
        )
    }
}

pub async fn figures(
    Staff(staff): Staff,
    State(app): State<App>,
    Query(days): Query<Days>,
) -> Shown {
    let (from, to) = days.both();
    let f = statistics::figures(&app, from, to).await?;
    let papers = &app.catalogue.papers;
    let incident = |id: &str| {
        app.catalogue
            .incident(id)
            .map_or_else(|| id.to_owned(), |i| i.name.zh.clone())
    };
    let content = html! {
        h1 { "统计" }
        (top(&staff))
        form method="get" action="/staff/figures" {
            label for="from" { "报案从" } input type="date" id="from" name="from" value=(from);
            label for="to" { "到" } input type="date" id="to" name="to" value=(to);
            button { "计算" }
        }
        dl {
            dt { "报案" } dd id="claims" { (f.claims) " 件" }
            dt { "已付" } dd id="paid" { (money::show(f.paid_fen)) }
            dt { "报案到材料齐，中位数" } dd id="complete" { @match f.complete_hours { Some((hours, n)) => { (hours) " 小时（" (n) " 件）" } None => "还没有" } }
            dt { "再次要求补充" } dd id="second-lists" { (f.second_lists) " 次" }
            dt { "评价 1 到 5 分" } dd { (f.ratings.map(|n| n.to_string()).join(" · ")) }
        }
        h2 { "按事故" }
        table { thead { tr { th { "事故" } th { "件数" } th { "已付" } } } tbody { @for (id, (n, fen)) in &f.by_incident { tr { td { (incident(id)) } td { (n) } td { (money::show(*fen)) } } } } }
        h2 { "期限" }
        table { thead { tr { th { "期限" } th { "按时" } th { "超时" } } } tbody { @for (clock, kept) in &f.kept { @if kept.kept + kept.missed > 0 { tr data-clock=(clock.as_str()) {
            td { (papers.after.clocks.get(clock.as_str()).map_or("", |c| c.name.zh.as_str())) } td { (kept.kept) } td { (kept.missed) }
        } } } } }
        h2 { "阶段" }
        ul { @for (stage, n) in &f.by_stage { li { (papers.stages.get(*stage).map_or("", |s| s.name.zh.as_str())) " " (n) } } }
        @if !f.returned.is_empty() { h2 { "退回重传的材料" } ul { @for (id, n) in &f.returned { li { (app.catalogue.document(id).map_or(id.as_str(), |d| d.name.zh.as_str())) " " (n) } } } }
        @if !f.causes.is_empty() { h2 { "纠纷原因" } ul { @for (id, n) in &f.causes { li { (papers.after.causes.iter().find(|c| c.id == *id).map_or(id.as_str(), |c| c.name.zh.as_str())) " " (n) } } } }
        @if !f.by_catastrophe.is_empty() { h2 { "大灾" } ul { @for (id, n) in &f.by_catastrophe { li { (id) " " (n) } } } }
        p { a href={ "/staff/claims.csv?from=" (from) "&to=" (to) } { "下载案件表（CSV）" } }
    };
    Ok(page("zh-CN", "统计", content).into_response())
}

pub async fn csv(Staff(staff): Staff, State(app): State<App>, Query(days): Query<Days>) -> Shown {
    let (from, to) = days.both();
    app.audit.say(
        "export",
        &staff.who(),
        serde_json::json!({ "list": "claims", "from": from.to_string(), "to": to.to_string() }),
    );
    let rows = statistics::rows(&app, from, to)
        .await?
        .into_iter()
        .map(|r| {
            vec![
                r.no,
                r.incident,
                r.stage.to_owned(),
                r.reported_at.to_local_text(),
                yuan(r.paid_fen),
                r.place,
                r.catastrophe,
            ]
        });
    let text = statistics::csv(
        &[
            "报案号",
            "事故",
            "阶段",
            "报案时间",
            "已付（元）",
            "地点",
            "大灾",
        ],
        rows,
    );
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"claims.csv\"",
        ),
    ];
    Ok((headers, text).into_response())
}
