//! The addresses of the app's pages: one list that tells the two programs, the server, `boot.js`,
//! the service worker and a branch kiosk which program owns which page (`cargo xtask finish` writes
//! it into the scripts).

/// Pages of the second program, by the first part of their address. All other pages belong to the
/// report.
pub const CLAIMS: [&str; 6] = ["claims", "login", "help", "verify", "handoff", "launch"];
/// Pages with a secret after `#` that are opened from outside: never answered offline, and on a
/// kiosk never left for another page.
pub const FROM_OUTSIDE: [&str; 2] = ["handoff", "launch"];
/// Pages of a claim besides its overview.
const OF_A_CLAIM: [&str; 8] = [
    "documents",
    "questions",
    "request",
    "receipt",
    "disagree",
    "messages",
    "payee",
    "records",
];

/// Whether the second program serves this address. Development builds also have the gallery, which
/// shows every component.
pub fn is_of_claims(path: &str) -> bool {
    let first = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    first == "gallery" || CLAIMS.contains(&first)
}

/// Whether the first program serves this address.
pub fn is_of_report(path: &str) -> bool {
    path == "/" || path == "/report" || path.starts_with("/report/")
}

/// Whether the app has a page there; for other addresses it shows its own 404.
pub fn is_page(path: &str) -> bool {
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["" | "report"] | ["report", _] | ["claims", _] => true,
        [first] => CLAIMS.contains(&first),
        ["claims", _, page] => OF_A_CLAIM.contains(&page),
        ["claims", _, "documents" | "letters", _] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_of_one_program() {
        for page in [
            "/",
            "/report",
            "/report/when",
            "/claims",
            "/claims/1",
            "/claims/1/payee",
            "/login",
        ] {
            assert!(
                is_page(page) && (is_of_report(page) != is_of_claims(page)),
                "{page}"
            );
        }
        for other in [
            "/report/a/b",
            "/claims/1/nothing",
            "/reports",
            "/loginx",
            "/staff",
            "/x/y",
        ] {
            assert!(
                !is_page(other) && !is_of_claims(&other.replace("/claims", "/x")),
                "{other}"
            );
        }
        assert!(FROM_OUTSIDE.iter().all(|page| CLAIMS.contains(page)));
    }
}
