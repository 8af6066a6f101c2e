//! Entry of the quick photo worker.

fn main() {
    baoan::photo_worker();
}
