//! After the report: my claims, one claim, signing in, advice.

fn main() {
    baoan::claims();
}
