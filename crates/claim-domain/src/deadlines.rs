//! A claim's deadlines, by law and by the insurer's promises, and what pauses and ends them.
//!
//! Counting (民法典 201-203): the first day does not count, a period ends at 24:00 of its last day
//! in Asia/Shanghai. No deadline is extended over days off, though the customer's may be: the
//! stricter day is right under every reading. While a supplement list is with the customer, the
//! time for the determination is suspended, from the arrival of the list to the arrival of the
//! documents, in whole days (司法解释二第十五条).

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::catalog::Facts;
use crate::lifecycle::{Claim, Stage};
use crate::promise::Promises;
use crate::{Day, Moment, due_after_days, local_day};

/// What is counted. The catalogue names each and gives its basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// Promise: somebody calls after the notice.
    Contact,
    /// 保险法 23.
    Decide,
    /// 交强险条例 29.
    DecideCompulsory,
    /// Promise, in working days.
    DecidePromise,
    /// 保险法 25.
    Advance,
    /// 保险法 23, 交强险条例 29.
    Pay,
    /// 保险法 24.
    Letter,
    /// 投诉办法.
    Complaint,
    /// Promise.
    Review,
    Reply,
    Person,
    /// Promises of 小额快赔.
    FastAssess,
    FastDecide,
    FastPay,
    /// 保险法 26: for the customer to keep.
    Limitation,
}

impl Clock {
    pub const ALL: [Clock; 15] = [
        Clock::Contact,
        Clock::Decide,
        Clock::DecideCompulsory,
        Clock::DecidePromise,
        Clock::Advance,
        Clock::Pay,
        Clock::Letter,
        Clock::Complaint,
        Clock::Review,
        Clock::Reply,
        Clock::Person,
        Clock::FastAssess,
        Clock::FastDecide,
        Clock::FastPay,
        Clock::Limitation,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Clock::Contact => "contact",
            Clock::Decide => "decide",
            Clock::DecideCompulsory => "decide-compulsory",
            Clock::DecidePromise => "decide-promise",
            Clock::Advance => "advance",
            Clock::Pay => "pay",
            Clock::Letter => "letter",
            Clock::Complaint => "complaint",
            Clock::Review => "review",
            Clock::Reply => "reply",
            Clock::Person => "person",
            Clock::FastAssess => "fast-assess",
            Clock::FastDecide => "fast-decide",
            Clock::FastPay => "fast-pay",
            Clock::Limitation => "limitation",
        }
    }

    /// 法定期限; the others are 服务承诺.
    pub fn is_law(self) -> bool {
        use Clock as C;
        matches!(
            self,
            C::Decide
                | C::DecideCompulsory
                | C::Advance
                | C::Pay
                | C::Letter
                | C::Complaint
                | C::Limitation
        )
    }
}

/// One deadline of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deadline {
    pub clock: Clock,
    /// Tells the second complaint from the first: `complaint:2`.
    pub id: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub began: Moment,
    /// The first moment that is too late.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub due: Moment,
    /// Counted in days, to the end of the last; otherwise by the clock.
    pub by_day: bool,
    pub paused_days: u16,
    /// Suspended now: the customer has to send something.
    pub paused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub met: Option<Moment>,
}

impl Deadline {
    /// The last day that is in time.
    pub fn last_day(&self) -> Day {
        local_day(Moment(self.due.0 - 1))
    }
    pub fn is_overdue(&self, now: Moment) -> bool {
        self.met.is_none() && !self.paused && now >= self.due && self.clock != Clock::Limitation
    }
    pub fn was_missed(&self) -> bool {
        self.met.is_some_and(|met| met >= self.due)
    }
}

/// What deadlines depend on besides the events.
pub struct Terms<'a> {
    pub promises: &'a Promises,
    pub calendar: &'a Calendar,
    pub facts: &'a Facts,
    pub loss_at: Moment,
}

const COMPULSORY_DAYS: u16 = 5;
const ADVANCE_DAYS: u16 = 60;
const LETTER_DAYS: u16 = 3;
const LIMITATION_YEARS: i32 = 2;
const LIMITATION_YEARS_LIFE: i32 = 5;

