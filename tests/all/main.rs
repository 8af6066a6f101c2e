//! End to end: a real browser, a real server process, real photographs, foreign clients.

mod api;
mod clients;
mod journeys;
mod screens;
