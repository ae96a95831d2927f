//! Every input that the fuzzer started from, or that it once broke a reader with, given to the same functions again.
//! `scripts/fuzz` looks for new ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../fuzz/src/daemon/mod.rs"]
mod daemon;

use std::fs;
use std::path::Path;

#[test]
fn no_seed_breaks_a_reader_of_the_daemon() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, read) in daemon::TARGETS {
        let mut count = 0;
        for seed in fs::read_dir(seeds.join(target)).unwrap() {
            let path = seed.unwrap().path();
            println!("{}", path.display());
            read(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{target} has no seeds");
    }
}
