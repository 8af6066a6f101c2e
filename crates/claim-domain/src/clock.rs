//! Moments and days. A [`Moment`] is UTC to the second; a [`Day`] is a calendar day in
//! Asia/Shanghai, the only place the law counts in (民法典 203: a period ends at 24:00 of its last
//! day). China keeps +08:00 all year, so a fixed offset is right for every date a claim can have
//! today.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{Date, Duration, Month, OffsetDateTime};

const SHANGHAI: i64 = 8 * 3600;

/// Seconds since 1970-01-01T00:00:00Z. On the wire: RFC 3339 in UTC, `2026-11-21T02:30:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

/// A calendar day in Asia/Shanghai. On the wire: `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// The day in Asia/Shanghai on which `at` falls.
pub fn local_day(at: Moment) -> Day {
    Day(split(at.0 + SHANGHAI).0)
}

/// The last day of a period of `days` days that began at `start`; the first day is not counted
/// (民法典 201). The deadline is 24:00 of the returned day.
///
/// ```
/// use claim_domain::{Moment, due_after_days};
///
/// // Late in the evening in Shanghai, when it is still the same day in London.
/// let asked = Moment::from_rfc3339("2026-11-20T15:30:00Z").unwrap();
/// assert_eq!(due_after_days(asked, 10).to_string(), "2026-11-30");
/// ```
pub fn due_after_days(start: Moment, days: u16) -> Day {
    let Day(first) = local_day(start);
    Day(first.saturating_add(Duration::days(i64::from(days))))
}

fn split(seconds: i64) -> (Date, i64) {
    let date = OffsetDateTime::from_unix_timestamp(seconds).map_or(Date::MIN, OffsetDateTime::date);
    (date, seconds.rem_euclid(86_400))
}

fn date_of(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (y, m, d) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (y.len(), m.len(), d.len()) != (4, 2, 2) {
        return None;
    }
    let month = Month::try_from(m.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(y.parse().ok()?, month, d.parse().ok()?).ok()
}

/// `HH:MM` or `HH:MM:SS`, as seconds of the day.
fn seconds_of(text: &str) -> Option<i64> {
    let mut parts = text
        .split(':')
        .map(|p| (p.len() == 2).then(|| p.parse::<u32>().ok()).flatten());
    let (h, m) = (parts.next()??, parts.next()??);
    let s = match parts.next() {
        None => 0,
        Some(s) => s?,
    };
    (parts.next().is_none() && h < 24 && m < 60 && s < 60)
        .then_some(i64::from(h * 3600 + m * 60 + s))
}

impl Moment {
    pub fn plus_seconds(self, seconds: i64) -> Moment {
        Moment(self.0.saturating_add(seconds))
    }

    /// From what `<input type=datetime-local>` holds, read as time in Asia/Shanghai:
    /// `2026-11-21T10:30`.
    pub fn from_local_input(text: &str) -> Option<Moment> {
        let (date, clock) = text.trim().split_once(['T', ' '])?;
        let midnight = date_of(date)?.midnight().assume_utc().unix_timestamp();
        Some(Moment(midnight + seconds_of(clock)? - SHANGHAI))
    }

    /// The reverse of [`Moment::from_local_input`], to the minute.
    pub fn to_local_input(self) -> String {
        let (date, s) = split(self.0 + SHANGHAI);
        format!("{}T{:02}:{:02}", Day(date), s / 3600, s / 60 % 60)
    }

    /// For people: `2026-11-21 10:30`, in Asia/Shanghai.
    pub fn to_local_text(self) -> String {
        self.to_local_input().replace('T', " ")
    }

    pub fn from_rfc3339(text: &str) -> Option<Moment> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let midnight = date_of(date)?.midnight().assume_utc().unix_timestamp();
        let zone = rest.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = rest.split_at(zone);
        let whole = match clock.split_once('.') {
            None => clock,
            Some((whole, frac)) if !frac.is_empty() && frac.bytes().all(|b| b.is_ascii_digit()) => {
                whole
            }
            Some(_) => return None,
        };
        let offset = match zone {
            "Z" | "z" => 0,
            _ => {
                let s = seconds_of(&zone[1..])?;
                if zone.starts_with('-') { -s } else { s }
            }
        };
        (whole.len() == 8)
            .then(|| seconds_of(whole))
            .flatten()
            .map(|s| Moment(midnight + s - offset))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, s) = split(self.0);
        write!(
            f,
            "{}T{:02}:{:02}:{:02}Z",
            Day(date),
            s / 3600,
            s / 60 % 60,
            s % 60
        )
    }
}

