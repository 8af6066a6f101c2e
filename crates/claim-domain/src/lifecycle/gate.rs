//! What a claim waits for: what blocks payment, and what the customer has to do next.
//!
//! Promise: nothing is paid past [`Claim::gate`], and 现在没有需要您做的 is shown only if
//! [`Claim::todos`] is empty. Both follow from the log and the task list alone, in the browser as
//! on the server.

use serde::{Deserialize, Serialize};

use super::{Claim, Stage, Turn};
use crate::catalog::{Need, Phase};
use crate::documents::{State, Task};

/// One thing that blocks payment (R5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Gap {
    /// The policyholder says that the report is not theirs.
    Disowned,
    /// Not matched to one of our policies.
    Policy,
    /// 索赔 was not sent.
    Request,
    /// A required paper is missing, or was sent back.
    Paper(String),
    /// A document is there but not accepted; or it cannot be provided and has not been waived.
    Verdict(String),
    /// Nothing was decided.
    Decision,
    /// The customer has not agreed to the sum.
    Agreement,
    /// Nobody is named to be paid.
    Payees,
    /// The bank does not take this payee's account.
    Account(u16),
}

impl Gap {
    /// Whether the customer resolves it; otherwise the insurer does.
    pub fn is_customers(&self) -> bool {
        matches!(
            self,
            Gap::Request | Gap::Paper(_) | Gap::Agreement | Gap::Payees | Gap::Account(_)
        )
    }
}

/// One thing the customer has to do; the most helpful comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// The list of additional documents.
    Supplement,
    /// A document that was sent back.
    Resend(String),
    /// To agree or object to the assessment.
    Assessment,
    /// To agree to less than was assessed.
    Agreement,
    /// Documents and signature: the formal claim request.
    Request,
    /// A required paper that is missing.
    Paper(String),
    Payees,
    Account(u16),
}

impl Claim {
    /// What still blocks any payment. If empty, every payee with a good account may be paid.
    pub fn gate(&self, papers: &[Task]) -> Vec<Gap> {
        let mut gaps = Vec::new();
        gaps.extend(self.disowned_at.map(|_| Gap::Disowned));
        gaps.extend((!self.verified).then_some(Gap::Policy));
        gaps.extend(self.requested_at.is_none().then_some(Gap::Request));
        gaps.extend(papers.iter().filter_map(|task| self.paper(task)));
        gaps.extend(self.approved_fen.is_none().then_some(Gap::Decision));
        gaps.extend(
            (self.approved_fen.is_some() && self.agreed_at.is_none()).then_some(Gap::Agreement),
        );
        gaps.extend(self.lacks_payees().then_some(Gap::Payees));
        gaps
    }

    /// Part of the money has no payee, or a payee has died.
    fn lacks_payees(&self) -> bool {
        let unclaimed = crate::payees::unclaimed(&self.awards, &self.payees).is_some();
        self.payees.is_empty() || unclaimed || self.payees.iter().any(|p| self.is_dead(p))
    }

    /// The same, plus the accounts that the bank sent money back from; this is what we show.
    pub fn gaps(&self, papers: &[Task]) -> Vec<Gap> {
        let mut gaps = self.gate(papers);
        gaps.extend(
            self.accounts
                .iter()
                .filter(|(_, account)| account.wrong)
                .map(|(no, _)| Gap::Account(*no)),
        );
        gaps
    }

    /// Before the decision only what is certain is paid: documents may be missing, but not the
    /// claim request or the payee.
    pub(super) fn gate_of_advance(&self) -> Vec<Gap> {
        let mut gaps = self.gate(&[]);
        gaps.retain(|gap| !matches!(gap, Gap::Decision | Gap::Agreement));
        gaps
    }

    fn paper(&self, task: &Task) -> Option<Gap> {
        if task.need != Need::Required || self.waived.contains_key(&task.document) {
            return None;
        }
        let accepted = self
            .verdicts
            .iter()
            .any(|v| v.document == task.document && v.accepted);
        match task.state {
            State::OnFile => None,
            // Typed in, or replaced by others that are required in its place.
            State::Done if task.files == 0 || accepted => None,
            State::Done | State::Unavailable => Some(Gap::Verdict(task.document.clone())),
            State::Todo | State::Started => Some(Gap::Paper(task.document.clone())),
            State::NotNeeded => None,
        }
    }

    /// Everything that waits for the customer.
    pub fn todos(&self, papers: &[Task]) -> Vec<Todo> {
        let mut todos = Vec::new();
        let stage = self.stage;
        if stage.is_over() || stage == Stage::Paid {
            return todos;
        }
        todos.extend(self.supplement.is_some().then_some(Todo::Supplement));
        let wanted = |document: &String| {
            self.supplement
                .as_ref()
                .is_some_and(|s| s.wanted.contains(document))
        };
        let back = self
            .verdicts
            .iter()
            .filter(|v| !v.accepted && !self.waived.contains_key(&v.document));
        todos.extend(back.map(|v| Todo::Resend(v.document.clone())));
        let to_answer =
            stage == Stage::Assessed && self.lob.is_surveyed() && self.accepted.is_none();
        todos.extend(to_answer.then_some(Todo::Assessment));
        todos.extend(
            (stage == Stage::Approved && self.agreed_at.is_none()).then_some(Todo::Agreement),
        );
        todos.extend(self.requested_at.is_none().then_some(Todo::Request));
        // Before the claim request, its page leads to what it needs; what only the payment needs
        // can wait for the decision.
        let due = |task: &&Task| match task.phase {
            Phase::Payment => self.decided_at.is_some(),
            Phase::Notice | Phase::Claim => self.requested_at.is_some(),
        };
        let missing = papers
            .iter()
            .filter(due)
            .filter_map(|task| match self.paper(task)? {
                Gap::Paper(document) if !wanted(&document) => Some(document),
                _ => None,
            });
        let missing: Vec<String> = missing
            .filter(|document| !self.verdicts.iter().any(|v| v.document == *document))
            .collect();
        todos.extend(missing.into_iter().map(Todo::Paper));
        todos.extend(
            self.accounts
                .iter()
                .filter(|(_, account)| account.wrong)
                .map(|(no, _)| Todo::Account(*no)),
        );
        let to_pay = self.approved_fen.is_some() && self.due_fen() > 0;
        todos.extend((to_pay && self.lacks_payees()).then_some(Todo::Payees));
        todos
    }

    /// Who has to do something next.
    pub fn turn(&self, papers: &[Task]) -> Turn {
        if !self.todos(papers).is_empty() {
            return Turn::Customer;
        }
        let asked = self.review().is_some() || self.complaint().is_some();
        if !asked && (self.stage.is_over() || self.stage == Stage::Paid) {
            Turn::Nobody
        } else {
            Turn::Insurer
        }
    }
}
