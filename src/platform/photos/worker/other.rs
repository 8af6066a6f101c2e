//! Everything the program for JPEG lacks: other formats, torn files, lookup-table colour profiles,
//! encrypted or compressed PDFs, QR codes.

use claim_photo::{Kind, PhotoError, pdf, prepare, sniff};
use js_sys::Uint8Array;
use web_sys::Blob;

use super::{Answer, Order, limits, measured, read, serve, stored};

pub fn start() {
    serve(answer);
}

async fn answer(blob: Blob, order: Order) -> Answer {
    let begin = js_sys::Date::now();
    let file = match read(&blob).await {
        Ok(buffer) => Uint8Array::new(&buffer).to_vec(),
        Err(answer) => return answer,
    };
    if order.pdf && sniff(&file) == Kind::Pdf {
        return document(file).unwrap_or_else(Answer::from);
    }
    match prepare(&file, &limits(order.fit)) {
        Ok(photo) => measured(photo, &order, begin),
        Err(error) => error.into(),
    }
}

/// A PDF: checked by its structure, stored without author metadata.
fn document(file: Vec<u8>) -> Result<Answer, PhotoError> {
    let found = pdf::inspect(&file)?;
    let plain = pdf::without_metadata(&file);
    Ok(stored(file, found, plain))
}
