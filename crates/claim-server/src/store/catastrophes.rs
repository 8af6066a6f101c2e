//! 大灾: where and when fewer documents are required, and what people there are told.

use claim_domain::{Day, Notice, Text, local_day};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Db, Tx};
use crate::failure::Result;
use crate::vault::{hex, random};

pub struct Catastrophe {
    pub id: String,
    pub region: String,
    pub from: String,
    pub to: String,
    pub words: Text,
    pub active: bool,
}

pub async fn all(db: &mut Db) -> Result<Vec<Catastrophe>> {
    let rows = sqlx::query("SELECT id, region, from_day, to_day, zh, en, active FROM catastrophe ORDER BY from_day DESC, id")
        .fetch_all(db.sql())
        .await?;
    let read = |row: &SqliteRow| {
        Ok(Catastrophe {
            id: row.try_get("id")?,
            region: row.try_get("region")?,
            from: row.try_get("from_day")?,
            to: row.try_get("to_day")?,
            words: Text {
                zh: row.try_get("zh")?,
                en: row.try_get("en")?,
            },
            active: row.try_get("active")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Adds a catastrophe, active from the start.
pub async fn add(tx: &mut Tx, region: &str, from: Day, to: Day, words: &Text) -> Result<()> {
    sqlx::query("INSERT INTO catastrophe (id, region, from_day, to_day, zh, en, active) VALUES (?, ?, ?, ?, ?, ?, 1)")
        .bind(format!("{}-{}", from.compact(), hex(&random::<2>())))
        .bind(region)
        .bind(from.to_string())
        .bind(to.to_string())
        .bind(&words.zh)
        .bind(&words.en)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Switches an existing one on or off.
pub async fn turn(tx: &mut Tx, id: &str) -> Result<()> {
    sqlx::query("UPDATE catastrophe SET active = 1 - active WHERE id = ?")
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The catastrophe that a notice falls under.
pub async fn of_notice(db: &mut Db, notice: &Notice) -> Result<Option<String>> {
    let sql = "SELECT id FROM catastrophe WHERE active = 1 AND ?1 BETWEEN from_day AND to_day AND instr(?2, region) > 0 ORDER BY id LIMIT 1";
    let day = local_day(notice.loss_at).to_string();
    Ok(sqlx::query_scalar(sql)
        .bind(day)
        .bind(&notice.place.text)
        .fetch_optional(db.sql())
        .await?)
}

/// What we tell people about the catastrophe their claim falls under, while it is active.
pub async fn words_for(db: &mut Db, claim_id: &str) -> Result<Option<Text>> {
    let sql = "SELECT x.zh, x.en FROM claim c JOIN catastrophe x ON x.id = c.catastrophe_id WHERE c.id = ? AND x.active = 1";
    let found: Option<(String, String)> = sqlx::query_as(sql)
        .bind(claim_id)
        .fetch_optional(db.sql())
        .await?;
    Ok(found.map(|(zh, en)| Text { zh, en }))
}
