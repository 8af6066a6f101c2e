//! For newcomers only: who is who, and the messages, which are not really sent. Neither exists
//! without `--demo`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::{failed, page};
use crate::http::access::Open;
use crate::store::messages;
use crate::work::demo::{POLICIES, STAFF, password};
use crate::work::policies;
use crate::{App, now};

pub async fn who(_: Open) -> Response {
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

pub async fn outbox(_: Open, State(app): State<App>) -> Response {
    let messages = async { messages::newest(&mut app.store.read().await?).await };
    match messages.await {
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
