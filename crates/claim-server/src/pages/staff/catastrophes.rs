//! /staff/catastrophes: the switch for typhoon and flood. A region, its days, and what people there
//! are told.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::Desk;
use claim_domain::validate::Code;
use claim_domain::{Day, FieldError, Text};
use maud::html;

use super::{Shown, Staff, error_words, top};
use crate::App;
use crate::failure::Result;
use crate::http::body;
use crate::pages::{page, see_other};
use crate::store::catastrophes as kept;
use crate::work::fields::Fields;

pub async fn catastrophes(Staff(staff): Staff, State(app): State<App>) -> Shown {
    let all = kept::all(&mut app.store.read().await?).await?;
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
}

pub async fn change(Staff(staff): Staff, State(app): State<App>, request: Request) -> Shown {
    if staff.desk != Desk::Supervisor {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let fields = Fields(body::form(request).await?);
    match taken(&app, &fields)
        .await
        .map_err(crate::failure::Failure::problem)
    {
        Ok(()) => Ok(see_other("/staff/catastrophes")),
        Err(problem) => {
            let wrong = error_words(
                &app,
                problem
                    .errors
                    .first()
                    .map_or(problem.code.as_str(), |e| e.code.as_str()),
            );
            let status = axum::http::StatusCode::from_u16(problem.status).unwrap_or_default();
            let content = html! { h1 { "没有成功" } p.wrong role="alert" { (wrong) } p { a href="/staff/catastrophes" { "返回" } } };
            Ok((status, page("zh-CN", "没有成功", content)).into_response())
        }
    }
}

/// Adds one, or turns a known one on or off.
///
/// # Errors
/// `validation` names the field.
async fn taken(app: &App, fields: &Fields) -> Result<()> {
    let id = fields.get("id");
    let mut tx = app.store.begin().await?;
    if id.is_empty() {
        let wrong = |name: &str, code: Code| {
            Problem::validation(vec![FieldError::new(format!("/{name}"), code)])
        };
        let day =
            |name: &str| Day::parse(&fields.get(name)).ok_or_else(|| wrong(name, Code::DateFormat));
        let (from, to) = (day("from")?, day("to")?);
        for name in ["region", "zh", "en"] {
            if fields.get(name).is_empty() {
                return Err(wrong(name, Code::Required).into());
            }
        }
        if from > to {
            return Err(wrong("to", Code::DateFormat).into());
        }
        let words = Text {
            zh: fields.get("zh"),
            en: fields.get("en"),
        };
        kept::add(&mut tx, &fields.get("region"), from, to, &words).await?;
    } else {
        kept::turn(&mut tx, &id).await?;
    }
    tx.commit().await
}
