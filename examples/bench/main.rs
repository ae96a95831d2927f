//! What syncing costs, in one run and one table: RetroSync beside rsync, rclone and syncthing.
//!
//! `scripts/bench` builds the programs and names them in `RETROSYNC_BIN` and `RETROSYNC_SERVER_BIN`. All traffic
//! stays on loopback, all files in temporary folders. A rival that is not installed has no numbers.
//! What each row does, and where the comparison is not like for like, is said below the table.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on says why and ends")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod measure;
mod saves;

mod ours;
mod rivals;
mod screen;
mod table;

use table::Table;

/// Fills some cells.
type Measure = fn(&mut Table);

/// The columns and what fills them; words on the command line choose some.
const PARTS: [(&str, &[Measure]); 5] = [
    ("screen", &[screen::first_picture]),
    ("RetroSync", &[ours::sizes, ours::thousand, ours::second_device, ours::idle, ours::aims]),
    ("rsync", &[rivals::rsync]),
    ("rclone", &[rivals::rclone]),
    ("syncthing", &[rivals::syncthing]),
];

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let mut table = Table::new(&["RetroSync", "rsync", "rclone", "syncthing", "aim"]);
    for (name, measures) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            measures.iter().for_each(|measure| measure(&mut table));
        }
    }
    println!("\n{table}\n{}", table::NOTES);
    if !table.missed().is_empty() {
        eprintln!("bench: a promise is not kept: {}", table.missed().join("; "));
        std::process::exit(1);
    }
}
