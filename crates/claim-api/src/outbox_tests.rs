//! Runs the machine against a small server that loses requests and answers, with kills at any
//! point.

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
    written(Outbox::freeze(
        "k",
        "s".into(),
        &notice(),
        (0..photos).map(|i| photo(i, None)),
    ))
}

fn written(mut outbox: Outbox) -> Outbox {
    outbox.written();
    outbox
}

fn photo(i: u64, facts: Option<String>) -> OutPhoto {
    let (format, state) = (Format::Jpeg, Sending::Waiting);
    OutPhoto {
        id: format!("p{i}"),
        document: "scene".into(),
        format,
        bytes: 100 + i,
        sha256: format!("{i}"),
        facts,
        state,
    }
}

/// What a correct server does with a request, in a dozen lines.
#[derive(Default)]
pub(super) struct Server {
    /// Whose cookie the request carries.
    pub(super) speaker: u32,
    /// What was reported, by key; who holds it, and the secret.
    pub(super) claims: BTreeMap<String, (String, u32, String)>,
    requests: BTreeSet<String>,
    created: u32,
    /// Offset, length, SHA-256 and whose it is, by address.
    pub(super) uploads: BTreeMap<String, (u64, u64, String, u32)>,
    /// Claim and SHA-256.
    pub(super) attached: BTreeSet<(String, String)>,
}

