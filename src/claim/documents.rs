//! The documents of a claim: the task list, one page for each document, the questions that shorten
//! the list. All of it works without network.

use std::cell::RefCell;

use claim_domain::FieldError;
use claim_domain::catalog::{Document, Field, Kind, Need, Phase};
use claim_domain::checks::{Doubt, Severity};
use claim_domain::documents::{File, Format, State, Task};
use leptos::ev;
use leptos::prelude::*;

use super::{Fetched, trouble};
use crate::i18n::{self, c, t};
use crate::papers::{Chosen, Papers};
use crate::platform::http::CallError;
use crate::platform::{address, host, page, photos, spawn};
use crate::session::Session;
use crate::ui::{button_link, changed, choices, click, error_text, live, sheet, size};

thread_local! {
    /// The open claim: its pages share one state, and files are still processed while moving
    /// between them.
    static OPEN: RefCell<Option<Papers>> = const { RefCell::new(None) };
}

/// Nobody is signed in any longer.
pub fn forget() {
    OPEN.set(None);
}

/// Shows a page of claim `no` once its papers are there.
pub fn with_papers(
    session: Session,
    no: &str,
    title: &'static str,
    show: impl Fn(Papers) -> AnyView + Clone + Send + 'static,
) -> AnyView {
    photos::warm_up();
    // In the server's spelling, whatever the address says.
    let no = &claim_domain::claim_no::parse(no).unwrap_or_else(|| no.to_owned());
    let known = OPEN.with_borrow(|o| o.filter(|p| untrack(|| p.no()) == *no));
    let papers: Fetched<Papers> = RwSignal::new(known.map(Ok));
    let here = address::path().get_untracked();
    let no = no.to_owned();
    spawn(async move {
        match known {
            // Fetch what happened meanwhile; offline, what is known stays.
            Some(known) if session.visit.online.get_untracked() => {
                // Signed out meanwhile: the customer may no longer see what was shown.
                if let Err(error @ CallError::Problem(_)) = known.refresh().await {
                    forget();
                    papers.try_set(Some(Err(error)));
                }
            }
            Some(_) => {}
            None => {
                let opened = Papers::open(session, &no).await;
                if let Ok(opened) = &opened {
                    OPEN.set(Some(*opened));
                }
                papers.try_set(Some(opened));
            }
        }
    });
    let back = StoredValue::new(format!(
        "/claims/{}",
        address::path()
            .get_untracked()
            .split('/')
            .nth(2)
            .unwrap_or_default()
    ));
    let content = move || match papers.get() {
        None => sheet(
            title,
            None,
            view! { <p role="status">{c().loading}</p> }.into_any(),
        ),
        Some(Err(error)) => sheet(
            title,
            Some(&back.get_value()),
            trouble(session.visit, &error, &here),
        ),
        // The page stays; only its own live parts change.
        Some(Ok(papers)) => untrack(|| {
            // Once everything has arrived, the server's version replaces the local one.
            let done = Memo::new(move |_| papers.sending().is_some_and(|o| o.is_done()));
            crate::ui::effect(move || {
                if done.get() {
                    spawn(async move { drop(papers.refresh().await) });
                }
            });
            show(papers)
        }),
    };
    view! { <div>{live(content)}</div> }.into_any()
}

