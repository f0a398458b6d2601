//! Smart HTTP, version 2 of the protocol (gitprotocol-v2(5)), as far as one
//! commit needs it: which commit a ref stands for, and its pack.
//!
//! The pack is passed on as bytes. Git itself reads it, inside the build dyno,
//! where what the hashes say is checked against the commit that was asked for.

use std::io::Write;

use fetch::{Answer, FetchError, Fetcher, Url};

/// Refs of one answer; more are not looked at.
const MOST_REFS: usize = 100_000;
const HEADERS: [(&str, &str); 1] = [("Git-Protocol", "version=2")];
const POST_HEADERS: [(&str, &str); 3] = [
    ("Git-Protocol", "version=2"),
    ("Content-Type", "application/x-git-upload-pack-request"),
    ("Accept", "application/x-git-upload-pack-result"),
];

#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("there is no git repository at {url}: {why}")]
    NoRepository { url: String, why: String },
    #[error("the repository {url} has no branch or tag `{reference}`{hint}")]
    NoRef { url: String, reference: String, hint: &'static str },
    #[error("the repository {url} has no commits")]
    Empty { url: String },
    #[error("the repository {url} says: {words}")]
    Refused { url: String, words: String },
}

impl fetch::Failure for GitError {
    fn of_fetch(&self) -> Option<&FetchError> {
        match self {
            Self::Fetch(error) => Some(error),
            _ => None,
        }
    }
}

/// A repository whose server has been asked what it can do.
pub(crate) struct Remote<'a> {
    fetcher: &'a Fetcher,
    /// Where redirects have led.
    url: Url,
    is_shallow: bool,
}

impl<'a> Remote<'a> {
    pub(crate) fn open(fetcher: &'a Fetcher, url: &Url) -> Result<Self, GitError> {
        let no = |why: &str| GitError::NoRepository { url: url.to_string(), why: why.to_owned() };
        let at = url.join("/info/refs", Some("service=git-upload-pack")).map_err(|_| no("the URL is odd"))?;
        let mut answer = fetcher.get(&at, &HEADERS)?;
        match answer.status {
            200 => {}
            401 | 403 => {
                return Err(no(
                    "its host asks for a name and password, so it is private or does not exist. A token goes into the URL: https://TOKEN@HOST/PATH",
                ));
            }
            404 | 410 => return Err(no("its host knows nothing there")),
            _ => answer = answer.ok()?,
        }
        if answer.header("content-type") != Some("application/x-git-upload-pack-advertisement") {
            return Err(no("what is there is something else (a tarball's URL must end in .tgz or .tar.gz)"));
        }
        let moved = answer.uri.to_string();
        let moved = moved.split_once("/info/refs").map_or(moved.as_str(), |(base, _)| base);
        let moved = url.moved_to(&moved.parse().map_err(|_| no("the URL is odd"))?);
        let mut lines = Lines(answer);
        let (mut speaks, mut is_shallow) = (false, false);
        while let Some(packet) = lines.next()? {
            match packet.text().as_str() {
                "version 2" => speaks = true,
                "object-format=sha256" => return Err(no("its commits have SHA-256 names, which are not supported")),
                line => {
                    is_shallow |=
                        line.strip_prefix("fetch=").is_some_and(|can| can.split(' ').any(|can| can == "shallow"));
                }
            }
            // One flush may stand between the service's name and the rest.
            if speaks && packet.is_flush() {
                break;
            }
        }
        if !speaks {
            return Err(no("its host speaks an old protocol; git 2.18 or later is needed there"));
        }
        Ok(Self { fetcher, url: moved, is_shallow })
    }

    /// The commit that a branch, a tag or a commit's own id stands for; the
    /// default branch's if there is no ref.
    pub(crate) fn commit(&self, reference: Option<&str>) -> Result<String, GitError> {
        let Some(name) = reference else {
            let found = self.refs(&["HEAD"])?;
            let head = found.into_iter().find(|(name, _)| name == "HEAD");
            return head.map(|(_, commit)| commit).ok_or(GitError::Empty { url: self.url.to_string() });
        };
        if is_commit(name) {
            return Ok(name.to_ascii_lowercase());
        }
        let wanted = [format!("refs/heads/{name}"), format!("refs/tags/{name}"), name.to_owned()];
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let found = self.refs(&wanted)?;
        let exact = wanted.iter().find_map(|wanted| found.iter().find(|(name, _)| name == wanted));
        if let Some((_, commit)) = exact {
            return Ok(commit.clone());
        }
        let is_short = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_short {
            let short = name.to_ascii_lowercase();
            let tips = self.refs(&["refs/heads/", "refs/tags/"])?;
            if let Some((_, commit)) = tips.into_iter().find(|(_, commit)| commit.starts_with(&short)) {
                return Ok(commit);
            }
        }
        let hint = if is_short { "; if it is a commit, give all 40 digits of its id" } else { "" };
        Err(GitError::NoRef { url: self.url.to_string(), reference: name.to_owned(), hint })
    }

