//! The question of each page and its fields.

use claim_domain::draft::Step;
use claim_domain::notice::Point;
use claim_domain::safety::{Advice, Road, Special};
use claim_domain::{Lob, Moment};
use leptos::ev;
use leptos::prelude::*;

use super::check;
use crate::i18n::{self, t};
use crate::platform::{host, now, page, photos, spawn};
use crate::session::Session;
use crate::ui::{
    Errors, TextField, call, changed, choices, click, field_wrong, live, photo_list, photo_picker,
};

/// Title and fields of a page.
pub fn question(session: Session, step: Step, errors: Errors) -> (String, AnyView) {
    let title = |text: &str| text.to_owned();
    match step {
        Step::Safety => (title(t().safety_title), safety(session, errors)),
        Step::Event => {
            let all = view! {
                <fieldset><legend>{t().what_title}</legend>{what(session, errors)}</fieldset>
                <div>{when(session, errors)}</div>
                <div>{place(session, errors)}</div>
            };
            (title(t().event_title), all.into_any())
        }
        Step::What => (
            title(t().what_title),
            view! { <fieldset><legend class="quiet">{t().what_hint}</legend>{what(session, errors)}</fieldset> }.into_any(),
        ),
        Step::When => (title(t().when_title), when(session, errors)),
        Step::Where => (title(t().where_title), place(session, errors)),
        Step::Damage => (title(t().damage_title), damage(session, errors)),
        Step::Who => (title(t().who_title), who(session, errors)),
        Step::Policy => (title(t().policy_title), policy(session, errors)),
        Step::Photos => (title(t().photos_title), pictures(session)),
        Step::Check => (title(t().check_title), check::answers(session, errors)),
    }
}

fn named(options: &[(&str, &str)]) -> Vec<(String, String, String)> {
    options
        .iter()
        .map(|(value, name)| ((*value).to_owned(), (*name).to_owned(), String::new()))
        .collect()
}

fn safety(session: Session, errors: Errors) -> AnyView {
    let scene = move || session.draft.with(|d| d.answers.scene.clone());
    let injured = Signal::derive(move || {
        scene()
            .injured
            .map_or("", |yes| if yes { "yes" } else { "no" })
            .to_owned()
    });
    let road = Signal::derive(move || scene().road.map_or("", Road::as_str).to_owned());
    let special = Signal::derive(move || scene().special.map_or("", Special::as_str).to_owned());
    let set_injured = Callback::new(move |value: String| {
        session.answer(|a| a.scene.injured = Some(value == "yes"))
    });
    let set_road = Callback::new(move |value: String| {
        session.answer(|a| a.scene.road = Road::ALL.into_iter().find(|r| r.as_str() == value))
    });
    let set_special = Callback::new(move |value: String| {
        session.answer(|a| a.scene.special = Special::ALL.into_iter().find(|s| s.as_str() == value))
    });
    let asks_road = Memo::new(move |_| scene().injured == Some(false));
    let asks_special = Memo::new(move |_| {
        asks_road.get() && matches!(scene().road, Some(Road::Blocking | Road::Clear))
    });
    view! {
        <fieldset>
            <legend>{t().injured}</legend>
            {field_wrong(session.visit, errors, "/scene/injured", None)}
            {choices("/scene/injured", named(&[("no", t().injured_no), ("yes", t().injured_yes)]), injured, set_injured)}
        </fieldset>
        {live(move || asks_road.get().then(|| view! {
            <fieldset>
                <legend>{t().road}</legend>
                {choices("/scene/road", named(&[("blocking", t().road_blocking), ("clear", t().road_clear), ("no-road", t().road_none)]), road, set_road)}
            </fieldset>
        }))}
        {live(move || asks_special.get().then(|| view! {
            <fieldset>
                <legend>{t().special}</legend>
                {choices("/scene/special", named(&[("none", t().special_none), ("police", t().special_police), ("facility", t().special_facility)]), special, set_special)}
            </fieldset>
        }))}
        <div role="status">{live(move || scene().advice().map(advice))}</div>
    }
    .into_any()
}

fn advice(advice: Advice) -> AnyView {
    let (class, text) = match advice {
        Advice::Injury => ("note bad", t().advice_injury),
        Advice::Police => ("note bad", t().advice_police),
        Advice::MoveThenPolice => ("note warn", t().advice_move_then_police),
        Advice::MoveAway => ("note warn", t().advice_move_away),
        Advice::Photographs => ("note", t().advice_photographs),
        Advice::Elsewhere => ("note", t().advice_elsewhere),
    };
    let calls = match advice {
        Advice::Injury => {
            Some(view! { <div class="calls">{call("120", t().call_120.into())}{call("122", t().call_122.into())}</div> }.into_any())
        }
        Advice::Police | Advice::MoveThenPolice => Some(view! { <div class="calls">{call("122", t().call_122.into())}</div> }.into_any()),
        _ => None,
    };
    view! { <div class=class data-advice=format!("{advice:?}")>{text.split('\n').map(|line| view! { <p>{line}</p> }).collect_view()}{calls}</div> }.into_any()
}

