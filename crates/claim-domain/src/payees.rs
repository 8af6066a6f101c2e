//! Who gets the money, and how it is divided: to the fen, by the same arithmetic in the browser and
//! on the server.
//!
//! Promise: the parts of a sum add up to it, however it is shared; what one payee alone gets (a
//! repair shop, an injured third party) goes to nobody else.

use serde::{Deserialize, Serialize};

use crate::payout::{Award, Line};

/// In what capacity somebody is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(rename_all = "kebab-case"))]
pub enum PayeeKind {
    /// The insured person, or the insured company.
    Insured,
    /// Named in the policy.
    Beneficiary,
    /// By law or testament, where nobody is named (保险法第四十二条).
    Heir,
    /// Under 18, paid to an account in the child's name or the guardian's (民法典第三十四条).
    Minor,
    /// Asked by the insured person to take the money: needs relation and authorisation.
    Agent,
    /// 直赔.
    Shop,
    /// The injured party (保险法第六十五条).
    ThirdParty,
}

crate::wire_names!(PayeeKind);

impl PayeeKind {
    pub const ALL: &'static [PayeeKind] = &[
        PayeeKind::Insured,
        PayeeKind::Beneficiary,
        PayeeKind::Heir,
        PayeeKind::Minor,
        PayeeKind::Agent,
        PayeeKind::Shop,
        PayeeKind::ThirdParty,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            PayeeKind::Insured => "insured",
            PayeeKind::Beneficiary => "beneficiary",
            PayeeKind::Heir => "heir",
            PayeeKind::Minor => "minor",
            PayeeKind::Agent => "agent",
            PayeeKind::Shop => "shop",
            PayeeKind::ThirdParty => "third-party",
        }
    }
}

/// Which part of the money somebody gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// An equal share with all other equal sharers.
    Equal,
    /// Basis points of whatever is not one payee's alone.
    Bp(u32),
    /// Everything that these covers pay.
    Covers(Vec<String>),
}

/// A payee as anybody who sees the decision may see them: name masked, account by its last digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Payee {
    /// 1, 2 … within the claim; the payee's documents carry it (`payee_id.2`).
    pub no: u16,
    pub kind: PayeeKind,
    /// `张*`; a company by its name.
    pub holder: String,
    pub last4: String,
    pub share: Share,
    /// A company's account: no card.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub company: bool,
}

/// Why a list of payees is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Nobody,
    /// The shares do not add up to the whole, or mix basis points and equal shares.
    Shares,
    /// Two payees each take the same cover alone, or one takes an empty list of covers.
    Covers,
}

const MOST: usize = 50;

/// Whether these can share a sum.
///
/// # Errors
/// The first fault.
pub fn check(payees: &[Payee]) -> Result<(), Fault> {
    if payees.is_empty() || payees.len() > MOST {
        return Err(Fault::Nobody);
    }
    let mut alone = Vec::new();
    let (mut parts, mut alike) = (Vec::new(), 0);
    for payee in payees {
        match &payee.share {
            Share::Equal => alike += 1,
            Share::Bp(bp) => parts.push(*bp),
            Share::Covers(codes)
                if codes.is_empty() || codes.iter().any(|c| alone.contains(&c)) =>
            {
                return Err(Fault::Covers);
            }
            Share::Covers(codes) => alone.extend(codes),
        }
    }
    let whole = parts.iter().map(|bp| u64::from(*bp)).sum::<u64>() == 10_000 && !parts.contains(&0);
    if (!parts.is_empty() && (alike > 0 || !whole))
        || payees
            .iter()
            .enumerate()
            .any(|(i, p)| usize::from(p.no) != i + 1)
    {
        return Err(Fault::Shares);
    }
    Ok(())
}

/// What one payee is owed under one decision, by cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub payee: u16,
    pub lines: Vec<Line>,
    pub fen: i64,
}

/// Divides the awards, less what was paid before, which comes off the first lines. Largest
/// remainder: whoever is owed the larger part of a fen gets it, in a tie the first. A line that
/// nobody can take is left out; [`check`] and [`unclaimed`] report that beforehand.
pub fn divide(awards: &[Award], paid_fen: i64, payees: &[Payee]) -> Vec<Due> {
    let mut dues: Vec<Due> = payees
        .iter()
        .map(|p| Due {
            payee: p.no,
            lines: Vec::new(),
            fen: 0,
        })
        .collect();
    let mut before = paid_fen.max(0);
    for award in awards {
        let gone = before.min(award.fen);
        before -= gone;
        let rest = award.fen - gone;
        for (i, fen) in parts(&award.cover, rest, payees) {
            let due = &mut dues[i];
            due.fen += fen;
            if fen > 0 {
                due.lines.push(Line::new(&award.name, fen));
            }
        }
    }
    dues
}

/// The first cover of these awards whose money nobody would get.
pub fn unclaimed<'a>(awards: &'a [Award], payees: &[Payee]) -> Option<&'a str> {
    let open = |award: &&Award| award.fen > 0 && parts(&award.cover, award.fen, payees).is_empty();
    awards.iter().find(open).map(|a| a.cover.as_str())
}

