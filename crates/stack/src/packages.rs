//! What the machine must have installed to make stacks and images.

use std::path::Path;

/// A package of Debian and Ubuntu, and a program by which its presence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPackage {
    /// The name for `apt-get install`.
    pub package: &'static str,
    /// A program, or an absolute path of a file, that it brings.
    pub brings: &'static str,
    /// Why it is needed, as half a sentence.
    pub purpose: &'static str,
}

const REQUIRED: [HostPackage; 5] = [
    HostPackage { package: "mmdebstrap", brings: "mmdebstrap", purpose: "bootstraps the stack from Debian's packages" },
    HostPackage {
        package: "debian-archive-keyring",
        brings: "/usr/share/keyrings/debian-archive-keyring.gpg",
        purpose: "checks that the stack's packages come from Debian",
    },
    HostPackage { package: "squashfs-tools-ng", brings: "tar2sqfs", purpose: "writes the stack as one image file" },
    HostPackage { package: "squashfs-tools", brings: "mksquashfs", purpose: "packs apps into layers" },
    HostPackage { package: "e2fsprogs", brings: "mkfs.ext4", purpose: "gives each build a disk of bounded size" },
];

/// All packages that stacks, images and builds need on the machine.
pub fn required_packages() -> &'static [HostPackage] {
    &REQUIRED
}

/// Those of [`required_packages`] that are not there.
pub fn missing_packages() -> Vec<HostPackage> {
    REQUIRED.into_iter().filter(|package| !is_there(package.brings)).collect()
}

fn is_there(brings: &str) -> bool {
    if brings.starts_with('/') {
        return Path::new(brings).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(brings).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_is_seen_by_program_or_file() {
        assert!(is_there("sh"));
        assert!(is_there("/etc/passwd"));
        assert!(!is_there("no-such-program-anywhere"));
        assert!(!is_there("/no/such/file"));
    }
}
