//! /shared#…: the progress of a claim, for whoever was given the link. No name, no amount, no
//! reason.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use claim_domain::lifecycle::{MilestoneState, milestones};
use maud::html;

use super::{failed, links, page};
use crate::http::access::Open;
use crate::store::{events, links as kept_links};
use crate::{App, now};

pub const PATH: &str = "/shared";

pub async fn enter(_: Open, State(app): State<App>, request: Request) -> Response {
    links::enter(&app, PATH, request)
        .await
        .unwrap_or_else(|failure| failed(failure, PATH))
}

pub async fn show(_: Open, State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(token) = links::secret(&app, PATH, &headers) else {
        return page(
            "zh-CN",
            "理赔进度",
            html! { h1 { "理赔进度" } (links::entrance(PATH)) },
        )
        .into_response();
    };
    let told = |status: StatusCode, title: &str| {
        let content = html! { h1 { (title) } p { "请向给您链接的人再要一个。" } (links::script()) };
        (status, page("zh-CN", title, content)).into_response()
    };
    let found = async {
        let db = &mut app.store.read().await?;
        let Some(claim) = kept_links::shared(db, &token, now()).await? else {
            return Ok(None);
        };
        let events = events::after(db, &claim.id, 0).await?;
        crate::Result::Ok(Some((claim, events)))
    };
    let (claim, events) = match found.await {
        Ok(Some(found)) => found,
        Ok(None) => return told(StatusCode::GONE, "这个链接已收回或过期"),
        Err(failure) => {
            let status =
                StatusCode::from_u16(failure.problem().status).unwrap_or(StatusCode::NOT_FOUND);
            return told(status, "没有这个链接");
        }
    };
    let name = |stage: claim_domain::lifecycle::Stage| {
        let text = app.catalogue.papers.stages.get(stage.as_str());
        text.map_or("", |s| {
            s.health
                .as_ref()
                .filter(|_| !claim.lob.is_surveyed())
                .unwrap_or(&s.name)
                .zh
                .as_str()
        })
    };
    let content = html! {
        h1 { "理赔进度" }
        p { "报案号末四位 " (&claim.no[claim.no.len().saturating_sub(4)..]) }
        ol { @for line in milestones(claim.lob, &events) { li data-stage=(line.stage.as_str()) {
            strong { (name(line.stage)) } " "
            (match line.state { MilestoneState::Done => "已完成", MilestoneState::Now => "进行中", MilestoneState::Next => "还没到", MilestoneState::Skipped => "无需" })
            @if let Some(at) = line.at { " · " (at.to_local_text()) }
        } } }
        p.quiet { "只显示进度。金额、原因和材料只有被保险人看得到。" }
        (links::script())
    };
    page("zh-CN", "理赔进度", content).into_response()
}
