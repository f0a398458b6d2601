//! Certificate bundles for clients: our authority beside those that the user's
//! environment named before. Node and git take one file each.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Server;
use super::trust::{Trust, system_bundle};

/// The bundle for Node, which adds it to the authorities that Node has built
/// in. `inherited` is what `NODE_EXTRA_CA_CERTS` names. None is needed for a
/// server that the system trusts.
pub(crate) fn for_node(server: &Server, inherited: Option<&OsStr>) -> anyhow::Result<Option<PathBuf>> {
    write_bundle(server, "node", inherited.map(Path::new))
}

/// The bundle for git, which takes it in place of the system's. `inherited` is
/// what `GIT_SSL_CAINFO` names.
pub(crate) fn for_git(server: &Server, inherited: Option<&OsStr>) -> anyhow::Result<Option<PathBuf>> {
    write_bundle(server, "git", inherited.map(Path::new).or_else(|| system_bundle()))
}

fn write_bundle(server: &Server, client: &str, other: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let Trust::Authority(authority) = &server.trust else { return Ok(None) };
    let beside = server.data_dir().and_then(|_| authority.parent());
    beside_or_cached(authority, beside, client, other).map(Some)
}

/// Named by its content: two shells with different authorities of their own
/// each keep theirs, and the same set again is the same file.
fn beside_or_cached(
    authority: &Path,
    beside: Option<&Path>,
    client: &str,
    other: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let ours = std::fs::read_to_string(authority)
        .with_context(|| format!("could not read the server's authority `{}`", authority.display()))?;
    let theirs = match other.map(|path| (path, std::fs::read_to_string(path))) {
        None => String::new(),
        Some((_, Ok(text))) => text,
        Some((path, Err(error))) => {
            eprintln!("warning: the certificates in `{}` are left out: {error}", path.display());
            String::new()
        }
    };
    let bundle = bundle(&ours, &theirs);
    let name = format!("bundle-{client}-{:016x}.pem", fingerprint(&bundle));
    match beside.map(|folder| keep(&folder.join(&name), &bundle)) {
        Some(Ok(path)) => return Ok(path),
        // Not the owner: it is kept for this user alone.
        Some(Err(error)) if error.kind() != ErrorKind::PermissionDenied => {
            return Err(error).with_context(|| format!("could not write the bundle {name}"));
        }
        _ => {}
    }
    let folder = cache_dir().context("there is no home directory for the certificates' bundle")?;
    let path = folder.join(&name);
    std::fs::create_dir_all(&folder)
        .and_then(|()| keep(&path, &bundle))
        .with_context(|| format!("could not write `{}`", path.display()))
}

/// Makes sure that the file holds this text.
fn keep(path: &Path, bundle: &str) -> std::io::Result<PathBuf> {
    if !std::fs::read_to_string(path).is_ok_and(|text| text == bundle) {
        write_whole(path, bundle)?;
    }
    Ok(path.to_owned())
}

fn cache_dir() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(named.or_else(|| Some(std::env::home_dir()?.join(".cache")))?.join("renga"))
}

/// Our authority first, then each of the others that is not there yet.
fn bundle(ours: &str, theirs: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for certificate in certificates(ours).chain(certificates(theirs)) {
        if !seen.contains(&certificate) {
            seen.push(certificate);
        }
    }
    seen.iter().map(|certificate| format!("{certificate}\n")).collect()
}

fn certificates(text: &str) -> impl Iterator<Item = &str> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut rest = text;
    std::iter::from_fn(move || {
        let from = rest.find(BEGIN)?;
        let to = from + rest[from..].find(END)? + END.len();
        let found = &rest[from..to];
        rest = &rest[to..];
        Some(found)
    })
}

/// FNV-1a: tells bundles apart, and keeps no secret.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// All or nothing: a client that reads at the same time sees a whole file.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(body: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----")
    }

    /// A folder with the authority `ca.pem`.
    fn tls() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate("ours") + "\n").unwrap();
        dir
    }

    fn for_node(dir: &Path, inherited: &Path) -> PathBuf {
        beside_or_cached(&dir.join("ca.pem"), Some(dir), "node", Some(inherited)).unwrap()
    }

    #[test]
    fn ours_comes_first_and_no_certificate_twice() {
        let theirs = format!("# a comment\n{}\n\n{}\n{}", certificate("a"), certificate("ours"), certificate("a"));
        let bundle = bundle(&certificate("ours"), &theirs);
        assert_eq!(bundle, format!("{}\n{}\n", certificate("ours"), certificate("a")));
    }

    #[test]
    fn an_environment_that_was_set_up_before_gives_the_same_file() {
        let dir = tls();
        let corporate = dir.path().join("corporate.pem");
        std::fs::write(&corporate, certificate("corporate")).unwrap();
        let first = for_node(dir.path(), &corporate);
        let again = for_node(dir.path(), &first);
        assert_eq!(first, again);
        let text = std::fs::read_to_string(again).unwrap();
        assert!(text.contains("ours") && text.contains("corporate"), "{text}");
    }

    #[test]
    fn a_file_that_is_gone_is_left_out() {
        let dir = tls();
        let path = for_node(dir.path(), Path::new("/no/such/file.pem"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), certificate("ours") + "\n");
    }
}
