//! Words for people. A page names a field of [`Messages`] or, after the report, of [`ClaimMessages`]; a language that
//! lacks one does not compile. What the server says too (errors, stages, documents) stands in the catalogue. The
//! language is chosen before the app starts (boot.js) and stays for the life of the page.

mod en;
mod zh_cn;

use claim_domain::catalog::Field;
use claim_domain::{Catalogue, Text};

use crate::platform::page;

/// Sentences of the first page and the report, and those that every page needs.
pub struct Messages {
    pub product: &'static str,
    pub back: &'static str,
    pub home: &'static str,
    pub error_prefix: &'static str,
    pub errors_found: &'static str,
    pub use_fix: &'static str,
    pub optional: &'static str,
    pub not_found: &'static str,
    pub not_found_hint: &'static str,
    pub offline: &'static str,
    pub not_kept: &'static str,
    pub no_room: &'static str,
    pub newer_app: &'static str,
    pub not_opened: &'static str,
    pub two_pages: &'static str,
    pub keep_this: &'static str,
    pub keep_other: &'static str,
    pub keep_id_no: &'static str,
    pub go_on: &'static str,
    pub see_report: &'static str,
    pub your_report: &'static str,
    pub report: &'static str,
    pub go_on_button: &'static str,
    pub send: &'static str,
    pub safe_go_on: &'static str,
    pub change: &'static str,
    pub remove: &'static str,
    pub empty: &'static str,
    pub comma: &'static str,
    pub about: &'static str,
    pub safety_title: &'static str,
    pub injured: &'static str,
    pub injured_no: &'static str,
    pub injured_yes: &'static str,
    pub road: &'static str,
    pub road_blocking: &'static str,
    pub road_clear: &'static str,
    pub road_none: &'static str,
    pub special: &'static str,
    pub special_none: &'static str,
    pub special_police: &'static str,
    pub special_facility: &'static str,
    pub advice_injury: &'static str,
    pub advice_police: &'static str,
    pub advice_move_then_police: &'static str,
    pub advice_move_away: &'static str,
    pub advice_photographs: &'static str,
    pub advice_elsewhere: &'static str,
    pub call_120: &'static str,
    pub call_122: &'static str,
    pub event_title: &'static str,
    pub what_title: &'static str,
    pub what_hint: &'static str,
    pub other_incidents: &'static str,
    pub when_title: &'static str,
    pub when_label: &'static str,
    pub when_about: &'static str,
    pub where_title: &'static str,
    pub where_label: &'static str,
    pub where_hint: &'static str,
    pub locate: &'static str,
    pub locating: &'static str,
    pub locate_hint: &'static str,
    pub located: &'static str,
    pub locate_failed: &'static str,
    pub place_located: &'static str,
    pub damage_title: &'static str,
    pub damage_parts: &'static str,
    pub narrative: &'static str,
    pub narrative_hint: &'static str,
    pub who_title: &'static str,
    pub role: &'static str,
    pub name: &'static str,
    pub phone: &'static str,
    pub phone_hint: &'static str,
    pub policy_title: &'static str,
    pub policy_any: &'static str,
    pub plate: &'static str,
    pub plate_hint: &'static str,
    pub policy_no: &'static str,
    pub id_no: &'static str,
    pub policy_unknown: &'static str,
    pub photos_title: &'static str,
    pub photos_hint_motor: &'static str,
    pub photos_hint: &'static str,
    pub take_photo: &'static str,
    pub from_album: &'static str,
    pub photos_ready: &'static str,
    pub photos_preparing: &'static str,
    pub photo_number: &'static str,
    pub photo_working: &'static str,
    pub photo_lost: &'static str,
    pub photos_privacy: &'static str,
    pub camera_killed: &'static str,
    pub check_title: &'static str,
    pub your_policy: &'static str,
    pub not_this_policy: &'static str,
    pub please_check: &'static str,
    pub consents: &'static str,
    pub photos_not_ready: &'static str,
    pub send_hint: &'static str,
    pub row_injured: &'static str,
    pub row_what: &'static str,
    pub row_when: &'static str,
    pub row_where: &'static str,
    pub row_damage: &'static str,
    pub row_words: &'static str,
    pub row_photos: &'static str,
    pub row_who: &'static str,
    pub row_policy: &'static str,
    pub nothing_sent: &'static str,
    pub sending_title: &'static str,
    pub sending: &'static str,
    pub waits_for_network: &'static str,
    pub needs_login: &'static str,
    pub change_answers: &'static str,
    pub kept_here: &'static str,
    pub call_us: &'static str,
    pub received_title: &'static str,
    pub claim_no: &'static str,
    pub copy: &'static str,
    pub copied: &'static str,
    pub server_time: &'static str,
    pub unverified: &'static str,
    pub next_title: &'static str,
    pub next_contact: &'static str,
    pub next_papers: &'static str,
    pub next_decision: &'static str,
    pub next_payment: &'static str,
    pub papers_title: &'static str,
    pub papers_hint: &'static str,
    pub follow: &'static str,
    pub photos_sent_title: &'static str,
    pub send_again: &'static str,
    pub all_received: &'static str,
    pub some_refused: &'static str,
    pub photos_going: &'static str,
    pub photo_waiting: &'static str,
    pub photo_sending: &'static str,
    pub photo_received: &'static str,
    pub sign_in: &'static str,
    /// Names of fields in error sentences, by JSON pointer.
    fields: &'static [(&'static str, &'static str)],
}

