//! Sending a report exactly once over a network that comes and goes, without doing any I/O.
//!
//! The machine says which request comes next ([`Outbox::next`]). The caller says that it has
//! started it ([`Outbox::began`]), hands back the result ([`Outbox::on`]), and stores the machine
//! after each answer. Several may be in flight, one for each photo. If the app is killed at any
//! point and started again with [`Outbox::restarted`], the outcome is the same: the notice becomes
//! one claim, each photo is attached once.
//!
//! - The body is frozen before the first send; every retry sends the same bytes under the same key.
//! - The notice goes first (a few KB), photos follow: the claim number never waits for a picture.
//! - A photo is received only when the server has compared its SHA-256 and attached it.

use claim_domain::documents::{Format, PHOTO_PLACE};
use claim_domain::draft::{Draft, PhotoState};
use claim_domain::json;
use claim_domain::notice::Notice;
use serde::{Deserialize, Serialize};

use crate::{BASE, Problem, ProblemCode, Receipt, tus};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// Idempotency key: the draft's id.
    pub key: String,
    /// Proves to the server that this device made the report, even without its cookie.
    #[serde(default)]
    secret: String,
    body: String,
    phase: Phase,
    pub photos: Vec<OutPhoto>,
    #[serde(default)]
    pub closing: Option<Closing>,
    pub stuck: Option<Stuck>,
    tries: u32,
    not_before_ms: i64,
    /// When that wait began.
    #[serde(default)]
    waits_since_ms: i64,
    /// Requests in flight, by [`Request::photo`]; lost with the page.
    #[serde(skip)]
    under_way: Vec<Option<usize>>,
    /// Not on this device's disk yet: nothing is sent.
    #[serde(skip)]
    unwritten: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    Frozen {
        sent: Sent,
    },
    Accepted {
        receipt: Receipt,
        /// The server does not know this session: a browser killed soon after its first answer has
        /// not stored the cookie (Chromium does so every 30 s). The notice is sent again, with its
        /// secret.
        #[serde(default)]
        doubted: bool,
        /// How often that has happened since the app started.
        #[serde(skip)]
        proofs: u8,
    },
    /// Files for a claim that exists already.
    Claim {
        no: String,
    },
}

/// Sent once every file has arrived, under the same key: the claim request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    path: String,
    body: String,
    pub answered: bool,
}

/// Whether the server has a frozen notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sent {
    No,
    /// An earlier attempt may have reached it, so its answer is asked for first.
    Perhaps,
    /// It holds other bytes under this key: another tab sent the report before a word was changed
    /// in this one. We ask for its answer and never make a second claim.
    Otherwise,
}

/// A photo on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutPhoto {
    pub id: String,
    pub document: String,
    pub format: Format,
    pub bytes: u64,
    pub sha256: String,
    /// What the phone found on it, as JSON; sent along when it is attached.
    #[serde(default)]
    pub facts: Option<String>,
    pub state: Sending,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sending {
    Waiting,
    /// `unsure`: the server is asked for its offset before more is sent.
    Uploading {
        path: String,
        offset: u64,
        unsure: bool,
    },
    /// Attached; the server's hash matched ours.
    Received,
    /// The server will never accept it; `code` names the message.
    Refused {
        code: String,
    },
    /// Its bytes are gone from this device.
    Lost,
}

/// Why nothing more is sent until the person does something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stuck {
    Login,
    Fix { problem: Problem },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Head,
    Patch,
    Put,
}

/// One request, ready to be sent with the session's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The photo it concerns; none for the notice and the closing request.
    pub photo: Option<usize>,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Empty,
    Json(String),
    /// `length` bytes of a photo from `offset` on; the sender adds `Upload-Checksum`
    /// ([`tus::checksum`]).
    Photo {
        id: String,
        offset: u64,
        length: u64,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Answer {
        status: u16,
        location: Option<String>,
        offset: Option<u64>,
        retry_after: Option<u32>,
        body: String,
    },
    /// No answer: whether the request arrived is unknown.
    Broken,
    /// The photo's bytes could not be read on this device.
    NoBytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Do(Request),
    /// Nothing before this time (milliseconds of the same clock as `now_ms`).
    Wait(i64),
    /// Everything has arrived, or waits for the person (see [`Outbox::stuck`]).
    Rest,
}

