//! A deployment's settings (insurer, hotline, promises), and what every client may know at the
//! start.

use claim_domain::Text;
use claim_domain::calendar::{Calendar, Hours};
use claim_domain::promise::{FastTrack, Promises};
use serde::{Deserialize, Serialize};

/// WeChat's library, which may not be copied.
pub const WECHAT_LIBRARY: &str = "https://res.wx.qq.com/open/js/jweixin-1.6.0.js";

/// `wechat` of `terms.json`: an official account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub app_id: String,
    /// WeChat's API, or its stand-in.
    pub api: String,
    /// Origins of this app: its "JS 接口安全域名".
    pub origins: Vec<String>,
}

/// A deployment's settings: `config.json`, which the app reads too, and `terms.json`.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub insurer: Text,
    pub hotline: String,
    pub photos: Photos,
    pub promises: Promises,
    pub authority: Authority,
    pub message_hours: Hours,
    pub calendar: Calendar,
    pub service_worker: bool,
    pub partners: Vec<String>,
    pub wechat: Option<Account>,
}

/// `config.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    insurer: Text,
    hotline: String,
    promises: ShownPromises,
    photos: Photos,
}

/// The promises that the app shows before there is a claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShownPromises {
    contact_hours: u16,
    determination_days: u16,
    payment_days: u16,
}

/// `terms.json`: promises during a claim's life, who decides it, and the calendar.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    reply_hours: u16,
    review_days: u16,
    decide_working_days: u16,
    archive_days: u16,
    fast: Vec<FastTrack>,
    authority: Authority,
    /// Hours in which messages that can wait are sent.
    message_hours: Hours,
    /// Public holidays and make-up working days: the State Council's table, one year at a time.
    calendar: Calendar,
    /// Whether browsers may keep the app for offline starts; `false` removes it from those that
    /// have.
    service_worker: bool,
    /// Exact origins whose pages may frame the app: `https://partner.example`.
    partners: Vec<String>,
    /// The official account whose menu leads here; its secret is a file of the data directory.
    wechat: Option<Account>,
}

/// The limits that the app makes photos fit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Photos {
    pub long_edge: u32,
    pub document_bytes: usize,
    pub scene_bytes: usize,
    pub thumbnail_edge: u32,
    pub thumbnail_bytes: usize,
}

/// Who may decide what alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Above this amount a second person decides: a supervisor, and only if somebody else has
    /// asked.
    pub adjudicator_fen: i64,
}

impl Deployment {
    /// Reads the app's files, or those of this build if there is no app.
    ///
    /// # Errors
    /// A sentence that names the place.
    pub fn load(config: Option<&str>, terms: Option<&str>) -> Result<Deployment, String> {
        let config = config.unwrap_or(include_str!("../../../public/config.json"));
        let terms = terms.unwrap_or(include_str!("../../../public/terms.json"));
        let shown: Shown = serde_json::from_str(config).map_err(|e| format!("config.json: {e}"))?;
        let terms: Terms = serde_json::from_str(terms).map_err(|e| format!("terms.json: {e}"))?;
        let (photos, most) = (&shown.photos, claim_photo::Limits::default());
        let bytes = [
            photos.document_bytes,
            photos.scene_bytes,
            photos.thumbnail_bytes,
        ];
        if photos.long_edge.max(photos.thumbnail_edge) > most.long_edge
            || bytes.iter().any(|b| *b > most.max_bytes)
        {
            return Err(format!(
                "config.json: photos: at most {} pixels and {} bytes are accepted",
                most.long_edge, most.max_bytes
            ));
        }
        let own = terms
            .wechat
            .iter()
            .flat_map(|account| account.origins.iter().chain([&account.api]));
        if let Some(wrong) = terms.partners.iter().chain(own).find(|p| !is_origin(p)) {
            return Err(format!(
                "terms.json: {wrong:?} is not an origin such as https://partner.example"
            ));
        }
        let promises = Promises {
            contact_hours: shown.promises.contact_hours,
            determination_days: shown.promises.determination_days,
            payment_days: shown.promises.payment_days,
            reply_hours: terms.reply_hours,
            review_days: terms.review_days,
            decide_working_days: terms.decide_working_days,
            archive_days: terms.archive_days,
            fast: terms.fast,
        };
        Ok(Deployment {
            insurer: shown.insurer,
            hotline: shown.hotline,
            photos: shown.photos,
            promises,
            authority: terms.authority,
            message_hours: terms.message_hours,
            calendar: terms.calendar,
            service_worker: terms.service_worker,
            partners: terms.partners,
            wechat: terms.wechat,
        })
    }

    pub fn shown(&self) -> serde_json::Value {
        serde_json::json!({
            "insurer": self.insurer,
            "hotline": self.hotline,
            "promises": self.promises,
            "photos": self.photos,
            "calendar": self.calendar,
        })
    }
}

/// Scheme, host and port, and nothing that a CSP could read as more than one source.
fn is_origin(text: &str) -> bool {
    let local = |text: &str| {
        text.strip_prefix("http://127.0.0.1:")
            .is_some_and(|port| port.parse::<u16>().is_ok())
    };
    let Some(host) = text.strip_prefix("https://") else {
        return local(text);
    };
    !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'))
}

#[cfg(test)]
mod tests {
    /// The limits that people read are the limits enforced.
    #[test]
    fn limits_are_told_as_they_are() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap();
        let catalogue: serde_json::Value =
            serde_json::from_str(&read("public/catalog.json")).unwrap();
        let limits = claim_photo::Limits::default();
        let (megabytes, megapixels) = (limits.max_file >> 20, limits.max_pixels / 1_000_000);
        for (code, number) in [
            ("photo-too-large", format!("{megabytes} MB")),
            ("photo-limit", claim_api::MOST_PHOTOS.to_string()),
        ] {
            for language in ["zh", "en"] {
                let sentence = catalogue["errors"][code][language].as_str().unwrap();
                assert!(
                    sentence.contains(&number),
                    "{code} says {sentence:?}, and it is {number}"
                );
            }
        }
        assert!(
            read("docs/CHECKS.md").contains(&format!("| {megabytes} MB, {megapixels} megapixels"))
        );
        assert!(read("docs/ARCHITECTURE.md").contains(&format!("above {megapixels} megapixels")));
    }
}
