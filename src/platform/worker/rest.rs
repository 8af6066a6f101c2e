//! Everything that the quick program does not carry: other formats, torn files, tables of colours, PDF, QR codes.

use claim_domain::documents::{File as Paper, Format};
use claim_photo::{Kind, PhotoError, pdf, prepare, sha256_hex, sniff};
use js_sys::Uint8Array;

use super::{Answer, Done, Order, measured, paper, read, serve};

pub fn start() {
    serve(answer);
}

async fn answer(order: Order) -> Answer {
    let begin = js_sys::Date::now();
    let file = match read(&order.file).await {
        Ok(buffer) => Uint8Array::new(&buffer).to_vec(),
        Err(answer) => return answer,
    };
    if order.pdf && sniff(&file) == Kind::Pdf {
        return document(file).unwrap_or_else(Answer::from);
    }
    match prepare(&file, &order.limits) {
        Ok(photo) => measured(photo, &order, begin),
        Err(error) => error.into(),
    }
}

/// A PDF: judged by its structure, stored without a word about who made it.
fn document(file: Vec<u8>) -> Result<Answer, PhotoError> {
    let found = pdf::inspect(&file)?;
    let original_sha256 = sha256_hex(&file);
    let bytes = pdf::without_metadata(&file).unwrap_or(file);
    let sha256 = sha256_hex(&bytes);
    let paper = Paper { pdf: Some(found), ..paper(Format::Pdf, &bytes, sha256, original_sha256) };
    Ok(Answer::Done(Box::new(Done { bytes, thumbnail: None, size: (0, 0), paper, place: None, prepared_ms: 0.0, measured_ms: 0.0 })))
}