/// `/claims/:no/documents`
pub fn tasks(session: Session, no: &str) -> AnyView {
    with_papers(session, no, c().tasks_title, |papers| {
        let all = Memo::new(move |_| papers.tasks());
        let missing =
            move || still_missing(all.with(|a| a.iter().filter(|t| t.is_missing()).count()));
        let open = move || {
            papers
                .questions()
                .iter()
                .filter(|(_, answer)| answer.is_none())
                .count()
        };
        let ask = move || {
            let state = match open() {
                0 => view! { <span class="tag">"✓ "{c().state_done}</span> }.into_any(),
                n => view! { <span class="tag you">{c().questions_open.replace("{n}", &n.to_string())}</span> }.into_any(),
            };
            view! { <ul class="tasks"><li><a href=papers.address("questions")><span>{c().questions_title}</span>{state}</a></li></ul> }
        };
        let groups = papers.catalogue.papers.groups.iter().map(move |group| {
            let lines = move || {
                all.with(|all| {
                    let of_group = |t: &&Task| is_sure(t) && papers.catalogue.document(&t.document).is_some_and(|d| d.group == group.id);
                    let mine: Vec<_> = all.iter().filter(of_group).map(|t| line(papers, t)).collect();
                    (!mine.is_empty()).then(|| view! { <h2>{i18n::text(&group.name)}</h2><ul class="tasks">{mine}</ul> })
                })
            };
            live(lines)
        });
        let content = view! {
            <p class="status" role="status" id="missing">{live(missing)}</p>
            <p class="quiet">{c().tasks_hint}</p>
            {live(ask)}
            {groups.collect_view()}
            {live(move || all.with(|all| perhaps(papers, all)))}
            {live(move || on_the_way(papers))}
        };
        sheet(
            c().tasks_title,
            Some(&format!("/claims/{}", papers.no())),
            content.into_any(),
        )
    })
}

fn still_missing(documents: usize) -> String {
    match documents {
        0 => c().nothing_missing.to_owned(),
        n => c().missing.replace("{n}", &n.to_string()),
    }
}

/// Whether it is needed does not depend on open questions.
fn is_sure(task: &Task) -> bool {
    task.need != Need::Possibly || task.files > 0 || task.state == State::Unavailable
}

/// What depends on open questions, out of the way.
fn perhaps(papers: Papers, all: &[Task]) -> Option<AnyView> {
    let lines: Vec<_> = all
        .iter()
        .filter(|t| !is_sure(t))
        .map(|t| line(papers, t))
        .collect();
    let title = c().perhaps_title.replace("{n}", &lines.len().to_string());
    (!lines.is_empty())
        .then(|| view! { <details id="perhaps"><summary>{title}</summary><ul class="tasks">{lines}</ul></details> }.into_any())
}

fn line(papers: Papers, task: &Task) -> AnyView {
    let Some(document) = papers.catalogue.document(&task.document) else {
        return ().into_any();
    };
    let claim = papers.claim();
    let verdict = claim
        .verdicts
        .iter()
        .find(|v| v.document == task.document)
        .map(|v| v.accepted);
    let (class, word) = match (task.state, task.need) {
        (State::Todo | State::Started, _) if verdict == Some(false) => ("tag you", c().task_resend),
        (State::Done, _) if verdict == Some(true) => ("tag", c().task_accepted),
        (State::Done, _) if claim.requested_at.is_some() && task.files > 0 => {
            ("tag", c().task_judging)
        }
        (State::Done, _) => ("tag", c().task_done),
        (State::OnFile, _) => ("tag", c().task_on_file),
        (State::Unavailable, _) => ("tag", c().task_unavailable),
        (State::NotNeeded, _) => ("tag plain", c().task_not_needed),
        (State::Started, _) => ("tag you", c().task_started),
        (State::Todo, Need::Required) if task.phase == Phase::Payment => {
            ("tag plain", c().task_later)
        }
        (State::Todo, Need::Required) => ("tag you", c().task_todo),
        (State::Todo, Need::Optional) => ("tag plain", c().task_optional),
        (State::Todo, _) => ("tag plain", c().task_possibly),
    };
    let takes = papers
        .catalogue
        .papers
        .takes
        .iter()
        .find(|t| t.id == document.takes)
        .map(|t| i18n::text(&t.name));
    let files = (task.files > 0).then(|| c().task_files.replace("{n}", &task.files.to_string()));
    view! {
        <li data-document=task.document.clone() data-state=format!("{:?}", task.state)>
            <a href=papers.address(&format!("documents/{}", task.document))>
                <span>{i18n::text(&document.name)}{of_payee(papers, &task.document)}<small>{takes}{files}</small></span>
                <span class=class>{(task.state == State::Done).then_some("✓ ")}{word}</span>
            </a>
        </li>
    }
    .into_any()
}

