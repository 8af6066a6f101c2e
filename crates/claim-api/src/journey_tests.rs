//! Whole journeys: somebody types, takes photos, sends, and reports a second time. The app is
//! killed at any moment and resumes from its disk; the network loses, delays and duplicates. What
//! is stored, and when, follows the app's `session.rs`.

use std::collections::{BTreeMap, VecDeque};

use claim_domain::draft::{Command, Draft, Effect, PhotoState, Prepared, apply};

use super::tests::{Luck, Server};
use super::*;

/// One thing done to the disk, or after it.
enum Op {
    Draft,
    Outbox(String),
    Written(String),
    DropDone(String),
    Photo(String),
    Prepared(String),
    Forget(String),
}

struct App {
    draft: Draft,
    outboxes: Vec<Outbox>,
    /// Each task runs its operations in order; anything may happen in between.
    tasks: Vec<VecDeque<Op>>,
    /// Each with the cookie it carries.
    under_way: Vec<(String, Request, u32)>,
    cookie: u32,
}

#[derive(Default)]
struct World {
    disk: BTreeMap<String, String>,
    ids: u64,
    server: Server,
    /// What the person asked to send, by key.
    sent: BTreeMap<String, Outbox>,
}

const LETTERS: u64 = 3;

impl World {
    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{:06}", self.ids)
    }

    /// A request as it reaches the server.
    fn ask(&mut self, request: &Request, cookie: u32) -> Reply {
        self.server.speaker = cookie;
        self.server.handle(request)
    }

    /// What the app finds when it is started.
    fn start(&mut self, cookie: u32) -> App {
        let draft: Option<Draft> = self
            .disk
            .get("draft")
            .map(|text| serde_json::from_str(text).unwrap());
        let names: Vec<String> = self
            .disk
            .keys()
            .filter(|n| n.starts_with("outbox:"))
            .cloned()
            .collect();
        let mut outboxes: Vec<Outbox> = names
            .iter()
            .map(|n| serde_json::from_str(&self.disk[n]).unwrap())
            .collect();
        let fresh = self.id();
        let mut draft = found(draft, &mut outboxes, || Draft::new(fresh));
        for photo in draft.photos.iter().filter(|p| p.state == PhotoState::Ready) {
            assert!(
                self.disk.contains_key(&format!("photo:{}", photo.id)),
                "a ready photo lost its bytes: {draft:?}"
            );
        }
        let kept = self
            .disk
            .keys()
            .filter_map(|n| n.strip_prefix("photo:"))
            .map(str::to_owned)
            .collect();
        apply(&mut draft, Command::Restore { kept });
        App {
            draft,
            outboxes,
            tasks: vec![],
            under_way: vec![],
            cookie,
        }
    }

    fn work(&mut self, app: &mut App, op: Op) {
        match op {
            Op::Draft => drop(self.disk.insert(
                "draft".into(),
                serde_json::to_string(&app.draft.to_keep()).unwrap(),
            )),
            Op::Outbox(key) => {
                if let Some(outbox) = app.outboxes.iter().find(|o| o.key == key) {
                    self.disk.insert(
                        format!("outbox:{key}"),
                        serde_json::to_string(outbox).unwrap(),
                    );
                }
            }
            Op::Written(key) => app
                .outboxes
                .iter_mut()
                .filter(|o| o.key == key)
                .for_each(Outbox::written),
            Op::DropDone(key) => {
                let over: Vec<String> = app
                    .outboxes
                    .iter()
                    .filter(|o| o.is_done() && o.key != key)
                    .map(|o| o.key.clone())
                    .collect();
                app.outboxes.retain(|o| !over.contains(&o.key));
                app.tasks.push(
                    over.into_iter()
                        .map(|key| Op::Forget(format!("outbox:{key}")))
                        .collect(),
                );
            }
            Op::Photo(id) => drop(self.disk.insert(format!("photo:{id}"), String::new())),
            Op::Prepared(id) => {
                let result = Prepared {
                    bytes: 100,
                    sha256: id.clone(),
                    original_sha256: id.clone(),
                    ..Prepared::default()
                };
                app.say(Command::Prepared { id, result });
            }
            Op::Forget(name) => drop(self.disk.remove(&name)),
        }
    }

    /// The person's next action. Returns whether everything is done.
    fn person(&mut self, app: &mut App, photos: usize, reports: usize, luck: &mut Luck) -> bool {
        // Shown as on its way: nothing can be changed.
        if app.is_unanswered() {
            return false;
        }
        if self
            .sent
            .values()
            .filter(|o| self.server.claims.contains_key(&o.key))
            .count()
            == reports
        {
            return true;
        }
        let typed = app.draft.answers.narrative.len() as u64;
        let wrong = app
            .draft
            .photos
            .iter()
            .find(|p| matches!(p.state, PhotoState::Lost | PhotoState::Failed { .. }));
        if let Some(wrong) = wrong {
            let id = wrong.id.clone();
            app.say(Command::Remove { id });
        } else if typed < LETTERS || (luck.of(9) == 0 && typed < 2 * LETTERS) {
            let mut answers = app.draft.answers.clone();
            answers.narrative.push(char::from(b'a' + luck.of(26) as u8));
            app.say(Command::Answer(Box::new(answers)));
        } else if app.draft.photos.len() < photos {
            let id = self.id();
            app.say(Command::OpenCamera);
            app.say(Command::Pick {
                id: id.clone(),
                original_bytes: 9,
            });
            app.tasks
                .push(VecDeque::from([Op::Photo(id.clone()), Op::Prepared(id)]));
        } else if app
            .draft
            .photos
            .iter()
            .all(|p| p.state == PhotoState::Ready)
        {
            let outbox = Outbox::of_report(&app.draft, self.id(), "scene");
            let key = outbox.key.clone();
            self.sent.insert(key.clone(), outbox.clone());
            app.outboxes.push(outbox);
            app.tasks.push(VecDeque::from([
                Op::Draft,
                Op::Outbox(key.clone()),
                Op::DropDone(key.clone()),
                Op::Written(key),
            ]));
        }
        false
    }

    fn answered(
        &mut self,
        app: &mut App,
        key: &str,
        request: &Request,
        reply: Reply,
        now: i64,
        luck: &mut Luck,
    ) {
        let unanswered = app.is_unanswered();
        app.outboxes
            .iter_mut()
            .filter(|o| o.key == key)
            .for_each(|o| o.on(request, reply.clone(), now, luck.of(1000) as u32));
        if unanswered && !app.is_unanswered() {
            app.draft = Draft::new(self.id());
            app.save();
        }
        let ours = app
            .outboxes
            .iter()
            .filter(|o| o.key == key)
            .flat_map(|o| &o.photos);
        let received = ours
            .filter(|p| p.state == Sending::Received)
            .map(|p| Op::Forget(format!("photo:{}", p.id)));
        let task = [Op::Outbox(key.into())]
            .into_iter()
            .chain(received)
            .collect();
        app.tasks.push(task);
    }
}

