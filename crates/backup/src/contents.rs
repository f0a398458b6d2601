//! What lies where in a data directory and, under the same names, in an
//! archive.

use std::path::{Component, Path};

pub(crate) const HEAD: &str = "backup.json";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const MANIFEST_DIGEST: &str = "manifest.sha256";

pub(crate) const DATABASE: &str = "renga.db";
pub(crate) const REPOSITORIES: &str = "git";
pub(crate) const KEYS: &str = "keys";
pub(crate) const TLS: &str = "tls";
pub(crate) const TRANSCRIPTS: &str = "transcripts";
pub(crate) const BLOBS: &str = "blobs";
/// The configuration file of the server; restored beside the data, not into `/etc`.
pub(crate) const SETTINGS: &str = "settings";

const FOLDERS: [&str; 6] = [REPOSITORIES, KEYS, TLS, TRANSCRIPTS, BLOBS, SETTINGS];

/// Whether an archive may hold this path: an archive that someone has changed
/// writes to no other place.
pub(crate) fn belongs(path: &Path) -> bool {
    let mut components = path.components();
    let Some(Component::Normal(first)) = components.next() else { return false };
    let Some(first) = first.to_str() else { return false };
    let rest_is_plain = components.all(|component| matches!(component, Component::Normal(_)));
    let is_top_file = path.components().count() == 1 && [HEAD, MANIFEST, MANIFEST_DIGEST, DATABASE].contains(&first);
    rest_is_plain && (is_top_file || FOLDERS.contains(&first) || is_registry(path))
}

/// Operators' own files beside the database, such as a registry of buildpacks.
pub(crate) fn is_registry(path: &Path) -> bool {
    path.components().count() == 1 && path.extension().is_some_and(|extension| extension == "toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_do_not_belong() {
        for good in ["renga.db", "git/x.git/HEAD", "keys/config.keys", "buildpacks.toml"] {
            assert!(belongs(Path::new(good)), "{good}");
        }
        for bad in ["", "/etc/passwd", "git/../../etc", "run/server.lock", "../x", "renga.db/x", "other"] {
            assert!(!belongs(Path::new(bad)), "{bad}");
        }
    }
}