type Waits = [(Moment, Option<Moment>)];

/// The parts of the waits between `from` and `now`.
fn waited(waits: &Waits, from: Moment, now: Moment) -> impl Iterator<Item = (Moment, Moment)> {
    waits.iter().map(move |(began, ended)| {
        (
            (*began).clamp(from, now.max(from)),
            ended.unwrap_or(now).clamp(from, now.max(from)),
        )
    })
}

/// Whole days between the arrival of each list and the arrival of what it asked for, up to `now`,
/// after `from`.
pub fn paused_days(waits: &Waits, from: Moment, now: Moment) -> u16 {
    let days = waited(waits, from, now)
        .map(|(began, ended)| local_day(began).days_to(local_day(ended)).max(0));
    u16::try_from(days.sum::<i64>()).unwrap_or(u16::MAX)
}

fn paused_seconds(waits: &Waits, from: Moment, now: Moment) -> i64 {
    waited(waits, from, now)
        .map(|(began, ended)| ended.0 - began.0)
        .sum()
}

fn stands_still(waits: &Waits, met: Option<Moment>) -> bool {
    met.is_none() && waits.last().is_some_and(|(_, to)| to.is_none())
}

/// Every deadline that has begun, in the order of [`Clock`].
pub fn deadlines(claim: &Claim, terms: &Terms<'_>, now: Moment) -> Vec<Deadline> {
    let promises = terms.promises;
    let cycled = |clock: Clock| match claim.cycle {
        0 => clock.as_str().to_owned(),
        n => format!("{}:{}", clock.as_str(), n + 1),
    };
    let day = |clock: Clock, began: Moment, last: Day, met: Option<Moment>| Deadline {
        clock,
        id: cycled(clock),
        began,
        due: last.ends(),
        by_day: true,
        paused_days: 0,
        paused: false,
        met,
    };
    let by_clock = |clock: Clock, began: Moment, due: Moment, met: Option<Moment>| Deadline {
        by_day: false,
        due,
        ..day(clock, began, local_day(began), met)
    };
    let hours = |n: u16| i64::from(n) * 3600;
    let mut all = Vec::new();
    let paused_by = |waits: &Waits, deadline: Deadline| {
        let away = paused_days(waits, deadline.began, deadline.met.unwrap_or(now));
        let due = local_day(deadline.due).plus_days(i64::from(away)).begins();
        Deadline {
            due,
            paused_days: away,
            paused: stands_still(waits, deadline.met),
            ..deadline
        }
    };
    let ended = claim.ended_at.filter(|_| claim.stage.is_over());
    if let Some(began) = claim.reported_at {
        let met = claim.contacted_at.or(ended);
        all.push(Deadline {
            id: "contact".into(),
            ..by_clock(
                Clock::Contact,
                began,
                began.plus_seconds(hours(promises.contact_hours)),
                met,
            )
        });
    }
    if let (Some(asked), Some(from)) = (claim.requested_at, claim.decides_from) {
        let met = claim.decided_at.or(ended);
        let waits = |deadline: Deadline| paused_by(&claim.waits, deadline);
        all.push(waits(day(
            Clock::Decide,
            from,
            due_after_days(from, promises.determination_days),
            met,
        )));
        if terms.facts.flags.get("other_vehicle") == Some(&true)
            || terms.facts.flags.get("has_injury") == Some(&true)
        {
            all.extend((claim.lob == crate::Lob::Motor).then(|| {
                waits(day(
                    Clock::DecideCompulsory,
                    from,
                    due_after_days(from, COMPULSORY_DAYS),
                    met,
                ))
            }));
        }
        all.push(waits(day(
            Clock::DecidePromise,
            from,
            terms
                .calendar
                .after_working_days(from, promises.decide_working_days),
            met,
        )));
        if claim.cycle == 0 {
            let certain = claim.advance_at.or(claim.decided_at).or(ended);
            all.push(day(
                Clock::Advance,
                asked,
                due_after_days(asked, ADVANCE_DAYS),
                certain,
            ));
        }
    }
    if let Some(agreed) = claim.agreed_at {
        let met = if claim.due_fen() == 0 {
            Some(claim.paid_at.filter(|at| *at >= agreed).unwrap_or(agreed))
        } else {
            None
        };
        // Nobody can be paid before an account is named.
        all.push(paused_by(
            &claim.payee_waits,
            day(
                Clock::Pay,
                agreed,
                due_after_days(agreed, promises.payment_days),
                met,
            ),
        ));
    }
    if let Some(rejected) = claim.rejected_at {
        all.push(day(
            Clock::Letter,
            rejected,
            due_after_days(rejected, LETTER_DAYS),
            claim.letter_at,
        ));
    }
    for (n, complaint) in claim.complaints.iter().enumerate() {
        let last = due_after_days(complaint.at, complaint.days);
        all.push(Deadline {
            id: numbered(Clock::Complaint, n),
            ..day(Clock::Complaint, complaint.at, last, complaint.answered)
        });
    }
    for (n, review) in claim.reviews.iter().enumerate() {
        let last = due_after_days(review.at, promises.review_days);
        all.push(Deadline {
            id: numbered(Clock::Review, n),
            ..day(Clock::Review, review.at, last, review.answered)
        });
    }
    // One for each question: the moment tells them apart.
    let answers = [
        (Clock::Reply, claim.wrote_at, promises.reply_hours),
        (Clock::Person, claim.person_at, promises.contact_hours),
    ];
    for (clock, since, within) in answers {
        all.extend(since.map(|at| Deadline {
            id: format!("{}:{}", clock.as_str(), at.0),
            ..by_clock(clock, at, at.plus_seconds(hours(within)), None)
        }));
    }
    if let Ok(fast) = promises.fast_track(claim, terms.facts) {
        let after = |from: Moment, seconds: i64| fast.hours.after(from, seconds);
        let paused_by_clock = |waits: &Waits, deadline: Deadline| {
            let away = paused_seconds(waits, deadline.began, deadline.met.unwrap_or(now));
            Deadline {
                due: deadline.due.plus_seconds(away),
                paused: stands_still(waits, deadline.met),
                ..deadline
            }
        };
        if let (Some(from), Some(minutes)) = (claim.surveyed_at, fast.assess_minutes) {
            let met = claim
                .assessment
                .as_ref()
                .map(|a| a.at)
                .filter(|at| *at >= from)
                .or(ended);
            all.push(by_clock(
                Clock::FastAssess,
                from,
                after(from, i64::from(minutes) * 60),
                met,
            ));
        }
        // Assessed, agreed on, and requested.
        let ready = claim
            .requested_at
            .and_then(|asked| match claim.lob.is_surveyed() {
                true => claim
                    .accepted
                    .and(claim.accepted_at)
                    .map(|at| at.max(asked)),
                false => Some(asked),
            });
        // A claim already decided once is no longer simple.
        if let Some(from) = ready.filter(|_| claim.cycle == 0) {
            let met = claim.decided_at.or(ended);
            all.extend(match (fast.decide_hours, fast.decide_working_days) {
                (Some(n), _) => Some(paused_by_clock(
                    &claim.waits,
                    by_clock(Clock::FastDecide, from, after(from, hours(n)), met),
                )),
                (None, Some(days)) => {
                    let last = terms.calendar.after_working_days(from, days);
                    Some(paused_by(
                        &claim.waits,
                        day(Clock::FastDecide, from, last, met),
                    ))
                }
                (None, None) => None,
            });
        }
        if let Some(agreed) = claim.agreed_at {
            let met = if claim.due_fen() == 0 {
                claim.paid_at.or(Some(agreed))
            } else {
                None
            };
            let within = by_clock(
                Clock::FastPay,
                agreed,
                agreed.plus_seconds(hours(fast.pay_hours)),
                met,
            );
            all.push(paused_by_clock(&claim.payee_waits, within));
        }
    }
    let unpaid = matches!(
        claim.stage,
        Stage::Rejected | Stage::NotAccepted | Stage::Withdrawn
    ) || (matches!(claim.stage, Stage::Closed | Stage::Archived)
        && claim.paid_fen == 0);
    if unpaid {
        // Five years for 人寿保险 only; accident and health covers have two, after a death as well
        // (保险法第二十六条).
        let years = if claim.lob == crate::Lob::Life {
            LIMITATION_YEARS_LIFE
        } else {
            LIMITATION_YEARS
        };
        // Not extended over days off: whoever keeps to it is in time under every reading.
        let last = local_day(terms.loss_at).plus_years(years);
        all.push(Deadline {
            id: "limitation".into(),
            ..day(Clock::Limitation, terms.loss_at, last, None)
        });
    }
    all.sort_by_key(|d| d.clock);
    all
}

