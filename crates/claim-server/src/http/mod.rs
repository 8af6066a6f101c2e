//! HTTP: access control ([`access`]), request bodies, what every response carries, and the API.

pub mod access;
pub mod api;
pub mod body;
pub mod cookies;
pub mod guard;
pub mod network;
pub mod pace;
pub mod serve;
pub mod tls;
