//! /staff/accounts: who may sign in, who is signed in, and the end of either. For supervisors.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use claim_api::ProblemCode;
use claim_domain::lifecycle::Desk;
use maud::html;
use serde_json::json;

use super::{Shown, Staff, name_of_desk, top};
use crate::App;
use crate::http::body;
use crate::pages::{page, see_other};
use crate::store::staff;
use crate::work::accounts as work;
use crate::work::fields::Fields;

pub async fn accounts(Staff(member): Staff, State(app): State<App>) -> Shown {
    if member.desk != Desk::Supervisor {
        return Err(ProblemCode::NotFound.into());
    }
    let all = staff::all(&mut app.store.read().await?).await?;
    let content = html! {
        h1 { "员工账户" }
        (top(&member))
        p { "新账户和新密码由运维用命令行添加。停用的账户留着，做过的事仍写着是谁做的。" }
        div.scroll tabindex="0" role="region" aria-label="员工账户" { table.short {
            thead { tr { th { "用户名" } th { "岗位" } th { "操作" } th { "客户看到的" } th { "第二验证" } th { "正在登录" } } }
            tbody { @for one in &all { tr {
                td { (one.name) } td { (name_of_desk(one.desk)) }
                td { @if !one.removed {
                    form method="post" action="/staff/accounts" {
                        input type="hidden" name="name" value=(one.name);
                        @if one.sessions > 0 { button.plain name="do" value="end" aria-label={ "全部退出 " (one.name) } { "全部退出" } " " }
                        @if one.name != member.name { button.plain name="do" value="close" aria-label={ "停用 " (one.name) } { "停用" } }
                    }
                } }
                td { (one.shown_as) }
                td { @if one.second_factor { "已开" } @else { "没有" } }
                td { @if one.removed { "已停用" } @else if one.sessions == 0 { "没有" } @else {
                    (one.sessions) " 处，最近 " (one.seen.map(|seen| seen.to_local_text()).unwrap_or_default())
                } }
            } } }
        } }
    };
    Ok(page("zh-CN", "员工账户", content).into_response())
}

pub async fn change(Staff(member): Staff, State(app): State<App>, request: Request) -> Shown {
    if member.desk != Desk::Supervisor {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let fields = Fields(body::form(request).await?);
    let (name, wish) = (fields.get("name"), fields.get("do"));
    let done = match wish.as_str() {
        "end" => work::end_sessions(&app, &name).await?,
        // Nobody locks out the last supervisor by closing their own account.
        "close" if name != member.name => work::close(&app, &name).await?,
        _ => false,
    };
    if !done {
        return Err(ProblemCode::NotFound.into());
    }
    app.audit
        .say("set", &member.who(), json!({ "staff": name, "do": wish }));
    Ok(see_other("/staff/accounts"))
}
