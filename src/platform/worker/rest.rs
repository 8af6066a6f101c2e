//! Everything that the quick program does not carry: other formats, torn files, QR codes.

use claim_photo::prepare;
use js_sys::Uint8Array;

use super::{Answer, Order, measured, passed, read, serve};

pub fn start() {
    serve(answer);
}

async fn answer(order: Order) -> Answer {
    let begin = js_sys::Date::now();
    let file = match read(&order.file).await {
        Ok(buffer) => Uint8Array::new(&buffer).to_vec(),
        Err(answer) => return answer,
    };
    passed(&order, &file).unwrap_or_else(|| match prepare(&file, &order.limits) {
        Ok(photo) => measured(photo, &order, begin),
        Err(error) => error.into(),
    })
}
