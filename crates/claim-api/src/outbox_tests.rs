//! The machine against a small server that loses requests and answers, and against being killed at any point.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use claim_domain::Moment;
use claim_domain::notice::{Place, PolicyRef, Reporter};
use claim_domain::safety::Scene;

fn notice() -> Notice {
    Notice {
        incident: "motor.single".into(),
        scene: Scene::default(),
        loss_at: Moment(0),
        about: false,
        place: Place::default(),
        parts: vec![],
        narrative: String::new(),
        reporter: Reporter::default(),
        policy: PolicyRef::default(),
        consents: vec![],
    }
}

fn outbox(photos: u64) -> Outbox {
    Outbox::freeze("k", &notice(), (0..photos).map(|i| photo(i, None)))
}

fn photo(i: u64, facts: Option<String>) -> OutPhoto {
    let (format, state) = (Format::Jpeg, Sending::Waiting);
    OutPhoto { id: format!("p{i}"), document: "scene".into(), format, bytes: 100 + i, sha256: format!("{i}"), facts, state }
}

/// What a right server does with a request, in a dozen lines.
#[derive(Default)]
struct Server {
    claims: u32,
    requests: BTreeSet<String>,
    created: u32,
    /// Offset, length and SHA-256 by address.
    uploads: BTreeMap<String, (u64, u64, String)>,
    attached: BTreeSet<String>,
}

