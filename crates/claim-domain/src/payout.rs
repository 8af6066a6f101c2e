//! What a loss pays, step by step, in fen and whole numbers: the browser shows the same steps that
//! the server decided by.

use serde::{Deserialize, Serialize};

/// What is done about one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Work {
    Repair,
    Replace,
    Labour,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Line {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    pub fen: i64,
}

impl Line {
    pub fn new(name: &str, fen: i64) -> Line {
        Line {
            name: name.into(),
            work: None,
            fen,
        }
    }
}

/// The inputs of the calculation; zero if it does not apply. Rates in hundredths of a percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Payout {
    /// 定损金额 or 医疗费用合计.
    pub loss_fen: i64,
    /// 残值.
    #[serde(default)]
    pub salvage_fen: i64,
    /// 交强险或社保已付.
    #[serde(default)]
    pub first_payer_fen: i64,
    /// 其他方已付.
    #[serde(default)]
    pub other_payer_fen: i64,
    /// 不在保障范围.
    #[serde(default)]
    pub excluded_fen: i64,
    /// 责任比例 or 给付比例.
    pub share_bp: u32,
    /// 免赔率.
    #[serde(default)]
    pub deductible_bp: u32,
    /// 免赔额.
    #[serde(default)]
    pub deductible_fen: i64,
    /// 保险金额.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_fen: Option<i64>,
    /// The deductible comes off before the share (medical) or after it (motor).
    #[serde(default)]
    pub deductible_first: bool,
    /// A fixed benefit: the loss is a number of days times a daily amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<PerDay>,
}

/// 津贴: days that are paid, and fen for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PerDay {
    pub days: u16,
    pub fen: i64,
}

impl PerDay {
    pub fn total_fen(self) -> i64 {
        self.fen.saturating_mul(i64::from(self.days))
    }
}

/// One line of a decision: a cover, what it pays for, the sum, and what each part of it rests on
/// (保险法第二十三条).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Award {
    /// Code of a cover of the policy.
    pub cover: String,
    /// Its name, as the policy has it.
    pub name: String,
    /// What is paid for: "住院费用".
    pub item: String,
    pub payout: Payout,
    /// What the line comes to.
    pub fen: i64,
    /// The clause that it rests on.
    pub basis: String,
    /// Why a part is left out, why only a share is paid, why a deductible comes off. Required where
    /// one does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excluded_because: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub share_because: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub deductible_because: String,
}

impl Award {
    /// The field name of the first deduction without a reason.
    pub fn unexplained(&self) -> Option<&'static str> {
        let p = &self.payout;
        let takes = [
            (
                "excluded_because",
                p.excluded_fen > 0,
                &self.excluded_because,
            ),
            ("share_because", p.share_bp < 10_000, &self.share_because),
            (
                "deductible_because",
                p.deductible_fen > 0 || p.deductible_bp > 0,
                &self.deductible_because,
            ),
            ("basis", true, &self.basis),
        ];
        takes
            .into_iter()
            .find(|(_, takes, why)| *takes && why.trim().is_empty())
            .map(|(field, ..)| field)
    }
}

/// One line of the sum as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Days and fen a day, which make the loss.
    PerDay(u16, i64),
    Loss(i64),
    Salvage(i64),
    FirstPayer(i64),
    OtherPayer(i64),
    Excluded(i64),
    Deductible(i64),
    Share(u32),
    DeductibleRate(u32),
    Cap(i64),
    Result(i64),
}

const WHOLE: i128 = 10_000;

impl Payout {
    pub fn of(loss_fen: i64) -> Payout {
        Payout {
            loss_fen,
            salvage_fen: 0,
            first_payer_fen: 0,
            other_payer_fen: 0,
            excluded_fen: 0,
            share_bp: 10_000,
            deductible_bp: 0,
            deductible_fen: 0,
            cap_fen: None,
            deductible_first: false,
            per_day: None,
        }
    }

    /// A fixed benefit of so many days.
    pub fn of_days(days: u16, fen: i64) -> Payout {
        let per_day = PerDay { days, fen };
        Payout {
            per_day: Some(per_day),
            ..Payout::of(per_day.total_fen())
        }
    }

    /// Every number is in a possible range.
    pub fn is_sound(&self) -> bool {
        let amounts = [
            self.loss_fen,
            self.salvage_fen,
            self.first_payer_fen,
            self.other_payer_fen,
            self.excluded_fen,
            self.deductible_fen,
            self.cap_fen.unwrap_or(0),
        ];
        let days = self
            .per_day
            .is_none_or(|d| d.fen >= 0 && d.total_fen() == self.loss_fen);
        let rates = self.share_bp <= 10_000 && self.deductible_bp <= 10_000;
        days && rates
            && amounts
                .iter()
                .all(|fen| (0..=crate::money::MAX).contains(fen))
    }

