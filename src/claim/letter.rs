//! A letter on the screen, for printing, and as a picture to keep where nothing can be downloaded.

use claim_api::{BASE, Letter};
use leptos::prelude::*;

use super::keepsake::keepsake;
use super::{Fetched, trouble};
use crate::i18n::c;
use crate::platform::picture::{self, Line};
use crate::platform::{address, http, page, spawn};
use crate::ui::{click, live, sheet};
use crate::visit::Visit;

/// `/claims/:no/letters/:seq`
pub fn letter(visit: Visit, no: &str, seq: &str) -> AnyView {
    let found: Fetched<Letter> = RwSignal::new(None);
    let (path, here, back) = (
        format!("{BASE}/claims/{no}/letters/{seq}?lang={}", page::language()),
        address::path().get_untracked(),
        format!("/claims/{no}"),
    );
    let print = path.clone();
    spawn(async move { drop(found.try_set(Some(http::get_whole(&path).await))) });
    let name = format!("{no}-{seq}.png");
    let content = move || match found.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, &here),
        Some(Ok(letter)) => shown(letter, &print, &name),
    };
    sheet(
        c().letter,
        Some(&back),
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

fn shown(letter: Letter, print: &str, name: &str) -> AnyView {
    let part = |(heading, text): &(String, String)| {
        let lines = text
            .lines()
            .map(|line| view! { <p>{line.to_owned()}</p> })
            .collect_view();
        let heading = (!heading.is_empty()).then(|| view! { <h3>{heading.clone()}</h3> });
        view! { {heading}{lines} }
    };
    let parts = letter.parts.iter().map(part).collect_view();
    let drawn = RwSignal::new(None::<Vec<u8>>);
    let (title, to, from, date) = (
        letter.title.clone(),
        letter.to.clone(),
        letter.from.clone(),
        letter.date.clone(),
    );
    let (name, alt) = (name.to_owned(), letter.title.clone());
    let draw = move |_| {
        let mut lines = vec![
            (Line::Title, letter.title.clone()),
            (Line::Plain, format!("{}：", letter.to)),
        ];
        for (heading, text) in &letter.parts {
            lines.extend((!heading.is_empty()).then(|| (Line::Plain, format!("【{heading}】"))));
            lines.extend(text.lines().map(|line| (Line::Plain, line.to_owned())));
        }
        lines.extend([
            (Line::Plain, letter.from.clone()),
            (Line::Plain, letter.date.clone()),
        ]);
        drawn.set(picture::of_lines(&lines));
    };
    let picture = move || {
        drawn
            .get()
            .map(|png| keepsake(png, name.clone(), alt.clone(), "letter-picture"))
    };
    view! {
        <article class="letter" id="letter">
            <h2>{title}</h2>
            <p>{to}"："</p>
            {parts}
            <p class="signed">{from}<br/>{date}</p>
        </article>
        <button class="weui-btn weui-btn_primary" type="button" id="letter-draw" on:click=click(draw)>{c().letter_picture}</button>
        <div>{live(picture)}</div>
        <a class="weui-btn weui-btn_default" rel="external" target="_blank" href=print.to_owned()>{c().letter_print}</a>
    }
    .into_any()
}
