//! Events of a claim in any order and with any facts: admitted events are applied, and a replay
//! yields the same claim.
#![no_main]

use claim_domain::Moment;
use claim_domain::lifecycle::{Actor, Claim, Desk, Event, Standing, EventKind};
use claim_domain::{Lob, json};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let staff = |desk| Actor::Staff { name: "李 1001".into(), desk };
    let desks = [Desk::Intake, Desk::Surveyor, Desk::Assessor, Desk::Adjudicator, Desk::Finance, Desk::Supervisor];
    let actors: Vec<Actor> = desks.into_iter().map(staff).chain([Actor::Customer, Actor::System]).collect();
    let standing = Standing { papers: Vec::new(), covers: Vec::new() };
    let mut claim = Claim::new(Lob::Motor);
    let mut log = Vec::new();
    for line in text.lines().take(40) {
        let Some(what) = json::read::<EventKind>(line) else { continue };
        let Some(actor) = actors.iter().find(|actor| claim.admit(actor, &what, &standing).is_ok()) else { continue };
        let event = Event { seq: log.len() as u32 + 1, at: Moment(1_795_000_000 + log.len() as i64), actor: actor.clone(), what };
        claim.apply(&event);
        log.push(event);
        let _ = (claim.due_fen(), claim.payable(), claim.overlays());
    }
    assert_eq!(Claim::replay(Lob::Motor, &log), claim);
});