    /// Multiplied first, rounded half up once, at the end.
    pub fn result_fen(&self) -> i64 {
        let taken = [
            self.salvage_fen,
            self.first_payer_fen,
            self.other_payer_fen,
            self.excluded_fen,
        ];
        let mut rest =
            i128::from(self.loss_fen) - taken.iter().map(|fen| i128::from(*fen)).sum::<i128>();
        let deductible = i128::from(self.deductible_fen);
        if self.deductible_first {
            rest -= deductible;
        }
        let scaled =
            rest.max(0) * i128::from(self.share_bp) * (WHOLE - i128::from(self.deductible_bp));
        let mut rounded = (scaled + WHOLE * WHOLE / 2) / (WHOLE * WHOLE);
        if !self.deductible_first {
            rounded -= deductible;
        }
        let capped = self
            .cap_fen
            .map_or(rounded, |cap| rounded.min(i128::from(cap)));
        i64::try_from(capped.max(0)).unwrap_or(i64::MAX)
    }

    /// Less than the assessed amount counts, for a reason the customer has not seen yet: they are
    /// asked.
    pub fn is_partial(&self) -> bool {
        self.excluded_fen > 0 || self.share_bp < 10_000
    }

    /// The sum as it is shown: only lines that change something.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self
            .per_day
            .map(|d| Step::PerDay(d.days, d.fen))
            .into_iter()
            .collect();
        steps.push(Step::Loss(self.loss_fen));
        let takes = [
            Step::Salvage(self.salvage_fen),
            Step::FirstPayer(self.first_payer_fen),
            Step::OtherPayer(self.other_payer_fen),
            Step::Excluded(self.excluded_fen),
        ];
        steps.extend(takes.into_iter().filter(|s| s.fen() != Some(0)));
        let deductible = (self.deductible_fen > 0).then_some(Step::Deductible(self.deductible_fen));
        steps.extend(deductible.filter(|_| self.deductible_first));
        steps.extend((self.share_bp < 10_000).then_some(Step::Share(self.share_bp)));
        steps.extend((self.deductible_bp > 0).then_some(Step::DeductibleRate(self.deductible_bp)));
        steps.extend(deductible.filter(|_| !self.deductible_first));
        let uncapped = Payout {
            cap_fen: None,
            ..self.clone()
        }
        .result_fen();
        steps.extend(self.cap_fen.filter(|cap| *cap < uncapped).map(Step::Cap));
        steps.push(Step::Result(self.result_fen()));
        steps
    }
}

impl Step {
    fn fen(self) -> Option<i64> {
        match self {
            Step::Loss(fen)
            | Step::Salvage(fen)
            | Step::FirstPayer(fen)
            | Step::OtherPayer(fen)
            | Step::Excluded(fen) => Some(fen),
            Step::Deductible(fen) | Step::Cap(fen) | Step::Result(fen) => Some(fen),
            Step::Share(_) | Step::DeductibleRate(_) | Step::PerDay(..) => None,
        }
    }
}

/// `70%`, `87.5%`.
pub fn percent(bp: u32) -> String {
    let text = format!("{}.{:02}", bp / 100, bp % 100);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn f6_u15_the_arithmetic_of_the_rule_book() {
        let motor = Payout {
            first_payer_fen: 200_000,
            share_bp: 7_000,
            ..Payout::of(1_234_567)
        };
        assert_eq!(motor.result_fen(), 724_197);
        assert_eq!(
            Payout {
                deductible_bp: 500,
                deductible_fen: 50_000,
                ..motor.clone()
            }
            .result_fen(),
            637_987
        );
        let medical = Payout {
            first_payer_fen: 1_500_000,
            deductible_fen: 50_000,
            share_bp: 9_000,
            deductible_first: true,
            ..Payout::of(2_356_780)
        };
        assert_eq!(medical.result_fen(), 726_102);
        assert_eq!(
            Payout {
                deductible_fen: 900_000,
                ..medical.clone()
            }
            .result_fen(),
            0
        );
        assert_eq!(
            Payout {
                cap_fen: Some(500_000),
                ..medical.clone()
            }
            .result_fen(),
            500_000
        );
        assert_eq!(medical.steps().first(), Some(&Step::Loss(2_356_780)));
        assert_eq!(medical.steps().last(), Some(&Step::Result(726_102)));
        assert_eq!(medical.steps().len(), 5);
        assert!(medical.is_partial() && !Payout::of(1).is_partial());
        assert_eq!(
            (percent(7_000), percent(8_750), percent(1)),
            ("70%".into(), "87.5%".into(), "0.01%".into())
        );
    }

    proptest! {
        #[test]
        fn never_below_nothing_nor_above_the_loss(loss in 0i64..=crate::money::MAX, takes in 0i64..1 << 40, share in 0u32..=10_000, rate in 0u32..=10_000, first: bool) {
            let sum = Payout { excluded_fen: takes, share_bp: share, deductible_bp: rate, deductible_first: first, ..Payout::of(loss) };
            prop_assert!((0..=loss).contains(&sum.result_fen()));
        }
    }
}
