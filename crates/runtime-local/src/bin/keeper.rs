//! The keeper of this crate's tests: `runtime-local-keeper DATA_DIR`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(data_dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: runtime-local-keeper DATA_DIR");
        return ExitCode::from(2);
    };
    match runtime_local::keeper_main(&data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
