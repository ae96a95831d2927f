//! Every input that the fuzzer started from, or that it once broke a reader with, given to the same functions again. Part of
//! the tests of both programs; `scripts/fuzz` looks for new ones.

use std::fs;
use std::path::Path;

/// A reader that takes any bytes.
type Target = fn(&[u8]);

/// Gives each target the seeds of its folder. One without any would prove nothing.
pub fn replay(seeds: &Path, targets: &[(&str, Target)]) {
    for (target, read) in targets {
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