/// Whose document it is, where each payee has their own.
fn of_payee(papers: Papers, document: &str) -> Option<String> {
    let no: u16 = document.split_once('.')?.1.parse().ok()?;
    papers
        .claim()
        .payees
        .into_iter()
        .find(|p| p.no == no)
        .map(|p| format!("（{}）", p.holder))
}

/// What is being sent, or the button that sends.
fn on_the_way(papers: Papers) -> AnyView {
    let unsent = papers.unsent().len();
    let sending = papers
        .sending()
        .filter(|o| !o.is_done())
        .map(|_| super::request::progress(papers));
    // What staff asked for goes at once; the rest goes with the request.
    let claim = papers.claim();
    let button = if claim.requested_at.is_some()
        || claim.supplement.is_some()
        || claim.verdicts.iter().any(|v| !v.accepted)
    {
        let send = move |_| papers.send(None);
        (unsent > 0).then(|| {
            let text = c().send_files.replace("{n}", &unsent.to_string());
            view! { <p class="note">{c().privacy_until_sent}</p><button class="weui-btn weui-btn_primary" type="button" id="send-files" on:click=click(send)>{text}</button> }.into_any()
        })
    } else {
        let note = if unsent > 0 {
            Some(view! { <p class="quiet">{c().privacy_until_sent}</p> })
        } else {
            None
        };
        sending.is_none().then(|| {
            view! { {note}{button_link(papers.address("request"), c().to_request, true)} }
                .into_any()
        })
    };
    view! { {sending}{button} }.into_any()
}

/// `/claims/:no/questions`
pub fn questions(session: Session, no: &str) -> AnyView {
    with_papers(session, no, c().questions_title, |papers| {
        let asked = Memo::new(move |_| {
            papers
                .questions()
                .iter()
                .map(|(q, _)| q.fact.clone())
                .collect::<Vec<_>>()
        });
        let one = move |fact: String| {
            let question = papers
                .catalogue
                .papers
                .questions
                .iter()
                .find(|q| q.fact == fact)?;
            let name: &'static str = Box::leak(format!("q/{fact}").into_boxed_str());
            let given = fact.clone();
            let answer = Signal::derive(move || match papers.folder().answers.get(&given) {
                Some(true) => "yes".to_owned(),
                Some(false) => "no".to_owned(),
                None => String::new(),
            });
            let choose = Callback::new(move |value: String| papers.answer(&fact, value == "yes"));
            let options = [("yes", c().yes), ("no", c().no)]
                .map(|(v, l)| (v.to_owned(), l.to_owned(), String::new()))
                .to_vec();
            Some(
                view! { <fieldset class="pair"><legend>{i18n::text(&question.ask)}</legend>{choices(name, options, answer, choose)}</fieldset> },
            )
        };
        // An answer may raise another question: those already rendered stay as they are.
        let list = if papers.is_signed() {
            super::request::state(papers)
        } else {
            view! { <For each=move || asked.get() key=|fact| fact.clone() children=move |fact| one(fact)></For> }.into_any()
        };
        let missing = move || still_missing(papers.missing());
        let content = view! {
            <p>{c().questions_hint}</p>
            {list}
            <p class="status" role="status">{live(missing)}</p>
            {button_link(papers.address("documents"), c().to_tasks, true)}
        };
        sheet(
            c().questions_title,
            Some(&papers.address("documents")),
            content.into_any(),
        )
    })
}

/// `/claims/:no/documents/:document`
pub fn document(session: Session, no: &str, id: &str) -> AnyView {
    let id = id.to_owned();
    with_papers(session, no, c().tasks_title, move |papers| {
        match papers.catalogue.instance(&id) {
            // A page shows few of them; each lives as long as the catalogue does.
            Some(document) => one_document(papers, Box::leak(Box::new(document))),
            None => sheet(
                t().not_found,
                Some(&papers.address("documents")),
                view! { <p>{t().not_found_hint}</p> }.into_any(),
            ),
        }
    })
}