/// The draft a killed app resumes from its disk. If its report was received meanwhile, it is
/// dropped and `fresh` starts another.
pub fn found(
    draft: Option<Draft>,
    outboxes: &mut [Outbox],
    fresh: impl FnOnce() -> Draft,
) -> Draft {
    outboxes.iter_mut().for_each(Outbox::restarted);
    // Killed between the two writes after an answer.
    let received = |d: &Draft| {
        outboxes
            .iter()
            .any(|o| o.key == d.id && o.claim_no().is_some())
    };
    draft.filter(|d| !received(d)).unwrap_or_else(fresh)
}

/// The next request among several reports, and the report it belongs to: an unanswered notice goes
/// before the photos of the others. If all must wait, the shortest wait.
pub fn next_of(all: &[Outbox], now_ms: i64, chunk: u64) -> (usize, Next) {
    let order = |next: &Next, accepted: bool| match next {
        Next::Do(_) if !accepted => i64::MIN,
        Next::Do(_) => i64::MIN + 1,
        Next::Wait(until) => *until,
        Next::Rest => i64::MAX,
    };
    let nexts = all
        .iter()
        .enumerate()
        .map(|(i, o)| (order(&o.next(now_ms, chunk), o.claim_no().is_some()), i));
    nexts
        .min()
        .map_or((0, Next::Rest), |(_, i)| (i, all[i].next(now_ms, chunk)))
}

const FIRST_DELAY_MS: i64 = 1_000;
const LONGEST_DELAY_MS: i64 = 60_000;
/// If no answer came: retrying burdens no server, and the network may be back at any moment.
const LONGEST_UNANSWERED_MS: i64 = 8_000;
/// More would be a tug-of-war with another device.
const MOST_PROOFS: u8 = 10;
/// When to ask again while something else is under way.
const MEANWHILE_MS: i64 = 100;

impl Outbox {
    /// Freezes a checked notice and the photos that are ready. `secret`: at least 128 random bits,
    /// known to this device.
    pub fn freeze(
        key: &str,
        secret: String,
        notice: &Notice,
        photos: impl IntoIterator<Item = OutPhoto>,
    ) -> Outbox {
        let body = serde_json::to_string(notice).unwrap_or_default();
        Outbox {
            secret,
            ..Outbox::new(key, body, Phase::Frozen { sent: Sent::No }, photos)
        }
    }

    /// Freezes a report; its ready photos go to `document`. The draft itself stays until the server
    /// has it.
    pub fn of_report(draft: &Draft, secret: String, document: &str) -> Outbox {
        let shared = draft.answers.consents.iter().any(|c| c.id == PHOTO_PLACE);
        let photos = draft
            .photos
            .iter()
            .filter(|p| p.state == PhotoState::Ready)
            .filter_map(|p| {
                let result = p.result.as_ref()?;
                Some(OutPhoto {
                    id: p.id.clone(),
                    document: document.into(),
                    format: Format::Jpeg,
                    bytes: result.bytes,
                    sha256: result.sha256.clone(),
                    facts: match &result.located {
                        Some(located) if shared => Some(located.clone()),
                        _ => Some(result.facts.clone()).filter(|facts| !facts.is_empty()),
                    },
                    state: Sending::Waiting,
                })
            });
        Outbox::freeze(&draft.id, secret, &draft.notice(), photos)
    }

