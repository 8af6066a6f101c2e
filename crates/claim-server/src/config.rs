//! What a deployment decides: insurer, hotline, promises; and what every client may know before it begins.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use claim_domain::Text;
use serde::{Deserialize, Serialize};

use crate::{App, now};

/// `config.json`, read by the app and by the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    pub insurer: Text,
    pub hotline: String,
    pub promises: Promises,
    pub photos: Photos,
}

/// What the app makes photos fit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Photos {
    pub long_edge: u32,
    pub document_bytes: usize,
    pub scene_bytes: usize,
    pub thumbnail_edge: u32,
    pub thumbnail_bytes: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promises {
    /// Somebody calls within so many hours of the notice.
    pub contact_hours: u16,
    pub determination_days: u16,
    pub payment_days: u16,
}

impl Deployment {
    /// # Errors
    /// A sentence that names the place.
    pub fn load(json: Option<&str>) -> Result<Deployment, String> {
        let read: Deployment =
            serde_json::from_str(json.unwrap_or(include_str!("../../../public/config.json"))).map_err(|e| format!("config.json: {e}"))?;
        let (photos, most) = (&read.photos, claim_photo::Limits::default());
        let bytes = [photos.document_bytes, photos.scene_bytes, photos.thumbnail_bytes];
        if photos.long_edge.max(photos.thumbnail_edge) > most.long_edge || bytes.iter().any(|b| *b > most.max_bytes) {
            return Err(format!("config.json: photos: at most {} pixels and {} bytes are accepted", most.long_edge, most.max_bytes));
        }
        Ok(read)
    }
}

/// Catalogue, limits, promises and versions.
#[utoipa::path(get, path = "/api/v1/config", responses((status = 200, content_type = "application/json")))]
pub async fn config(State(app): State<App>) -> Response {
    let photo = claim_photo::Limits::default();
    let config = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "rules_version": app.catalogue.rules_version,
        "server_time": now(),
        "deployment": app.deployment,
        "limits": { "photo_bytes": photo.max_bytes, "photo_edge": photo.long_edge, "original_bytes": photo.max_file, "pixels": photo.max_pixels },
        "catalogue": serde_json::from_str::<serde_json::Value>(&app.catalogue_json).unwrap_or_default(),
    });
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], config.to_string()).into_response()
}

/// 200 while the database answers.
#[utoipa::path(get, path = "/healthz", responses((status = 200, content_type = "text/plain"), (status = 500)))]
pub async fn health(State(app): State<App>) -> crate::Result<&'static str> {
    sqlx::query("SELECT 1").execute(&app.store.read).await?;
    Ok("ok")
}