fn what(session: Session, errors: Errors) -> AnyView {
    let of = session
        .draft
        .with_untracked(|d| d.answers.policy.as_ref().map(|p| p.lob));
    let on_road = session
        .draft
        .with_untracked(|d| d.answers.scene.road.is_some_and(|r| r != Road::NoRoad));
    // The most common incidents come first; the rest are a tap away.
    let common = |lob: Lob| lob == Lob::Motor || !on_road && matches!(lob, Lob::Health | Lob::Home);
    let fits = |lob: Lob| of.map_or(common(lob), |of| lob == of);
    let chosen = Signal::derive(move || session.draft.with(|d| d.answers.incident.clone()));
    let choose = Callback::new(move |value: String| {
        session.answer(|a| {
            // Parts belong to a line of business; another line has other parts.
            if a.incident.split('.').next() != value.split('.').next() {
                a.parts.clear();
            }
            a.incident = value;
        });
    });
    let option = |i: &claim_domain::catalog::Incident| {
        (
            i.id.clone(),
            i18n::text(&i.name).to_owned(),
            i18n::text(&i.hint).to_owned(),
        )
    };
    // In catalogue order, grouped by line of business.
    let listed = |fitting: bool| {
        session
            .catalogue
            .incidents
            .iter()
            .filter(|i| fits(i.lob) == fitting)
            .map(option)
            .collect::<Vec<_>>()
    };
    let fitting = listed(true);
    let others = if of.is_none() {
        listed(false)
    } else {
        Vec::new()
    };
    let open = others.iter().any(|(id, ..)| *id == chosen.get_untracked());
    view! {
        {field_wrong(session.visit, errors, "/incident", None)}
        {choices("/incident", fitting, chosen, choose)}
        {(!others.is_empty()).then(|| view! { <details open=open><summary>{t().other_incidents}</summary>{choices("/incident", others, chosen, choose)}</details> })}
    }
    .into_any()
}

fn when(session: Session, errors: Errors) -> AnyView {
    // Most people report at once: "now" is already there, and one tap confirms it.
    if session
        .draft
        .with_untracked(|d| d.answers.loss_at.is_none())
    {
        session.answer(|a| a.loss_at = Some(now()));
    }
    let value = session
        .draft
        .with_untracked(|d| d.answers.loss_at.map(Moment::to_local_input));
    let typed = move |event: ev::Event| {
        let moment = Moment::from_local_input(&page::value_of(&event));
        session.answer(|a| a.loss_at = moment);
    };
    let about = move || session.draft.with(|d| d.answers.about);
    let wrong = move || errors.with(|e| e.iter().any(|e| e.field == "/loss_at"));
    view! {
        <label class="label" for="loss_at">{t().when_label}</label>
        {field_wrong(session.visit, errors, "/loss_at", None)}
        <input class="input" id="loss_at" type="datetime-local" prop:value=move || page::Typed(value.clone().unwrap_or_default()) on:input=changed(typed) aria-invalid=Signal::derive(move || wrong().then_some("true")) />
        <label class="choice">
            <input type="checkbox" id="about" prop:checked=Signal::derive(about) on:change=changed(move |_| session.answer(|a| a.about = !a.about)) />
            <span>{t().when_about}</span>
        </label>
    }
    .into_any()
}

fn place(session: Session, errors: Errors) -> AnyView {
    let searching = RwSignal::new(false);
    let failed = RwSignal::new(false);
    let point = Memo::new(move |_| session.draft.with(|d| d.answers.point));
    let locate = move |_| {
        searching.set(true);
        failed.set(false);
        spawn(async move {
            let found = host::locate().await;
            searching.set(false);
            failed.set(found.is_none());
            if let Some((lat_e6, lon_e6)) = found {
                session.answer(|a| a.point = Some(Point { lat_e6, lon_e6 }));
            }
        });
    };
    let located = move |p: Point| {
        let text = format!("{}, {}", degrees(p.lat_e6), degrees(p.lon_e6));
        view! {
            <div class="row"><span>{t().located.replace("{at}", &text)}</span>
            <button class="link" type="button" on:click=click(move |_| session.answer(|a| { a.point = None; a.consents.retain(|c| c.id != "location"); }))>{t().remove}</button></div>
        }
    };
    view! {
        <TextField session errors field="/place/text" label=t().where_label hint=t().where_hint read=|n| n.place.text.clone() write=move |v| session.answer(|a| a.place = v) />
        <p class="quiet">{t().locate_hint}</p>
        <button class="chip" type="button" id="locate" aria-busy=Signal::derive(move || searching.get().to_string()) on:click=click(locate)>{live(move || if searching.get() { t().locating } else { t().locate })}</button>
        <div role="status">
            {live(move || point.get().map(located))}
            {live(move || failed.get().then(|| view! { <p class="quiet">{t().locate_failed}</p> }))}
        </div>
    }
    .into_any()
}

/// Four decimals, some ten metres.
fn degrees(e6: i32) -> String {
    let (sign, e4) = (if e6 < 0 { "-" } else { "" }, e6.unsigned_abs() / 100);
    format!("{sign}{}.{:04}", e4 / 10_000, e4 % 10_000)
}