    /// Files for the claim `no`, and the closing request once all have arrived: its path and JSON
    /// body. The server answers it once for this key.
    pub fn for_claim(
        key: &str,
        no: &str,
        photos: impl IntoIterator<Item = OutPhoto>,
        closing: Option<(String, String)>,
    ) -> Outbox {
        let mut outbox = Outbox::new(key, String::new(), Phase::Claim { no: no.into() }, photos);
        outbox.closing = closing.map(|(path, body)| Closing {
            path,
            body,
            answered: false,
        });
        outbox
    }

    fn new(
        key: &str,
        body: String,
        phase: Phase,
        photos: impl IntoIterator<Item = OutPhoto>,
    ) -> Outbox {
        let photos = photos.into_iter().collect();
        let secret = String::new();
        Outbox {
            key: key.into(),
            secret,
            body,
            phase,
            photos,
            closing: None,
            stuck: None,
            tries: 0,
            not_before_ms: 0,
            waits_since_ms: 0,
            under_way: Vec::new(),
            unwritten: true,
        }
    }

    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.phase {
            Phase::Accepted { receipt, .. } => Some(receipt),
            Phase::Frozen { .. } | Phase::Claim { .. } => None,
        }
    }

    /// Whether it began as a report; otherwise it carries files to an existing claim.
    pub fn is_report(&self) -> bool {
        !matches!(self.phase, Phase::Claim { .. })
    }

    /// The claim that the files belong to, once it exists.
    pub fn claim_no(&self) -> Option<&str> {
        match &self.phase {
            Phase::Frozen { .. } => None,
            Phase::Accepted { receipt, .. } => Some(&receipt.claim_no),
            Phase::Claim { no } => Some(no),
        }
    }

    /// Nothing is left to do, now or later.
    pub fn is_done(&self) -> bool {
        let over = |p: &OutPhoto| {
            matches!(
                p.state,
                Sending::Received | Sending::Refused { .. } | Sending::Lost
            )
        };
        self.claim_no().is_some()
            && self.photos.iter().all(over)
            && self.closing.as_ref().is_none_or(|c| c.answered)
    }

    /// Bytes of photos that the server has acknowledged, and all bytes.
    pub fn progress(&self) -> (u64, u64) {
        let sent = |p: &OutPhoto| match p.state {
            Sending::Received => p.bytes,
            Sending::Uploading { offset, .. } => offset,
            _ => 0,
        };
        (
            self.photos.iter().map(sent).sum(),
            self.photos.iter().map(|p| p.bytes).sum(),
        )
    }

    /// Call after the app restarts: nothing that was in flight is certain any more.
    pub fn restarted(&mut self) {
        self.under_way.clear();
        self.doubt_notice();
        if let Phase::Accepted { proofs, .. } = &mut self.phase {
            *proofs = 0;
        }
        for photo in &mut self.photos {
            if let Sending::Uploading { unsure, .. } = &mut photo.state {
                *unsure = true;
            }
        }
        self.wake();
    }

    /// The network is back, the page is visible again, or the person pressed 重试.
    pub fn wake(&mut self) {
        self.tries = 0;
        self.not_before_ms = 0;
    }

    /// The person signed in.
    pub fn signed_in(&mut self) {
        if self.stuck == Some(Stuck::Login) {
            self.stuck = None;
            self.wake();
        }
    }

    /// It is on the disk, so after a kill we can still ask about anything sent.
    pub fn written(&mut self) {
        self.unwritten = false;
    }

    pub fn is_written(&self) -> bool {
        !self.unwritten
    }

    /// `request` is in flight: nothing else is sent for the same photo until it is answered.
    pub fn began(&mut self, request: &Request) {
        self.under_way.push(request.photo);
    }

    /// The next request besides those in flight; `chunk` is the most bytes of a photo to send at
    /// once.
    pub fn next(&self, now_ms: i64, chunk: u64) -> Next {
        if self.stuck.is_some() || self.is_done() || self.unwritten {
            return Next::Rest;
        }
        // Earlier than the start of the wait: the phone's clock was set back.
        if (self.waits_since_ms..self.not_before_ms).contains(&now_ms) {
            return Next::Wait(self.not_before_ms);
        }
        // The notice and the closing request are sent alone.
        if self.under_way.contains(&None) {
            return Next::Wait(now_ms + MEANWHILE_MS);
        }
        let waits = |(i, p): &(usize, &OutPhoto)| {
            matches!(p.state, Sending::Waiting | Sending::Uploading { .. })
                && !self.under_way.contains(&Some(*i))
        };
        let current = self.photos.iter().enumerate().find(waits);
        let which = current
            .map(|(i, _)| i)
            .filter(|_| self.claim_no().is_some());
        let request = |method, path: String, headers, body| {
            Next::Do(Request {
                photo: which,
                method,
                path,
                headers,
                body,
            })
        };
        let json = ("Content-Type", "application/json".to_owned());
        let no = match &self.phase {
            Phase::Frozen { sent: Sent::No } | Phase::Accepted { doubted: true, .. } => {
                let (path, body) = (format!("{BASE}/notices"), Body::Json(self.body.clone()));
                let key = ("Idempotency-Key", format!("\"{}\"", self.key));
                let headers = vec![key, ("Submission-Secret", self.secret.clone()), json];
                return Next::Do(Request {
                    photo: None,
                    method: Method::Post,
                    path,
                    headers,
                    body,
                });
            }
            Phase::Frozen { .. } => {
                return request(
                    Method::Get,
                    format!("{BASE}/submissions/{}", self.key),
                    vec![],
                    Body::Empty,
                );
            }
            Phase::Accepted { receipt, .. } => &receipt.claim_no,
            Phase::Claim { no } => no,
        };
        let Some((_, photo)) = current else {
            return match &self.closing {
                Some(Closing {
                    path,
                    body,
                    answered: false,
                }) if self.under_way.is_empty() => {
                    let headers = vec![("Idempotency-Key", format!("\"{}\"", self.key)), json];
                    request(
                        Method::Post,
                        path.clone(),
                        headers,
                        Body::Json(body.clone()),
                    )
                }
                _ if !self.under_way.is_empty() => Next::Wait(now_ms + MEANWHILE_MS),
                _ => Next::Rest,
            };
        };
        let resumable = ("Tus-Resumable", tus::VERSION.to_owned());
        match &photo.state {
            Sending::Uploading {
                path, unsure: true, ..
            } => request(Method::Head, path.clone(), vec![resumable], Body::Empty),
            Sending::Uploading { path, offset, .. } if *offset < photo.bytes => {
                let headers = vec![
                    resumable,
                    ("Upload-Offset", offset.to_string()),
                    ("Content-Type", tus::CHUNK_TYPE.into()),
                ];
                let length = chunk.clamp(1, photo.bytes - offset);
                request(
                    Method::Patch,
                    path.clone(),
                    headers,
                    Body::Photo {
                        id: photo.id.clone(),
                        offset: *offset,
                        length,
                    },
                )
            }
            Sending::Uploading { path, .. } => {
                let upload = path.rsplit('/').next().unwrap_or_default();
                let path = format!("{BASE}/claims/{no}/documents/{}/{upload}", photo.document);
                match &photo.facts {
                    Some(facts) => {
                        request(Method::Put, path, vec![json], Body::Json(facts.clone()))
                    }
                    None => request(Method::Put, path, vec![], Body::Empty),
                }
            }
            _ => {
                let kind = match photo.format {
                    Format::Jpeg => "image/jpeg",
                    Format::Pdf => "application/pdf",
                };
                let metadata = tus::metadata(&[("sha256", &photo.sha256), ("filetype", kind)]);
                let headers = vec![
                    resumable,
                    ("Upload-Length", photo.bytes.to_string()),
                    ("Upload-Metadata", metadata),
                ];
                request(
                    Method::Post,
                    format!("{BASE}/uploads"),
                    headers,
                    Body::Empty,
                )
            }
        }
    }

    /// Takes the result of `request`. `luck` is a random number from which the retry delay is
    /// drawn.
    pub fn on(&mut self, request: &Request, reply: Reply, now_ms: i64, luck: u32) {
        let before = self.progress();
        self.under_way.retain(|u| *u != request.photo);
        let longest = if reply == Reply::Broken {
            LONGEST_UNANSWERED_MS
        } else {
            LONGEST_DELAY_MS
        };
        let retry = match reply {
            Reply::Broken => {
                self.doubt(request);
                Some(None)
            }
            Reply::NoBytes => {
                self.set_photo(request, Sending::Lost);
                None
            }
            Reply::Answer {
                status,
                location,
                offset,
                retry_after,
                body,
            } => self
                .answered(request, status, location, offset, &body)
                .then_some(retry_after),
        };
        match retry {
            Some(after) => {
                let most = (FIRST_DELAY_MS << self.tries.min(6)).min(longest);
                let drawn = most * i64::from(luck % 1000) / 1000;
                self.not_before_ms =
                    now_ms + after.map_or(drawn, |s| drawn.max(i64::from(s) * 1000));
                self.waits_since_ms = now_ms;
                self.tries += 1;
            }
            None if self.progress() != before || self.tries == 0 => self.wake(),
            None => self.not_before_ms = 0,
        }
    }

    /// Returns whether to try again later.
    fn answered(
        &mut self,
        request: &Request,
        status: u16,
        location: Option<String>,
        offset: Option<u64>,
        body: &str,
    ) -> bool {
        let problem =
            || json::read::<Problem>(body).unwrap_or_else(|| ProblemCode::Internal.into());
        // Never final, whatever the request: timed out, too many, failing, restarting.
        if matches!(status, 408 | 425 | 429 | 500..) || status == 423 {
            self.doubt(request);
            return true;
        }
        let closing = self
            .closing
            .as_mut()
            .filter(|c| request.method == Method::Post && c.path == request.path);
        match (request.method, &request.body, status) {
            (Method::Post, _, 200 | 201) if closing.is_some() => {
                let ours = body.contains("\"claim_no\"");
                closing.into_iter().for_each(|c| c.answered = ours);
                !ours
            }
            // Already requested, or the claim is over: waiting will not help.
            (Method::Post, _, 409) if closing.is_some() => {
                self.stuck = Some(Stuck::Fix { problem: problem() });
                false
            }
            (Method::Post, Body::Json(_), 200 | 201) | (Method::Get, _, 200) => {
                match json::read(body) {
                    Some(receipt) => {
                        let proofs = if let Phase::Accepted { proofs, .. } = self.phase {
                            proofs + 1
                        } else {
                            0
                        };
                        self.phase = Phase::Accepted {
                            receipt,
                            doubted: false,
                            proofs,
                        };
                        self.tries = 0;
                        false
                    }
                    // A captive portal answers 200 to everything.
                    None => {
                        self.doubt(request);
                        true
                    }
                }
            }
            (Method::Get, _, 404) if json::read::<Problem>(body).is_some() => {
                match self.phase {
                    // The claim belongs to another session: signing in with the same phone brings
                    // it back.
                    Phase::Frozen {
                        sent: Sent::Otherwise,
                    } => self.stuck = Some(Stuck::Login),
                    _ => self.phase = Phase::Frozen { sent: Sent::No },
                }
                false
            }
            (Method::Get, _, _) => true,
            (Method::Post, Body::Json(_), 409) => true,
            (_, _, 401) => {
                self.stuck = Some(Stuck::Login);
                false
            }
            // The secret is not enough: somebody has signed in with this report since.
            (Method::Post, Body::Json(_), 400..=499)
                if matches!(self.phase, Phase::Accepted { .. }) && closing.is_none() =>
            {
                self.stuck = Some(Stuck::Login);
                false
            }
            (Method::Post, Body::Json(_), 400..=499) => {
                match problem() {
                    // Not found: the key is another session's, whose cookie was lost on the way.
                    p if matches!(
                        p.code,
                        ProblemCode::IdempotencyKeyReused | ProblemCode::NotFound
                    ) && closing.is_none() =>
                    {
                        self.phase = Phase::Frozen {
                            sent: Sent::Otherwise,
                        }
                    }
                    problem => self.stuck = Some(Stuck::Fix { problem }),
                }
                false
            }
            (Method::Post, Body::Empty, 201) => match location {
                Some(path) => {
                    self.set_photo(
                        request,
                        Sending::Uploading {
                            path,
                            offset: 0,
                            unsure: false,
                        },
                    );
                    false
                }
                None => true,
            },
            (Method::Head, _, 200 | 204) | (Method::Patch, _, 204) => match offset {
                Some(offset) => {
                    self.move_to(request, offset);
                    false
                }
                None => true,
            },
            (Method::Head | Method::Patch | Method::Put, _, 404) if self.may_prove() => {
                self.doubt(request);
                if let Phase::Accepted { doubted, .. } = &mut self.phase {
                    *doubted = true;
                }
                false
            }
            (Method::Head, _, 403 | 404 | 410)
            | (Method::Patch, _, 403 | 404 | 410)
            | (Method::Put, _, 410) => {
                self.set_photo(request, Sending::Waiting);
                true
            }
            (Method::Patch, _, 409) => {
                self.doubt(request);
                false
            }
            (Method::Patch, _, 460) => {
                // This chunk, or (at the end) the whole file, was damaged on the way.
                self.doubt(request);
                true
            }
            // Only an answer naming this very file means received; a captive portal answers 200 to
            // everything.
            (Method::Put, _, 200 | 201) => {
                let ours = self
                    .photo_of(request)
                    .is_some_and(|p| body.contains(&p.sha256));
                if ours {
                    self.set_photo(request, Sending::Received);
                }
                !ours
            }
            // The claim belongs to another session: signing in with the same phone brings it back.
            (Method::Put, _, 404) => {
                self.stuck = Some(Stuck::Login);
                false
            }
            (_, _, 400..=499) => {
                let code = problem().code.as_str().to_owned();
                self.set_photo(request, Sending::Refused { code });
                false
            }
            _ => {
                self.doubt(request);
                true
            }
        }
    }

    /// The session may have been lost, and this device can prove that it made the report.
    fn may_prove(&self) -> bool {
        matches!(
            self.phase,
            Phase::Accepted {
                proofs: ..MOST_PROOFS,
                ..
            }
        ) && !self.secret.is_empty()
    }

    fn photo_of(&mut self, request: &Request) -> Option<&mut OutPhoto> {
        self.photos.get_mut(request.photo?)
    }

    fn set_photo(&mut self, request: &Request, state: Sending) {
        if let Some(photo) = self.photo_of(request) {
            photo.state = state;
        }
    }

    fn move_to(&mut self, request: &Request, to: u64) {
        if let Some(OutPhoto {
            state: Sending::Uploading { offset, unsure, .. },
            ..
        }) = self.photo_of(request)
        {
            *offset = to;
            *unsure = false;
        }
    }

    /// The request may or may not have been carried out.
    fn doubt(&mut self, request: &Request) {
        match self.photo_of(request) {
            Some(OutPhoto {
                state: Sending::Uploading { unsure, .. },
                ..
            }) => *unsure = true,
            Some(_) => {}
            None => self.doubt_notice(),
        }
    }

    fn doubt_notice(&mut self) {
        if let Phase::Frozen {
            sent: sent @ Sent::No,
        } = &mut self.phase
        {
            *sent = Sent::Perhaps;
        }
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "journey_tests.rs"]
mod journey_tests;
