//! For newcomers only: who is who, and the messages that nobody sends. Neither exists without `--demo`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use claim_domain::Moment;
use maud::html;
use sqlx::Row;

use super::{failed, page};
use crate::demo::{POLICIES, STAFF, password};
use crate::{App, Result, now, policies};

pub async fn who() -> Response {
    let (people, at) = (policies::read(POLICIES).unwrap_or_default(), now());
    let content = html! {
        h1 { "演示：谁是谁" }
        p { "下面的人都是虚构的。登录用的验证码在 " a href="/demo/outbox" { "短信箱" } "。" }
        h2 { "投保人" }
        div.scroll tabindex="0" role="region" aria-label="投保人" { table {
            thead { tr { th { "姓名" } th { "手机" } th { "保单" } th { "车牌" } th { "身份证号" } } }
            tbody { @for p in &people { tr {
                td { (p.holder.name) @if !p.covers_moment(at) { "（保单已过期）" } @if p.insured != [p.holder.clone()] { "，被保险人 " (p.insured.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join("、")) } }
                td { (p.holder.phone) } td { (p.no) } td { (p.vehicle.as_ref().map_or("无", |v| v.plate.as_str())) } td { (p.holder.id_no) }
            } } }
        } }
        h2 { "公司员工" }
        p { a href="/staff" { "打开员工页面" } }
        div.scroll tabindex="0" role="region" aria-label="公司员工" { table {
            thead { tr { th { "用户名" } th { "密码" } th { "显示为" } } }
            tbody { @for (name, shown_as, _) in STAFF { tr { td { (name) } td { (password(name)) } td { (shown_as) } } } }
        } }
    };
    page("zh-CN", "演示：谁是谁", content).into_response()
}

pub async fn outbox(State(app): State<App>) -> Response {
    match messages(&app).await {
        Ok(messages) => {
            let content = html! {
                h1 { "演示：短信箱" }
                p.quiet { "这里的短信没有真的发出。最新的在最上面。" }
                @if messages.is_empty() { p { "还没有短信。" } }
                @for (phone, text, at) in &messages { div.step { p.quiet { (at.to_local_text()) " · " (phone) } p.message { (text) } } }
            };
            page("zh-CN", "演示：短信箱", content).into_response()
        }
        Err(failure) => failed(failure, "/demo"),
    }
}

async fn messages(app: &App) -> Result<Vec<(String, String, Moment)>> {
    let rows = sqlx::query("SELECT phone_index, phone_sealed, text_sealed, created_at FROM message ORDER BY id DESC LIMIT 50")
        .fetch_all(&app.store.read)
        .await?;
    let open =
        |column: &str, index: &str, sealed: &str| app.vault.open_text(&crate::messages::place(column, index), sealed).unwrap_or_default();
    rows.iter()
        .map(|r| {
            Ok((
                open("phone", r.try_get("phone_index")?, r.try_get("phone_sealed")?),
                open("text", r.try_get("phone_index")?, r.try_get("text_sealed")?),
                Moment(r.try_get("created_at")?),
            ))
        })
        .collect()
}
