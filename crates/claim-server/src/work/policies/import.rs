//! `claim-server policies import FILE` and `policies export`: CSV with a header, or NDJSON, one
//! policy per line (docs/POLICIES.md).
//!
//! Promise: the whole file is read before anything is written, so one bad line leaves everything as
//! it was, and each bad line is reported with its number and the reason. Memory grows only by
//! sixteen bytes per policy. The same file again changes nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use claim_domain::policy::{Beneficiary, Cover, Party, Per, Policy, Vehicle};
use claim_domain::{Day, FieldError, Lob, money};

use crate::failure::{Failure, Result};
use crate::store::disk;
use crate::store::policies::{self, Source};
use crate::{App, now};

/// Where policies are read from; read twice.
#[derive(Clone)]
pub enum Pages {
    File(PathBuf),
    /// The demo's, embedded in the program.
    Text(&'static str),
}

impl Pages {
    fn open(&self) -> std::result::Result<Box<dyn Read>, String> {
        match self {
            Pages::File(path) => Ok(Box::new(
                disk::open(path).map_err(|e| format!("{}: {e}", path.display()))?,
            )),
            Pages::Text(text) => Ok(Box::new(text.as_bytes())),
        }
    }
}

/// The outcome of an import, or of a dry run.
pub struct Outcome {
    pub read: u64,
    pub fresh: u64,
    /// Line and reason; the first of many.
    pub wrong: Vec<(u64, String)>,
    pub wrong_in_all: u64,
}

const SHOWN: usize = 100;
/// Policies per transaction: other writers get their turn in between.
const BATCH: usize = 500;
/// No policy takes more bytes.
const LONGEST_LINE: usize = 256 << 10;

/// Reads a file of policies and writes them, unless one of them is bad, or `dry_run`.
///
/// # Errors
/// A sentence if the file cannot be read at all, or the database not written.
pub async fn import(
    app: &App,
    pages: &Pages,
    dry_run: bool,
) -> std::result::Result<Outcome, String> {
    let mut outcome = Outcome {
        read: 0,
        fresh: 0,
        wrong: Vec::new(),
        wrong_in_all: 0,
    };
    let mut numbers: HashMap<u64, u64> = HashMap::new();
    each(pages, &mut |line, policy| {
        outcome.read += 1;
        let reason = match policy {
            Err(reason) => reason,
            Ok(policy) => match numbers.insert(hashed(&policy.no), line) {
                None => return Ok(()),
                Some(first) => format!("no: this policy number stands in line {first} already"),
            },
        };
        outcome.wrong_in_all += 1;
        if outcome.wrong.len() < SHOWN {
            outcome.wrong.push((line, reason));
        }
        Ok(())
    })?;
    if outcome.wrong_in_all > 0 || dry_run {
        return Ok(outcome);
    }
    drop(numbers);
    let mut batch: Vec<Policy> = Vec::with_capacity(BATCH);
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<Policy>>(2);
    let pages = pages.clone();
    // The file is read in parallel with the database.
    let reading = tokio::task::spawn_blocking(move || {
        let done = each(&pages, &mut |line, policy| {
            batch.push(policy.map_err(|reason| {
                format!("the file changed while it was read: line {line}: {reason}")
            })?);
            if batch.len() == BATCH {
                sender
                    .blocking_send(std::mem::take(&mut batch))
                    .map_err(|_| "the database is closed".to_owned())?;
            }
            Ok(())
        });
        done.and_then(|()| {
            sender
                .blocking_send(batch)
                .map_err(|_| "the database is closed".to_owned())
        })
    });
    while let Some(batch) = receiver.recv().await {
        outcome.fresh += written(app, &batch).await.map_err(Failure::sentence)?;
    }
    reading.await.map_err(|e| e.to_string())??;
    let looked = async {
        let mut tx = app.store.begin().await?;
        policies::look_again(&mut tx, now()).await?;
        tx.commit().await
    };
    looked.await.map_err(Failure::sentence)?;
    Ok(outcome)
}

async fn written(app: &App, batch: &[Policy]) -> Result<u64> {
    let mut tx = app.store.begin().await?;
    let mut fresh = 0;
    for policy in batch {
        fresh += u64::from(policies::keep(&mut tx, policy, Source::File, now()).await?);
    }
    tx.commit().await?;
    Ok(fresh)
}

/// Every policy of a text whose lines are all good.
///
/// # Errors
/// The first bad line, and why.
pub fn read(text: &'static str) -> std::result::Result<Vec<Policy>, String> {
    let mut all = Vec::new();
    each(&Pages::Text(text), &mut |line, policy| {
        all.push(policy.map_err(|reason| format!("line {line}: {reason}"))?);
        Ok(())
    })?;
    Ok(all)
}

/// Every policy as NDJSON, in the order of their numbers.
///
/// # Errors
/// A sentence for the command line.
pub async fn export(app: &App, out: &mut (dyn Write + Send)) -> std::result::Result<u64, String> {
    let (mut after, mut count) = (String::new(), 0);
    let told = |f: Failure| format!("the policies cannot be read: {}", f.sentence());
    let mut db = app.store.read().await.map_err(told)?;
    loop {
        let page = policies::page(&mut db, &after).await.map_err(told)?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        after.clone_from(&last.no);
        for policy in &page {
            let line = serde_json::to_string(policy).unwrap_or_default();
            writeln!(out, "{line}").map_err(|e| format!("the policies cannot be written: {e}"))?;
            count += 1;
        }
    }
}

fn hashed(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

type Each<'a> =
    dyn FnMut(u64, std::result::Result<Policy, String>) -> std::result::Result<(), String> + 'a;

/// Calls `take` with every policy of a file, or with what is wrong with its line.
fn each(pages: &Pages, take: &mut Each<'_>) -> std::result::Result<(), String> {
    let mut reader = BufReader::new(pages.open()?);
    let start = reader
        .fill_buf()
        .map_err(|e| format!("the file cannot be read: {e}"))?;
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        return Err("this is UTF-16; save it as UTF-8".into());
    }
    let bom = if start.starts_with("\u{feff}".as_bytes()) {
        3
    } else {
        0
    };
    let is_json = start[bom..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let is_empty = start.len() == bom;
    reader.consume(bom);
    if is_empty {
        return Err("the file is empty".into());
    }
    if is_json {
        ndjson(reader, take)
    } else {
        csv(reader, take)
    }
}

fn ndjson(mut reader: impl BufRead, take: &mut Each<'_>) -> std::result::Result<(), String> {
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        let read = reader
            .by_ref()
            .take(LONGEST_LINE as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|e| e.to_string())?;
        if read == 0 {
            return Ok(());
        }
        if line.len() > LONGEST_LINE {
            // The rest of the line is skipped, not kept in memory.
            take(
                number,
                Err("the line is longer than a policy can be".into()),
            )?;
            skip_line(&mut reader).map_err(|e| e.to_string())?;
            continue;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let policy = match std::str::from_utf8(&line) {
            Err(_) => Err(not_utf8()),
            Ok(text) => serde_json::from_str::<Policy>(text)
                .map_err(|e| unlocated(&e))
                .and_then(checked),
        };
        take(number, policy)?;
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|b| *b == b'\n') {
            Some(end) => {
                reader.consume(end + 1);
                return Ok(());
            }
            None => {
                let all = buffer.len();
                reader.consume(all);
            }
        }
    }
}

/// serde's message without its own line number: ours is the file's.
fn unlocated(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn not_utf8() -> String {
    "not UTF-8 (GBK?): save the file as UTF-8".into()
}

fn checked(mut policy: Policy) -> std::result::Result<Policy, String> {
    policy.check(now()).map_err(|errors| {
        let one =
            |e: &FieldError| format!("{}: {}", e.field.trim_start_matches('/'), e.code.as_str());
        errors.iter().map(one).collect::<Vec<_>>().join("; ")
    })?;
    Ok(policy)
}

/// Columns a line may have. Only those with `true` are required.
const COLUMNS: [(&str, bool); 16] = [
    ("no", true),
    ("line", true),
    ("from", true),
    ("to", true),
    ("holder", true),
    ("holder_id", false),
    ("holder_phone", false),
    ("insured", false),
    ("plate", false),
    ("vin", false),
    ("engine_no", false),
    ("address", false),
    ("covers", true),
    ("beneficiaries", false),
    ("mortgagee", false),
    ("on_file", false),
];

/// Counts what was read since the last record: an unclosed quote ends in an error, not in full
/// memory.
struct Bounded<R> {
    inner: R,
    since: std::rc::Rc<std::cell::Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > LONGEST_LINE {
            return Err(io::Error::other(
                "a record is longer than a policy can be: is a quote not closed?",
            ));
        }
        let read = self.inner.read(buffer)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}

fn csv(reader: impl Read, take: &mut Each<'_>) -> std::result::Result<(), String> {
    let since = std::rc::Rc::new(std::cell::Cell::new(0));
    let bounded = Bounded {
        inner: reader,
        since: since.clone(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bounded);
    let header = reader.byte_headers().map_err(|e| csv_fault(&e))?.clone();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, cell) in header.iter().enumerate() {
        let name = std::str::from_utf8(cell).map_err(|_| format!("line 1: {}", not_utf8()))?;
        let column = COLUMNS.iter().find(|(column, _)| *column == name);
        let (column, _) = column.ok_or_else(|| {
            format!(
                "line 1: no column is called {name:?}; the columns are {}",
                COLUMNS.map(|(column, _)| column).join(", ")
            )
        })?;
        if places.insert(column, place).is_some() {
            return Err(format!("line 1: the column {column} stands twice"));
        }
    }
    if let Some((missing, _)) = COLUMNS
        .iter()
        .find(|(column, must)| *must && !places.contains_key(column))
    {
        return Err(format!("line 1: the column {missing} is missing"));
    }
    let mut record = csv::ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(format!("line {line}: {}", csv_fault(&error))),
        }
        since.set(0);
        let line = record.position().map_or(line, csv::Position::line);
        let policy = match record.len() == header.len() {
            false => Err(format!(
                "{} cells, but the header has {}",
                record.len(),
                header.len()
            )),
            true => row(&record, &places).and_then(checked),
        };
        take(line, policy)?;
    }
}