impl Server {
    fn handle(&mut self, request: &Request) -> Reply {
        let answer =
            |status, location: Option<String>, offset, body: String| Reply::Answer { status, location, offset, retry_after: None, body };
        let receipt = || {
            let receipt =
                Receipt { claim_no: "BA1".into(), received_at: Moment(0), verified: true, contact_by: Moment(0), requirements: vec![] };
            serde_json::to_string(&receipt).unwrap()
        };
        let missing = serde_json::to_string(&Problem::from(ProblemCode::NotFound)).unwrap();
        let header = |name: &str| request.headers.iter().find(|h| h.0 == name).map(|h| h.1.clone()).unwrap();
        match (request.method, request.path.as_str()) {
            (Method::Get, "/api/v1/submissions/k") if self.claims == 0 => answer(404, None, None, missing),
            (Method::Get, "/api/v1/submissions/k") => answer(200, None, None, receipt()),
            (Method::Post, "/api/v1/notices") => {
                assert_eq!(header("Idempotency-Key"), "\"k\"");
                self.claims = 1;
                answer(201, None, None, receipt())
            }
            (Method::Post, "/api/v1/claims/BA1/claim-request") => {
                assert!(
                    self.uploads.values().all(|(offset, length, sum)| offset < length || self.attached.contains(sum)),
                    "before its files"
                );
                self.requests.insert(header("Idempotency-Key"));
                answer(201, None, None, "{\"claim_no\": \"BA1\", \"differences\": []}".into())
            }
            (Method::Post, "/api/v1/uploads") => {
                self.created += 1;
                let path = format!("/api/v1/uploads/u{}", self.created);
                let metadata = tus::parse_metadata(&header("Upload-Metadata")).unwrap();
                self.uploads.insert(path.clone(), (0, header("Upload-Length").parse().unwrap(), metadata[0].1.clone()));
                answer(201, Some(path), None, String::new())
            }
            (Method::Head, path) => match self.uploads.get(path) {
                Some((offset, ..)) => answer(200, None, Some(*offset), String::new()),
                None => answer(410, None, None, missing),
            },
            (Method::Patch, path) => {
                let Some((offset, length, _)) = self.uploads.get_mut(path) else { return answer(404, None, None, missing) };
                let Body::Photo { offset: at, length: part, .. } = request.body else { panic!("no photo in {request:?}") };
                if at != *offset || header("Upload-Offset") != at.to_string() {
                    return answer(409, None, None, String::new());
                }
                *offset += part;
                assert!(*offset <= *length);
                answer(204, None, Some(*offset), String::new())
            }
            (Method::Put, path) => {
                assert_eq!(self.claims, 1, "a photo before its claim");
                let upload = format!("/api/v1/uploads/{}", path.rsplit('/').next().unwrap());
                let Some((offset, length, sha256)) = self.uploads.get(&upload) else { return answer(410, None, None, missing) };
                assert_eq!(offset, length, "attached before it was whole");
                self.attached.insert(sha256.clone());
                answer(200, None, None, format!("{{\"id\": \"d\", \"sha256\": \"{sha256}\"}}"))
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// A number that decides: xorshift, so that a seed is a whole run.
struct Luck(u64);

impl Luck {
    fn of(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// One life of a report or of a claim's files, with everything that can go wrong decided by `seed`: two requests under
/// way, lost and late and doubled ones, a busy server, one that forgets uploads, and an app that is killed at any point
/// and comes back with what was on its disk. The answer counts what went wrong.
fn simulate(seed: u64) -> u32 {
    let mut luck = Luck(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut server = Server::default();
    let (photos, chunk) = (luck.of(4), 1 + luck.of(200));
    let mut machine = outbox(photos);
    let later = luck.of(2) == 1;
    if later {
        server.claims = 1;
        let closing = Some(("/api/v1/claims/BA1/claim-request".into(), "{}".into()));
        machine = Outbox::for_claim("k", "BA1", (0..photos).map(|i| photo(i, Some("{}".into()))), closing);
    }
    let mut disk = serde_json::to_string(&machine).unwrap();
    let mut under_way: Vec<Request> = Vec::new();
    // Given up by the app, still in the network.
    let mut ghosts: Vec<Request> = Vec::new();
    let (mut faults, mut wrong, mut now, mut rounds) = (luck.of(40), 0, 0, 0);
    loop {
        rounds += 1;
        assert!(rounds < 20_000, "seed {seed} does not end: {machine:?}");
        let mut waits = None;
        while under_way.len() < 2 {
            match machine.next(now, chunk) {
                Next::Do(request) => {
                    machine.began(&request);
                    under_way.push(request);
                }
                Next::Wait(until) => {
                    assert!(until - now <= LONGEST_DELAY_MS, "seed {seed}");
                    waits = Some(until);
                    break;
                }
                Next::Rest => break,
            }
        }
        if faults > 0 && luck.of(3) == 0 {
            faults -= 1;
            wrong += 1;
            match luck.of(6) {
                // Killed: what was under way may still arrive.
                0 => {
                    ghosts.append(&mut under_way);
                    machine = serde_json::from_str(&disk).unwrap();
                    machine.restarted();
                }
                1 => server.uploads.clear(),
                // What was given up arrives after all, perhaps twice.
                2 | 3 if !ghosts.is_empty() => {
                    let at = luck.of(ghosts.len() as u64) as usize;
                    server.handle(&ghosts[at]);
                    if luck.of(2) == 0 {
                        ghosts.swap_remove(at);
                    }
                }
                fault if !under_way.is_empty() => {
                    let request = under_way.swap_remove(luck.of(under_way.len() as u64) as usize);
                    let reply = match fault {
                        4 => Reply::Answer { status: 503, location: None, offset: None, retry_after: Some(2), body: String::new() },
                        _ => Reply::Broken,
                    };
                    machine.on(&request, reply, now, luck.of(1000) as u32);
                    match luck.of(3) {
                        0 => drop(server.handle(&request)),
                        1 => ghosts.push(request),
                        _ => {}
                    }
                    disk = serde_json::to_string(&machine).unwrap();
                }
                _ => {}
            }
            continue;
        }
        if under_way.is_empty() {
            match waits {
                Some(until) => now = until,
                None => break,
            }
            continue;
        }
        let request = under_way.swap_remove(luck.of(under_way.len() as u64) as usize);
        let reply = server.handle(&request);
        machine.on(&request, reply, now, luck.of(1000) as u32);
        disk = serde_json::to_string(&machine).unwrap();
    }
    assert!(machine.is_done() && machine.stuck.is_none(), "seed {seed}: {machine:?}");
    assert_eq!((server.claims, server.requests.len()), (1, usize::from(later)), "seed {seed}");
    assert!(machine.photos.iter().all(|p| p.state == Sending::Received), "seed {seed}: {machine:?}");
    assert_eq!(server.attached.len() as u64, photos, "seed {seed}");
    let (sent, all) = machine.progress();
    assert_eq!(sent, all, "seed {seed}");
    wrong
}

/// `BAOAN_SEEDS` says how many; the full count is a million.
#[test]
fn whatever_is_lost_everything_arrives_once() {
    let seeds: u64 = std::env::var("BAOAN_SEEDS").map_or(20_000, |n| n.parse().unwrap());
    let faults: u64 = (0..seeds).map(|seed| u64::from(simulate(seed))).sum();
    println!("{seeds} schedules with {faults} faults: one claim each, every photo once");
    assert!(faults > seeds);
}

fn first(machine: &Outbox) -> Request {
    match machine.next(0, 512) {
        Next::Do(request) => request,
        other => panic!("{other:?}"),
    }
}

fn answer(status: u16, code: ProblemCode) -> Reply {
    Reply::Answer { status, location: None, offset: None, retry_after: None, body: serde_json::to_string(&Problem::from(code)).unwrap() }
}

#[test]
fn a_refused_notice_waits_for_the_person_and_keeps_everything() {
    let mut machine = outbox(1);
    machine.on(&first(&machine), answer(422, ProblemCode::Validation), 0, 0);
    assert!(matches!(&machine.stuck, Some(Stuck::Fix { problem }) if problem.code == ProblemCode::Validation));
    assert_eq!(machine.next(i64::MAX, 1), Next::Rest);
    assert!(!machine.is_done());
}

#[test]
fn a_captive_portal_is_not_an_answer() {
    let mut machine = outbox(0);
    let portal =
        Reply::Answer { status: 200, location: None, offset: None, retry_after: None, body: "<html>请登录 Wi-Fi</html>".into() };
    machine.on(&first(&machine), portal, 0, 999);
    assert_eq!(machine.receipt(), None);
    assert!(matches!(machine.next(0, 1), Next::Wait(_)));
    machine.wake();
    assert_eq!(first(&machine).method, Method::Get);
}

#[test]
fn a_claim_of_another_session_asks_to_sign_in_and_then_goes_on() {
    let mut server = Server::default();
    let mut machine = outbox(1);
    for _ in 0..3 {
        let request = first(&machine);
        let reply = server.handle(&request);
        machine.on(&request, reply, 0, 0);
    }
    machine.on(&first(&machine), answer(404, ProblemCode::NotFound), 0, 0);
    assert_eq!(machine.stuck, Some(Stuck::Login));
    machine.signed_in();
    assert_eq!(first(&machine).method, Method::Put);
}

#[test]
fn a_photo_that_the_server_refuses_does_not_hold_up_the_others() {
    let mut server = Server::default();
    let mut machine = outbox(2);
    for _ in 0..3 {
        let request = first(&machine);
        let reply = server.handle(&request);
        machine.on(&request, reply, 0, 0);
    }
    machine.on(&first(&machine), answer(422, ProblemCode::UploadRejected), 0, 0);
    assert_eq!(machine.photos[0].state, Sending::Refused { code: "upload-rejected".into() });
    assert_eq!(first(&machine).path, "/api/v1/uploads");
    machine.on(&first(&machine), Reply::NoBytes, 0, 0);
    assert_eq!(machine.photos[1].state, Sending::Lost);
    assert!(machine.is_done());
}

#[test]
fn other_bytes_under_the_same_key_lead_to_the_first_report_and_never_to_a_second() {
    let mut server = Server::default();
    let mut machine = outbox(0);
    // Another tab was first.
    server.handle(&first(&machine));
    machine.on(&first(&machine), answer(422, ProblemCode::IdempotencyKeyReused), 0, 0);
    assert_eq!(machine.stuck, None);
    machine.restarted();
    let asked = first(&machine);
    assert_eq!(asked.method, Method::Get);
    // Not seen from this session: signing in, not sending again.
    machine.on(&asked, answer(404, ProblemCode::NotFound), 0, 0);
    assert_eq!(machine.stuck, Some(Stuck::Login));
    machine.signed_in();
    let asked = first(&machine);
    let reply = server.handle(&asked);
    machine.on(&asked, reply, 0, 0);
    assert!(machine.is_done());
    assert_eq!(server.claims, 1);
}

#[test]
fn of_two_reports_the_unanswered_notice_goes_before_photos_and_no_report_waits_for_another() {
    let mut server = Server::default();
    let mut old = outbox(1);
    let request = first(&old);
    old.on(&request, server.handle(&request), 0, 0);
    let fresh = outbox(0);
    let all = [old.clone(), fresh.clone()];
    assert!(matches!(next_of(&all, 0, 512), (1, Next::Do(request)) if request.path.ends_with("/notices")));
    // One that waits for the network does not stop the other.
    let mut waiting = fresh;
    waiting.on(&first(&waiting), Reply::Broken, 0, 999);
    assert!(matches!(next_of(&[old.clone(), waiting.clone()], 0, 512), (0, Next::Do(_))));
    old.on(&first(&old), Reply::NoBytes, 0, 0);
    assert!(matches!(next_of(&[old.clone(), waiting], 0, 512), (1, Next::Wait(_))));
    assert_eq!(next_of(&[old], 0, 512).1, Next::Rest);
    assert_eq!(next_of(&[], 0, 512).1, Next::Rest);
}
