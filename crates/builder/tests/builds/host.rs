//! A host of buildpacks on loopback: git repositories by smart HTTP, and files
//! with tags by which they are found unchanged.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub(crate) struct Host {
    pub(crate) url: String,
    address: SocketAddr,
    root: tempfile::TempDir,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<String>>,
    /// Answers 401 to whoever has no name.
    is_private: AtomicBool,
    is_over: AtomicBool,
}

impl Host {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let root = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::default());
        let (path, serving) = (root.path().to_owned(), shared.clone());
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream.unwrap(), &path, &serving);
            }
        });
        Self { url: format!("http://{address}"), address, root, shared, serving: Some(serving) }
    }

    /// Ends it: nothing listens on its port any more.
    pub(crate) fn stop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Some(serving) = self.serving.take() {
            // Wakes the loop that waits for a connection.
            drop(TcpStream::connect(self.address));
            serving.join().unwrap();
        }
    }

    pub(crate) fn make_private(&self) {
        self.shared.is_private.store(true, Ordering::SeqCst);
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// Commits the files to a branch of the repository; returns the commit.
    pub(crate) fn commit(&self, repository: &str, branch: &str, files: &[(&str, &str)]) -> String {
        let path = self.root.path().join(repository);
        let git = |arguments: &[&str]| {
            let output = Command::new("git")
                .args(["-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgSign=false"])
                .arg("-C")
                .arg(&path)
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        if !path.exists() {
            fs::create_dir_all(&path).unwrap();
            git(&["init", "--quiet", "--initial-branch=main"]);
            git(&["commit", "--quiet", "--allow-empty", "--message", "Begin"]);
        }
        if git(&["symbolic-ref", "HEAD"]) != format!("refs/heads/{branch}") {
            git(&["checkout", "--quiet", "-b", branch]);
        }
        write_files(&path, files);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", "Change"]);
        let commit = git(&["rev-parse", "HEAD"]);
        if branch != "main" {
            git(&["checkout", "--quiet", "main"]);
        }
        commit
    }

    pub(crate) fn tag(&self, repository: &str, tag: &str) {
        let path = self.root.path().join(repository);
        let mut git = Command::new("git");
        git.arg("-C").arg(path).args(["-c", "user.name=x", "-c", "user.email=x@x", "tag", "-a", "-m", "x", tag]);
        assert!(git.status().unwrap().success());
    }

    /// A tarball with the files below `top`, which may be empty.
    pub(crate) fn tarball(&self, name: &str, top: &str, files: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        write_files(&folder.path().join(top), files);
        let path = self.root.path().join(name);
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(path).arg("-C").arg(folder.path()).arg(".");
        assert!(tar.status().unwrap().success());
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) {
        fs::write(self.root.path().join(name), content).unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Scripts as a Windows tool leaves them: not executable.
fn write_files(folder: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

fn serve(mut stream: TcpStream, root: &Path, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method.is_empty() {
        return;
    }
    shared.asked.lock().unwrap().push(format!("{method} {target}"));
    let is_known = !shared.is_private.load(Ordering::SeqCst) || headers.contains_key("authorization");
    let answer = if is_known { answer(target, &headers, &body, root) } else { status("401 Unauthorized") };
    // A client may have had enough.
    let _ = stream.write_all(&answer);
}

fn answer(target: &str, headers: &BTreeMap<String, String>, body: &[u8], root: &Path) -> Vec<u8> {
    let path = target.split('?').next().unwrap_or_default();
    if let Some(repository) = path.strip_suffix("/info/refs") {
        let advertised = upload_pack(&root.join(&repository[1..]), &["--advertise-refs"], &[]);
        let Some(advertised) = advertised else { return status("404 Not Found") };
        return ok("Content-Type: application/x-git-upload-pack-advertisement", &advertised);
    }
    if let Some(repository) = path.strip_suffix("/git-upload-pack") {
        let Some(result) = upload_pack(&root.join(&repository[1..]), &[], body) else { return status("404 Not Found") };
        return ok("Content-Type: application/x-git-upload-pack-result", &result);
    }
    let Ok(content) = fs::read(root.join(&path[1..])) else { return status("404 Not Found") };
    let tag = format!("\"{}-{}\"", content.len(), content.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    match headers.get("if-none-match") {
        Some(known) if *known == tag => status("304 Not Modified"),
        _ => ok(&format!("ETag: {tag}"), &content),
    }
}

fn upload_pack(repository: &PathBuf, options: &[&str], body: &[u8]) -> Option<Vec<u8>> {
    let mut git = Command::new("git")
        .args(["-c", "safe.directory=*", "upload-pack", "--stateless-rpc"])
        .args(options)
        .arg(repository)
        .env("GIT_PROTOCOL", "version=2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(body).unwrap();
    let output = git.wait_with_output().unwrap();
    (output.status.success() || !output.stdout.is_empty()).then_some(output.stdout)
}

fn ok(header: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{header}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn status(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").into_bytes()
}
