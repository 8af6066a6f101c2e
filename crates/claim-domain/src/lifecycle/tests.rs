use super::*;
use crate::payees::Share;
use crate::payout::Payout;
#[cfg(not(target_arch = "wasm32"))]
use proptest::prelude::*;

fn staff(desk: Desk) -> Actor {
    Actor::Staff {
        name: format!("{} 工号 1001", desk.as_str()),
        desk,
    }
}

fn checks() -> Vec<Check> {
    Point::ALL
        .into_iter()
        .map(|point| Check {
            point,
            good: true,
            note: String::new(),
        })
        .collect()
}

/// A policy with one cover that pays for everything, and no paper in the way.
fn standing() -> Standing {
    let left = Left {
        cover: "vehicle".into(),
        fen: money::MAX,
        daily_fen: None,
        most_days: None,
    };
    Standing {
        papers: Vec::new(),
        covers: vec![left],
    }
}

fn award(payout: Payout) -> Award {
    let because = "条款约定".to_owned();
    Award {
        cover: "vehicle".into(),
        name: "车损险".into(),
        item: "维修".into(),
        fen: payout.result_fen(),
        payout,
        basis: "车损险第六条".into(),
        excluded_because: because.clone(),
        share_because: because.clone(),
        deductible_because: because,
    }
}

fn approved(payout: Payout) -> EventKind {
    let award = award(payout);
    EventKind::Approved {
        amount_fen: award.fen,
        basis: "车损险第六条".into(),
        payout: None,
        awards: vec![award],
        checks: checks(),
    }
}

fn requested() -> (Actor, EventKind) {
    (
        Actor::Customer,
        EventKind::Requested {
            rules_version: "1".into(),
            unavailable: vec![],
            form_sha256: "ab".into(),
        },
    )
}

fn payee(no: u16, kind: PayeeKind, share: Share, last4: &str) -> Payee {
    Payee {
        no,
        kind,
        holder: "张*".into(),
        last4: last4.into(),
        share,
        company: false,
    }
}

fn named(last4: &str) -> (Actor, EventKind) {
    (
        Actor::Customer,
        EventKind::PayeesNamed {
            payees: vec![payee(1, PayeeKind::Insured, Share::Equal, last4)],
        },
    )
}

fn order(instruction: &str, amount_fen: i64) -> (Actor, EventKind) {
    (
        staff(Desk::Finance),
        EventKind::PaymentOrdered {
            instruction: instruction.into(),
            payee: 1,
            amount_fen,
        },
    )
}

#[cfg(not(target_arch = "wasm32"))]
fn other_supervisor() -> Actor {
    Actor::Staff {
        name: "周 工号 6001".into(),
        desk: Desk::Supervisor,
    }
}

fn entitled(role: Role, proof: &str) -> EventKind {
    EventKind::Entitled {
        role,
        who: "李*".into(),
        reason: "代办索赔和收款".into(),
        proof: proof.into(),
        until: None,
    }
}

fn failed() -> EventKind {
    EventKind::PaymentFailed {
        reason: "户名不符".into(),
        payee: 1,
    }
}

fn rejected() -> EventKind {
    EventKind::Rejected {
        clause: "第八条".into(),
        facts: "无证驾驶".into(),
        evidence: "认定书".into(),
        checks: checks(),
    }
}

fn paid(amount_fen: i64) -> EventKind {
    EventKind::Paid {
        amount_fen,
        reference: "R1".into(),
        payee: 1,
        lines: vec![Line::new("车损险", amount_fen)],
        last4: "0123".into(),
    }
}

