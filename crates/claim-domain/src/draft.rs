//! The report while it is being written. [`apply`] is the only way a [`Draft`] changes; which page
//! comes next is computed from the answers, never stored, so a killed tab always comes back to the
//! right place.

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalogue, Facts};
use crate::notice::{Agreed, FieldError, Notice, Place, Point, PolicyRef, Reporter};
use crate::safety::Scene;
use crate::validate::Code;
use crate::{Lob, Moment};

/// Version of the stored form. A newer one than this is left alone, never deleted.
pub const SCHEMA: u16 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Draft {
    pub schema: u16,
    /// UUIDv7, chosen on the phone; it becomes the Idempotency-Key of the notice.
    pub id: String,
    pub answers: Answers,
    #[serde(default)]
    pub photos: Vec<Photo>,
    /// Pages the person has moved on from; only pages that may stay empty need it.
    #[serde(default)]
    pub passed: Vec<Step>,
    /// A camera or album was opened and nothing has come back yet.
    #[serde(default)]
    pub waiting: bool,
    /// The revision that the server keeps for this person; 0: none.
    #[serde(default)]
    pub server_rev: i64,
}

/// What the person has said so far; empty means not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Answers {
    pub scene: Scene,
    pub incident: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub loss_at: Option<Moment>,
    pub about: bool,
    pub place: String,
    pub point: Option<Point>,
    pub parts: Vec<String>,
    pub narrative: String,
    pub role: String,
    pub name: String,
    pub phone: String,
    pub plate: String,
    pub policy_no: String,
    pub id_no: String,
    /// The person agreed that the ID number is kept on the phone, too.
    pub keep_id_no: bool,
    /// A policy of the signed-in person, with what is shown of it.
    pub policy: Option<KnownPolicy>,
    pub consents: Vec<Agreed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownPolicy {
    pub id: String,
    pub title: String,
    pub lob: Lob,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Photo {
    pub id: String,
    pub state: PhotoState,
    /// Bytes of the file as the camera made it.
    pub original_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Prepared>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PhotoState {
    Preparing,
    Ready,
    /// Unusable; `code` names the message.
    Failed {
        code: String,
    },
    /// Its bytes did not survive: to be taken again.
    Lost,
}

/// What the photo worker made of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Prepared {
    pub bytes: u64,
    /// Lower-case hex, of the small copy and of the file as it was.
    pub sha256: String,
    pub original_sha256: String,
    /// Part of the chosen file was unreadable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salvaged: bool,
    /// What was found on it, a [`File`](crate::documents::File) as JSON, to be sent along.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub facts: String,
    /// The same with where it was taken, where the photo says so: sent only with consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub located: Option<String>,
}

/// One page of the report, in the order they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Safety,
    /// What, when and where on one page, for somebody whose policy is known.
    Event,
    What,
    When,
    Where,
    Damage,
    Who,
    Policy,
    Photos,
    Check,
}

/// The usual sequence.
const ROAD: [Step; 9] = [
    Step::Safety,
    Step::What,
    Step::When,
    Step::Where,
    Step::Damage,
    Step::Who,
    Step::Policy,
    Step::Photos,
    Step::Check,
];
/// Signed in with one policy in force: a claim number on the third page.
const SHORT: [Step; 3] = [Step::Safety, Step::Event, Step::Check];

impl Step {
    /// The last part of its address: `/report/where`.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Safety => "safety",
            Step::Event => "event",
            Step::What => "what",
            Step::When => "when",
            Step::Where => "where",
            Step::Damage => "damage",
            Step::Who => "who",
            Step::Policy => "policy",
            Step::Photos => "photos",
            Step::Check => "check",
        }
    }

    pub fn parse(text: &str) -> Option<Step> {
        [Step::Event]
            .into_iter()
            .chain(ROAD)
            .find(|s| s.as_str() == text)
    }

    /// The fields of a [`Notice`] that this page asks for, as JSON pointer prefixes.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Step::Safety => &["/scene"],
            Step::Event => &["/incident", "/loss_at", "/place"],
            Step::What => &["/incident"],
            Step::When => &["/loss_at"],
            Step::Where => &["/place"],
            Step::Damage => &["/parts", "/narrative"],
            Step::Who => &["/reporter"],
            Step::Policy => &["/policy"],
            Step::Photos => &[],
            Step::Check => &["/consents"],
        }
    }

    fn may_be_empty(self) -> bool {
        matches!(self, Step::Damage | Step::Photos)
    }
}

