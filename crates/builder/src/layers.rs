//! From the build folder to layers: each dependency folder that a buildpack
//! declared is a layer of its own, the rest is the app's.
//!
//! A layer whose content was packed before is not packed again: an index maps
//! fingerprints to blobs. So unchanged dependencies cost one reading.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Digest;
use images::{Blob, BlobStore, FingerprintError, Hold, LAYER_MEDIA_TYPE, Layer, PackError, PackLimit, Stop, TreeLimit};

use crate::error::{Platform, io_error};
use crate::harvest::is_plain_folder;

/// More than any chain of buildpacks declares.
const MOST_LAYERS: usize = 8;
const PROCESSORS: u32 = 2;

#[derive(Debug)]
pub(crate) enum LayersError {
    /// The build left more than may be packed, or what can't be read.
    Tree(FingerprintError),
    /// All layers together, packed.
    SlugTooLarge,
    Stopped,
    Platform(Platform),
}

impl From<Platform> for LayersError {
    fn from(error: Platform) -> Self {
        Self::Platform(error)
    }
}

impl From<FingerprintError> for LayersError {
    fn from(error: FingerprintError) -> Self {
        match error {
            FingerprintError::Stopped => Self::Stopped,
            error => Self::Tree(error),
        }
    }
}

impl From<PackError> for LayersError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Stopped => Self::Stopped,
            PackError::TooLarge { .. } => Self::SlugTooLarge,
            error => Self::Platform(error.into()),
        }
    }
}

/// Reads the list that buildpacks wrote: one path inside the app per line.
/// What is no plain relative path, or lies in another one, is passed over.
pub(crate) fn declared(text: &[u8]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let path = Path::new(line.trim_end_matches('/'));
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let is_apart = paths.iter().all(|known| !known.starts_with(path) && !path.starts_with(known));
        if line.is_empty() || !is_plain || !is_apart || paths.len() == MOST_LAYERS {
            continue;
        }
        paths.push(path.to_owned());
    }
    paths
}

pub(crate) struct Packing<'a> {
    pub(crate) blobs: &'a Hold,
    /// Where the index of fingerprints lies: `<data dir>/cache/layers`.
    pub(crate) index: &'a Path,
    /// The mounted disk, and the build folder's name on it.
    pub(crate) disk: &'a Path,
    pub(crate) build_folder: &'a str,
    pub(crate) limit: TreeLimit,
    /// All layers together may have this size, packed.
    pub(crate) slug_bytes: u64,
    pub(crate) stop: Stop<'a>,
}

impl Packing<'_> {
    /// Makes the layers, lowest first, the app's last. Takes the build folder
    /// apart by renaming; blocks.
    pub(crate) fn layers(&self, declared: &[PathBuf]) -> Result<Vec<Layer>, LayersError> {
        let stage = self.stage()?;
        let build = self.disk.join(self.build_folder);
        let mut layers: Vec<Layer> = Vec::new();
        for (index, path) in declared.iter().enumerate() {
            let inside = Path::new(self.build_folder).join(path);
            let is_there = is_plain_folder(self.disk, &inside).map_err(|source| io_error("look at", &build, source))?;
            if !is_there {
                continue;
            }
            let tree = stage.join(index.to_string());
            let target = tree.join("app").join(path);
            let parent = target.parent().unwrap_or(&tree);
            fs::create_dir_all(parent).map_err(|source| io_error("make", parent, source))?;
            fs::rename(build.join(path), &target).map_err(|source| io_error("move", &target, source))?;
            layers.push(self.layer(&tree, Path::new("app").join(path), &layers)?);
        }
        let tree = stage.join("app");
        fs::create_dir(&tree).map_err(|source| io_error("make", &tree, source))?;
        let target = tree.join("app");
        fs::rename(&build, &target).map_err(|source| io_error("move", &target, source))?;
        layers.push(self.layer(&tree, PathBuf::from("app"), &layers)?);
        Ok(layers)
    }

    /// A new folder on the build's own disk, so that moving is renaming.
    fn stage(&self) -> Result<PathBuf, Platform> {
        let name = format!("stage-{:016x}", rand::random::<u64>());
        let path = self.disk.join(name);
        fs::create_dir(&path).map_err(|source| io_error("make", &path, source))?;
        Ok(path)
    }

    /// `beneath`: the layers that the slug has already.
    fn layer(&self, tree: &Path, path: PathBuf, beneath: &[Layer]) -> Result<Layer, LayersError> {
        let content = images::fingerprint(tree, self.limit, self.stop)?;
        let used_bytes: u64 = beneath.iter().map(|layer| layer.size_bytes).sum();
        let left_bytes = self.slug_bytes.saturating_sub(used_bytes);
        let blob = match self.known(content.digest) {
            Some(blob) => blob,
            None => {
                // The time of packing, and not a fixed one: web servers tell by
                // it whether a file that a browser has is still the same.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let limit = PackLimit { size_bytes: left_bytes, stop: self.stop };
                let blob = images::pack(self.blobs, tree, u32::try_from(now).unwrap_or(u32::MAX), PROCESSORS, limit)?;
                self.remember(content.digest, blob)?;
                blob
            }
        };
        if blob.size_bytes > left_bytes {
            return Err(LayersError::SlugTooLarge);
        }
        Ok(Layer {
            digest: blob.digest,
            size_bytes: blob.size_bytes,
            media_type: LAYER_MEDIA_TYPE.to_owned(),
            path: path.to_string_lossy().into_owned(),
        })
    }

    fn known(&self, content: Digest) -> Option<Blob> {
        let text = fs::read_to_string(self.index.join(content.hex())).ok()?;
        let digest = text.trim().parse().ok()?;
        self.blobs.find(digest).ok()
    }

    fn remember(&self, content: Digest, blob: Blob) -> Result<(), Platform> {
        let path = self.index.join(content.hex());
        let unnamed =
            tempfile::NamedTempFile::new_in(self.index).map_err(|source| io_error("write to", self.index, source))?;
        fs::write(unnamed.path(), blob.digest.to_string())
            .map_err(|source| io_error("write", unnamed.path(), source))?;
        unnamed.persist(&path).map_err(|failed| io_error("name", &path, failed.error))?;
        Ok(())
    }
}

