//! Power cuts on real FAT: see `--help`.

mod crash;
mod differ;
mod fat32;
mod guest;
mod image;
mod judge;
mod log;
mod mounted;
mod plan;
mod story;
mod sweep;
mod uml;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["guest", folder] => end(guest::run(Path::new(folder))),
        ["try", folder] => end(try_it(Path::new(folder))),
        _ => ExitCode::from(2),
    }
}

fn try_it(work: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let make = |story: usize, neighbours, cs, eager| plan::Make { story, size_bytes: 32768, neighbours, cluster_sectors: cs, eager, options: String::new() };
    let jobs: Vec<_> = (0..9).flat_map(|s| [make(s, 3, 8, false), make(s, 60, 1, true)]).map(|make| plan::Job { make, task: plan::Task::Play }).collect();
    let plan = plan::Plan { jobs };
    let t = std::time::Instant::now();
    uml::run(work, &plan)?;
    println!("recorded in {:?}", t.elapsed());
    let recs: Vec<_> = plan.jobs.iter().enumerate().map(|(n, job)| {
        let entries = log::read(&work.join("logs"), n as u64 * plan::LOG_BYTES).unwrap();
        println!("{}: {} entries {} epochs", job.make.name(), entries.len(), crash::epochs(&entries));
        sweep::Recording { name: job.make.name(), make: job.make.clone(), entries, acked: None, orders: 30 }
    }).collect();
    sweep::sweep(&recs, &|o| {
        println!("{}: {} states {} failures {:.1} s {} courses", o.name, o.states, o.failures, o.seconds, o.courses.len());
        for (w, n) in o.kinds.values() { println!("    {n} x {w}"); }
    });
    Ok(())
}

fn end<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
