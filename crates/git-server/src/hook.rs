//! The pre-receive hook: the program that git runs, which asks the server.
//!
//! Between hook and server, over a unix socket: the hook sends one line with
//! its token and the quarantine's path, separated by a blank; the server sends
//! frames: one byte of kind (`o`: output, `v`: verdict), four bytes of length,
//! big-endian, then the bytes. The verdict is one byte, 0 or 1 (refused), and
//! the hook's exit status.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

pub(crate) const SOCKET_VARIABLE: &str = "RENGA_GIT_HOOK_SOCKET";
pub(crate) const TOKEN_VARIABLE: &str = "RENGA_GIT_HOOK_TOKEN";
pub(crate) const OUTPUT: u8 = b'o';
pub(crate) const VERDICT: u8 = b'v';

/// What the hidden subcommand runs; `args` are those that follow
/// [`crate::Config::hook_command`].
pub fn hook_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if args != ["pre-receive"] {
        eprintln!("This command is for git to call, not for people.");
        return ExitCode::FAILURE;
    }
    match ask_server() {
        Ok(accepted) if accepted => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!(" !     The push was cut off: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask_server() -> io::Result<bool> {
    let variable = |name: &str| std::env::var(name).map_err(|_| io::Error::other(format!("{name} is not set")));
    let mut server = UnixStream::connect(variable(SOCKET_VARIABLE)?)?;
    let quarantine = std::env::var("GIT_QUARANTINE_PATH").unwrap_or_default();
    writeln!(server, "{} {quarantine}", variable(TOKEN_VARIABLE)?)?;
    let mut terminal = io::stderr().lock();
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head).map_err(|_| io::Error::other("the server is gone"))?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        payload.clear();
        io::Read::by_ref(&mut server).take(u64::from(length)).read_to_end(&mut payload)?;
        match head[0] {
            OUTPUT => terminal.write_all(&payload)?,
            VERDICT => return Ok(payload == [0]),
            kind => return Err(io::Error::other(format!("unknown frame {kind}"))),
        }
    }
}