fn one_document(papers: Papers, document: &'static Document) -> AnyView {
    let name = i18n::text(&document.name);
    let takes = papers
        .catalogue
        .papers
        .takes
        .iter()
        .find(|t| t.id == document.takes)
        .map(|t| i18n::text(&t.name));
    let came_back = papers.waiting.get_untracked().as_deref() == Some(document.id.as_str());
    let per_file = document.fields.contains(&Field::InvoiceNo);
    let typed = (!per_file && !document.fields.is_empty() && !papers.is_signed()).then(
        || view! { <h2>{c().typed_title}</h2><p class="quiet">{c().typed_hint}</p>{fields(papers, document.id.clone(), &document.fields)} },
    );
    let content = view! {
        <dl class="why">
            <dt>{c().why}</dt><dd>{i18n::text(&document.basis)}</dd>
            <dt>{c().where_from}</dt><dd>{i18n::text(&document.from)}" · "{takes}</dd>
        </dl>
        {live(move || standing(papers, document))}
        {(document.max > 0).then(|| view! { {drawing(papers, document)}{super::viewfinder::viewfinder(papers, document)}{came_back.then(|| view! { <p class="note warn" role="status">{t().camera_killed}</p> })}{picker(papers, document)} })}
        <ul class="photos" id="chosen">{live(move || papers.chosen.get().into_iter().filter(|x| x.document == document.id).map(|x| chosen(papers, x)).collect_view())}</ul>
        {files(papers, document)}
        {live(move || slot_doubts(papers, document))}
        {typed}
        {((document.max > 0 || document.min > 0) && !papers.is_signed()).then(|| excuse(papers, document))}
        {live(move || (is_asked(papers, document) && papers.is_signed()).then(|| excuse_at_once(papers, document)))}
        {button_link(papers.address("documents"), c().to_tasks, false)}
    };
    sheet(name, Some(&papers.address("documents")), content.into_any())
}

/// Whether the document is on the open supplement list.
fn is_asked(papers: Papers, document: &Document) -> bool {
    papers
        .claim()
        .supplement
        .is_some_and(|s| s.wanted.contains(&document.id))
}

/// The insurer's status of this document: received, sent back or requested.
fn standing(papers: Papers, document: &'static Document) -> AnyView {
    let claim = papers.claim();
    let asked = claim.supplement.filter(|s| s.wanted.contains(&document.id));
    let on_file = (asked.is_none() && papers.folder().on_file.contains(&document.id))
        .then(|| view! { <p class="note">{c().task_on_file}</p> });
    let back = claim
        .verdicts
        .into_iter()
        .find(|v| v.document == document.id && !v.accepted);
    let back = back.map(|v| view! { <p class="note warn" id="sent-back"><strong>{c().task_resend}</strong>"："{v.reason}</p> });
    let asked = asked.map(|s| {
        let until = c().supplement_until.replace("{day}", &s.until.to_string());
        view! { <div class="note warn" id="asked"><p>{s.reason}</p><p>{until}</p></div> }
    });
    view! { {on_file}{back}{asked} }.into_any()
}

/// What a good picture looks like, as a drawing and in words.
fn drawing(papers: Papers, document: &'static Document) -> AnyView {
    let words = papers
        .catalogue
        .papers
        .drawings
        .iter()
        .find(|d| d.id == document.drawing);
    let shots = document.shots.iter().map(|shot| view! { <li><img src=format!("/drawings/{shot}.svg") alt="" width="96" height="72" /><span>{c().shots.get(shot)}</span></li> }).collect_view();
    view! {
        <figure class="example">
            <img src=format!("/drawings/{}.svg", document.drawing) alt="" width="120" height="90" />
            <figcaption>
                <p class="good">"✓ "{words.map(|w| i18n::text(&w.good))}</p>
                <p class="bad">"✕ "{words.map(|w| i18n::text(&w.bad))}</p>
            </figcaption>
        </figure>
        {(!document.shots.is_empty()).then(|| view! { <p>{c().shots_hint}</p><ol class="shots">{shots}</ol> })}
    }
    .into_any()
}

