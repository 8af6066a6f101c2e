//! Working days and opening hours: weekends, the State Council's holiday table, and make-up working
//! days.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Day, Moment, local_day};

/// Days that differ from the week's rule. Kept in configuration: the table is published a year at a
/// time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    pub holidays: BTreeSet<Day>,
    /// 调休: weekends that are worked.
    pub workdays: BTreeSet<Day>,
}

/// From `from` to `to`, in seconds of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    from: i64,
    to: i64,
}

impl TryFrom<String> for Hours {
    type Error = String;
    /// `08:00-20:00`
    fn try_from(text: String) -> Result<Hours, String> {
        let seconds = |part: &str| {
            let (h, m) = part.split_once(':')?;
            let (h, m) = (h.parse::<i64>().ok()?, m.parse::<i64>().ok()?);
            ((0..=24).contains(&h) && (0..60).contains(&m) && h * 60 + m <= 24 * 60)
                .then_some(h * 3600 + m * 60)
        };
        let both = text
            .split_once('-')
            .and_then(|(from, to)| Some((seconds(from)?, seconds(to)?)));
        match both {
            Some((from, to)) if from < to => Ok(Hours { from, to }),
            _ => Err(format!("{text:?} is not like 08:00-20:00")),
        }
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> String {
        let part = |s: i64| format!("{:02}:{:02}", s / 3600, s / 60 % 60);
        format!("{}-{}", part(hours.from), part(hours.to))
    }
}

impl Hours {
    /// `seconds` after `start`, counted while open, every day.
    pub fn after(self, start: Moment, seconds: i64) -> Moment {
        let (mut day, mut left) = (local_day(start), seconds.max(0));
        let mut from = start.0.max(day.begins().0 + self.from);
        loop {
            let closes = day.begins().0 + self.to;
            if from + left <= closes {
                return Moment(from + left);
            }
            left -= (closes - from).max(0);
            day = day.plus_days(1);
            from = day.begins().0 + self.from;
        }
    }

    pub fn contains(self, at: Moment) -> bool {
        let second = at.0 - local_day(at).begins().0;
        (self.from..self.to).contains(&second)
    }

    /// The first moment within opening hours, from `at` on.
    pub fn next(self, at: Moment) -> Moment {
        self.after(at, 0)
    }
}

impl Calendar {
    pub fn is_working(&self, day: Day) -> bool {
        self.workdays.contains(&day) || !(day.is_weekend() || self.holidays.contains(&day))
    }

    /// The last of `days` working days after the day of `start`.
    pub fn after_working_days(&self, start: Moment, days: u16) -> Day {
        let mut day = local_day(start);
        for _ in 0..days {
            day = self.working_from(day.plus_days(1));
        }
        day
    }

    /// 民法典 203: a period that ends on a day off runs to the next working day.
    pub fn working_from(&self, day: Day) -> Day {
        // A table without a single working day in a year would be a defect of the table.
        (0..366)
            .map(|n| day.plus_days(n))
            .find(|d| self.is_working(*d))
            .unwrap_or(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn working_days_skip_weekends_and_holidays_and_take_the_days_worked_in_exchange() {
        let table = Calendar {
            holidays: [
                "2026-10-01",
                "2026-10-02",
                "2026-10-05",
                "2026-10-06",
                "2026-10-07",
            ]
            .map(day)
            .into(),
            workdays: ["2026-10-10"].map(day).into(),
        };
        let start = Moment::from_local_input("2026-09-30T09:00").unwrap();
        assert_eq!(table.after_working_days(start, 1), day("2026-10-08"));
        assert_eq!(
            table.after_working_days(start, 3),
            day("2026-10-10"),
            "a Saturday that is worked"
        );
        assert_eq!(table.after_working_days(start, 4), day("2026-10-12"));
        assert_eq!(table.working_from(day("2026-10-03")), day("2026-10-08"));
        assert_eq!(
            Calendar::default().working_from(day("2026-04-12")),
            day("2026-04-13"),
            "golden vector 3"
        );
    }

    #[test]
    fn minutes_are_counted_while_it_is_open() {
        let hours = Hours::try_from("08:00-20:00".to_owned()).unwrap();
        let at = |text: &str| Moment::from_local_input(text).unwrap();
        for (start, minutes, due) in [
            ("2026-03-02T10:15", 30, "2026-03-02T10:45"),
            ("2026-03-02T19:45", 30, "2026-03-03T08:15"),
            ("2026-03-02T06:00", 30, "2026-03-02T08:30"),
            ("2026-03-02T23:00", 0, "2026-03-03T08:00"),
            ("2026-03-02T12:00", 24 * 60, "2026-03-04T12:00"),
        ] {
            assert_eq!(
                hours.after(at(start), minutes * 60).to_local_input(),
                due,
                "{start} + {minutes}"
            );
        }
        assert_eq!(String::from(hours), "08:00-20:00");
        for odd in [
            "",
            "08:00",
            "20:00-08:00",
            "25:00-26:00",
            "08:00-08:00",
            "8-9",
        ] {
            assert!(Hours::try_from(odd.to_owned()).is_err(), "{odd}");
        }
    }
}
