//! HTTP: who sent a request and whether they may ([`access`]), what its body holds, what every
//! answer carries, and the API.

pub mod access;
pub mod api;
pub mod body;
pub mod cookies;
pub mod guard;
pub mod network;
pub mod pace;
pub mod serve;
