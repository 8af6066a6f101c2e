//! The first page and the report.

fn main() {
    baoan::report();
}
