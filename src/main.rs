//! The program: arguments in, exit code out; nothing else.

#[cfg(target_env = "musl")]
mod lean;

// The hunt's mistakes are in no program.
const _: () = assert!(!retrosync_protocol::Mistake::CAN_BE_MADE);

fn main() -> std::process::ExitCode {
    retrosync::cli::main(std::env::args_os().skip(1)).into()
}
