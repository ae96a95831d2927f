//! The table: a row a measure, a column a program; printed as Markdown.

use std::fmt;
use std::time::Duration;

use crate::measure::{Cost, Idle};
use crate::support::relay::Traffic;

/// Rows in the order of their first cell.
pub(crate) struct Table {
    columns: &'static [&'static str],
    rows: Vec<(&'static str, Vec<String>)>,
    missed: Vec<String>,
}

/// What the rows are.
pub(crate) const NOTES: &str = "\
1,000 saves of 8 to 128 KiB, 58 MiB. CPU is user and system time of the client, the server's not counted; steps of 10 ms,
averaged where the work is short. RetroSync's programs are those that go on a card (static, built for size).
rsync -a copies between two folders of this machine, without a network and without versions: the least that can be done.
rclone sync goes to `rclone serve webdav` on loopback; it sees no change that keeps the size there. syncthing runs twice with one shared folder, each with its defaults.
`full sweep` reads and hashes every save again; `no-op` is one look that finds nothing.
A wake-up is a voluntary context switch of any thread. `own` memory is what no other process could share.
Change to second device: from the close of a file on one device to its bytes on the other; the time for which a save must be
quiet before it is read (2.5 s by default, syncthing: 10 s) is part of it. Median of five.";

impl Table {
    pub(crate) fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, rows: Vec::new(), missed: Vec::new() }
    }

    /// Sets a cell, and says so: a run takes minutes.
    pub(crate) fn set(&mut self, row: &'static str, column: &str, value: impl Into<String>) {
        let Some(index) = self.columns.iter().position(|name| *name == column) else { return };
        let value = value.into();
        if column != "aim" {
            println!("  {column}: {row}: {value}");
        }
        let at = self.rows.iter().position(|(name, _)| *name == row).unwrap_or_else(|| {
            self.rows.push((row, vec![String::new(); self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[at].1[index] = value;
    }
}

impl Table {
    /// Sets what a row promises, and whether it was kept.
    pub(crate) fn promise(&mut self, row: &'static str, aim: &str, is_kept: bool) {
        self.set(row, "aim", aim);
        if !is_kept {
            self.missed.push(format!("{row}: not {aim}"));
        }
    }

    /// The promises that were not kept.
    pub(crate) fn missed(&self) -> &[String] {
        &self.missed
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| | {} |", self.columns.join(" | "))?;
        writeln!(out, "|---{}|", "|---:".repeat(self.columns.len()))?;
        for (name, cells) in &self.rows {
            writeln!(out, "| {name} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}

/// `1.25 s, CPU 310 ms`.
pub(crate) fn cost(cost: Cost) -> String {
    format!("{}, CPU {}", time(cost.wall), time(cost.cpu))
}

/// `1800 KiB, own 400 KiB`.
pub(crate) fn memory(idle: &Idle) -> String {
    format!("{} KiB, own {} KiB", idle.resident_kib, idle.own_kib)
}

/// `310 ms` or `1.25 s`.
pub(crate) fn time(time: Duration) -> String {
    match time.as_micros() {
        us @ 0..10_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        us @ 0..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// `1 request, 312 B up, 190 B down`.
pub(crate) fn traffic(traffic: Traffic) -> String {
    let requests = if traffic.requests == 1 { "request" } else { "requests" };
    format!(
        "{} {requests}, {} up, {} down",
        traffic.requests,
        bytes(traffic.up_bytes),
        bytes(traffic.down_bytes)
    )
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