impl Day {
    pub fn new(year: i32, month: u8, day: u8) -> Option<Day> {
        Date::from_calendar_date(year, Month::try_from(month).ok()?, day)
            .ok()
            .map(Day)
    }
    pub fn parse(text: &str) -> Option<Day> {
        date_of(text).map(Day)
    }
    pub fn compact(self) -> String {
        self.to_string().replace('-', "")
    }
    pub fn plus_days(self, days: i64) -> Day {
        Day(self.0.saturating_add(Duration::days(days)))
    }
    /// The same day of a later year; where it has none, the end of the month (民法典 202).
    pub fn plus_years(self, years: i32) -> Day {
        let year = self.0.year().saturating_add(years);
        Day(self
            .0
            .replace_year(year)
            .or_else(|_| Date::from_calendar_date(year, Month::February, 28))
            .unwrap_or(Date::MAX))
    }
    /// Whole days from `self` to `later`, negative when that is earlier.
    pub fn days_to(self, later: Day) -> i64 {
        (later.0 - self.0).whole_days()
    }
    pub fn is_weekend(self) -> bool {
        matches!(
            self.0.weekday(),
            time::Weekday::Saturday | time::Weekday::Sunday
        )
    }
    /// 24:00 of this day.
    pub fn ends(self) -> Moment {
        self.plus_days(1).begins()
    }
    /// The moment at which this day begins in Asia/Shanghai.
    pub fn begins(self) -> Moment {
        Moment(self.0.midnight().assume_utc().unix_timestamp() - SHANGHAI)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02}",
            self.0.year(),
            u8::from(self.0.month()),
            self.0.day()
        )
    }
}

macro_rules! as_text {
    ($type:ty, $parse:path, $name:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                $parse(&text).ok_or_else(|| de::Error::custom(concat!("not a ", $name)))
            }
        }
    };
}
as_text!(Moment, Moment::from_rfc3339, "RFC 3339 time");
as_text!(Day, Day::parse, "date");

#[cfg(test)]
mod tests {
    use super::*;

    fn at(local: &str) -> Moment {
        Moment::from_local_input(local).unwrap()
    }

    #[test]
    fn the_first_day_is_not_counted_and_the_day_is_shanghais() {
        for (start, days, due) in [
            ("2026-03-02T10:15", 30, "2026-04-01"),
            ("2026-03-02T10:15", 60, "2026-05-01"),
            ("2026-04-02T09:00", 10, "2026-04-12"),
            ("2026-04-03T09:00", 3, "2026-04-06"),
            ("2026-03-02T23:59:59", 30, "2026-04-01"),
            ("2026-03-03T00:00", 30, "2026-04-02"),
        ] {
            assert_eq!(
                due_after_days(at(start), days).to_string(),
                due,
                "{start} + {days}"
            );
        }
    }

    #[test]
    fn wire_form_round_trips_and_odd_text_is_refused() {
        let m = Moment::from_rfc3339("2026-11-21T10:30:05.25+08:00").unwrap();
        assert_eq!(m.to_string(), "2026-11-21T02:30:05Z");
        assert_eq!(Moment::from_rfc3339(&m.to_string()), Some(m));
        assert_eq!(m.to_local_text(), "2026-11-21 10:30");
        for odd in [
            "",
            "2026-11-21",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-21T25:00:00Z",
            "2026-11-21T10:30:00",
            "2026-11-21T10:30Z",
            "２０２６-11-21T10:30:00Z",
            "2026-11-21T10:30:00.Z",
        ] {
            assert_eq!(Moment::from_rfc3339(odd), None, "{odd}");
        }
    }
}
