//! The fuzzer: libFuzzer's own `main`, which calls the target that `FUZZ_TARGET` names. `scripts/fuzz` runs it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod daemon;
mod server;

static TARGET: LazyLock<daemon::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let mut targets = daemon::TARGETS.iter().chain(server::TARGETS);
    let found = targets.find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no target `{name}`")).1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
