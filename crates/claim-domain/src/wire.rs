//! Enums that are one name on the wire, read and written through their own list of names: a third
//! of the code that serde derives for each.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// Reads one of `all` by its name.
///
/// # Errors
/// The text is none of those names.
pub fn read<'de, D: Deserializer<'de>, T: Copy + 'static>(
    d: D,
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> Result<T, D::Error> {
    struct Names<T: 'static>(&'static [T], fn(T) -> &'static str);
    impl<T: Copy> Visitor<'_> for Names<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a known name")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            self.0
                .iter()
                .copied()
                .find(|value| (self.1)(*value) == text)
                .ok_or_else(|| E::custom("not a known name"))
        }
    }
    d.deserialize_str(Names(all, name))
}

/// Serde for an enum with `ALL` and `as_str`.
#[macro_export]
macro_rules! wire_names {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                $crate::wire::read(d, $name::ALL, $name::as_str)
            }
        }
    };
}