/// Commands to a draft from pages, the photo worker and app start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Answer(Box<Answers>),
    Pass(Step),
    /// A file input is about to open: webviews may kill the page now (youzan/vant#3732).
    OpenCamera,
    CameraBack,
    Pick {
        id: String,
        original_bytes: u64,
    },
    Prepared {
        id: String,
        result: Prepared,
    },
    Fail {
        id: String,
        code: String,
    },
    Remove {
        id: String,
    },
    /// The app started again; `kept` are the photos whose bytes were found.
    Restore {
        kept: Vec<String>,
    },
}

/// What must happen outside to match the draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Save,
    /// The stored bytes of this photo are no longer wanted.
    Forget {
        id: String,
    },
}

/// Applies one command. Unknown photo ids are ignored: an answer of the worker may come after 删除.
pub fn apply(draft: &mut Draft, command: Command) -> Vec<Effect> {
    let photo = |draft: &mut Draft, id: &str, state: PhotoState, result: Option<Prepared>| {
        if let Some(photo) = draft.photos.iter_mut().find(|p| p.id == id) {
            photo.state = state;
            photo.result = result;
        }
    };
    match command {
        Command::Answer(answers) => draft.answers = *answers,
        Command::Pass(step) => {
            if !draft.passed.contains(&step) {
                draft.passed.push(step);
            }
        }
        Command::OpenCamera => draft.waiting = true,
        Command::CameraBack => draft.waiting = false,
        Command::Pick { id, original_bytes } => {
            draft.waiting = false;
            draft.photos.push(Photo {
                id,
                state: PhotoState::Preparing,
                original_bytes,
                result: None,
            });
        }
        Command::Prepared { id, result } => {
            let twin = draft.photos.iter().any(|p| {
                p.id != id
                    && p.result
                        .as_ref()
                        .is_some_and(|r| r.original_sha256 == result.original_sha256)
            });
            if twin {
                photo(
                    draft,
                    &id,
                    PhotoState::Failed {
                        code: "photo-duplicate".into(),
                    },
                    None,
                );
                return vec![Effect::Forget { id }, Effect::Save];
            }
            photo(draft, &id, PhotoState::Ready, Some(result));
        }
        Command::Fail { id, code } => photo(draft, &id, PhotoState::Failed { code }, None),
        Command::Remove { id } => {
            draft.photos.retain(|p| p.id != id);
            return vec![Effect::Forget { id }, Effect::Save];
        }
        Command::Restore { kept } => {
            for p in &mut draft.photos {
                let whole = p.state == PhotoState::Ready && kept.contains(&p.id);
                if !whole && !matches!(p.state, PhotoState::Failed { .. }) {
                    p.state = PhotoState::Lost;
                    p.result = None;
                }
            }
        }
    }
    vec![Effect::Save]
}

impl Draft {
    pub fn new(id: String) -> Draft {
        Draft {
            schema: SCHEMA,
            id,
            answers: Answers::default(),
            photos: Vec::new(),
            passed: Vec::new(),
            waiting: false,
            server_rev: 0,
        }
    }

    /// What may be written down: the ID number only where the person agreed.
    pub fn to_keep(&self) -> Draft {
        let mut draft = self.clone();
        if !self.answers.keep_id_no {
            draft.answers.id_no.clear();
        }
        draft
    }

    /// Nothing has been said yet.
    pub fn is_empty(&self) -> bool {
        self.photos.is_empty()
            && self.passed.is_empty()
            && Answers {
                policy: None,
                ..self.answers.clone()
            } == Answers::default()
    }

    /// What decides which consents are asked: the notice, and whether photos tell where they were
    /// taken.
    pub fn facts(&self) -> Facts {
        let mut facts = self.notice().facts();
        let told = self
            .photos
            .iter()
            .filter_map(|p| p.result.as_ref())
            .any(|r| r.located.is_some());
        facts.flags.insert("photo_place".into(), told);
        facts
    }