fn happy_motor() -> Vec<(Actor, EventKind)> {
    vec![
        (
            Actor::System,
            EventKind::Reported {
                verified: true,
                deceased: false,
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::Registered {
                handler: "李 工号 1001".into(),
            },
        ),
        requested(),
        (
            staff(Desk::Surveyor),
            EventKind::SurveyStarted {
                on_site: false,
                surveyor: "赵 工号 2001".into(),
            },
        ),
        (
            staff(Desk::Surveyor),
            EventKind::SurveyReported {
                report: "左前保险杠擦伤".into(),
            },
        ),
        (
            staff(Desk::Assessor),
            EventKind::Assessed {
                version: 1,
                lines: vec![Line::new("保险杠", 80_000), Line::new("喷漆", 40_000)],
                total_fen: 120_000,
                answer: String::new(),
            },
        ),
        (
            Actor::Customer,
            EventKind::AssessmentAccepted {
                version: 1,
                by_phone: false,
            },
        ),
        (staff(Desk::Adjudicator), approved(Payout::of(120_000))),
        named("0123"),
        order("P1", 120_000),
        (staff(Desk::Finance), paid(120_000)),
        (staff(Desk::Intake), EventKind::Closed),
    ]
}

fn walk(lob: Lob, steps: &[(Actor, EventKind)]) -> Result<Vec<Event>, (usize, Refusal)> {
    let mut claim = Claim::new(lob);
    let mut events = Vec::new();
    for (i, (actor, what)) in steps.iter().enumerate() {
        claim.admit(actor, what, &standing()).map_err(|r| (i, r))?;
        let event = Event {
            seq: claim.seq + 1,
            at: Moment(1_000 * i as i64),
            actor: actor.clone(),
            what: what.clone(),
        };
        claim.apply(&event);
        events.push(event);
    }
    Ok(events)
}

#[test]
fn from_notice_to_closed_with_the_money() {
    let events = walk(Lob::Motor, &happy_motor()).unwrap();
    let claim = Claim::replay(Lob::Motor, &events);
    assert_eq!((claim.stage, claim.paid_fen), (Stage::Closed, 120_000));
    let lines = milestones(Lob::Motor, &events);
    assert!(
        lines
            .iter()
            .all(|l| l.state == MilestoneState::Done && l.at.is_some())
    );
    assert_eq!(lines.len(), 7);
    let surveyed = milestones(Lob::Motor, &events[..4]);
    let states: Vec<_> = surveyed.iter().map(|l| l.state).collect();
    use MilestoneState::{Done, Next, Now};
    assert_eq!(states, [Done, Done, Now, Next, Next, Next, Next]);
}

#[test]
fn health_skips_the_survey_and_the_customers_yes() {
    let steps: Vec<_> = happy_motor()
        .into_iter()
        .filter(|(_, w)| {
            !matches!(
                w.kind(),
                StepKind::SurveyStarted | StepKind::SurveyReported | StepKind::AssessmentAccepted
            )
        })
        .collect();
    let events = walk(Lob::Health, &steps).unwrap();
    assert_eq!(Claim::replay(Lob::Health, &events).stage, Stage::Closed);
    assert_eq!(
        milestones(Lob::Health, &events[..2])[2].state,
        MilestoneState::Skipped
    );
}

#[test]
fn other_ends_are_the_last_line() {
    let no = (
        staff(Desk::Intake),
        EventKind::NotAccepted {
            reason: "not-covered".into(),
            text: "保单已到期".into(),
            next_step: "可联系…".into(),
        },
    );
    let events = walk(Lob::Motor, &[happy_motor()[0].clone(), no]).unwrap();
    let stages: Vec<_> = milestones(Lob::Motor, &events)
        .into_iter()
        .map(|l| l.stage)
        .collect();
    assert_eq!(stages, [Stage::Reported, Stage::NotAccepted]);

    let mut steps = happy_motor()[..7].to_vec();
    steps.push((staff(Desk::Adjudicator), rejected()));
    let events = walk(Lob::Motor, &steps).unwrap();
    assert_eq!(
        milestones(Lob::Motor, &events).last().map(|l| l.stage),
        Some(Stage::Rejected)
    );

    for before in 1..8 {
        let mut steps = happy_motor()[..before].to_vec();
        steps.push((
            Actor::Customer,
            EventKind::Withdrawn {
                reason: "自己修".into(),
            },
        ));
        let events = walk(Lob::Motor, &steps);
        assert_eq!(events.is_ok(), before < 8, "withdrawn after {before}");
    }
}

#[test]
fn a_step_without_its_facts_or_by_the_wrong_person_is_refused() {
    let reported = Claim::replay(Lob::Motor, &walk(Lob::Motor, &happy_motor()[..1]).unwrap());
    let blank = EventKind::NotAccepted {
        reason: " ".into(),
        text: "x".into(),
        next_step: "y".into(),
    };
    assert!(
        matches!(reported.admit(&staff(Desk::Intake), &blank, &standing()), Err(Refusal::Field(f)) if f.field == "/reason")
    );
    assert_eq!(
        reported.admit(
            &staff(Desk::Finance),
            &EventKind::Registered {
                handler: "x".into()
            },
            &standing()
        ),
        Err(Refusal::Actor)
    );
    assert_eq!(
        reported.admit(
            &Actor::Customer,
            &EventKind::Registered {
                handler: "x".into()
            },
            &standing()
        ),
        Err(Refusal::Actor)
    );
    assert_eq!(
        reported.admit(&staff(Desk::Supervisor), &EventKind::Closed, &standing()),
        Err(Refusal::Stage(Stage::Reported))
    );
    let assessing = Claim::replay(Lob::Motor, &walk(Lob::Motor, &happy_motor()[..5]).unwrap());
    let unequal = EventKind::Assessed {
        version: 1,
        lines: vec![Line::new("x", 5)],
        total_fen: 6,
        answer: String::new(),
    };
    assert!(
        matches!(assessing.admit(&staff(Desk::Assessor), &unequal, &standing()), Err(Refusal::Field(f)) if f.field == "/total_fen")
    );
    let adjudicating = Claim::replay(Lob::Motor, &walk(Lob::Motor, &happy_motor()[..7]).unwrap());
    let EventKind::Approved { awards, .. } = approved(Payout::of(120_000)) else {
        panic!()
    };
    let too_much = EventKind::Approved {
        amount_fen: 120_001,
        basis: "x".into(),
        payout: None,
        awards,
        checks: checks(),
    };
    assert!(matches!(
        adjudicating.admit(&staff(Desk::Adjudicator), &too_much, &standing()),
        Err(Refusal::Field(_))
    ));
}

fn asked(batch: u16, again_because: Option<&str>) -> EventKind {
    EventKind::SupplementAsked {
        batch,
        documents: vec!["diagnosis".into(), "repair_list".into()],
        reason: "缺少诊断证明".into(),
        until: Day::parse("2026-11-30").unwrap(),
        again_because: again_because.map(Into::into),
    }
}

fn received(document: &str, sha256: &str) -> (Actor, EventKind) {
    (
        Actor::Customer,
        EventKind::DocumentReceived {
            document: document.into(),
            sha256: sha256.into(),
            bytes: 1,
        },
    )
}

#[test]
fn c7_everything_missing_is_asked_for_once() {
    let intake = || staff(Desk::Intake);
    let mut steps = happy_motor()[..3].to_vec();
    steps.push((intake(), asked(1, None)));
    let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
    assert_eq!((claim.turn(&[]), claim.supplements), (Turn::Customer, 1));
    // A second list needs a supervisor and a reason.
    for (actor, because) in [
        (intake(), None),
        (intake(), Some("漏了")),
        (staff(Desk::Supervisor), None),
        (staff(Desk::Supervisor), Some(" ")),
    ] {
        assert_eq!(
            claim.admit(&actor, &asked(2, because), &standing()),
            Err(Refusal::SecondBatch)
        );
    }
    assert_eq!(
        claim.admit(
            &staff(Desk::Supervisor),
            &asked(2, Some("医院补开了新材料")),
            &standing()
        ),
        Ok(())
    );
    // A file answers one line, a reason the other; then it is the insurer's turn again.
    steps.push(received("diagnosis", "aa"));
    let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
    assert_eq!(claim.supplement.unwrap().wanted, ["repair_list"]);
    steps.push((
        Actor::Customer,
        EventKind::SupplementExcused {
            document: "repair_list".into(),
            reason: "修理厂关门了".into(),
        },
    ));
    let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
    assert_eq!(
        (claim.supplement.clone(), claim.turn(&[])),
        (None, Turn::Insurer)
    );
    let late = EventKind::SupplementExcused {
        document: "repair_list".into(),
        reason: "x".into(),
    };
    assert_eq!(
        claim.admit(&Actor::Customer, &late, &standing()),
        Err(Refusal::Stage(Stage::Registered))
    );
}

#[test]
fn c8_a_document_is_received_accepted_or_sent_back() {
    let judged = |accepted, reason: &str| {
        (
            staff(Desk::Intake),
            EventKind::DocumentJudged {
                document: "diagnosis".into(),
                accepted,
                reason: reason.into(),
            },
        )
    };
    let mut steps = happy_motor()[..3].to_vec();
    steps.push(received("scene", "11"));
    let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
    assert!(
        matches!(claim.admit(&staff(Desk::Intake), &judged(true, "").1, &standing()), Err(Refusal::Field(f)) if f.field == "/document")
    );
    steps.extend([received("diagnosis", "aa"), judged(false, "看不清日期")]);
    let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
    assert_eq!(
        (claim.turn(&[]), claim.returned.len(), claim.received.len()),
        (Turn::Customer, 1, 1)
    );
    assert!(matches!(
        claim.admit(&staff(Desk::Intake), &judged(false, " ").1, &standing()),
        Err(Refusal::Field(_))
    ));
    steps.extend([received("diagnosis", "bb"), judged(true, "")]);
    let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
    assert_eq!(
        (
            claim.turn(&[]),
            claim.verdicts.len(),
            claim.verdicts[0].accepted
        ),
        (Turn::Insurer, 1, true)
    );
}

/// A claim after these steps.
fn claim_at(lob: Lob, steps: &[(Actor, EventKind)]) -> Claim {
    Claim::replay(lob, &walk(lob, steps).unwrap())
}

fn written(version: u16, fens: &[i64], answer: &str) -> EventKind {
    let lines: Vec<Line> = fens.iter().map(|fen| Line::new("件", *fen)).collect();
    EventKind::Assessed {
        version,
        total_fen: fens.iter().sum(),
        lines,
        answer: answer.into(),
    }
}

#[test]
fn e2_an_objection_to_one_line_keeps_the_others_and_is_answered() {
    let mut steps = happy_motor()[..6].to_vec();
    let object = |lines: Vec<u16>| EventKind::AssessmentObjected {
        version: 1,
        reason: "少了大灯".into(),
        lines,
    };
    assert!(
        matches!(claim_at(Lob::Motor, &steps).admit(&Actor::Customer, &object(vec![2]), &standing()), Err(Refusal::Field(f)) if f.field == "/lines")
    );
    steps.push((Actor::Customer, object(vec![1])));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(
        (claim.stage, claim.overlays()),
        (Stage::Assessing, vec![Overlay::Objection])
    );
    let again = |lines: Vec<Line>, answer: &str| {
        let total_fen = lines.iter().map(|l| l.fen).sum();
        EventKind::Assessed {
            version: 2,
            lines,
            total_fen,
            answer: answer.into(),
        }
    };
    let assessor = staff(Desk::Assessor);
    let kept = Line::new("保险杠", 80_000);
    let field = |what: &EventKind| match claim.admit(&assessor, what, &standing()) {
        Err(Refusal::Field(error)) => error.field,
        other => format!("{other:?}"),
    };
    assert_eq!(
        field(&again(
            vec![Line::new("保险杠", 79_999), Line::new("喷漆", 60_000)],
            "改"
        )),
        "/lines",
        "nobody objected to it"
    );
    assert_eq!(
        field(&again(vec![kept.clone(), Line::new("喷漆", 60_000)], " ")),
        "/answer"
    );
    steps.push((
        assessor,
        again(vec![kept, Line::new("喷漆和大灯", 60_000)], "补上大灯"),
    ));
    steps.push((
        Actor::Customer,
        EventKind::AssessmentAccepted {
            version: 2,
            by_phone: false,
        },
    ));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(
        (claim.stage, claim.accepted, claim.overlays()),
        (Stage::Adjudicating, Some(2), vec![])
    );
}

#[test]
fn f2_who_asked_for_a_second_pair_of_eyes_is_not_that_pair() {
    let mut steps = happy_motor()[..7].to_vec();
    steps.push((
        staff(Desk::Adjudicator),
        EventKind::ApprovalAsked {
            to: "周 工号 6001".into(),
        },
    ));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(
        claim.admit(
            &staff(Desk::Adjudicator),
            &approved(Payout::of(120_000)),
            &standing()
        ),
        Err(Refusal::SamePerson)
    );
    let elsewhere = Actor::Staff {
        name: "adjudicator 工号 1001".into(),
        desk: Desk::Supervisor,
    };
    assert_eq!(
        claim.admit(&elsewhere, &rejected(), &standing()),
        Err(Refusal::SamePerson),
        "the same name at another desk"
    );
    let other = Actor::Staff {
        name: "周 工号 6001".into(),
        desk: Desk::Supervisor,
    };
    assert_eq!(
        claim.admit(&other, &approved(Payout::of(120_000)), &standing()),
        Ok(())
    );
}

#[test]
fn c9_a_decision_answers_all_eight_points_and_says_what_is_in_question() {
    let claim = claim_at(Lob::Motor, &happy_motor()[..7]);
    let with = |checks: Vec<Check>| {
        let EventKind::Approved { awards, .. } = approved(Payout::of(120_000)) else {
            panic!()
        };
        let what = EventKind::Approved {
            amount_fen: 120_000,
            basis: "x".into(),
            payout: None,
            awards,
            checks,
        };
        claim.admit(&staff(Desk::Adjudicator), &what, &standing())
    };
    assert_eq!(with(checks()), Ok(()));
    for missing in 0..8 {
        let mut some = checks();
        some.remove(missing);
        assert!(matches!(with(some), Err(Refusal::Field(f)) if f.field == "/checks"));
    }
    let mut doubtful = checks();
    doubtful[3].good = false;
    assert!(
        matches!(with(doubtful.clone()), Err(Refusal::Field(f)) if f.code == Code::ReasonMissing)
    );
    doubtful[3].note = "发票少一张".into();
    assert_eq!(with(doubtful), Ok(()));
    let mut twice = checks();
    twice[1] = twice[0].clone();
    assert!(with(twice).is_err());
}

#[test]
fn f5_a_rejection_without_clause_facts_or_evidence_is_refused() {
    let claim = claim_at(Lob::Motor, &happy_motor()[..7]);
    let good = ["第八条", "无证驾驶", "认定书"];
    for blank in 0..3 {
        let text = |i: usize| {
            if i == blank {
                String::new()
            } else {
                good[i].to_owned()
            }
        };
        let what = EventKind::Rejected {
            clause: text(0),
            facts: text(1),
            evidence: text(2),
            checks: checks(),
        };
        assert!(
            matches!(
                claim.admit(&staff(Desk::Adjudicator), &what, &standing()),
                Err(Refusal::Field(_))
            ),
            "{blank}"
        );
    }
    assert_eq!(
        claim.admit(&Actor::System, &rejected(), &standing()),
        Err(Refusal::Actor),
        "a machine never rejects"
    );
}

#[test]
fn g5_the_bank_sends_it_back_the_account_is_corrected_and_paid_once() {
    let mut steps = happy_motor()[..10].to_vec();
    steps.push((staff(Desk::Finance), failed()));
    let order = |id: &str| super::tests::order(id, 120_000).1;
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(claim.turn(&[]), Turn::Customer);
    assert_eq!(
        claim.admit(&staff(Desk::Finance), &order("P2"), &standing()),
        Err(Refusal::Stage(Stage::PaymentFailed)),
        "not to the same account"
    );
    steps.push(named("9999"));
    let claim = claim_at(Lob::Motor, &steps);
    assert!(
        matches!(
            claim.admit(&staff(Desk::Finance), &order("P1"), &standing()),
            Err(Refusal::Field(_))
        ),
        "an instruction is used once"
    );
    steps.push((staff(Desk::Finance), order("P2")));
    steps.push((staff(Desk::Finance), paid(120_000)));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(
        claim.admit(&staff(Desk::Finance), &paid(120_000), &standing()),
        Err(Refusal::Stage(Stage::Paid))
    );
    let unequal = EventKind::Paid {
        amount_fen: 120_000,
        reference: "R".into(),
        payee: 1,
        lines: vec![Line::new("车损险", 1)],
        last4: String::new(),
    };
    assert!(
        claim_at(Lob::Motor, &steps[..steps.len() - 1])
            .admit(&staff(Desk::Finance), &unequal, &standing())
            .is_err(),
        "lines make the sum"
    );
}

#[test]
fn a_partial_decision_waits_for_the_customers_yes() {
    let mut steps = happy_motor()[..7].to_vec();
    steps.push((
        staff(Desk::Adjudicator),
        approved(Payout {
            share_bp: 7_000,
            ..Payout::of(120_000)
        }),
    ));
    steps.push(named("0123"));
    let claim = claim_at(Lob::Motor, &steps);
    let order = order("P1", 84_000).1;
    assert_eq!(
        (claim.turn(&[]), claim.agreed_at, claim.due_fen()),
        (Turn::Customer, None, 84_000)
    );
    assert_eq!(
        claim.admit(&staff(Desk::Finance), &order, &standing()),
        Err(Refusal::Stage(Stage::Approved))
    );
    steps.push((Actor::Customer, EventKind::DecisionAgreed));
    assert_eq!(
        claim_at(Lob::Motor, &steps).admit(&staff(Desk::Finance), &order, &standing()),
        Ok(())
    );
    // A claim with nothing left to pay is closed without a payment.
    let mut nothing = happy_motor()[..7].to_vec();
    nothing.push((
        staff(Desk::Adjudicator),
        approved(Payout {
            deductible_fen: 200_000,
            ..Payout::of(120_000)
        }),
    ));
    nothing.push((staff(Desk::Intake), EventKind::Closed));
    assert_eq!(claim_at(Lob::Motor, &nothing).stage, Stage::Closed);
}

#[test]
fn j1_a_review_overturns_and_the_old_decision_stays_to_be_seen() {
    let mut steps = happy_motor()[..7].to_vec();
    steps.push((staff(Desk::Adjudicator), rejected()));
    steps.push((
        Actor::Customer,
        EventKind::ReviewAsked {
            reason: "我有驾驶证".into(),
            wish: "重新核定".into(),
        },
    ));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(
        (claim.stage, claim.overlays()),
        (Stage::Rejected, vec![Overlay::Review])
    );
    assert_eq!(
        claim.admit(&staff(Desk::Intake), &EventKind::Closed, &standing()),
        Err(Refusal::Stage(Stage::Rejected)),
        "not before the answer"
    );
    assert_eq!(
        claim.admit(
            &Actor::Customer,
            &received("driver_license", "ab").1,
            &standing()
        ),
        Ok(()),
        "evidence is taken"
    );
    let answer = |overturned| EventKind::ReviewAnswered {
        overturned,
        text: "证件核实".into(),
        cause: "责任认定".into(),
    };
    assert_eq!(
        claim.admit(&staff(Desk::Adjudicator), &answer(true), &standing()),
        Err(Refusal::Actor)
    );
    steps.push((
        Actor::Staff {
            name: "周 工号 6001".into(),
            desk: Desk::Supervisor,
        },
        answer(true),
    ));
    steps.push((staff(Desk::Adjudicator), approved(Payout::of(120_000))));
    let events = walk(Lob::Motor, &steps).unwrap();
    assert_eq!(
        Claim::replay(Lob::Motor, &events).approved_fen,
        Some(120_000)
    );
    assert!(events.iter().any(|e| e.what.kind() == StepKind::Rejected));
}

#[test]
fn j1_a_review_is_answered_by_another_than_who_decided() {
    let supervisor = |name: &str| Actor::Staff {
        name: name.into(),
        desk: Desk::Supervisor,
    };
    let mut steps = happy_motor()[..7].to_vec();
    steps.push((supervisor("周 工号 6001"), rejected()));
    steps.push((
        Actor::Customer,
        EventKind::ReviewAsked {
            reason: "我有驾驶证".into(),
            wish: String::new(),
        },
    ));
    let claim = claim_at(Lob::Motor, &steps);
    let answer = EventKind::ReviewAnswered {
        overturned: false,
        text: "维持".into(),
        cause: "条款".into(),
    };
    assert_eq!(
        claim.admit(&supervisor("周 工号 6001"), &answer, &standing()),
        Err(Refusal::SamePerson)
    );
    assert_eq!(
        claim.admit(&supervisor("吴 工号 6002"), &answer, &standing()),
        Ok(())
    );
}

#[test]
fn f8_an_advance_is_part_of_what_was_worked_out() {
    let advance = |amount_fen| EventKind::AdvancePaid {
        amount_fen,
        reference: "A1".into(),
    };
    let mut steps = happy_motor()[..5].to_vec();
    steps.push(named("0123"));
    let finance = staff(Desk::Finance);
    assert_eq!(
        claim_at(Lob::Motor, &steps).admit(&finance, &advance(1), &standing()),
        Err(Refusal::Stage(Stage::Assessing)),
        "nothing is certain yet"
    );
    steps.extend(happy_motor()[5..7].to_vec());
    let claim = claim_at(Lob::Motor, &steps);
    assert!(
        matches!(claim.admit(&finance, &advance(120_001), &standing()), Err(Refusal::Field(f)) if f.field == "/amount_fen")
    );
    steps.push((finance, advance(100_000)));
    // In the end less was due than already paid: nothing more is paid, nothing is asked back, and
    // the claim can end.
    steps.push((
        staff(Desk::Adjudicator),
        approved(Payout {
            share_bp: 7_000,
            ..Payout::of(120_000)
        }),
    ));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!((claim.approved_fen, claim.due_fen()), (Some(84_000), 0));
    steps.push((staff(Desk::Intake), EventKind::Closed));
    assert_eq!(claim_at(Lob::Motor, &steps).stage, Stage::Closed);
}

#[test]
fn equal_lines_are_kept_as_often_as_they_were_there() {
    let mut steps = happy_motor()[..5].to_vec();
    steps.push((staff(Desk::Assessor), written(1, &[500, 500, 800], "")));
    steps.push((
        Actor::Customer,
        EventKind::AssessmentObjected {
            version: 1,
            reason: "少了".into(),
            lines: vec![2],
        },
    ));
    let claim = claim_at(Lob::Motor, &steps);
    assert!(
        claim
            .admit(
                &staff(Desk::Assessor),
                &written(2, &[500, 900], "改"),
                &standing()
            )
            .is_err(),
        "one of the two is gone"
    );
    assert_eq!(
        claim.admit(
            &staff(Desk::Assessor),
            &written(2, &[500, 500, 900], "改"),
            &standing()
        ),
        Ok(())
    );
}

#[test]
fn c8_what_was_sent_back_may_be_taken_after_all_or_sent_again() {
    let judged = |accepted| {
        (
            staff(Desk::Intake),
            EventKind::DocumentJudged {
                document: "diagnosis".into(),
                accepted,
                reason: "看不清".into(),
            },
        )
    };
    let mut steps = happy_motor()[..3].to_vec();
    steps.extend([received("diagnosis", "aa"), judged(false), judged(true)]);
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(
        (claim.received.len(), claim.returned.len(), claim.turn(&[])),
        (1, 0, Turn::Insurer)
    );
    let mut again = steps[..5].to_vec();
    again.push(received("diagnosis", "aa"));
    let claim = claim_at(Lob::Motor, &again);
    assert_eq!(
        (claim.received.len(), claim.returned.len(), claim.turn(&[])),
        (1, 0, Turn::Insurer)
    );
}

#[test]
fn a_letter_is_delivered_also_after_the_claim_was_closed() {
    let mut steps = happy_motor()[..7].to_vec();
    steps.extend([
        (staff(Desk::Adjudicator), rejected()),
        (staff(Desk::Intake), EventKind::Closed),
    ]);
    assert_eq!(
        claim_at(Lob::Motor, &steps).admit(
            &Actor::System,
            &EventKind::LetterDelivered,
            &standing()
        ),
        Ok(())
    );
    steps.push((Actor::System, EventKind::LetterDelivered));
    assert_eq!(
        claim_at(Lob::Motor, &steps).admit(
            &Actor::System,
            &EventKind::LetterDelivered,
            &standing()
        ),
        Err(Refusal::Stage(Stage::Closed))
    );
}

#[test]
fn a_second_list_keeps_what_the_first_still_waits_for() {
    let mut steps = happy_motor()[..2].to_vec();
    steps.push((staff(Desk::Intake), asked(1, None)));
    let again = EventKind::SupplementAsked {
        batch: 2,
        documents: vec!["weather".into()],
        reason: "大雨".into(),
        until: Day::parse("2026-12-30").unwrap(),
        again_because: Some("客户补报".into()),
    };
    steps.push((staff(Desk::Supervisor), again));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(
        claim.supplement.as_ref().unwrap().wanted,
        ["diagnosis", "repair_list", "weather"]
    );
    assert_eq!(claim.waits.len(), 1, "one wait");
    steps.push((
        staff(Desk::Intake),
        EventKind::SupplementEnded {
            reason: "已从医院取得".into(),
        },
    ));
    let claim = claim_at(Lob::Motor, &steps);
    assert!(claim.supplement.is_none() && claim.waits[0].1.is_some());
}

#[test]
fn j2_a_complaint_has_fifteen_days_then_thirty_then_sixty_by_a_supervisor() {
    let mut steps = happy_motor()[..2].to_vec();
    let filed = EventKind::ComplaintFiled {
        number: "T1".into(),
        about: "没人回电".into(),
        wish: String::new(),
        owner: "周".into(),
    };
    steps.push((Actor::Customer, filed.clone()));
    let extend = |special| EventKind::ComplaintExtended {
        special,
        reason: "需要核实".into(),
    };
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(claim.complaint().unwrap().days, 15);
    assert_eq!(
        claim.admit(&Actor::Customer, &filed, &standing()),
        Err(Refusal::Stage(Stage::Registered)),
        "one at a time"
    );
    assert!(
        claim
            .admit(&staff(Desk::Supervisor), &extend(true), &standing())
            .is_err(),
        "not at once"
    );
    steps.push((staff(Desk::Intake), extend(false)));
    let claim = claim_at(Lob::Motor, &steps);
    assert_eq!(claim.complaint().unwrap().days, 30);
    assert_eq!(
        claim.admit(&staff(Desk::Intake), &extend(true), &standing()),
        Err(Refusal::Actor)
    );
    steps.push((staff(Desk::Supervisor), extend(true)));
    assert_eq!(claim_at(Lob::Motor, &steps).complaint().unwrap().days, 60);
    steps.push((
        staff(Desk::Intake),
        EventKind::ComplaintAnswered {
            text: "已回电".into(),
            cause: "时效".into(),
        },
    ));
    assert!(claim_at(Lob::Motor, &steps).complaint().is_none());
}

/// Everything that can be tried, with plausible facts for `claim`.
#[cfg(not(target_arch = "wasm32"))]
fn tries(claim: &Claim) -> Vec<(Actor, EventKind)> {
    let version = claim.assessment.as_ref().map_or(0, |a| a.version);
    let loss = claim.assessment.as_ref().map_or(0, |a| a.total_fen);
    let mut pool = happy_motor();
    let cut = Payout {
        share_bp: 7_000,
        deductible_fen: 10_000,
        ..Payout::of(loss)
    };
    let other = Actor::Staff {
        name: "周 工号 6001".into(),
        desk: Desk::Supervisor,
    };
    let due = claim.due_fen();
    let day = Day::parse("2026-11-30").unwrap();
    pool.extend([
        (
            staff(Desk::Assessor),
            written(version + 1, &[80_000, 40_000], "已说明"),
        ),
        (
            staff(Desk::Assessor),
            written(version + 1, &[80_000, 60_000], "已说明"),
        ),
        (
            Actor::Customer,
            EventKind::AssessmentAccepted {
                version,
                by_phone: false,
            },
        ),
        (
            Actor::Customer,
            EventKind::AssessmentObjected {
                version,
                reason: "少了大灯".into(),
                lines: vec![1],
            },
        ),
        (staff(Desk::Adjudicator), approved(Payout::of(loss))),
        (staff(Desk::Adjudicator), approved(cut.clone())),
        (other.clone(), approved(cut)),
        (
            staff(Desk::Adjudicator),
            EventKind::ApprovalAsked { to: "周".into() },
        ),
        (staff(Desk::Adjudicator), rejected()),
        (Actor::System, rejected()),
        (
            staff(Desk::Adjudicator),
            EventKind::SentBack {
                to: Stage::Assessing,
                reason: "x".into(),
            },
        ),
        (Actor::System, EventKind::LetterDelivered),
        (Actor::Customer, EventKind::DecisionAgreed),
        order(&format!("P{}", claim.instructions.len()), due),
        (staff(Desk::Finance), paid(due)),
        (Actor::System, paid(due)),
        (staff(Desk::Finance), failed()),
        (Actor::Customer, EventKind::AdvanceAsked),
        (
            staff(Desk::Finance),
            EventKind::AdvancePaid {
                amount_fen: 20_000,
                reference: "A".into(),
            },
        ),
        (
            Actor::Customer,
            EventKind::Withdrawn {
                reason: "自己修".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::NotAccepted {
                reason: "x".into(),
                text: "y".into(),
                next_step: "z".into(),
            },
        ),
        (
            Actor::System,
            EventKind::SurveySkipped {
                reason: "照片足够".into(),
            },
        ),
        (
            Actor::Customer,
            EventKind::SurveyRemarked {
                text: "不是我撞的".into(),
            },
        ),
        (
            Actor::Customer,
            EventKind::DocumentReceived {
                document: "scene".into(),
                sha256: "ab".into(),
                bytes: 1,
            },
        ),
        requested(),
        (staff(Desk::Intake), asked(1, None)),
        (other.clone(), asked(2, Some("漏了"))),
        (
            Actor::Customer,
            EventKind::SupplementExcused {
                document: "diagnosis".into(),
                reason: "x".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::SupplementEnded { reason: "x".into() },
        ),
        (
            staff(Desk::Intake),
            EventKind::DocumentJudged {
                document: "scene".into(),
                accepted: false,
                reason: "x".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::Marked {
                overlay: Overlay::Investigating,
                reason: "核实经过".into(),
                until: Some(day),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::Unmarked {
                overlay: Overlay::Investigating,
            },
        ),
        (
            Actor::Customer,
            EventKind::ReviewAsked {
                reason: "x".into(),
                wish: String::new(),
            },
        ),
        (
            other.clone(),
            EventKind::ReviewAnswered {
                overturned: true,
                text: "x".into(),
                cause: "y".into(),
            },
        ),
        (
            other.clone(),
            EventKind::ReviewAnswered {
                overturned: false,
                text: "x".into(),
                cause: "y".into(),
            },
        ),
        (
            Actor::Customer,
            EventKind::ComplaintFiled {
                number: "T".into(),
                about: "x".into(),
                wish: String::new(),
                owner: "周".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::ComplaintExtended {
                special: false,
                reason: "x".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::ComplaintAnswered {
                text: "x".into(),
                cause: "y".into(),
            },
        ),
        (Actor::Customer, EventKind::Wrote { text: "x".into() }),
        (
            staff(Desk::Intake),
            EventKind::Answered { text: "x".into() },
        ),
        (
            Actor::Customer,
            EventKind::PersonAsked {
                about: String::new(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::PersonCalled { text: "x".into() },
        ),
        (
            Actor::Customer,
            EventKind::Corrected {
                fields: vec!["phone".into()],
            },
        ),
        (
            Actor::Customer,
            EventKind::Rated {
                score: 5,
                text: String::new(),
            },
        ),
        (
            Actor::System,
            EventKind::Escalated {
                deadline: "advance".into(),
                to: "周".into(),
                by: Moment(0),
            },
        ),
        (Actor::System, EventKind::Closed),
        (Actor::System, EventKind::Archived),
        (
            other,
            EventKind::Reopened {
                reason: "迟到的发票".into(),
            },
        ),
        (staff(Desk::Intake), EventKind::DecisionAgreed),
        (
            staff(Desk::Intake),
            EventKind::PolicyFound {
                policy: "0001".into(),
            },
        ),
        (staff(Desk::Intake), entitled(Role::Agent, "")),
        (Actor::Customer, EventKind::Disowned),
        (
            other_supervisor(),
            EventKind::DisownSettled {
                genuine: true,
                text: "x".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::Established {
                matter: Matter::InsuredDeceased,
                holds: !claim.deceased,
                reason: "x".into(),
            },
        ),
        (
            Actor::Customer,
            EventKind::ConsentWithdrawn {
                consent: "photo-place".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::DocumentWaived {
                document: "scene".into(),
                reason: "x".into(),
            },
        ),
        (
            staff(Desk::Intake),
            EventKind::DocumentJudged {
                document: "scene".into(),
                accepted: true,
                reason: String::new(),
            },
        ),
    ]);
    pool
}

#[cfg(not(target_arch = "wasm32"))]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Whatever anybody tries in any order: what was admitted replays to the same claim, overlays,
    /// deadlines and timeline, and the eight invariants hold after every event.
    #[test]
    fn random_histories_keep_the_invariants(picks in proptest::collection::vec((0usize..90, 0u8..8, 1i64..200_000), 0..70), lob in 0usize..8) {
        let lob = Lob::ALL[lob];
        let (promises, calendar) = crate::deadlines::tests::terms();
        let facts = crate::catalog::Facts { incident: "motor.single".into(), ..Default::default() };
        let terms = crate::deadlines::Terms { promises: &promises, calendar: &calendar, facts: &facts, loss_at: Moment(0) };
        let mut claim = Claim::new(lob);
        let mut events: Vec<Event> = Vec::new();
        let mut at = Moment(1_772_417_700);
        for (pick, other_actor, later) in picks {
            let pool = tries(&claim);
            let (actor, what) = pool[pick % pool.len()].clone();
            let actor = match other_actor {
                0 => Actor::Customer,
                1 => Actor::System,
                _ => actor,
            };
            let before = claim.clone();
            let admitted = claim.admit(&actor, &what, &standing());
            prop_assert_eq!(before.allowed(&actor).contains(&what.kind()) || admitted.is_err(), true, "what is admitted was offered");
            if admitted.is_err() {
                continue;
            }
            at = at.plus_seconds(later);
            let event = Event { seq: claim.seq + 1, at, actor, what };
            claim.apply(&event);
            let kind = event.what.kind();
            // 2: never more paid than approved; before that, as an advance, never more than
            // assessed.
            prop_assert!(kind != StepKind::Paid || claim.paid_fen <= claim.approved_fen.unwrap_or(0));
            prop_assert!(kind != StepKind::AdvancePaid || claim.paid_fen <= claim.assessment.as_ref().map_or(0, |a| a.total_fen));
            // 4: a decision gives its basis, and there is a way to disagree.
            if let EventKind::Approved { basis, checks, .. } = &event.what {
                prop_assert!(!basis.is_empty() && checks.len() == 8);
            }
            if matches!(kind, StepKind::Approved | StepKind::Rejected | StepKind::NotAccepted) && before.review().is_none() {
                prop_assert!(claim.allowed(&Actor::Customer).contains(&StepKind::ReviewAsked));
            }
            // 5: only a supervisor asks for a second batch.
            if let EventKind::SupplementAsked { batch: 2.., .. } = &event.what {
                let supervisors = matches!(&event.actor, Actor::Staff { desk: Desk::Supervisor, .. });
                prop_assert!(supervisors);
            }
            // 6: an ended claim takes no file, unless a review is open; it moves only when
            // reopened.
            if before.stage.is_over() {
                prop_assert!(kind != StepKind::DocumentReceived || before.review().is_some());
                let opens = matches!(kind, StepKind::Reopened | StepKind::ReviewAnswered | StepKind::Closed | StepKind::Archived);
                prop_assert!(claim.stage == before.stage || opens, "{:?} by {:?}", before.stage, kind);
            }
            // 8: a machine never rejects.
            let machine = event.actor == Actor::System;
            prop_assert!(!(machine && matches!(kind, StepKind::Rejected | StepKind::NotAccepted)));
            events.push(event);
        }
        // 1: the log is all there is.
        let replayed = Claim::replay(lob, &events);
        prop_assert_eq!(&replayed, &claim);
        prop_assert_eq!(crate::deadlines::deadlines(&replayed, &terms, at), crate::deadlines::deadlines(&claim, &terms, at));
        // 2: no instruction twice.
        let mut ids: Vec<&String> = claim.instructions.iter().collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), claim.instructions.len());
        // 3: whoever asked for a second pair of eyes did not decide.
        let mut asked: Option<&Actor> = None;
        for event in &events {
            match &event.what {
                EventKind::ApprovalAsked { .. } => asked = Some(&event.actor),
                EventKind::SentBack { .. } => asked = None,
                EventKind::Approved { .. } | EventKind::Rejected { .. } => {
                    prop_assert!(asked.is_none_or(|a| a != &event.actor));
                    asked = None;
                }
                _ => {}
            }
        }
        prop_assert_eq!(milestones(lob, &events).iter().filter(|m| m.state == MilestoneState::Now).count() <= 1, true);
    }
}