fn numbered(clock: Clock, before: usize) -> String {
    if before == 0 {
        clock.as_str().into()
    } else {
        format!("{}:{}", clock.as_str(), before + 1)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Lob;
    use crate::lifecycle::{Actor, Event, EventKind};

    pub(crate) fn terms() -> (Promises, Calendar) {
        let hours = "08:00-20:00".to_owned().try_into().unwrap();
        let fast = crate::promise::FastTrack {
            lob: Lob::Motor,
            incidents: vec!["motor.single".into()],
            limit_fen: 500_000,
            not: vec!["has_injury".into()],
            hours,
            assess_minutes: Some(30),
            decide_hours: Some(4),
            decide_working_days: None,
            pay_hours: 24,
        };
        let promises = Promises {
            contact_hours: 2,
            determination_days: 30,
            payment_days: 10,
            reply_hours: 24,
            review_days: 10,
            decide_working_days: 5,
            archive_days: 30,
            fast: vec![fast],
        };
        (promises, Calendar::default())
    }

    fn at(local: &str) -> Moment {
        Moment::from_local_input(local).unwrap()
    }

    /// The deadlines of a claim whose events are `(local time, what)`, with these facts.
    fn of(
        lob: Lob,
        events: &[(&str, EventKind)],
        flags: &[&str],
        now: &str,
    ) -> BTreeMap<String, Deadline> {
        let (promises, calendar) = terms();
        let facts = Facts {
            incident: "motor.single".into(),
            flags: flags.iter().map(|f| ((*f).to_owned(), true)).collect(),
            ..Default::default()
        };
        let events: Vec<Event> = events
            .iter()
            .enumerate()
            .map(|(i, (local, what))| Event {
                seq: i as u32 + 1,
                at: at(local),
                actor: Actor::System,
                what: what.clone(),
            })
            .collect();
        let claim = Claim::replay(lob, &events);
        let terms = Terms {
            promises: &promises,
            calendar: &calendar,
            facts: &facts,
            loss_at: at("2024-02-29T10:00"),
        };
        deadlines(&claim, &terms, at(now))
            .into_iter()
            .map(|d| (d.id.clone(), d))
            .collect()
    }

    fn requested() -> EventKind {
        EventKind::Requested {
            rules_version: "1".into(),
            unavailable: vec![],
            form_sha256: "ab".into(),
        }
    }
    fn asked(batch: u16) -> EventKind {
        let until = Day::parse("2026-03-30").unwrap();
        EventKind::SupplementAsked {
            batch,
            documents: vec!["diagnosis".into()],
            reason: "x".into(),
            until,
            again_because: None,
        }
    }
    fn came() -> EventKind {
        EventKind::DocumentReceived {
            document: "diagnosis".into(),
            sha256: "ab".into(),
            bytes: 1,
        }
    }
    fn approved(share_bp: u32) -> EventKind {
        let payout = crate::payout::Payout {
            share_bp,
            ..crate::payout::Payout::of(100)
        };
        let (fen, empty) = (payout.result_fen(), String::new);
        let award = crate::payout::Award {
            cover: "vehicle".into(),
            name: "x".into(),
            item: "x".into(),
            payout,
            fen,
            basis: "x".into(),
            excluded_because: empty(),
            share_because: empty(),
            deductible_because: empty(),
        };
        EventKind::Approved {
            amount_fen: fen,
            basis: "x".into(),
            payout: None,
            awards: vec![award],
            checks: vec![],
        }
    }
    fn rejected() -> EventKind {
        EventKind::Rejected {
            clause: "x".into(),
            facts: "x".into(),
            evidence: "x".into(),
            checks: vec![],
        }
    }

    /// The ten golden vectors of the rule book.
    #[test]
    fn i1_u5_golden_vectors() {
        let start = ("2026-03-02T10:15", requested());
        let last =
            |d: &BTreeMap<String, Deadline>, id: &str| d.get(id).map(|d| d.last_day().to_string());
        let day = |text: &str| Some(text.to_owned());

        let one = of(
            Lob::Motor,
            std::slice::from_ref(&start),
            &[],
            "2026-03-02T11:00",
        );
        assert_eq!(
            (last(&one, "decide"), last(&one, "advance")),
            (day("2026-04-01"), day("2026-05-01"))
        );

        let two = [
            start.clone(),
            ("2026-03-10T09:00", asked(1)),
            ("2026-03-17T23:00", came()),
        ];
        let two = of(Lob::Motor, &two, &[], "2026-03-18T09:00");
        assert_eq!(
            (last(&two, "decide"), two["decide"].paused_days),
            (day("2026-04-08"), 7)
        );
        assert_eq!(
            last(&two, "advance"),
            day("2026-05-01"),
            "the text of article 25 knows no pause"
        );

        let three = of(
            Lob::Motor,
            &[start.clone(), ("2026-04-02T09:00", approved(10_000))],
            &[],
            "2026-04-02T10:00",
        );
        assert_eq!(last(&three, "pay"), day("2026-04-12"));
        assert_eq!(
            terms()
                .1
                .working_from(Day::parse("2026-04-12").unwrap())
                .to_string(),
            "2026-04-13"
        );

        let four = of(
            Lob::Motor,
            &[start.clone(), ("2026-04-03T09:00", rejected())],
            &[],
            "2026-04-03T10:00",
        );
        assert_eq!(last(&four, "letter"), day("2026-04-06"));

        let five = of(
            Lob::Motor,
            &[("2026-03-05T09:00", requested())],
            &["other_vehicle"],
            "2026-03-05T10:00",
        );
        assert_eq!(last(&five, "decide-compulsory"), day("2026-03-10"));
        assert!(
            !one.contains_key("decide-compulsory"),
            "one car alone has no compulsory claim"
        );
        assert_eq!(
            due_after_days(at("2026-03-02T10:15"), 1).to_string(),
            "2026-03-03"
        );

        let ended = (
            "2026-03-03T09:00",
            EventKind::Withdrawn { reason: "x".into() },
        );
        let six = of(
            Lob::Motor,
            std::slice::from_ref(&ended),
            &[],
            "2026-03-03T10:00",
        );
        assert_eq!(last(&six, "limitation"), day("2026-02-28"));

        assert_eq!(
            Day::parse("2023-05-10").unwrap().plus_years(5).to_string(),
            "2028-05-10"
        );
        let seven = of(
            Lob::Life,
            std::slice::from_ref(&ended),
            &["insured_deceased"],
            "2026-03-03T10:00",
        );
        assert_eq!(last(&seven, "limitation"), day("2029-02-28"));
        // I4: five years are for 人寿保险; accident cover has two, also after a death.
        let accident = of(
            Lob::Health,
            std::slice::from_ref(&ended),
            &["insured_deceased"],
            "2026-03-03T10:00",
        );
        assert_eq!(last(&accident, "limitation"), day("2026-02-28"));

        let eight = of(
            Lob::Motor,
            &[(
                "2026-03-02T10:15",
                EventKind::Reported {
                    verified: true,
                    deceased: false,
                },
            )],
            &[],
            "2026-03-02T11:00",
        );
        assert!(!eight.contains_key("decide") && eight.contains_key("contact"));

        let nine = [
            start.clone(),
            ("2026-03-10T09:00", asked(1)),
            ("2026-03-12T09:00", came()),
            ("2026-03-20T09:00", asked(2)),
            ("2026-03-25T09:00", came()),
        ];
        assert_eq!(
            last(&of(Lob::Motor, &nine, &[], "2026-03-26T09:00"), "decide"),
            day("2026-04-08")
        );

        for (start, due) in [
            ("2026-03-02T23:59:59", "2026-04-01"),
            ("2026-03-03T00:00", "2026-04-02"),
        ] {
            assert_eq!(
                last(
                    &of(Lob::Motor, &[(start, requested())], &[], "2026-03-03T01:00"),
                    "decide"
                ),
                day(due)
            );
        }
    }

    #[test]
    fn while_the_customer_is_waited_for_nothing_is_overdue() {
        let events = [
            ("2026-03-02T10:15", requested()),
            ("2026-03-10T09:00", asked(1)),
        ];
        let waiting = of(Lob::Motor, &events, &[], "2026-06-10T09:00");
        assert!(waiting["decide"].paused && !waiting["decide"].is_overdue(at("2026-06-10T09:00")));
        assert!(
            waiting["advance"].is_overdue(at("2026-06-10T09:00")),
            "what is certain is due all the same"
        );
        let came_late = [
            events[0].clone(),
            events[1].clone(),
            ("2026-06-10T09:00", came()),
        ];
        let on = of(Lob::Motor, &came_late, &[], "2026-06-11T09:00");
        assert_eq!(
            (
                on["decide"].paused_days,
                on["decide"].last_day().to_string()
            ),
            (92, "2026-07-02".into())
        );
    }

    /// F7: the boundary of 小额快赔, and its promise as clock times.
    #[test]
    fn f7_small_and_clear_has_its_own_clock() {
        let assessed = |fen: i64| EventKind::Assessed {
            version: 1,
            lines: vec![crate::lifecycle::Line::new("x", fen)],
            total_fen: fen,
            answer: String::new(),
        };
        let claim = |fen: i64, flags: &[&str]| {
            let events = [
                ("2026-03-02T19:30", requested()),
                (
                    "2026-03-02T19:40",
                    EventKind::SurveySkipped { reason: "x".into() },
                ),
                ("2026-03-02T19:50", assessed(fen)),
                (
                    "2026-03-02T19:55",
                    EventKind::AssessmentAccepted {
                        version: 1,
                        by_phone: false,
                    },
                ),
            ];
            of(Lob::Motor, &events, flags, "2026-03-02T19:56")
        };
        let fast = claim(500_000, &[]);
        assert_eq!(
            fast["fast-assess"].due.to_local_input(),
            "2026-03-03T08:10",
            "minutes count while it is open"
        );
        assert_eq!(fast["fast-decide"].due.to_local_input(), "2026-03-03T11:55");
        assert!(!claim(500_001, &[]).contains_key("fast-decide"));
        assert!(!claim(500_000, &["has_injury"]).contains_key("fast-decide"));
    }

    /// Without an account nobody can pay: until then the ten days are suspended, and the hours of
    /// 小额快赔 too.
    #[test]
    fn g1_the_time_to_pay_stands_still_until_somebody_can_be_paid() {
        let named = |last4: &str| {
            let (kind, share) = (
                crate::payees::PayeeKind::Insured,
                crate::payees::Share::Equal,
            );
            let payee = crate::payees::Payee {
                no: 1,
                kind,
                holder: "张*".into(),
                last4: last4.into(),
                share,
                company: false,
            };
            EventKind::PayeesNamed {
                payees: vec![payee],
            }
        };
        let events = [
            ("2026-03-02T10:00", approved(10_000)),
            ("2026-03-05T10:00", named("0123")),
        ];
        let waiting = of(Lob::Motor, &events[..1], &[], "2026-03-20T10:00");
        assert!(waiting["pay"].paused && !waiting["pay"].is_overdue(at("2026-03-20T10:00")));
        let on = of(Lob::Motor, &events, &[], "2026-03-06T10:00");
        assert_eq!(
            (
                on["pay"].last_day().to_string(),
                on["pay"].paused_days,
                on["pay"].paused
            ),
            ("2026-03-15".into(), 3, false)
        );
        let failed = [
            events[0].clone(),
            events[1].clone(),
            (
                "2026-03-06T10:00",
                EventKind::PaymentFailed {
                    reason: "x".into(),
                    payee: 1,
                },
            ),
            ("2026-03-08T10:00", named("0124")),
        ];
        assert_eq!(
            of(Lob::Motor, &failed, &[], "2026-03-09T10:00")["pay"].paused_days,
            5
        );
        // Reopened while nobody could be paid: the next decision's wait counts from its own day,
        // once.
        let again = [
            events[0].clone(),
            (
                "2026-03-04T10:00",
                EventKind::Reopened { reason: "x".into() },
            ),
            ("2026-03-10T10:00", approved(10_000)),
        ];
        assert_eq!(
            of(Lob::Motor, &again, &[], "2026-03-12T10:00")["pay:2"].paused_days,
            2
        );
    }

    #[test]
    fn a_wait_that_ended_after_the_decision_counts_until_it() {
        let waits = [(at("2026-03-01T10:00"), Some(at("2026-03-20T10:00")))];
        assert_eq!(
            paused_days(&waits, at("2026-02-01T10:00"), at("2026-03-04T10:00")),
            3
        );
        assert_eq!(
            paused_days(&waits, at("2026-04-01T10:00"), at("2026-03-04T10:00")),
            0,
            "asked before it began"
        );
    }

    #[test]
    fn a_second_decision_has_a_deadline_of_its_own() {
        let events = [
            ("2026-03-02T10:15", requested()),
            ("2026-03-10T09:00", rejected()),
            (
                "2026-03-11T09:00",
                EventKind::ReviewAsked {
                    reason: "x".into(),
                    wish: String::new(),
                },
            ),
            (
                "2026-03-12T09:00",
                EventKind::ReviewAnswered {
                    overturned: true,
                    text: "x".into(),
                    cause: "x".into(),
                },
            ),
        ];
        let again = of(Lob::Motor, &events, &[], "2026-03-13T09:00");
        assert_eq!(again["decide:2"].last_day().to_string(), "2026-04-11");
        assert_eq!(again["review"].met, Some(at("2026-03-12T09:00")));
        assert!(!again.contains_key("letter"));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod slow {
        use super::*;
        use proptest::prelude::*;

        /// Day by day: is this a day of waiting for the customer?
        fn reference(start: Moment, waits: &[(Moment, Moment)], days: u16) -> Day {
            let mut day = local_day(start);
            let mut left = i64::from(days);
            for (from, to) in waits {
                left += (0..)
                    .map(|n| local_day(*from).plus_days(n))
                    .take_while(|d| *d < local_day(*to))
                    .count() as i64;
            }
            while left > 0 {
                day = day.plus_days(1);
                left -= 1;
            }
            day
        }

        proptest! {
            #[test]
            fn counts_as_one_who_goes_day_by_day(start in 1_700_000_000i64..1_900_000_000, gaps in proptest::collection::vec((1i64..900_000, 1i64..900_000), 0..5)) {
                let mut clock = Moment(start);
                let mut events = vec![Event { seq: 1, at: clock, actor: Actor::System, what: requested() }];
                let mut waits = Vec::new();
                for (n, (until_asked, until_came)) in gaps.into_iter().enumerate() {
                    let from = clock.plus_seconds(until_asked);
                    clock = from.plus_seconds(until_came);
                    waits.push((from, clock));
                    let seq = events.len() as u32;
                    events.push(Event { seq: seq + 1, at: from, actor: Actor::System, what: asked(n as u16 + 1) });
                    events.push(Event { seq: seq + 2, at: clock, actor: Actor::System, what: came() });
                }
                let (promises, calendar) = terms();
                let facts = Facts { incident: "motor.single".into(), ..Default::default() };
                let terms = Terms { promises: &promises, calendar: &calendar, facts: &facts, loss_at: Moment(start) };
                let claim = Claim::replay(Lob::Motor, &events);
                let all = deadlines(&claim, &terms, clock);
                let decide = all.iter().find(|d| d.clock == Clock::Decide).unwrap();
                prop_assert_eq!(decide.last_day(), reference(Moment(start), &waits, 30));
            }
        }
    }
}
