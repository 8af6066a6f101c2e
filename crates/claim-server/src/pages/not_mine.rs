//! /not-mine#…: where a policyholder who was told of a report on their policy says 这不是我报的,
//! without signing in. The page shows what the message already said, and when and where it is said
//! to have happened: no name, no number.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use claim_domain::lifecycle::{Actor, EventKind};
use maud::html;

use super::{failed, links, page};
use crate::failure::{Failure, Result};
use crate::http::access::Open;
use crate::store::claims::ClaimRow;
use crate::store::links as kept_links;
use crate::work::{attendant, log};
use crate::{App, now};
use claim_api::ProblemCode;

pub const PATH: &str = "/not-mine";

pub async fn enter(_: Open, State(app): State<App>, request: Request) -> Response {
    links::enter(&app, PATH, request)
        .await
        .unwrap_or_else(|failure| failed(failure, PATH))
}

async fn claim(app: &App, headers: &HeaderMap) -> Result<ClaimRow> {
    let token = links::secret(app, PATH, headers).ok_or(ProblemCode::NotFound)?;
    kept_links::disowned(&mut app.store.read().await?, &token, now()).await
}

fn gone(failure: Failure) -> Response {
    let status = StatusCode::from_u16(failure.problem().status).unwrap_or(StatusCode::NOT_FOUND);
    (status, page("zh-CN", "链接无效", html! { h1 { "链接已过期或不完整" } p { "请打保险公司的电话说明。" } (links::script()) }))
        .into_response()
}

pub async fn ask(_: Open, State(app): State<App>, headers: HeaderMap) -> Response {
    if links::secret(&app, PATH, &headers).is_none() {
        let content = html! { h1 { "有人用您的保单报案" } (links::entrance(PATH)) };
        return page("zh-CN", "有人用您的保单报案", content).into_response();
    }
    let claim = match claim(&app, &headers).await {
        Ok(claim) => claim,
        Err(failure) => return gone(failure),
    };
    let incident = app
        .catalogue
        .incident(&claim.incident)
        .map_or("", |i| i.name.zh.as_str());
    let content = html! {
        h1 { "有人用您的保单报案" }
        dl {
            dt { "报案号" } dd { (claim.no) }
            dt { "事故" } dd { (incident) }
            dt { "出险时间" } dd { (claim.notice.loss_at.to_local_text()) }
            dt { "报案时间" } dd { (claim.reported_at.to_local_text()) }
        }
        p { "如果是您本人，或是您同意的人（家人、驾驶人、修理厂）报的，不用做什么。" }
        form method="post" action={ (PATH) "/stop" } { button { "这不是我报的，停止办理" } }
        p.quiet { "停止后，核实清楚之前不会定损、不会付款，也不会给报案人看任何保单信息。" }
        p { "电话 " a href={ "tel:" (app.deployment.hotline) } { (app.deployment.hotline) } }
        (links::script())
    };
    page("zh-CN", "有人用您的保单报案", content).into_response()
}

pub async fn say(_: Open, State(app): State<App>, headers: HeaderMap) -> Response {
    let said = async {
        let claim = claim(&app, &headers).await?;
        let mut tx = app.store.begin().await?;
        let event = log::append(
            &app,
            &mut tx,
            (&claim.id, claim.lob),
            &Actor::Customer,
            EventKind::Disowned,
            now(),
        )
        .await;
        match event {
            Ok(_) => tx.commit().await?,
            // Already said, or the claim has ended: nothing moves either way.
            Err(Failure::Problem(problem)) if problem.code == ProblemCode::NotAllowed => {}
            Err(failure) => return Err(failure),
        }
        attendant::attend(&app, &claim.id).await;
        Result::Ok(())
    };
    match said.await {
        Ok(()) => {
            let content = html! {
                h1 { "已停止办理" }
                p { "我们会打电话向您核实。核实清楚之前，这个案件不会再往前走。" }
                p { "电话 " a href={ "tel:" (app.deployment.hotline) } { (app.deployment.hotline) } }
            };
            page("zh-CN", "已停止办理", content).into_response()
        }
        Err(failure) => gone(failure),
    }
}