/// Removes entries of the index whose blobs are gone. One that is written
/// anew at this moment may go with them: its content is packed once more then.
pub(crate) fn forget_deleted(blobs: &BlobStore, index: &Path) -> Result<(), Platform> {
    for entry in fs::read_dir(index).map_err(|source| io_error("list", index, source))? {
        let path = entry.map_err(|source| io_error("list", index, source))?.path();
        let digest = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        if digest.is_some_and(|digest| !blobs.exists(digest)) {
            fs::remove_file(&path).map_err(|source| io_error("delete", &path, source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_apart_from_each_other_become_layers() {
        let text = b"node_modules/\n.heroku/node\n../x\n/etc\n\nnode_modules/a\n.heroku\na/../b\n./c\nvendor\n";
        let paths = declared(text);
        assert_eq!(paths, [Path::new("node_modules"), Path::new(".heroku/node"), Path::new("vendor")]);
        let many: String = (0..20).map(|index| format!("d{index}\n")).collect();
        assert_eq!(declared(many.as_bytes()).len(), MOST_LAYERS);
    }

    fn build(disk: &Path, app: &str) {
        fs::create_dir_all(disk.join("build/node_modules/a")).unwrap();
        fs::write(disk.join("build/node_modules/a/index.js"), "dependency").unwrap();
        fs::write(disk.join("build/index.js"), app).unwrap();
        std::os::unix::fs::symlink("/etc", disk.join("build/vendor")).unwrap();
    }

    #[test]
    fn unchanged_dependencies_keep_their_layer_while_the_app_changes() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path().join("blobs")).unwrap().hold();
        let index = folder.path().join("index");
        fs::create_dir(&index).unwrap();
        let (limit, slug_bytes) = (TreeLimit { size_bytes: 1 << 20, entries: 1000 }, 1 << 20);
        let packed = |name: &str, app: &str| {
            let disk = folder.path().join(name);
            build(&disk, app);
            let packing = Packing {
                blobs: &blobs,
                index: &index,
                disk: &disk,
                build_folder: "build",
                limit,
                slug_bytes,
                stop: &|| false,
            };
            match packing.layers(&["node_modules".into(), "vendor".into(), "absent".into()]) {
                Ok(layers) => Some(layers),
                Err(LayersError::Platform(Platform::Pack(images::PackError::Start(_)))) => {
                    eprintln!("skipped: mksquashfs is not installed");
                    None
                }
                Err(error) => panic!("{error:?}"),
            }
        };
        let Some(first) = packed("d1", "one") else { return };
        let paths: Vec<&str> = first.iter().map(|layer| layer.path.as_str()).collect();
        assert_eq!(paths, ["app/node_modules", "app"], "a link is no folder of dependencies");
        let second = packed("d2", "two").unwrap();
        assert_eq!(second[0], first[0]);
        assert_ne!(second[1], first[1]);
        assert_eq!(packed("d3", "one").unwrap(), first);
        assert_eq!(blobs.list().unwrap().len(), 3);
    }

    #[test]
    fn a_layer_whose_blob_was_deleted_is_packed_again() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path().join("blobs")).unwrap().hold();
        let disk = folder.path().join("disk");
        let index = folder.path().join("index");
        fs::create_dir(&index).unwrap();
        let (limit, slug_bytes) = (TreeLimit { size_bytes: 1, entries: 1 }, 1);
        let packing = Packing {
            blobs: &blobs,
            index: &index,
            disk: &disk,
            build_folder: "build",
            limit,
            slug_bytes,
            stop: &|| false,
        };
        let content = blobs.put_bytes(b"content").unwrap().digest;
        let blob = blobs.put_bytes(b"packed").unwrap();
        packing.remember(content, blob).unwrap();
        assert_eq!(packing.known(content), Some(blob));
        fs::remove_file(blobs.path(blob.digest)).unwrap();
        assert_eq!(packing.known(content), None);
        assert!(index.join(content.hex()).exists());
        forget_deleted(&blobs, &index).unwrap_or_else(|error| panic!("{error}"));
        assert!(!index.join(content.hex()).exists());
    }
}
