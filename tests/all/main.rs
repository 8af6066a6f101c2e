//! End to end: a real browser, a real server process, real photographs, third-party clients.

// A failing test says so by panicking.
#![allow(clippy::unwrap_used)]

mod attacks;
mod brands;
mod embedding;
mod engine;
mod engines;
mod faults;
mod gallery;
mod journeys;
mod kiosk;
mod launch;
mod life;
mod papers;
mod photo_bench;
mod screens;
mod server;
mod storage;
mod supplements;
mod switched_on;
mod trade;
mod wechat;
