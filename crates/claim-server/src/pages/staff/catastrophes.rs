//! /staff/catastrophes: the switch for typhoon and flood. A region, its days, and what people there are told.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use claim_api::ProblemCode;
use claim_domain::lifecycle::Desk;
use maud::html;

use super::{error_words, signed_in, top};
use crate::pages::{form, page, see_other};
use crate::staff::Fields;
use crate::{App, catastrophes as switch};

pub async fn catastrophes(State(app): State<App>, headers: HeaderMap) -> Response {
    signed_in(&app, &headers, async |staff| {
        let all = switch::all(&app).await?;
        let content = html! {
            h1 { "大灾模式" }
            (top(&staff))
            p { "打开后，在这个地区、这些日子出险的报案不用交气象证明，并显示下面的话。" }
            @for c in &all { section.step {
                h2 { (c.region) " " (c.from) " 到 " (c.to) @if c.active { " · 已打开" } @else { " · 已关闭" } }
                p { (c.words.zh) }
                @if staff.desk == Desk::Supervisor { form method="post" action="/staff/catastrophes" {
                    input type="hidden" name="id" value=(c.id);
                    button { @if c.active { "关闭" } @else { "打开" } }
                } }
            } }
            @if staff.desk == Desk::Supervisor { form.step method="post" action="/staff/catastrophes" {
                h2 { "新的大灾" }
                label for="region" { "地区（地点里含有这几个字）" } input type="text" id="region" name="region" required maxlength="20";
                label for="from" { "从" } input type="date" id="from" name="from" required;
                label for="to" { "到" } input type="date" id="to" name="to" required;
                label for="zh" { "对客户说的话" } textarea id="zh" name="zh" rows="3" required {}
                label for="en" { "英文" } textarea id="en" name="en" rows="3" required {}
                button { "打开大灾模式" }
            } } @else { p.quiet { "由主管打开和关闭。" } }
        };
        Ok(page("zh-CN", "大灾模式", content).into_response())
    })
    .await
}

pub async fn change(State(app): State<App>, headers: HeaderMap, request: Request) -> Response {
    signed_in(&app, &headers, async |staff| {
        if staff.desk != Desk::Supervisor {
            return Err(ProblemCode::NotThisPerson.into());
        }
        let fields = Fields(form(request).await?);
        match switch::change(&app, &fields).await.map_err(crate::failure::Failure::problem) {
            Ok(()) => Ok(see_other("/staff/catastrophes")),
            Err(problem) => {
                let wrong = error_words(&app, problem.errors.first().map_or(problem.code.as_str(), |e| e.code.as_str()));
                let status = axum::http::StatusCode::from_u16(problem.status).unwrap_or_default();
                let content = html! { h1 { "没有成功" } p.wrong role="alert" { (wrong) } p { a href="/staff/catastrophes" { "返回" } } };
                Ok((status, page("zh-CN", "没有成功", content)).into_response())
            }
        }
    })
    .await
}
