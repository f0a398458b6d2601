//! The hook's program for tests; in the product it is a hidden subcommand.

fn main() -> std::process::ExitCode {
    git_server::hook_main(std::env::args_os().skip(1))
}
