//! Power cuts on real FAT: see `HELP`.

mod calls;
mod course;
mod crash;
mod differ;
mod drawn;
#[allow(dead_code, clippy::unwrap_used, reason = "shared with the tests, which make use of all of it")]
#[path = "../../tests/support/fat.rs"]
mod fat;
mod fat32;
mod guest;
mod image;
mod judge;
mod kills;
mod log;
mod mounted;
mod others;
#[cfg(test)]
mod paths;
mod plan;
mod qemu;
mod rounds;
mod saves;
mod shelf;
mod story;
mod sweep;
mod uml;
mod written;

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
Cuts the power of a real FAT card at every point of what the daemon writes, and looks at what a player would find.

  scripts/powercut             the short form, about a minute; what scripts/check runs
  scripts/powercut --long      every write path, sizes, clusters, full folders; a million states and 200 real kills
  scripts/powercut --long --states 200000 --kills 20 --exfat-kills 5
  scripts/powercut --long --from 7        goes on with round 7, where a run was interrupted
  scripts/powercut --long --only scripts  the written stories of this name, and the textbook's

How: a kernel in a process (user-mode Linux) mounts its own vfat on a file. The daemon's own code replaces, retires and
adds saves there, keeps copies, writes journal and identity, settings, the firmware's scripts, log and all else that
docs/WRITES.md lists, and recovers from earlier cuts; dm-log-writes records every write and every flush. Then each prefix of the record is a card after a cut, and so is every other order that a card may
choose between two flushes, sectors torn. The daemon's real recovery runs on each, over a FAT reader of our own: the save
must be old or new, the journal open, nothing mixed, the old bytes in the attic. Some are mounted by the kernel
again, which must see what our reader saw. The textbook's sequence (temporary file, sync, rename, sync the folder) runs
too and must fail: else this would be blind. Then kernels are killed in the middle of the work; in the long form
Debian's own kernel too, in QEMU, with exFAT.

Where user-mode Linux or QEMU is not installed it says so and ends well. exit 1: a save was lost, told with where;
exit 2: called with something else.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["guest", folder] => guest::run(Path::new(folder)).map_err(|error| error.to_string()),
        ["live", kind, acked] => {
            guest::live(kind, acked.parse().unwrap_or(0)).map_err(|error| error.to_string())
        }
        ["--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => match course::Asked::parse(&words) {
            Ok(asked) => course::run(&asked),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(2);
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