fn csv_fault(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => "not CSV".into(),
    }
}

fn row(
    record: &csv::ByteRecord,
    places: &HashMap<&str, usize>,
) -> std::result::Result<Policy, String> {
    let cell = |name: &str| -> std::result::Result<String, String> {
        let bytes = places
            .get(name)
            .and_then(|place| record.get(*place))
            .unwrap_or_default();
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| format!("{name}: {}", not_utf8()))
    };
    let day = |name: &str| {
        Day::parse(&cell(name)?).ok_or_else(|| format!("{name}: not a day such as 2026-01-31"))
    };
    let line = cell("line")?;
    let lines: Vec<&str> = Lob::ALL.iter().map(|l| l.as_str()).collect();
    let known = || {
        format!(
            "line: {line:?} is not a line of business; use one of {}",
            lines.join(", ")
        )
    };
    let lob = Lob::ALL
        .iter()
        .copied()
        .find(|l| l.as_str() == line)
        .ok_or_else(known)?;
    let holder = Party {
        name: cell("holder")?,
        id_no: cell("holder_id")?,
        phone: cell("holder_phone")?,
    };
    let listed = |text: String| -> Vec<Vec<String>> {
        let one = |entry: &str| {
            entry
                .split('|')
                .map(|part| part.trim().to_owned())
                .collect()
        };
        text.split(';')
            .filter(|entry| !entry.trim().is_empty())
            .map(one)
            .collect()
    };
    let party = |parts: &[String]| {
        let part = |at: usize| parts.get(at).cloned().unwrap_or_default();
        Party {
            name: part(0),
            id_no: part(1),
            phone: part(2),
        }
    };
    let insured: Vec<Party> = listed(cell("insured")?)
        .iter()
        .map(|parts| party(parts))
        .collect();
    let beneficiaries = listed(cell("beneficiaries")?)
        .iter()
        .map(|parts| {
            let share = parts
                .get(3)
                .filter(|s| !s.is_empty())
                .map(|s| percent("beneficiaries", s))
                .transpose()?;
            Ok(Beneficiary {
                party: party(parts),
                share_bp: share,
            })
        })
        .collect::<std::result::Result<Vec<_>, String>>()?;
    let vehicle = Vehicle {
        plate: cell("plate")?,
        vin: cell("vin")?,
        engine_no: cell("engine_no")?,
    };
    Ok(Policy {
        no: cell("no")?,
        lob,
        from: day("from")?,
        to: day("to")?,
        insured: if insured.is_empty() {
            vec![holder.clone()]
        } else {
            insured
        },
        holder,
        vehicle: (vehicle != Vehicle::default()).then_some(vehicle),
        address: cell("address")?,
        covers: covers(&cell("covers")?, lob)?,
        beneficiaries,
        mortgagee: cell("mortgagee")?,
        on_file: cell("on_file")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    })
}

