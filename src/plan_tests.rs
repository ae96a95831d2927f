//! tests of plan.rs