/// Sentences of the pages after the report: the report's program does not carry them.
pub struct ClaimMessages {
    pub next_contact_help: &'static str,
    pub my_claims: &'static str,
    pub loading: &'static str,
    pub no_claims: &'static str,
    pub your_turn: &'static str,
    pub sign_out: &'static str,
    pub keep_numbers: &'static str,
    pub login_hint: &'static str,
    pub get_code: &'static str,
    pub code: &'static str,
    pub code_sent: &'static str,
    pub resend: &'static str,
    pub resend_wait: &'static str,
    pub claim_title: &'static str,
    pub you_do: &'static str,
    pub we_do: &'static str,
    pub progress: &'static str,
    pub your_photos: &'static str,
    pub history: &'static str,
    pub by_server_time: &'static str,
    pub supplement_title: &'static str,
    pub supplement_until: &'static str,
    pub supplement_pause: &'static str,
    pub state_done: &'static str,
    pub state_now: &'static str,
    pub state_next: &'static str,
    pub state_skipped: &'static str,
    pub actor_you: &'static str,
    pub actor_system: &'static str,
    pub ev_registered: &'static str,
    pub ev_survey_site: &'static str,
    pub ev_survey_self: &'static str,
    pub ev_survey_done: &'static str,
    pub ev_assessed: &'static str,
    pub ev_accepted: &'static str,
    pub ev_objected: &'static str,
    pub ev_approved: &'static str,
    pub ev_rejected: &'static str,
    pub ev_paid: &'static str,
    pub ev_document: &'static str,
    pub ev_supplement: &'static str,
    pub item: &'static str,
    pub amount: &'static str,
    pub total: &'static str,
    pub accept: &'static str,
    pub object: &'static str,
    pub object_reason: &'static str,
    pub object_send: &'static str,
    pub withdraw: &'static str,
    pub withdraw_hint: &'static str,
    pub withdraw_reason: &'static str,
    pub help_title: &'static str,
    pub help_intro: &'static str,
    pub lob_motor: &'static str,
    pub lob_health: &'static str,
    pub lob_home: &'static str,
    pub help_covered: &'static str,
    pub help_papers: &'static str,
    pub help_time: &'static str,
    pub help_rights: &'static str,
    pub rights: &'static str,
    pub tasks_title: &'static str,
    pub tasks_hint: &'static str,
    pub missing: &'static str,
    pub nothing_missing: &'static str,
    pub perhaps_title: &'static str,
    pub questions_title: &'static str,
    pub questions_hint: &'static str,
    pub questions_open: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub to_tasks: &'static str,
    pub task_done: &'static str,
    pub task_on_file: &'static str,
    pub task_accepted: &'static str,
    pub task_judging: &'static str,
    pub task_resend: &'static str,
    pub task_unavailable: &'static str,
    pub task_not_needed: &'static str,
    pub task_started: &'static str,
    pub task_todo: &'static str,
    pub task_later: &'static str,
    pub task_optional: &'static str,
    pub task_possibly: &'static str,
    pub task_files: &'static str,
    pub send_files: &'static str,
    pub privacy_until_sent: &'static str,
    pub to_request: &'static str,
    pub typed_title: &'static str,
    pub typed_hint: &'static str,
    pub why: &'static str,
    pub where_from: &'static str,
    pub shots_hint: &'static str,
    pub choose_pdf: &'static str,
    pub camera_live: &'static str,
    pub camera_fill: &'static str,
    pub camera_sees: &'static str,
    pub camera_shoot: &'static str,
    pub camera_skip: &'static str,
    pub camera_close: &'static str,
    pub camera_refused: &'static str,
    pub checking: &'static str,
    pub dismiss: &'static str,
    pub page_number: &'static str,
    pub file_here: &'static str,
    pub keep_anyway: &'static str,
    pub keep_reason: &'static str,
    pub keep_save: &'static str,
    pub kept_because: &'static str,
    pub forward: &'static str,
    pub cannot_get: &'static str,
    pub cannot_get_hint: &'static str,
    pub cannot_get_reason: &'static str,
    pub save_reason: &'static str,
    pub take_back: &'static str,
    pub request_title: &'static str,
    pub request_hint: &'static str,
    pub missing_hint: &'static str,
    pub doubts_left: &'static str,
    pub form_title: &'static str,
    pub sign_title: &'static str,
    pub sign_hint: &'static str,
    pub sign_again: &'static str,
    pub sign_typed: &'static str,
    pub sign_typed_hint: &'static str,
    pub clock_starts: &'static str,
    pub send_request: &'static str,
    pub requested: &'static str,
    pub requested_hint: &'static str,
    /// Names of typed fields, of the lines of the claim form, and of the guided pictures.
    typed: [&'static str; 13],
    form: &'static [(&'static str, &'static str)],
    shots: &'static [(&'static str, &'static str)],
}

thread_local! {
    static ENGLISH: bool = page::is_english();
}

pub fn is_english() -> bool {
    ENGLISH.with(|e| *e)
}

/// The words of this page's language.
pub fn t() -> &'static Messages {
    if is_english() { &en::EN } else { &zh_cn::ZH_CN }
}

/// The words of this page's language, after the report.
pub fn c() -> &'static ClaimMessages {
    if is_english() { &en::EN_CLAIM } else { &zh_cn::ZH_CN_CLAIM }
}

/// A text of the catalogue in this page's language.
pub fn text(text: &Text) -> &str {
    if is_english() { &text.en } else { &text.zh }
}

/// The sentence for an error code.
pub fn error<'a>(catalogue: &'a Catalogue, code: &str) -> &'a str {
    catalogue.errors.get(code).or_else(|| catalogue.errors.get("internal")).map_or("", text)
}

impl Messages {
    pub fn field_name(&self, field: &str) -> &'static str {
        self.fields.iter().find(|(f, _)| *f == field).map_or("", |(_, name)| name)
    }
}

impl ClaimMessages {
    pub fn field(&self, field: Field) -> &'static str {
        self.typed[field as usize]
    }

    pub fn form_label(&self, key: &str) -> &'static str {
        self.form.iter().find(|(k, _)| *k == key).map_or("", |(_, name)| name)
    }

    pub fn shot(&self, id: &str) -> &'static str {
        self.shots.iter().find(|(k, _)| *k == id).map_or("", |(_, name)| name)
    }
}
