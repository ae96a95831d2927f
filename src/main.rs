//! The program: arguments in, exit code out; nothing else.

#[cfg(target_env = "musl")]
mod lean;

fn main() -> std::process::ExitCode {
    retrosync::cli::main(std::env::args_os().skip(1)).into()
}
