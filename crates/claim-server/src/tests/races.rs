//! F5, F8: every pair of requests on one file at the same time, thousands of times. What was
//! acknowledged is still there.

use claim_api::tus;

use super::{Caller, Dice, opened, pdf};
use crate::App;
use crate::vault::sha256_hex;
use crate::work::sessions::{self, Session};

/// What a person, a machine or the clock does to an upload.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Attach(&'static str),
    Patch,
    Stale,
    Head,
    Delete,
    Wipe,
    Expire,
    SignIn,
}

const DEEDS: [Deed; 9] = [
    Deed::Attach("repair_list"),
    Deed::Attach("tow_invoice"),
    Deed::Patch,
    Deed::Stale,
    Deed::Head,
    Deed::Delete,
    Deed::Wipe,
    Deed::Expire,
    Deed::SignIn,
];

/// An upload in progress, and who sends it.
struct Trial {
    app: App,
    caller: Caller,
    subject: String,
    no: String,
    id: String,
    file: Vec<u8>,
    /// Sent before the race.
    sent: usize,
}

/// What was answered: the deed, its status, and for a writer the offset.
type Answer = (Deed, u16, Option<usize>);

impl Trial {
    async fn begin(app: &App, caller: &Caller, no: &str, name: &str, dice: &mut Dice) -> Trial {
        let (mut caller, no) = (caller.clone(), no.to_owned());
        let file = pdf(name);
        let id = caller
            .begin_upload(file.len())
            .await
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        let subject = sqlx::query_scalar("SELECT subject_id FROM upload WHERE id = ?")
            .bind(&id)
            .fetch_one(app.store.pool())
            .await
            .unwrap();
        // Complete before the race half of the time.
        let sent = if dice.below(2) == 0 {
            file.len()
        } else {
            dice.below(file.len() as u64) as usize
        };
        let trial = Trial {
            app: app.clone(),
            caller,
            subject,
            no,
            id,
            file,
            sent,
        };
        assert_eq!(trial.patch(0, sent).await.1, 204);
        trial
    }

    async fn patch(&self, from: usize, to: usize) -> Answer {
        let from_text = from.to_string();
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-offset", from_text.as_str()),
            ("content-type", tus::CHUNK_TYPE),
        ];
        let path = format!("/api/v1/uploads/{}", self.id);
        let (status, answered, _) = self
            .caller
            .clone()
            .bytes("patch", &path, &headers, &self.file[from..to])
            .await;
        (
            Deed::Patch,
            status,
            answered
                .get("upload-offset")
                .map(|v| v.to_str().unwrap().parse().unwrap()),
        )
    }

    async fn answer(&self, deed: Deed) -> Answer {
        let path = format!("/api/v1/uploads/{}", self.id);
        let tus = [("tus-resumable", "1.0.0")];
        let mut caller = self.caller.clone();
        let status = match deed {
            Deed::Patch => return self.patch(self.sent, self.file.len()).await,
            // What another tab still believes.
            Deed::Stale => return self.patch(0, self.file.len()).await,
            Deed::Attach(document) => {
                caller
                    .call(
                        "put",
                        &format!(
                            "/api/v1/claims/{}/documents/{document}/{}",
                            self.no, self.id
                        ),
                        &[],
                        "",
                    )
                    .await
                    .0
            }
            Deed::Head => caller.call("head", &path, &tus, "").await.0,
            Deed::Delete => caller.call("delete", &path, &tus, "").await.0,
            Deed::Wipe => self
                .app
                .uploads
                .abandon(&self.app.store, &self.subject)
                .await
                .map_or_else(|f| f.problem().status, |()| 204),
            Deed::Expire => self
                .app
                .uploads
                .expire(&self.app.store, crate::now())
                .await
                .map_or_else(|f| f.problem().status, |()| 204),
            Deed::SignIn => {
                let session = Session::for_test(&self.subject);
                let mut tx = self.app.store.begin().await.unwrap();
                sessions::become_person(
                    &self.app,
                    &mut tx,
                    &session,
                    "13400134000",
                    true,
                    crate::now(),
                )
                .await
                .unwrap();
                tx.commit().await.unwrap();
                204
            }
        };
        (deed, status, None)
    }

    /// Checks that every promise was kept.
    async fn holds(&self, answers: &[Answer]) -> Result<(), String> {
        let row: Option<(i64, Option<String>)> =
            sqlx::query_as("SELECT at_offset, claim_id FROM upload WHERE id = ?")
                .bind(&self.id)
                .fetch_optional(self.app.store.pool())
                .await
                .unwrap();
        let stored = self
            .app
            .uploads
            .bytes(&mut self.app.store.read().await.unwrap(), &self.id)
            .await
            .ok();
        let attached = answers
            .iter()
            .any(|(deed, status, _)| matches!(deed, Deed::Attach(_)) && *status == 200);
        if let Some(server_error) = answers.iter().find(|a| a.1 >= 500) {
            return Err(format!("{server_error:?}"));
        }
        if attached {
            let documents: Vec<String> =
                sqlx::query_scalar("SELECT sha256 FROM document WHERE upload_id = ?")
                    .bind(&self.id)
                    .fetch_all(self.app.store.pool())
                    .await
                    .unwrap();
            if documents.iter().any(|d| *d != sha256_hex(&self.file)) || documents.is_empty() {
                return Err("an attached file is not what was sent".into());
            }
            if stored.as_deref() != Some(&self.file[..])
                || row.as_ref().is_none_or(|r| r.1.is_none())
            {
                return Err("an attached file is gone".into());
            }
        }
        let gone = |deed: Deed| matches!(deed, Deed::Delete | Deed::Wipe | Deed::Expire);
        let Some((offset, _)) = row else {
            let why = answers
                .iter()
                .any(|(deed, status, _)| gone(*deed) && *status == 204);
            return if why && stored.is_none() {
                Ok(())
            } else {
                Err("the row is gone, and nobody asked for that".into())
            };
        };
        let Some(stored) = stored else {
            return Err("the row is there and the file is not".into());
        };
        let offset = usize::try_from(offset).unwrap();
        let acknowledged = answers
            .iter()
            .filter_map(|a| a.2)
            .max()
            .unwrap_or(0)
            .max(self.sent);
        if offset < acknowledged
            || stored.len() < acknowledged
            || stored[..acknowledged] != self.file[..acknowledged]
        {
            return Err(format!(
                "{acknowledged} bytes were acknowledged, {offset} of {} are there",
                stored.len()
            ));
        }
        Ok(())
    }
}