fn picker(papers: Papers, document: &'static Document) -> AnyView {
    let opens = move |_: ev::MouseEvent| papers.camera_opens(&document.id);
    let picked = move |event: ev::Event| papers.choose(document, photos::picked(&event));
    let by_host = move |_| {
        papers.camera_opens(&document.id);
        spawn(async move { papers.choose(document, host::photos().await) });
    };
    let pdf = document.kind != Kind::Scene;
    view! {
        <div class="picker">
            <label>{t().take_photo}<input type="file" id="camera" accept="image/*" capture="environment" aria-label=t().take_photo on:click=click(opens) on:change=changed(picked) /></label>
            <label>{t().from_album}<input type="file" id="album" accept="image/*" multiple aria-label=t().from_album on:click=click(opens) on:change=changed(picked) /></label>
            {pdf.then(|| view! { <label>{c().choose_pdf}<input type="file" id="pdf" accept="application/pdf,image/*" multiple aria-label=c().choose_pdf on:click=click(opens) on:change=changed(picked) /></label> })}
            <button class="weui-btn weui-btn_default" type="button" data-from="photos" on:click=click(by_host)>{t().from_host}</button>
        </div>
    }
    .into_any()
}

fn chosen(papers: Papers, file: Chosen) -> AnyView {
    let id = file.id.clone();
    let dismiss = move |_| papers.chosen.update(|all| all.retain(|x| x.id != id));
    match file.wrong {
        None => view! { <li class="photo"><span class="blank" aria-hidden="true">"…"</span><div><p role="status">{c().checking}" · "{size(file.bytes)}</p><progress aria-label=c().checking></progress></div></li> }.into_any(),
        Some(code) => view! {
            <li class="photo"><span class="blank" aria-hidden="true">"✕"</span><div role="alert"><p class="wrong" data-code=code.clone()>{i18n::error(papers.catalogue, &code)}</p></div>
            <button class="link" type="button" on:click=click(dismiss)>{c().dismiss}</button></li>
        }
        .into_any(),
    }
}

/// The document's files, each with its doubts. A card stays while its doubts change, because
/// somebody may be typing in it.
fn files(papers: Papers, document: &'static Document) -> AnyView {
    let mine = move || {
        let all = papers
            .folder()
            .files
            .into_iter()
            .filter(|f| f.document == document.id);
        all.enumerate()
            .map(|(place, f)| (place, papers.is_here(&f) && !papers.is_under_way(&f), f))
            .collect::<Vec<_>>()
    };
    let key = |(place, here, file): &(usize, bool, File)| {
        (*place, *here, file.id.clone(), file.kept_because.clone())
    };
    let children = move |(place, here, file): (usize, bool, File)| {
        untrack(|| card(papers, document, place, here, &file))
    };
    view! { <ul class="photos" id="files"><For each=mine key=key children=children></For></ul> }
        .into_any()
}