/// `60%` or `12.5%` in hundredths of a percent.
fn percent(field: &str, text: &str) -> std::result::Result<u32, String> {
    let wrong = || format!("{field}: {text:?} is not a share such as 60%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    if number == "0" {
        return Ok(0);
    }
    money::parse(number)
        .ok()
        .and_then(|bp| u32::try_from(bp).ok())
        .filter(|bp| *bp <= 10_000)
        .ok_or_else(wrong)
}

/// The covers that most policies have, by code.
const NAMES: [(&str, &str); 24] = [
    ("vehicle", "车辆损失险"),
    ("third-party", "第三者责任险"),
    ("compulsory", "交强险"),
    ("passenger", "车上人员责任险"),
    ("medical", "医疗费用"),
    ("allowance", "住院津贴"),
    ("critical", "重大疾病"),
    ("mild", "轻症"),
    ("waiver", "保费豁免"),
    ("death", "身故"),
    ("disability", "伤残"),
    ("life", "身故或全残"),
    ("building", "房屋"),
    ("contents", "室内财产"),
    ("water", "管道破裂及水渍"),
    ("liability", "家庭责任"),
    ("delay", "航班延误"),
    ("baggage", "行李"),
    ("cancel", "行程取消"),
    ("ebike", "电动车损失"),
    ("employer", "雇主责任"),
    ("public", "公众责任"),
    ("property", "营业财产"),
    ("stock", "存货"),
];

