//! Which save a person means.