impl App {
    fn is_unanswered(&self) -> bool {
        self.outboxes.last().is_some_and(|o| o.claim_no().is_none())
    }

    fn say(&mut self, command: Command) {
        for effect in apply(&mut self.draft, command) {
            match effect {
                Effect::Save => self.save(),
                Effect::Forget { id } => self
                    .tasks
                    .push(VecDeque::from([Op::Forget(format!("photo:{id}"))])),
            }
        }
    }

    fn save(&mut self) {
        self.tasks.push(VecDeque::from([Op::Draft]));
    }
}

/// One run with one or two reports. Returns the number of faults.
fn live(seed: u64) -> u32 {
    let mut luck = Luck(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut world, reports, photos) = (
        World::default(),
        1 + luck.of(2) as usize,
        luck.of(3) as usize,
    );
    let (mut faults, mut wrong, mut now) = (luck.of(20), 0, 0);
    let mut app = world.start(0);
    let mut ghosts: Vec<(Request, u32)> = Vec::new();
    for round in 0.. {
        assert!(
            round < 20_000,
            "seed {seed} does not end: {:?}",
            app.outboxes
        );
        if faults > 0 && luck.of(6) == 0 {
            faults -= 1;
            wrong += 1;
            match luck.of(5) {
                0 | 1 => {
                    ghosts.extend(
                        app.under_way
                            .drain(..)
                            .map(|(_, request, cookie)| (request, cookie)),
                    );
                    // Whatever the browser has not stored is lost, including its cookie.
                    app = world.start(app.cookie + luck.of(2) as u32);
                }
                2 if !ghosts.is_empty() => {
                    let at = luck.of(ghosts.len() as u64) as usize;
                    let (request, cookie) = ghosts[at].clone();
                    world.ask(&request, cookie);
                    if luck.of(2) == 0 {
                        ghosts.swap_remove(at);
                    }
                }
                kind if !app.under_way.is_empty() => {
                    let (key, request, cookie) = app
                        .under_way
                        .swap_remove(luck.of(app.under_way.len() as u64) as usize);
                    match kind {
                        3 => drop(world.ask(&request, cookie)),
                        _ => ghosts.push((request.clone(), cookie)),
                    }
                    world.answered(&mut app, &key, &request, Reply::Broken, now, &mut luck);
                }
                _ => {}
            }
            continue;
        }
        app.tasks.retain(|t| !t.is_empty());
        match luck.of(4) {
            0 => {
                let content = world.person(&mut app, photos, reports, &mut luck);
                if content && app.tasks.is_empty() && app.outboxes.iter().all(Outbox::is_done) {
                    break;
                }
            }
            1 if app.under_way.len() < 2 => {
                let (which, next) = next_of(&app.outboxes, now, 40);
                match next {
                    Next::Do(request) => {
                        let outbox = &mut app.outboxes[which];
                        assert!(
                            world.disk.contains_key(&format!("outbox:{}", outbox.key)),
                            "seed {seed}: sent before it was written down"
                        );
                        if let Body::Photo { id, .. } = &request.body {
                            assert!(
                                world.disk.contains_key(&format!("photo:{id}")),
                                "seed {seed}: bytes gone before they were received"
                            );
                        }
                        outbox.began(&request);
                        app.under_way
                            .push((outbox.key.clone(), request, app.cookie));
                    }
                    Next::Wait(until) => now = until,
                    Next::Rest => {}
                }
            }
            2 if !app.under_way.is_empty() => {
                let (key, request, cookie) = app
                    .under_way
                    .swap_remove(luck.of(app.under_way.len() as u64) as usize);
                let reply = world.ask(&request, cookie);
                world.answered(&mut app, &key, &request, reply, now, &mut luck);
            }
            _ if !app.tasks.is_empty() => {
                let which = luck.of(app.tasks.len() as u64) as usize;
                if let Some(op) = app.tasks[which].pop_front() {
                    world.work(&mut app, op);
                }
            }
            _ => {}
        }
    }
    assert_eq!(
        world.server.claims.len(),
        reports,
        "seed {seed}: one claim for each report"
    );
    for (key, (body, ..)) in &world.server.claims {
        let outbox = world
            .sent
            .get(key)
            .unwrap_or_else(|| panic!("seed {seed}: nobody sent {key}"));
        assert_eq!(
            outbox.body, *body,
            "seed {seed}: other words than were sent"
        );
        let there = world
            .server
            .attached
            .iter()
            .filter(|(no, _)| no[3..] == **key)
            .count();
        assert_eq!(
            there, photos,
            "seed {seed}: every photo once, at its own claim"
        );
    }
    wrong
}

/// `BAOAN_SEEDS` says how many; the full count is a million.
#[test]
fn whatever_is_killed_every_report_is_made_once() {
    let seeds: u64 = std::env::var("BAOAN_SEEDS").map_or(5_000, |n| n.parse().unwrap());
    let faults: u64 = (0..seeds).map(|seed| u64::from(live(seed))).sum();
    println!(
        "{seeds} schedules of whole journeys with {faults} faults: no photo lost, one claim for each report, violations: 0"
    );
    assert!(faults > seeds);
}
