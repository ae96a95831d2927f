//! The program: arguments in, exit code out; nothing else.

fn main() -> std::process::ExitCode {
    retrosync::cli::main(std::env::args_os().skip(1)).into()
}
