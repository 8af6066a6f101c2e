//! End to end: a real browser, a real server process, real photographs, third-party clients.

// A failing test says so by panicking.
#![allow(clippy::unwrap_used)]

mod api;
mod attacks;
mod brands;
mod clients;
mod embedding;
mod engine;
mod engines;
mod faults;
mod gallery;
mod journeys;
mod kiosk;
mod launch;
mod life;
mod load;
mod papers;
mod photo_bench;
mod rows;
mod screens;
mod storage;
mod streams;
mod supplements;
mod trade;
mod wechat;
