//! Tests of scan.rs.