fn card(
    papers: Papers,
    document: &'static Document,
    place: usize,
    here: bool,
    file: &File,
) -> AnyView {
    let name = c().page_number.replace("{n}", &(place + 1).to_string());
    let picture = match papers.pictures.with(|p| p.get(&file.id).cloned()) {
        Some(url) => view! { <img src=url alt=name.clone() /> }.into_any(),
        None => view! { <span class="blank" aria-hidden="true">{if file.format == Format::Pdf { "PDF" } else { "✓" }}</span> }.into_any(),
    };
    let at = format!("/files/{}", file.id);
    // A file used for two documents gets the same doubt twice.
    let doubts = Memo::new(move |_| {
        let mut mine: Vec<Doubt> = papers
            .doubts()
            .into_iter()
            .filter(|d| d.finding.field == at)
            .collect();
        mine.dedup();
        mine
    });
    let lines = move || doubts.with(|all| all.iter().map(|d| doubt_line(papers, d)).collect_view());
    let lost = here && papers.lost.with(|l| l.contains(&file.id));
    let state = match (here, file.returned) {
        (true, _) => c().file_here,
        (false, true) => c().task_resend,
        (false, false) => t().photo_received,
    };
    let (remove_id, forward_id, keep_id) = (file.id.clone(), file.id.clone(), file.id.clone());
    let typing = RwSignal::new(file.kept_because.clone().unwrap_or_default());
    let kept = file.kept_because.clone().filter(|r| !r.is_empty());
    let may_keep = here && kept.is_none();
    let label = format!("{} · {name}", c().keep_reason);
    let warned =
        Memo::new(move |_| doubts.with(|all| all.iter().any(|d| d.severity == Severity::Warn)));
    let keep = move || {
        let (id, label) = (keep_id.clone(), label.clone());
        let save = move |_| papers.keep(&id, typing.get_untracked());
        (may_keep && warned.get()).then(|| view! {
            <details class="keep"><summary>{c().keep_anyway}</summary>
                <input class="input" type="text" aria-label=label placeholder=c().keep_reason prop:value=move || page::Typed(typing.get()) on:input=changed(move |e| typing.set(page::value_of(&e))) />
                <button class="chip" type="button" on:click=click(save)>{c().keep_save}</button>
            </details>
        })
    };
    let per_file = document.fields.contains(&Field::InvoiceNo) && !papers.is_signed();
    view! {
        <li class="photo" data-file=file.id.clone()>
            {picture}
            <div>
                <p><strong>{name.clone()}</strong>" · "{size(file.bytes)}" · "{state}</p>
                {lost.then(|| view! { <p class="wrong">{t().photo_lost}</p> })}
                {live(lines)}
                {kept.map(|reason| view! { <p class="quiet">{c().kept_because}{reason}</p> })}
                {live(keep)}
                {per_file.then(|| view! { <details><summary>{c().typed_title}</summary>{fields(papers, file.id.clone(), &document.fields)}</details> })}
                {here.then(|| view! {
                    <div class="row">
                        {(place > 0).then(|| view! { <button class="link" type="button" aria-label=format!("{} {name}", c().forward) on:click=click(move |_| papers.forward(&document.id, &forward_id))>{c().forward}</button> })}
                        <button class="link" type="button" aria-label=format!("{} {name}", t().remove) on:click=click(move |_| papers.remove(&document.id, &remove_id))>{t().remove}</button>
                    </div>
                })}
            </div>
        </li>
    }
    .into_any()
}

fn doubt_line(papers: Papers, doubt: &Doubt) -> AnyView {
    let class = if doubt.severity == Severity::Info {
        "quiet"
    } else {
        "doubt"
    };
    let mark = if doubt.severity == Severity::Info {
        "ℹ "
    } else {
        "! "
    };
    view! { <p class=class data-rule=doubt.rule.clone() data-code=doubt.finding.code.as_str()>{mark}{error_text(papers.session.visit, &doubt.finding)}</p> }.into_any()
}

fn slot_doubts(papers: Papers, document: &'static Document) -> AnyView {
    let at = format!("/documents/{}", document.id);
    papers
        .doubts()
        .iter()
        .filter(|d| d.finding.field == at)
        .map(|d| doubt_line(papers, d))
        .collect_view()
        .into_any()
}