fn damage(session: Session, errors: Errors) -> AnyView {
    let lob = session.draft.with_untracked(|d| {
        session
            .catalogue
            .incident(&d.answers.incident)
            .map(|i| i.lob)
    });
    let parts = lob.map_or(&[][..], |l| session.catalogue.parts(l));
    let tick = move |part: &'static claim_domain::catalog::Choice, class: &'static str| {
        let on = move || session.draft.with(|d| d.answers.parts.contains(&part.id));
        let flip = move |_| {
            session.answer(|a| {
                let before = a.parts.len();
                a.parts.retain(|p| *p != part.id);
                if a.parts.len() == before {
                    a.parts.push(part.id.clone());
                }
            });
        };
        view! { <label class=class><input type="checkbox" id=format!("part-{}", part.id) prop:checked=Signal::derive(on) on:change=changed(flip) /><span>{i18n::text(&part.name)}</span></label> }
    };
    // The first nine parts of a car form its outline, row by row; the rest are in a list.
    let outline = if lob == Some(Lob::Motor) {
        parts.len().min(9)
    } else {
        0
    };
    let (drawn, listed) = parts.split_at(outline);
    let value = session
        .draft
        .with_untracked(|d| d.answers.narrative.clone());
    let typed = move |event: ev::Event| session.answer(|a| a.narrative = page::value_of(&event));
    view! {
        {(!parts.is_empty()).then(|| view! {
            <fieldset>
                <legend>{t().damage_parts}</legend>
                {field_wrong(session.visit, errors, "/parts", None)}
                {(!drawn.is_empty()).then(|| view! { <div class="car">{drawn.iter().map(|p| tick(p, "")).collect_view()}</div> })}
                <div class="choices">{listed.iter().map(|p| tick(p, "choice")).collect_view()}</div>
            </fieldset>
        })}
        <label class="label" for="narrative">{t().narrative}</label>
        <p class="hint" id="narrative-hint">{t().narrative_hint}</p>
        {field_wrong(session.visit, errors, "/narrative", None)}
        <textarea class="input" id="narrative" aria-describedby="narrative-hint" prop:value=move || page::Typed(value.clone()) on:input=changed(typed)></textarea>
    }
    .into_any()
}

fn who(session: Session, errors: Errors) -> AnyView {
    let role = Signal::derive(move || session.draft.with(|d| d.answers.role.clone()));
    let roles = session
        .catalogue
        .roles
        .iter()
        .map(|r| (r.id.clone(), i18n::text(&r.name).to_owned(), String::new()))
        .collect();
    view! {
        <fieldset>
            <legend>{t().role}</legend>
            {field_wrong(session.visit, errors, "/reporter/role", None)}
            {choices("/reporter/role", roles, role, Callback::new(move |v| session.answer(|a| a.role = v)))}
        </fieldset>
        <TextField session errors field="/reporter/name" label=t().name autocomplete="name" read=|n| n.reporter.name.clone() write=move |v| session.answer(|a| a.name = v) />
        <TextField session errors field="/reporter/phone" label=t().phone hint=t().phone_hint kind="tel" inputmode="tel" autocomplete="tel" read=|n| n.reporter.phone.clone() write=move |v| session.answer(|a| a.phone = v) />
    }
    .into_any()
}

fn policy(session: Session, errors: Errors) -> AnyView {
    let kept = move || session.draft.with(|d| d.answers.keep_id_no);
    view! {
        <p>{t().policy_any}</p>
        <TextField session errors field="/policy/plate" label=t().plate hint=t().plate_hint read=|n| n.policy.plate.clone() write=move |v| session.answer(|a| a.plate = v) />
        <TextField session errors field="/policy/no" label=t().policy_no read=|n| n.policy.no.clone() write=move |v| session.answer(|a| a.policy_no = v) />
        <TextField session errors field="/policy/id_no" label=t().id_no read=|n| n.policy.id_no.clone() write=move |v| session.answer(|a| a.id_no = v) />
        <label class="choice">
            <input type="checkbox" id="keep-id-no" prop:checked=Signal::derive(kept) on:change=changed(move |_| session.answer(|a| a.keep_id_no = !a.keep_id_no)) />
            <span>{t().keep_id_no}</span>
        </label>
        <p class="quiet">{t().policy_unknown}</p>
    }
    .into_any()
}

fn pictures(session: Session) -> AnyView {
    photos::warm_up();
    // The page was killed while the camera was open.
    let came_back = session.draft.with_untracked(|d| d.waiting);
    let lob = session.draft.with_untracked(|d| {
        session
            .catalogue
            .incident(&d.answers.incident)
            .map(|i| i.lob)
    });
    let hint = if lob == Some(Lob::Motor) {
        t().photos_hint_motor
    } else {
        t().photos_hint
    };
    view! {
        <p>{hint}</p>
        {came_back.then(|| view! { <p class="note warn" role="status">{t().camera_killed}</p> })}
        {photo_picker(session)}
        {photo_list(session)}
        <p class="quiet">{t().photos_privacy}</p>
    }
    .into_any()
}
