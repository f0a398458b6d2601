//! The user's own git: the repository he stands in, its remotes, and what git
//! must be told to push to a server.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::environment::{quoted, text};
use crate::server::{Server, ServerUrl, Trust};

/// The remote that `renga create` makes.
pub(crate) const REMOTE: &str = "renga";

/// A work tree of git.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    folder: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) name: String,
    pub(crate) url: String,
}

impl Repository {
    /// The one that `folder` lies in, if it does and git is there.
    pub(crate) fn around(folder: &Path) -> Option<Self> {
        let repository = Self { folder: folder.to_owned() };
        let top = repository.says(&["rev-parse", "--show-toplevel"]).ok()?;
        (!top.is_empty()).then_some(repository)
    }

    pub(crate) fn here() -> Option<Self> {
        Self::around(Path::new("."))
    }

    pub(crate) fn remotes(&self) -> Vec<Remote> {
        // An error of git's here means that there are none.
        let listed = self.says(&["config", "--get-regexp", r"^remote\..*\.url$"]).unwrap_or_default();
        let parsed = listed.lines().filter_map(|line| {
            let (key, url) = line.split_once(' ')?;
            let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
            Some(Remote { name: name.to_owned(), url: url.to_owned() })
        });
        parsed.collect()
    }

    /// Makes a remote for an app, and tells git how to log in there. False if
    /// there is a remote of that name that leads elsewhere: it stays.
    pub(crate) fn add_remote(&self, name: &str, url: &str, server: &Server) -> anyhow::Result<bool> {
        match self.remotes().iter().find(|remote| remote.name == name) {
            Some(remote) if remote.url != url => return Ok(false),
            Some(_) => {}
            None => drop(self.says(&["remote", "add", name, url])?),
        }
        let mut known: Vec<String> = Vec::new();
        for (key, value) in settings(server)? {
            let how = if known.contains(&key) { "--add" } else { "--replace-all" };
            self.says(&["config", "--local", how, &key, &value])?;
            known.push(key);
        }
        Ok(true)
    }

    /// Whether there is a commit to push.
    pub(crate) fn has_commit(&self) -> bool {
        self.says(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_ok()
    }

    /// How many files differ from the last commit, new ones included.
    pub(crate) fn uncommitted(&self) -> anyhow::Result<usize> {
        Ok(self.says(&["status", "--porcelain"])?.lines().count())
    }

    /// A command whose output the user sees.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder);
        command
    }

    fn says(&self, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<String> {
        let output = self.command().args(arguments).stdin(Stdio::null()).output().context("could not start git")?;
        if !output.status.success() {
            bail!("git: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

/// The app that a remote's URL names, if it is on this server.
pub(crate) fn app_of<'a>(url: &'a str, server: &ServerUrl) -> Option<&'a str> {
    let (authority, path) = url.strip_prefix("https://")?.split_once('/')?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_there = host.parse::<ServerUrl>().is_ok_and(|host| host == *server);
    let app = path.trim_end_matches('/').trim_end_matches(".git");
    (is_there && !app.is_empty() && !app.contains('/')).then_some(app)
}

/// This program as git's credential helper for a server.
pub(crate) fn credential_helper(server: &Server) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("could not find the path of this program")?;
    let [option, value] = server.chosen.options()?;
    Ok(format!("!{} git-credentials {option} {}", quoted(&text(&program)?), quoted(&value)))
}

/// What git must know, as settings that concern this server only. The empty
/// helper drops those of the user's other files.
pub(crate) fn settings(server: &Server) -> anyhow::Result<Vec<(String, String)>> {
    let key = format!("credential.{}.helper", server.url);
    let mut settings = vec![(key.clone(), String::new()), (key, credential_helper(server)?)];
    if let Trust::Authority(path) = &server.trust {
        settings.push((format!("http.{}/.sslCAInfo", server.url), text(path)?));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_names_an_app_if_it_is_on_the_server() {
        let server: ServerUrl = "https://localhost:5000".parse().unwrap();
        assert_eq!(app_of("https://localhost:5000/shop.git", &server), Some("shop"));
        assert_eq!(app_of("https://me@localhost:5000/shop", &server), Some("shop"));
        for other in ["https://localhost:4000/shop.git", "git@localhost:shop.git", "https://localhost:5000/a/b.git", ""]
        {
            assert_eq!(app_of(other, &server), None, "{other}");
        }
    }

    #[test]
    fn a_folder_without_git_is_no_repository() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Repository::around(dir.path()).is_none());
    }
}