async fn races(times: u64) {
    let (mut dice, mut won) = (Dice(5), 0);
    // A new server every 1,000 races and a new claim every five: a claim has room for only so many
    // files.
    let mut server = opened().await;
    let (mut caller, mut no) = (Caller::new(&server.1), String::new());
    for n in 0..times {
        if n % 1000 == 999 {
            server = opened().await;
        }
        let app = server.1.clone();
        if n % 5 == 0 || n % 1000 == 999 {
            caller = Caller::new(&app);
            no = caller
                .report_as("insured", "13400134000", &format!("races-{n:08}"))
                .await;
        }
        let trial = Trial::begin(&app, &caller, &no, &format!("race-{n}-------"), &mut dice).await;
        let pairs = (DEEDS.len() * DEEDS.len()) as u64;
        let pair = n % pairs;
        let (one, two) = (DEEDS[(pair / 9) as usize], DEEDS[(pair % 9) as usize]);
        if [one, two].contains(&Deed::Expire) {
            let mut tx = app.store.begin().await.unwrap();
            sqlx::query("UPDATE upload SET touched_at = 0 WHERE id = ?")
                .bind(&trial.id)
                .execute(tx.sql())
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        let delays = [dice.below(40), dice.below(40)];
        let late = async |deed: Deed, delay: u64| {
            for _ in 0..delay {
                tokio::task::yield_now().await;
            }
            trial.answer(deed).await
        };
        let (first, second) = tokio::join!(late(one, delays[0]), late(two, delays[1]));
        won += u32::from(matches!(first.0, Deed::Attach(_)) && first.1 == 200);
        if let Err(wrong) = trial.holds(&[first, second]).await {
            panic!("race {n}, {first:?} and {second:?}: {wrong}");
        }
    }
    assert!(u64::from(won) > times / 40, "{won} attached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finding_5_8_no_two_requests_lose_a_file_or_an_acknowledged_byte() {
    // `BAOAN_RACES` sets how many (the full count is 10 000).
    let times = std::env::var("BAOAN_RACES").map_or(400, |n| n.parse().unwrap());
    races(times).await;
    println!("races of every two requests on one file: {times}, violations: 0");
}
