//! The app that opens from a handheld's menu: the same screens as a picture, or as text where there is none.
//!
//! ```text
//! daemon, card ─▶ model ─▶ page ─▶ View ─▶ picture or text ─▶ framebuffer, terminal
//!                           ▲
//!                         Button ◀─ evdev, terminal
//! ```
//!
//! Pages are pure: what they know comes from the model, what they want goes to the daemon as a wish.

pub mod app;
pub mod buttons;
pub mod canvas;
pub mod drm;
pub mod errands;
pub mod evdev;
pub mod font;
pub mod framebuffer;
pub mod glyphs;
pub mod guard;
pub mod known;
pub mod map;
mod model;
mod pages;
pub mod panel;
pub mod picture;
pub mod place;
pub mod png;
pub mod terminal;
pub mod text;
pub mod turns;
pub mod view;
pub mod words;
pub mod wrap;