/// Typed values of a document, or of one file of it; a doubt names the character and offers the
/// likely fix.
fn fields(papers: Papers, key: String, fields: &'static [Field]) -> AnyView {
    let one = |field: &'static Field| {
        let field = *field;
        let id = format!("{key}-{}", field.as_str());
        let (read, write, mend, at) = (
            key.clone(),
            key.clone(),
            key.clone(),
            format!("/typed/{key}/{}", field.as_str()),
        );
        let value = Memo::new(move |_| {
            papers
                .folder()
                .typed
                .get(&read)
                .and_then(|f| f.get(&field))
                .cloned()
                .unwrap_or_default()
        });
        let found = Memo::new(move |_| {
            papers
                .doubts()
                .into_iter()
                .find(|d| d.finding.field == at)
                .map(|d| d.finding)
        });
        let wrong = move || {
            let finding: FieldError = found.get()?;
            let fix = finding.fix.clone().map(|fix| {
                let (mend, shown) = (mend.clone(), t().use_fix.replace("{fix}", &fix));
                view! { <button class="chip" type="button" on:click=click(move |_| papers.type_in(&mend, field, fix.clone()))>{shown}</button> }
            });
            Some(
                view! { <p class="doubt" data-code=finding.code.as_str()>"! "{error_text(papers.session.visit, &finding)}</p>{fix} },
            )
        };
        let typed = move |event: ev::Event| papers.type_in(&write, field, page::value_of(&event));
        let input = if field == Field::Items {
            view! { <textarea class="input" id=id.clone() prop:value=move || page::Typed(value.get()) on:change=changed(typed)></textarea> }
                .into_any()
        } else {
            view! { <input class="input" id=id.clone() type="text" autocomplete="off" prop:value=move || page::Typed(value.get()) on:change=changed(typed) /> }.into_any()
        };
        view! { <label class="label" for=id.clone()>{c().typed.get(field.as_str())}</label>{input}<div role="status">{live(wrong)}</div> }
    };
    let keep = fields.iter().any(|f| f.is_personal()).then(|| {
        let agreed = move || papers.keep_numbers.get();
        view! {
            <label class="choice">
                <input type="checkbox" id=format!("{key}-keep") prop:checked=Signal::derive(agreed) on:change=changed(move |_| papers.agree_to_keep_numbers(!papers.keep_numbers.get_untracked())) />
                <span>{c().keep_numbers}</span>
            </label>
        }
    });
    (fields.iter().map(one).collect_view(), keep).into_any()
}

/// 我拿不到这个: a reason counts as an answer (保险法第二十二条).
fn excuse(papers: Papers, document: &'static Document) -> AnyView {
    let given = Memo::new(move |_| papers.folder().unavailable.get(&document.id).cloned());
    let typing = RwSignal::new(given.get_untracked().unwrap_or_default());
    let save = move |_| papers.unavailable(&document.id, typing.get_untracked().trim().to_owned());
    let take_back = move |_| {
        typing.set(String::new());
        papers.unavailable(&document.id, String::new());
    };
    let shown = move || {
        match given.get() {
        Some(reason) => view! { <p class="note" id="excused">{c().task_unavailable}"："{reason}" "<button class="link" type="button" on:click=click(take_back)>{c().take_back}</button></p> }.into_any(),
        None => view! {
            <details id="excuse"><summary>{c().cannot_get}</summary>
                <p>{c().cannot_get_hint}</p>
                <label class="label" for="reason">{c().cannot_get_reason}</label>
                <input class="input" id="reason" type="text" maxlength="200" prop:value=move || page::Typed(typing.get()) on:input=changed(move |e| typing.set(page::value_of(&e))) />
                <button class="chip" type="button" id="save-excuse" on:click=click(save)>{c().save_reason}</button>
            </details>
        }
        .into_any(),
    }
    };
    view! { <div>{live(shown)}</div> }.into_any()
}

/// The same after the request was signed: the insurer asked for it, so the reason is sent at once.
fn excuse_at_once(papers: Papers, document: &'static Document) -> AnyView {
    let (typing, wrong) = (RwSignal::new(String::new()), RwSignal::new(None::<String>));
    let send = move |_| {
        wrong.set(None);
        spawn(async move {
            if let Err(error) = papers
                .excuse(&document.id, typing.get_untracked().trim().to_owned())
                .await
            {
                wrong.try_set(Some(i18n::error(papers.catalogue, error.code()).to_owned()));
            } else {
                address::go(&papers.address("documents"));
            }
        });
    };
    view! {
        <details id="excuse"><summary>{c().cannot_get}</summary>
            <p>{c().cannot_get_hint}</p>
            <label class="label" for="reason">{c().cannot_get_reason}</label>
            <input class="input" id="reason" type="text" maxlength="200" prop:value=move || page::Typed(typing.get()) on:input=changed(move |e| typing.set(page::value_of(&e))) />
            {live(move || wrong.get().map(|text| view! { <p class="wrong" role="alert">{text}</p> }))}
            <button class="chip" type="button" id="save-excuse" on:click=click(send)>{c().save_reason}</button>
        </details>
    }
    .into_any()
}