/// Index of each payee who shares in a cover, and their fen.
fn parts(cover: &str, fen: i64, payees: &[Payee]) -> Vec<(usize, i64)> {
    let takes =
        |p: &Payee| matches!(&p.share, Share::Covers(codes) if codes.iter().any(|c| c == cover));
    if let Some(alone) = payees.iter().position(takes) {
        return vec![(alone, fen)];
    }
    let weight = |p: &Payee| match p.share {
        Share::Equal => 1,
        Share::Bp(bp) => i128::from(bp),
        Share::Covers(_) => 0,
    };
    let weights: Vec<(usize, i128)> = payees
        .iter()
        .map(weight)
        .enumerate()
        .filter(|(_, w)| *w > 0)
        .collect();
    let whole: i128 = weights.iter().map(|(_, w)| w).sum();
    if whole == 0 {
        return Vec::new();
    }
    let exact = |w: i128| i128::from(fen) * w;
    let mut parts: Vec<(usize, i64, i128)> = weights
        .iter()
        .map(|(i, w)| {
            (
                *i,
                i64::try_from(exact(*w) / whole).unwrap_or(0),
                exact(*w) % whole,
            )
        })
        .collect();
    let mut left = fen - parts.iter().map(|p| p.1).sum::<i64>();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|i| (-parts[*i].2, *i));
    for i in order {
        if left == 0 {
            break;
        }
        parts[i].1 += 1;
        left -= 1;
    }
    parts.into_iter().map(|(i, fen, _)| (i, fen)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payout::Payout;
    use proptest::prelude::*;

    fn payee(no: u16, share: Share) -> Payee {
        Payee {
            no,
            kind: PayeeKind::Beneficiary,
            holder: "张*".into(),
            last4: "0000".into(),
            share,
            company: false,
        }
    }

    fn award(cover: &str, fen: i64) -> Award {
        let empty = String::new;
        Award {
            cover: cover.into(),
            name: cover.into(),
            item: "x".into(),
            payout: Payout::of(fen),
            fen,
            basis: "x".into(),
            excluded_because: empty(),
            share_because: empty(),
            deductible_because: empty(),
        }
    }

    #[test]
    fn r4_shares_are_designated_alike_or_by_cover() {
        let fens = |awards: &[Award], paid, payees: &[Payee]| {
            divide(awards, paid, payees)
                .into_iter()
                .map(|d| d.fen)
                .collect::<Vec<_>>()
        };
        let three = [
            payee(1, Share::Equal),
            payee(2, Share::Equal),
            payee(3, Share::Equal),
        ];
        assert_eq!(fens(&[award("life", 100)], 0, &three), [34, 33, 33]);
        let parts = [payee(1, Share::Bp(3_333)), payee(2, Share::Bp(6_667))];
        assert_eq!(fens(&[award("life", 100)], 0, &parts), [33, 67]);
        let shop = [
            payee(1, Share::Covers(vec!["vehicle".into()])),
            payee(2, Share::Equal),
        ];
        assert_eq!(
            fens(&[award("vehicle", 500), award("towing", 70)], 20, &shop),
            [480, 70]
        );
        assert_eq!(unclaimed(&[award("towing", 1)], &shop[..1]), Some("towing"));
        assert_eq!(check(&three), Ok(()));
        assert_eq!(check(&[]), Err(Fault::Nobody));
        assert_eq!(check(&[payee(1, Share::Bp(5_000))]), Err(Fault::Shares));
        assert_eq!(
            check(&[payee(1, Share::Bp(10_000)), payee(2, Share::Equal)]),
            Err(Fault::Shares)
        );
        assert_eq!(
            check(&[payee(1, Share::Covers(vec![]))]),
            Err(Fault::Covers)
        );
        assert_eq!(
            check(&[payee(2, Share::Equal)]),
            Err(Fault::Shares),
            "numbers are places"
        );
    }

    proptest! {
        #[test]
        fn r4_the_parts_make_the_whole(fens in proptest::collection::vec(0i64..=crate::money::MAX, 1..6), weights in proptest::collection::vec(1u32..5_000, 1..9), alike: bool, alone in 0usize..8, paid in 0i64..=crate::money::MAX) {
            let awards: Vec<Award> = fens.iter().enumerate().map(|(i, fen)| award(&format!("c{i}"), *fen)).collect();
            let rest = 10_000i64 - weights.iter().skip(1).map(|w| i64::from(*w) % 1_000).sum::<i64>();
            let mut payees: Vec<Payee> = weights.iter().enumerate().map(|(i, w)| {
                let bp = if i == 0 { u32::try_from(rest).unwrap() } else { (*w % 1_000).max(1) };
                payee(u16::try_from(i + 1).unwrap(), if alike { Share::Equal } else { Share::Bp(bp) })
            }).collect();
            if alone < awards.len() {
                payees.push(payee(u16::try_from(payees.len() + 1).unwrap(), Share::Covers(vec![format!("c{alone}")])));
            }
            let dues = divide(&awards, paid, &payees);
            let total: i64 = fens.iter().sum();
            prop_assert_eq!(dues.iter().map(|d| d.fen).sum::<i64>(), (total - paid).max(0));
            prop_assert!(dues.iter().all(|d| d.fen >= 0 && d.fen == d.lines.iter().map(|l| l.fen).sum::<i64>()));
            prop_assert_eq!(unclaimed(&awards, &payees), None);
        }
    }
}
