//! What files take on the disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Files, and the bytes that they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Of a file or a whole folder, without what is mounted in it. Holes take
/// nothing; what vanishes meanwhile does not count, nor does what is absent.
pub(super) fn size_of(path: &Path) -> io::Result<Size> {
    let mut size = Size::default();
    let Some(top) = present(fs::symlink_metadata(path))? else { return Ok(size) };
    let device = top.dev();
    let mut folders = Vec::new();
    let mut count = |metadata: &fs::Metadata| {
        // In units of 512 bytes, whatever the filesystem's own are.
        size.bytes += metadata.blocks() * 512;
        size.files += u64::from(!metadata.is_dir());
    };
    count(&top);
    if top.is_dir() {
        folders.push(path.to_owned());
    }
    while let Some(folder) = folders.pop() {
        let Some(entries) = present(fs::read_dir(&folder))? else { continue };
        for entry in entries {
            let entry = entry?;
            let Some(metadata) = present(entry.metadata())? else { continue };
            if metadata.dev() != device {
                continue;
            }
            count(&metadata);
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(size)
}

/// `None`: it is not there (any more).
pub(super) fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_what_is_in_it_and_holes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(size_of(&dir.path().join("absent")).unwrap(), Size::default());
        let empty = size_of(dir.path()).unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/full"), vec![1; 100_000]).unwrap();
        fs::File::create(dir.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        let full = size_of(dir.path()).unwrap();
        assert_eq!(full.files, 3);
        let more = full.bytes - empty.bytes;
        assert!((100_000..200_000).contains(&more), "{more}");
    }
}