impl Server {
    pub(super) fn handle(&mut self, request: &Request) -> Reply {
        let answer = |status, location: Option<String>, offset, body: String| Reply::Answer {
            status,
            location,
            offset,
            retry_after: None,
            body,
        };
        let receipt = |key: &str| {
            let receipt = Receipt {
                claim_no: format!("BA-{key}"),
                received_at: Moment(0),
                verified: true,
                contact_by: Moment(0),
                requirements: vec![],
            };
            serde_json::to_string(&receipt).unwrap()
        };
        let missing = serde_json::to_string(&Problem::from(ProblemCode::NotFound)).unwrap();
        let header = |name: &str| {
            request
                .headers
                .iter()
                .find(|h| h.0 == name)
                .map(|h| h.1.clone())
                .unwrap()
        };
        let last = request.path.rsplit('/').next().unwrap();
        let speaker = self.speaker;
        let mine = |key: &str| self.claims.get(key).is_some_and(|c| c.1 == speaker);
        match (request.method, request.path.as_str()) {
            (Method::Get, _) if !mine(last) => answer(404, None, None, missing),
            (Method::Get, _) => answer(200, None, None, receipt(last)),
            (Method::Post, "/api/v1/notices") => {
                let (key, secret, Body::Json(body)) = (
                    header("Idempotency-Key"),
                    header("Submission-Secret"),
                    &request.body,
                ) else {
                    panic!("no notice in {request:?}")
                };
                let key = key.trim_matches('"');
                let (known, holder, theirs) = self.claims.entry(key.into()).or_insert((
                    body.clone(),
                    speaker,
                    secret.clone(),
                ));
                if *holder != speaker {
                    if *theirs != secret || known != body {
                        return answer(404, None, None, missing);
                    }
                    let before = std::mem::replace(holder, speaker);
                    self.claims
                        .values_mut()
                        .filter(|c| c.1 == before)
                        .for_each(|c| c.1 = speaker);
                    self.uploads
                        .values_mut()
                        .filter(|u| u.3 == before)
                        .for_each(|u| u.3 = speaker);
                } else if known != body {
                    return answer(
                        422,
                        None,
                        None,
                        serde_json::to_string(&Problem::from(ProblemCode::IdempotencyKeyReused))
                            .unwrap(),
                    );
                }
                answer(201, None, None, receipt(key))
            }
            (Method::Post, "/api/v1/claims/BA-k/claim-request") => {
                let attached = |sum: &String| self.attached.iter().any(|(_, there)| there == sum);
                assert!(
                    self.uploads
                        .values()
                        .all(|(offset, length, sum, _)| offset < length || attached(sum)),
                    "before its files"
                );
                self.requests.insert(header("Idempotency-Key"));
                answer(
                    201,
                    None,
                    None,
                    "{\"claim_no\": \"BA-k\", \"differences\": []}".into(),
                )
            }
            (Method::Post, "/api/v1/uploads") => {
                self.created += 1;
                let path = format!("/api/v1/uploads/u{}", self.created);
                let metadata = tus::parse_metadata(&header("Upload-Metadata")).unwrap();
                self.uploads.insert(
                    path.clone(),
                    (
                        0,
                        header("Upload-Length").parse().unwrap(),
                        metadata[0].1.clone(),
                        speaker,
                    ),
                );
                answer(201, Some(path), None, String::new())
            }
            (Method::Head, path) => match self.uploads.get(path) {
                Some((.., whose)) if *whose != speaker => answer(404, None, None, missing),
                Some((offset, ..)) => answer(200, None, Some(*offset), String::new()),
                None => answer(410, None, None, missing),
            },
            (Method::Patch, path) => {
                let Some((offset, length, ..)) =
                    self.uploads.get_mut(path).filter(|u| u.3 == speaker)
                else {
                    return answer(404, None, None, missing);
                };
                let Body::Photo {
                    offset: at,
                    length: part,
                    ..
                } = request.body
                else {
                    panic!("no photo in {request:?}")
                };
                if at != *offset || header("Upload-Offset") != at.to_string() {
                    return answer(409, None, None, String::new());
                }
                *offset += part;
                assert!(*offset <= *length);
                answer(204, None, Some(*offset), String::new())
            }
            (Method::Put, path) => {
                let no = path
                    .strip_prefix("/api/v1/claims/")
                    .unwrap()
                    .split('/')
                    .next()
                    .unwrap();
                assert!(
                    self.claims.contains_key(&no[3..]),
                    "a photo before its claim"
                );
                if !mine(&no[3..]) {
                    return answer(404, None, None, missing);
                }
                let upload = format!("/api/v1/uploads/{last}");
                let Some((offset, length, sha256, _)) = self.uploads.get(&upload) else {
                    return answer(410, None, None, missing);
                };
                assert_eq!(offset, length, "attached before it was whole");
                self.attached.insert((no.into(), sha256.clone()));
                answer(
                    200,
                    None,
                    None,
                    format!("{{\"id\": \"d\", \"sha256\": \"{sha256}\"}}"),
                )
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// Random decisions by xorshift, so that a seed determines a whole run.
pub(super) struct Luck(pub(super) u64);

impl Luck {
    pub(super) fn of(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// One run of a report or of a claim's files; `seed` decides everything that can go wrong: two
/// requests in flight, lost, late and duplicate ones, a busy server, one that forgets uploads, and
/// an app that is killed at any point and resumes from its disk. Returns the number of faults.
fn simulate(seed: u64) -> u32 {
    let mut luck = Luck(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut server = Server::default();
    let (photos, chunk) = (luck.of(4), 1 + luck.of(200));
    let mut machine = outbox(photos);
    let later = luck.of(2) == 1;
    if later {
        server.claims.insert("k".into(), Default::default());
        let closing = Some(("/api/v1/claims/BA-k/claim-request".into(), "{}".into()));
        machine = written(Outbox::for_claim(
            "k",
            "BA-k",
            (0..photos).map(|i| photo(i, Some("{}".into()))),
            closing,
        ));
    }
    let mut disk = serde_json::to_string(&machine).unwrap();
    let mut under_way: Vec<Request> = Vec::new();
    // Abandoned by the app, still in the network.
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
                // An abandoned request arrives after all, perhaps twice.
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
                        4 => Reply::Answer {
                            status: 503,
                            location: None,
                            offset: None,
                            retry_after: Some(2),
                            body: String::new(),
                        },
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
    assert!(
        machine.is_done() && machine.stuck.is_none(),
        "seed {seed}: {machine:?}"
    );
    assert_eq!(
        (server.claims.len(), server.requests.len()),
        (1, usize::from(later)),
        "seed {seed}"
    );
    assert!(
        machine.photos.iter().all(|p| p.state == Sending::Received),
        "seed {seed}: {machine:?}"
    );
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
    Reply::Answer {
        status,
        location: None,
        offset: None,
        retry_after: None,
        body: serde_json::to_string(&Problem::from(code)).unwrap(),
    }
}

#[test]
fn a_refused_notice_waits_for_the_person_and_keeps_everything() {
    let mut machine = outbox(1);
    machine.on(&first(&machine), answer(422, ProblemCode::Validation), 0, 0);
    assert!(
        matches!(&machine.stuck, Some(Stuck::Fix { problem }) if problem.code == ProblemCode::Validation)
    );
    assert_eq!(machine.next(i64::MAX, 1), Next::Rest);
    assert!(!machine.is_done());
}

#[test]
fn a_captive_portal_is_not_an_answer() {
    let mut machine = outbox(0);
    let portal = Reply::Answer {
        status: 200,
        location: None,
        offset: None,
        retry_after: None,
        body: "<html>请登录 Wi-Fi</html>".into(),
    };
    machine.on(&first(&machine), portal, 0, 999);
    assert_eq!(machine.receipt(), None);
    assert!(matches!(machine.next(0, 1), Next::Wait(_)));
    machine.wake();
    assert_eq!(first(&machine).method, Method::Get);
}

#[test]
fn a_lost_session_is_proved_by_the_secret_and_where_that_is_not_enough_by_signing_in() {
    let mut server = Server::default();
    let mut machine = outbox(1);
    let go = |server: &mut Server, machine: &mut Outbox| {
        let request = first(machine);
        let reply = server.handle(&request);
        machine.on(&request, reply, 0, 0);
        request.method
    };
    assert_eq!(
        [0; 3].map(|_| go(&mut server, &mut machine)),
        [Method::Post, Method::Post, Method::Patch]
    );
    // The browser was killed before it stored its cookie: not found, send the notice again, go on.
    server.speaker = 1;
    assert_eq!(
        [0; 3].map(|_| go(&mut server, &mut machine)),
        [Method::Put, Method::Post, Method::Head]
    );
    // Somebody has signed in with the report since: the secret opens nothing any more.
    server.speaker = 2;
    server.claims.values_mut().for_each(|c| c.2.clear());
    assert_eq!(
        [0; 2].map(|_| go(&mut server, &mut machine)),
        [Method::Put, Method::Post]
    );
    assert_eq!(machine.stuck, Some(Stuck::Login));
    server.speaker = 1;
    machine.signed_in();
    assert_eq!(
        [0; 3].map(|_| go(&mut server, &mut machine)),
        [Method::Post, Method::Head, Method::Put]
    );
    assert!(machine.is_done());
    assert_eq!(server.claims.len(), 1);
}

#[test]
fn a_claim_of_another_session_asks_to_sign_in_and_then_goes_on() {
    let mut machine = written(Outbox::for_claim("k", "BA-k", [photo(0, None)], None));
    machine.photos[0].state = Sending::Uploading {
        path: "/api/v1/uploads/u1".into(),
        offset: 100,
        unsure: false,
    };
    machine.on(&first(&machine), answer(404, ProblemCode::NotFound), 0, 0);
    assert_eq!(machine.stuck, Some(Stuck::Login));
    machine.signed_in();
    assert_eq!(first(&machine).method, Method::Put);
}

#[test]
fn a_clock_that_is_put_back_does_not_make_a_report_wait() {
    let mut machine = outbox(0);
    machine.on(&first(&machine), Reply::Broken, 1_000_000, 999);
    assert!(matches!(machine.next(1_000_100, 1), Next::Wait(_)));
    assert!(matches!(machine.next(400_000, 1), Next::Do(_)));
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
    machine.on(
        &first(&machine),
        answer(422, ProblemCode::UploadRejected),
        0,
        0,
    );
    assert_eq!(
        machine.photos[0].state,
        Sending::Refused {
            code: "upload-rejected".into()
        }
    );
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
    machine.on(
        &first(&machine),
        answer(422, ProblemCode::IdempotencyKeyReused),
        0,
        0,
    );
    assert_eq!(machine.stuck, None);
    machine.restarted();
    let asked = first(&machine);
    assert_eq!(asked.method, Method::Get);
    // Not visible from this session: sign in, do not send again.
    machine.on(&asked, answer(404, ProblemCode::NotFound), 0, 0);
    assert_eq!(machine.stuck, Some(Stuck::Login));
    machine.signed_in();
    let asked = first(&machine);
    let reply = server.handle(&asked);
    machine.on(&asked, reply, 0, 0);
    assert!(machine.is_done());
    assert_eq!(server.claims.len(), 1);
}

#[test]
fn of_two_reports_the_unanswered_notice_goes_before_photos_and_no_report_waits_for_another() {
    let mut server = Server::default();
    let mut old = outbox(1);
    let request = first(&old);
    old.on(&request, server.handle(&request), 0, 0);
    let fresh = outbox(0);
    let all = [old.clone(), fresh.clone()];
    assert!(
        matches!(next_of(&all, 0, 512), (1, Next::Do(request)) if request.path.ends_with("/notices"))
    );
    // One that waits for the network does not stop the other.
    let mut waiting = fresh;
    waiting.on(&first(&waiting), Reply::Broken, 0, 999);
    assert!(matches!(
        next_of(&[old.clone(), waiting.clone()], 0, 512),
        (0, Next::Do(_))
    ));
    old.on(&first(&old), Reply::NoBytes, 0, 0);
    assert!(matches!(
        next_of(&[old.clone(), waiting], 0, 512),
        (1, Next::Wait(_))
    ));
    assert_eq!(next_of(&[old], 0, 512).1, Next::Rest);
    assert_eq!(next_of(&[], 0, 512).1, Next::Rest);
}
