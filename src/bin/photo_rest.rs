//! Entry of the other photo worker.

fn main() {
    baoan::photo_rest();
}
