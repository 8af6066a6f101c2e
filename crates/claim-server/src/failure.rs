//! Every way a request can fail, as a response. The person gets a code; the operator gets a log
//! line with the request id and the kind of error, never a value that somebody typed.

use std::fmt::Display;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{Problem, ProblemCode};

#[derive(Debug)]
pub enum Failure {
    Problem(Box<Problem>),
    /// A defect or a broken machine; the text is for the log.
    Internal(String),
}

/// Too busy at the moment; worth retrying after this many seconds.
pub fn busy(seconds: u32) -> Problem {
    Problem::after(ProblemCode::RateLimited, seconds)
}

pub type Result<T> = std::result::Result<T, Failure>;

impl From<ProblemCode> for Failure {
    fn from(code: ProblemCode) -> Failure {
        Failure::Problem(Box::new(code.into()))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Problem(Box::new(problem))
    }
}

impl Failure {
    pub fn internal(what: &str, error: impl Display) -> Failure {
        Failure::Internal(format!("{what}: {error}"))
    }

    /// The problem as the client sees it; a defect is logged here.
    pub fn problem(self) -> Problem {
        match self {
            Failure::Problem(problem) => *problem,
            Failure::Internal(text) => {
                tracing::error!(error = %text, "internal");
                ProblemCode::Internal.into()
            }
        }
    }
}

impl Failure {
    /// The problem in one sentence, for the command line.
    pub fn sentence(self) -> String {
        self.problem().title
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = self.problem();
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = problem.retry_after;
        let mut response =
            (status, serde_json::to_string(&problem).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For pages, which answer with HTML instead, and for the request id (see `guard`).
        response.extensions_mut().insert(problem);
        response
    }
}
