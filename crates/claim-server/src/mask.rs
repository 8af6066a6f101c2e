//! What is shown of a person, an account or a plate: enough to know it again, too little to use it.

use claim_domain::catalog::Field;
use claim_domain::documents::Folder;
use claim_domain::policy::Policy;

/// `138****8000`
pub fn phone(phone: &str) -> String {
    if phone.len() == 11 {
        format!("{}****{}", &phone[..3], &phone[7..])
    } else {
        "****".into()
    }
}

/// First character, or the compound family name: `张*`, `欧阳**`.
pub fn name(name: &str) -> String {
    const COMPOUND: [&str; 8] = [
        "欧阳", "司马", "上官", "诸葛", "夏侯", "尉迟", "公孙", "慕容",
    ];
    let kept = COMPOUND
        .iter()
        .find(|c| name.starts_with(**c))
        .map_or(1, |_| 2);
    let count = name.chars().count();
    name.chars()
        .take(kept)
        .chain(std::iter::repeat_n(
            '*',
            count.saturating_sub(kept).clamp(1, 4),
        ))
        .collect()
}

/// `京A***45`
pub fn plate(plate: &str) -> String {
    let c: Vec<char> = plate.chars().collect();
    if c.len() < 6 {
        "***".into()
    } else {
        c[..2].iter().collect::<String>() + "***" + &c[c.len() - 2..].iter().collect::<String>()
    }
}

/// The last four characters of a number.
pub fn tail(number: &str) -> String {
    number
        .chars()
        .skip(number.chars().count().saturating_sub(4))
        .collect()
}

/// `**** 0000`
pub fn account(account: &str) -> String {
    format!("**** {}", tail(account))
}

/// Names stay, so that people know who is meant; numbers and phones keep only their ends.
pub fn policy(mut policy: Policy) -> Policy {
    let insured = policy
        .insured
        .iter_mut()
        .chain(std::iter::once(&mut policy.holder));
    for party in insured.chain(policy.beneficiaries.iter_mut().map(|b| &mut b.party)) {
        let digits: Vec<char> = party.id_no.chars().collect();
        if digits.len() > 7 {
            party.id_no = digits[..3].iter().collect::<String>()
                + "***"
                + &digits[digits.len() - 4..].iter().collect::<String>();
        }
        party.phone = if party.phone.is_empty() {
            String::new()
        } else {
            phone(&party.phone)
        };
    }
    policy
}

/// Only the last four digits of an account number leave the server.
pub fn folder(mut folder: Folder) -> Folder {
    for fields in folder.typed.values_mut() {
        if let Some(card) = fields.get_mut(&Field::Card) {
            *card = account(card);
        }
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_person() {
        assert_eq!(phone("13800138000"), "138****8000");
        assert_eq!(name("张伟"), "张*");
        assert_eq!(name("欧阳娜娜"), "欧阳**");
        assert_eq!(name("王"), "王*");
        assert_eq!(plate("浙A12345"), "浙A***45");
        assert_eq!(account("6222020000001234"), "**** 1234");
    }
}
