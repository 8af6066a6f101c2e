//! 大灾: where and when fewer papers are asked for, and what people there are told.

use claim_domain::validate::Code;
use claim_domain::{Day, FieldError, Notice, Text, local_day};
use sqlx::{Row, SqliteConnection};

use crate::App;
use crate::failure::Result;
use crate::staff::Fields;
use crate::vault::{hex, random};
use claim_api::Problem;

pub struct Catastrophe {
    pub id: String,
    pub region: String,
    pub from: String,
    pub to: String,
    pub words: Text,
    pub active: bool,
}

pub async fn all(app: &App) -> Result<Vec<Catastrophe>> {
    let rows = sqlx::query("SELECT id, region, from_day, to_day, zh, en, active FROM catastrophe ORDER BY from_day DESC, id")
        .fetch_all(&app.store.read)
        .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        Ok(Catastrophe {
            id: row.try_get("id")?,
            region: row.try_get("region")?,
            from: row.try_get("from_day")?,
            to: row.try_get("to_day")?,
            words: Text { zh: row.try_get("zh")?, en: row.try_get("en")? },
            active: row.try_get("active")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Adds one, or turns a known one on or off.
///
/// # Errors
/// `validation` names the field.
pub async fn change(app: &App, fields: &Fields) -> Result<()> {
    let id = fields.get("id");
    let mut tx = app.store.begin().await?;
    if id.is_empty() {
        let wrong = |name: &str, code: Code| Problem::validation(vec![FieldError::new(format!("/{name}"), code)]);
        let day = |name: &str| Day::parse(&fields.get(name)).ok_or_else(|| wrong(name, Code::DateFormat));
        let (from, to) = (day("from")?, day("to")?);
        for name in ["region", "zh", "en"] {
            if fields.get(name).is_empty() {
                return Err(wrong(name, Code::Required).into());
            }
        }
        if from > to {
            return Err(wrong("to", Code::DateFormat).into());
        }
        sqlx::query("INSERT INTO catastrophe (id, region, from_day, to_day, zh, en, active) VALUES (?, ?, ?, ?, ?, ?, 1)")
            .bind(format!("{}-{}", from.compact(), hex(&random::<2>())))
            .bind(fields.get("region"))
            .bind(from.to_string())
            .bind(to.to_string())
            .bind(fields.get("zh"))
            .bind(fields.get("en"))
            .execute(&mut *tx)
            .await?;
    } else {
        sqlx::query("UPDATE catastrophe SET active = 1 - active WHERE id = ?").bind(id).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// The one that a notice falls under.
pub async fn of_notice(db: &mut SqliteConnection, notice: &Notice) -> Result<Option<String>> {
    let day = local_day(notice.loss_at).to_string();
    let found = sqlx::query_scalar(
        "SELECT id FROM catastrophe WHERE active = 1 AND ?1 BETWEEN from_day AND to_day AND instr(?2, region) > 0 ORDER BY id LIMIT 1",
    )
    .bind(day)
    .bind(&notice.place.text)
    .fetch_optional(db)
    .await?;
    Ok(found)
}

/// What people are told about the one that a claim fell under, while it lasts.
pub async fn words_for(app: &App, claim_id: &str) -> Result<Option<Text>> {
    let found: Option<(String, String)> =
        sqlx::query_as("SELECT x.zh, x.en FROM claim c JOIN catastrophe x ON x.id = c.catastrophe_id WHERE c.id = ? AND x.active = 1")
            .bind(claim_id)
            .fetch_optional(&app.store.read)
            .await?;
    Ok(found.map(|(zh, en)| Text { zh, en }))
}