    pub fn steps(&self) -> &'static [Step] {
        if self.answers.policy.is_some() {
            &SHORT
        } else {
            &ROAD
        }
    }

    /// What is wrong with the answers of one page.
    pub fn errors(&self, step: Step, catalogue: &Catalogue, now: Moment) -> Vec<FieldError> {
        let Err(mut errors) = self.notice().check(catalogue, now) else {
            return Vec::new();
        };
        errors.retain(|e| step.fields().iter().any(|f| e.field.starts_with(f)));
        if self.answers.loss_at.is_none() {
            errors
                .iter_mut()
                .filter(|e| e.field == "/loss_at")
                .for_each(|e| e.code = Code::Required);
        }
        errors
    }

    /// The first page that still needs something; `Check` when only consents are left.
    pub fn current(&self, catalogue: &Catalogue, now: Moment) -> Step {
        let open = |step: &&Step| {
            (step.may_be_empty() && !self.passed.contains(step))
                || !self.errors(**step, catalogue, now).is_empty()
        };
        self.steps()
            .iter()
            .find(open)
            .copied()
            .unwrap_or(Step::Check)
    }

    /// The page after `step`, or `Check` when `step` was visited to change one line and nothing
    /// else is open.
    pub fn next(&self, step: Step, catalogue: &Catalogue, now: Moment) -> Step {
        let steps = self.steps();
        if self.current(catalogue, now) == Step::Check {
            return Step::Check;
        }
        steps
            .iter()
            .position(|s| *s == step)
            .and_then(|i| steps.get(i + 1))
            .copied()
            .unwrap_or(Step::Check)
    }

    /// The notice as the answers stand, complete or not.
    pub fn notice(&self) -> Notice {
        let a = self.answers.clone();
        let policy = match a.policy {
            Some(known) => PolicyRef {
                id: Some(known.id),
                ..PolicyRef::default()
            },
            None => PolicyRef {
                id: None,
                no: a.policy_no,
                plate: a.plate,
                id_no: a.id_no,
            },
        };
        Notice {
            incident: a.incident,
            scene: a.scene,
            loss_at: a.loss_at.unwrap_or(Moment(0)),
            about: a.about,
            place: Place {
                text: a.place,
                point: a.point,
            },
            parts: a.parts,
            narrative: a.narrative,
            reporter: Reporter {
                role: a.role,
                name: a.name,
                phone: a.phone,
            },
            policy,
            consents: a.consents,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::shipped;
    use crate::notice::tests::{good, now};
    use proptest::prelude::*;

    fn answered() -> Answers {
        let n = good();
        Answers {
            scene: n.scene,
            incident: n.incident,
            loss_at: Some(n.loss_at),
            place: n.place.text,
            parts: n.parts,
            narrative: n.narrative,
            role: n.reporter.role,
            name: n.reporter.name,
            phone: n.reporter.phone,
            plate: n.policy.plate,
            ..Answers::default()
        }
    }

    fn result(sha: &str) -> Prepared {
        Prepared {
            bytes: 1,
            sha256: sha.into(),
            original_sha256: sha.into(),
            ..Prepared::default()
        }
    }

    #[test]
    fn the_page_follows_from_the_answers() {
        let catalogue = shipped();
        let mut draft = Draft::new("d".into());
        assert!(draft.is_empty());
        let mut seen = vec![draft.current(&catalogue, now())];
        let full = answered();
        let fill: [fn(&mut Answers, &Answers); 6] = [
            |a, f| a.scene = f.scene.clone(),
            |a, f| a.incident = f.incident.clone(),
            |a, f| a.loss_at = f.loss_at,
            |a, f| a.place = f.place.clone(),
            |a, f| (a.role, a.name, a.phone) = (f.role.clone(), f.name.clone(), f.phone.clone()),
            |a, f| a.plate = f.plate.clone(),
        ];
        for (i, fill) in fill.into_iter().enumerate() {
            fill(&mut draft.answers, &full);
            seen.push(draft.current(&catalogue, now()));
            if i == 3 {
                apply(&mut draft, Command::Pass(Step::Damage));
                seen.push(draft.current(&catalogue, now()));
            }
        }
        apply(&mut draft, Command::Pass(Step::Photos));
        seen.push(draft.current(&catalogue, now()));
        assert_eq!(
            seen,
            [
                Step::Safety,
                Step::What,
                Step::When,
                Step::Where,
                Step::Damage,
                Step::Who,
                Step::Policy,
                Step::Photos,
                Step::Check
            ]
        );
        // From the check page, changing one line leads straight back.
        assert_eq!(draft.next(Step::When, &catalogue, now()), Step::Check);
    }

    #[test]
    fn a_known_policy_needs_three_pages() {
        let mut draft = Draft::new("d".into());
        draft.answers.policy = Some(KnownPolicy {
            id: "p".into(),
            title: "浙A12345".into(),
            lob: Lob::Motor,
        });
        assert_eq!(draft.steps(), [Step::Safety, Step::Event, Step::Check]);
        assert_eq!(draft.next(Step::Safety, &shipped(), now()), Step::Event);
    }

    #[test]
    fn an_unanswered_time_is_missing_not_old() {
        let errors = Draft::new("d".into()).errors(Step::When, &shipped(), now());
        assert_eq!(errors[0].code, Code::Required);
    }

    #[test]
    fn a_photo_is_ready_lost_or_said_to_be_a_duplicate() {
        let mut draft = Draft::new("d".into());
        apply(&mut draft, Command::OpenCamera);
        assert!(draft.waiting);
        for id in ["a", "b", "c"] {
            apply(
                &mut draft,
                Command::Pick {
                    id: id.into(),
                    original_bytes: 9,
                },
            );
        }
        assert!(!draft.waiting);
        apply(
            &mut draft,
            Command::Prepared {
                id: "a".into(),
                result: result("1"),
            },
        );
        let effects = apply(
            &mut draft,
            Command::Prepared {
                id: "b".into(),
                result: result("1"),
            },
        );
        assert_eq!(effects, [Effect::Forget { id: "b".into() }, Effect::Save]);
        apply(
            &mut draft,
            Command::Restore {
                kept: vec!["a".into()],
            },
        );
        let states: Vec<_> = draft.photos.iter().map(|p| p.state.clone()).collect();
        assert_eq!(
            states,
            [
                PhotoState::Ready,
                PhotoState::Failed {
                    code: "photo-duplicate".into()
                },
                PhotoState::Lost
            ]
        );
    }

    /// A draft written by version 0.1.0. It stays here for ever.
    #[test]
    fn the_first_released_draft_is_still_read() {
        let golden = include_str!("../golden/draft-1.json");
        let draft: Draft = serde_json::from_str(golden).unwrap();
        assert_eq!(
            (
                draft.schema,
                draft.photos.len(),
                draft.answers.place.as_str()
            ),
            (1, 2, "杭州市西湖区文三路 90 号")
        );
        assert_eq!(draft.current(&shipped(), now()), Step::Who);
    }

    proptest! {
        #[test]
        fn no_sequence_of_commands_breaks_a_draft(ops in proptest::collection::vec((0u8..9, 0u8..4), 0..40)) {
            let mut draft = Draft::new("d".into());
            for (op, n) in ops {
                let id = n.to_string();
                let command = match op {
                    0 => Command::Answer(Box::new(answered())),
                    1 => Command::Pass(ROAD[usize::from(n)]),
                    2 => Command::OpenCamera,
                    3 => Command::CameraBack,
                    4 if draft.photos.iter().all(|p| p.id != id) => Command::Pick { id, original_bytes: 1 },
                    5 => Command::Prepared { result: result(&id), id },
                    6 => Command::Fail { id, code: "photo-damaged".into() },
                    7 => Command::Remove { id },
                    _ => Command::Restore { kept: vec![id] },
                };
                apply(&mut draft, command);
                let stored = serde_json::to_string(&draft).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Draft>(&stored).unwrap(), &draft);
                prop_assert!(draft.photos.iter().all(|p| (p.state == PhotoState::Ready) == p.result.is_some()));
            }
        }
    }
}