    /// Names and commits; a tag's commit is the one that it marks.
    fn refs(&self, prefixes: &[&str]) -> Result<Vec<(String, String)>, GitError> {
        let mut request = Request::command("ls-refs");
        request.line("peel");
        for prefix in prefixes {
            request.line(&format!("ref-prefix {prefix}"));
        }
        let mut lines = Lines(self.post(request)?);
        let mut refs = Vec::new();
        while let Some(packet) = lines.next()? {
            if packet.is_flush() || refs.len() == MOST_REFS {
                break;
            }
            let line = self.not_refused(&packet)?;
            let mut words = line.split(' ');
            let (Some(id), Some(name)) = (words.next(), words.next()) else { continue };
            let id = words.find_map(|word| word.strip_prefix("peeled:")).unwrap_or(id);
            if is_commit(id) {
                refs.push((name.to_owned(), id.to_owned()));
            }
        }
        Ok(refs)
    }

    /// Writes a pack with all that a checkout of the commit needs.
    pub(crate) fn pack(
        &self,
        commit: &str,
        to: &mut dyn Write,
        limit_bytes: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), GitError> {
        let mut request = Request::command("fetch");
        request.line("ofs-delta");
        request.line("no-progress");
        if self.is_shallow {
            request.line("deepen 1");
        }
        request.line(&format!("want {commit}"));
        request.line("done");
        let mut lines = Lines(self.post(request)?);
        while let Some(packet) = lines.next()? {
            if self.not_refused(&packet)? == "packfile" {
                return self.side_band(&mut lines, to, limit_bytes, stop);
            }
        }
        Err(lines.0.unexpected("there is no pack in it").into())
    }

    fn side_band(
        &self,
        lines: &mut Lines,
        to: &mut dyn Write,
        limit_bytes: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), GitError> {
        let mut size_bytes = 0;
        while let Some(packet) = lines.next()? {
            if packet.is_flush() {
                return Ok(());
            }
            match packet.0.split_first() {
                Some((1, pack)) => {
                    size_bytes += pack.len() as u64;
                    if size_bytes > limit_bytes {
                        return Err(lines.0.too_large(limit_bytes).into());
                    }
                    if stop() {
                        return Err(FetchError::Stopped.into());
                    }
                    to.write_all(pack).map_err(FetchError::Write)?;
                }
                Some((3, words)) => return Err(self.refused(&String::from_utf8_lossy(words))),
                _ => {}
            }
        }
        Err(lines.0.unexpected("the pack ended early").into())
    }

    fn post(&self, request: Request) -> Result<Answer, GitError> {
        let odd = |_| GitError::NoRepository { url: self.url.to_string(), why: "the URL is odd".to_owned() };
        let at = self.url.join("/git-upload-pack", None).map_err(odd)?;
        Ok(self.fetcher.post(&at, &POST_HEADERS, &request.end())?.ok()?)
    }

    fn not_refused(&self, packet: &Packet) -> Result<String, GitError> {
        let line = packet.text();
        match line.strip_prefix("ERR ") {
            Some(words) => Err(self.refused(words)),
            None => Ok(line),
        }
    }

    fn refused(&self, words: &str) -> GitError {
        let words = words.chars().filter(|char| !char.is_control()).take(300).collect();
        GitError::Refused { url: self.url.to_string(), words }
    }
}

/// All 40 digits of a commit's id.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A command in packet lines.
struct Request(Vec<u8>);

impl Request {
    fn command(name: &str) -> Self {
        let mut request = Self(Vec::new());
        request.line(&format!("command={name}"));
        request.0.extend_from_slice(b"0001");
        request
    }

    fn line(&mut self, text: &str) {
        self.0.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"0000");
        self.0
    }
}

/// Packet lines of an answer.
struct Lines(Answer);

/// Empty: a flush or a delimiter.
struct Packet(Vec<u8>);

impl Packet {
    fn is_flush(&self) -> bool {
        self.0.is_empty()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).trim_end().to_owned()
    }
}

impl Lines {
    /// `None` at the end of the answer.
    fn next(&mut self) -> Result<Option<Packet>, FetchError> {
        let mut head = [0; 4];
        if self.0.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut head[1..])?;
        let length = str::from_utf8(&head).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let length = length.ok_or_else(|| self.0.unexpected("it is not in git's packet lines"))?;
        let mut content = vec![0; length.saturating_sub(head.len())];
        self.0.read_exact(&mut content)?;
        Ok(Some(Packet(content)))
    }
}