/// `vehicle sum=200000 deductible=500; third-party sum=1000000`
fn covers(text: &str, lob: Lob) -> std::result::Result<Vec<Cover>, String> {
    text.split(';')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(|t| cover(t, lob))
        .collect()
}

fn cover(text: &str, lob: Lob) -> std::result::Result<Cover, String> {
    let mut words = text.split_whitespace();
    let code = words.next().unwrap_or_default();
    let per = if matches!(lob, Lob::Health | Lob::Life) {
        Per::Year
    } else {
        Per::Event
    };
    let name = NAMES
        .iter()
        .find(|(known, _)| *known == code)
        .map_or("", |(_, name)| name);
    let mut cover = Cover {
        code: code.to_owned(),
        name: name.to_owned(),
        sum_fen: 0,
        per,
        deductible_fen: 0,
        deductible_bp: 0,
        share_bp: 10_000,
        waiting_days: 0,
        hospital: String::new(),
        daily_fen: None,
        most_days: None,
        exclusions: Vec::new(),
    };
    for word in words {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("covers: {code}: {word:?} is not of the form sum=200000"))?;
        let wrong = |what: &str| format!("covers: {code}: {key}={value}: {what}");
        let fen = || money::parse(value).map_err(|_| wrong("no amount in yuan"));
        let days = || value.parse::<u16>().map_err(|_| wrong("no number of days"));
        match key {
            "sum" => cover.sum_fen = fen()?,
            "deductible" => cover.deductible_fen = if value == "0" { 0 } else { fen()? },
            "rate" => cover.deductible_bp = percent("covers", value)?,
            "share" => cover.share_bp = percent("covers", value)?,
            "waiting" => cover.waiting_days = days()?,
            "hospital" => value.clone_into(&mut cover.hospital),
            "daily" => cover.daily_fen = Some(fen()?),
            "days" => cover.most_days = Some(days()?),
            "name" => value.clone_into(&mut cover.name),
            "excludes" => cover.exclusions = value.split(',').map(str::to_owned).collect(),
            "per" => {
                cover.per = match value {
                    "event" => Per::Event,
                    "year" => Per::Year,
                    _ => return Err(wrong("must be event or year")),
                }
            }
            _ => {
                return Err(wrong(
                    "unknown; use sum, deductible, rate, share, waiting, hospital, daily, days, per, name, excludes",
                ));
            }
        }
    }
    if cover.name.is_empty() {
        return Err(format!("covers: {code:?} has no name: add name="));
    }
    Ok(cover)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "no,line,from,to,holder,holder_id,holder_phone,insured,plate,vin,covers,beneficiaries\n";
    const GOOD: &str = "PDAA20263301000001,motor,2026-01-01,2026-12-31,张伟,11010519491231002X,13800138000,,浙A12345,,vehicle sum=200000 deductible=500,\n";

    type Lines = Vec<(u64, std::result::Result<Policy, String>)>;

    fn lines(bytes: &[u8]) -> std::result::Result<Lines, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policies.csv");
        std::fs::write(&path, bytes).unwrap();
        let mut all = Vec::new();
        each(&Pages::File(path), &mut |line, policy| {
            all.push((line, policy));
            Ok(())
        })?;
        Ok(all)
    }

    fn faults(bytes: &[u8]) -> Vec<(u64, String)> {
        lines(bytes)
            .unwrap()
            .into_iter()
            .filter_map(|(line, policy)| Some((line, policy.err()?)))
            .collect()
    }

    #[test]
    fn r1_a_line_is_read_with_or_without_a_bom_and_in_either_form() {
        let plain = lines(format!("{HEAD}{GOOD}").as_bytes()).unwrap();
        let policy = plain[0].1.clone().unwrap();
        assert_eq!(
            (
                policy.covers[0].sum_fen,
                policy.covers[0].name.as_str(),
                policy.covers[0].per
            ),
            (20_000_000, "车辆损失险", Per::Event)
        );
        assert_eq!(policy.insured, std::slice::from_ref(&policy.holder));
        for other in [
            format!("\u{feff}{HEAD}{GOOD}"),
            serde_json::to_string(&policy).unwrap() + "\n\n",
            format!("{HEAD}{GOOD}").replace('\n', "\r\n"),
        ] {
            assert_eq!(lines(other.as_bytes()).unwrap()[0].1.as_ref(), Ok(&policy));
        }
        let family = "no,line,from,to,holder,insured,covers,beneficiaries\nLIFE00000001,life,2026-01-01,2046-01-01,王芳,王芳|320311197707060018|13400134000; 王小明|,life sum=500000 waiting=90,陈静|||60%; 王小明|||40%\n";
        let life = lines(family.as_bytes()).unwrap()[0].1.clone().unwrap();
        assert_eq!(
            life.beneficiaries
                .iter()
                .map(|b| b.share_bp)
                .collect::<Vec<_>>(),
            [Some(6_000), Some(4_000)]
        );
        assert_eq!((life.insured.len(), life.covers[0].waiting_days), (2, 90));
    }

    #[test]
    fn r1_what_is_wrong_is_named_by_line_and_field() {
        let swapped = GOOD.replace("浙A12345,,", ",浙A12345,");
        let reversed = GOOD.replace("2026-01-01,2026-12-31", "2026-12-31,2026-01-01");
        let gbk = [
            HEAD.as_bytes(),
            b"PDAA1234,motor,2026-01-01,2026-12-31,\xd5\xc5\xce\xb0,,,,,,vehicle sum=1,\n",
        ]
        .concat();
        for (bytes, line, part) in [
            (
                format!("{HEAD}{GOOD}{swapped}").into_bytes(),
                3,
                "vehicle/vin",
            ),
            (format!("{HEAD}{reversed}").into_bytes(), 2, "to:"),
            (
                format!("{HEAD}{GOOD}short,line\n").into_bytes(),
                3,
                "2 cells",
            ),
            (gbk, 2, "holder: not UTF-8"),
            (
                format!("{HEAD}{}", GOOD.replace("sum=200000", "sum=20万")).into_bytes(),
                2,
                "no amount",
            ),
            (
                format!("{HEAD}{}", GOOD.replace("motor", "boat")).into_bytes(),
                2,
                "line: \"boat\"",
            ),
            (b"{\"no\": 5}\n".to_vec(), 1, "expected a string"),
            (
                b"{\"no\": \"PDAA12345\", \"colour\": 1}\n".to_vec(),
                1,
                "unknown field",
            ),
        ] {
            let faults = faults(&bytes);
            assert!(
                faults.len() == 1 && faults[0].0 == line && faults[0].1.contains(part),
                "{faults:?} has no {part} in {line}"
            );
        }
        for (bytes, part) in [
            (b"".to_vec(), "empty"),
            (b"\xff\xfen\0o\0".to_vec(), "UTF-16"),
            (b"number,line\n".to_vec(), "no column is called \"number\""),
            (b"no,no\n".to_vec(), "stands twice"),
            (b"no,line,from\n".to_vec(), "the column to is missing"),
            (
                format!("{HEAD}\"{}", "x".repeat(2 << 20)).into_bytes(),
                "is a quote not closed",
            ),
        ] {
            let error = lines(&bytes).map(|r| r.len()).unwrap_err();
            assert!(error.contains(part), "{error} has no {part}");
        }
        let long = format!("{{\"no\": \"{}\"}}\n", "x".repeat(1 << 20)) + "{}\n";
        assert_eq!(
            faults(long.as_bytes())
                .iter()
                .map(|f| f.0)
                .collect::<Vec<_>>(),
            [1, 2]
        );
    }
}
