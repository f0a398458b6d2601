//! Someone who pushes.

use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A working copy with git that knows nothing of this machine's user.
pub(crate) struct Client {
    dir: TempDir,
}

/// What git said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    /// Without the blanks with which git overwrites its progress.
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap().replace("\u{1b}[K", "");
            text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
        };
        Self { ok: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn expect(self, ok: bool, phrases: &[&str]) -> Self {
        assert_eq!(self.ok, ok, "{}", self.stderr);
        for phrase in phrases {
            assert!(self.stderr.contains(phrase), "`{phrase}` is not in:\n{}", self.stderr);
        }
        self
    }
}

impl Client {
    /// An empty working copy on `main` whose remote is `url`.
    pub(crate) async fn new(url: &str) -> Self {
        let client = Self { dir: tempfile::tempdir().unwrap() };
        client.run(&["init", "--quiet", "--initial-branch=main"]).await;
        client.run(&["remote", "add", "renga", url]).await;
        client
    }

    /// With one commit that holds `index.html`.
    pub(crate) async fn with_app(url: &str) -> Self {
        let client = Self::new(url).await;
        client.commit(&[("index.html", "hello")], "First").await;
        client
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) async fn commit(&self, files: &[(&str, &str)], message: &str) -> String {
        for (name, text) in files {
            let path = self.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.run(&["add", "--all", "--force"]).await;
        self.run(&["commit", "--quiet", "--allow-empty", "-m", message]).await;
        self.head().await
    }

    pub(crate) async fn head(&self) -> String {
        self.run(&["rev-parse", "HEAD"]).await
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(args).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path()).env("LC_ALL", "C.UTF-8");
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_AUTHOR_NAME", "Someone"),
            ("GIT_AUTHOR_EMAIL", "someone@example.com"),
            ("GIT_COMMITTER_NAME", "Someone"),
            ("GIT_COMMITTER_EMAIL", "someone@example.com"),
        ] {
            command.env(name, value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Git that must succeed; its stdout without the last line end.
    pub(crate) async fn run(&self, args: &[&str]) -> String {
        let said = self.git(args).await;
        assert!(said.ok, "git {args:?}: {}", said.stderr);
        said.stdout.trim_end().to_owned()
    }

    pub(crate) async fn git(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().await.unwrap())
    }

    /// Git that is under way, in a process group of its own.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).process_group(0).spawn().unwrap()
    }
}

/// Text that can't be compressed by much, always the same.
pub(crate) fn noise(length: usize) -> String {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    std::iter::repeat_with(next).take(length).collect()
}
