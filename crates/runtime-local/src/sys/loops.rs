//! Loop devices: files as block devices.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::check;

const LOOP_CLR_FD: libc::c_ulong = 0x4C01;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// A loop device that frees itself once neither this value nor a mount uses it.
pub(crate) struct LoopDevice {
    pub(crate) path: PathBuf,
    _open: File,
}

/// Others take free devices too: so often is another one tried.
const ATTEMPTS: u32 = 64;

impl LoopDevice {
    /// Attaches a file. With `direct`, reads and writes pass by the page cache
    /// of the file (what lies on the device is cached by its file system).
    pub(crate) fn attach(file: &File, read_only: bool, direct: bool) -> io::Result<Self> {
        let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
        let mut flags = LO_FLAGS_AUTOCLEAR;
        if read_only {
            flags |= LO_FLAGS_READ_ONLY;
        }
        if direct {
            flags |= LO_FLAGS_DIRECT_IO;
        }
        let mut attempts = 0;
        loop {
            match Self::attach_to_free(&control, file, read_only, flags) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) && attempts < ATTEMPTS => attempts += 1,
                other => return other,
            }
        }
    }

    #[expect(unsafe_code, reason = "the ioctls of loop devices have no wrapper")]
    fn attach_to_free(control: &File, file: &File, read_only: bool, flags: u32) -> io::Result<Self> {
        // SAFETY: this ioctl takes no argument.
        let number = unsafe { check(libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) as libc::c_long)? };
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new().read(true).write(!read_only).open(&path)?;
        let config = LoopConfig {
            fd: file.as_raw_fd() as u32,
            block_size: 0,
            info: LoopInfo {
                device: 0,
                inode: 0,
                rdevice: 0,
                offset: 0,
                sizelimit: 0,
                number: 0,
                encrypt_type: 0,
                encrypt_key_size: 0,
                flags,
                file_name: [0; 64],
                crypt_name: [0; 64],
                encrypt_key: [0; 32],
                init: [0; 2],
            },
            reserved: [0; 8],
        };
        // SAFETY: `config` is a whole `struct loop_config`, alive during the call.
        unsafe { check(libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, std::ptr::from_ref(&config)) as libc::c_long)? };
        Ok(Self { path, _open: device })
    }
}

/// Tells a loop device to let its file go (once nobody uses it any more).
#[expect(unsafe_code, reason = "the ioctls of loop devices have no wrapper")]
pub(crate) fn clear(device: &Path) -> io::Result<()> {
    let device = File::open(device)?;
    // SAFETY: this ioctl takes no argument.
    unsafe { check(libc::ioctl(device.as_raw_fd(), LOOP_CLR_FD) as libc::c_long)? };
    Ok(())
}

/// The loop devices of this machine whose file lies below `dir`.
pub(crate) fn backed_by(dir: &Path) -> Vec<PathBuf> {
    let Ok(devices) = std::fs::read_dir("/sys/block") else { return Vec::new() };
    devices
        .filter_map(Result::ok)
        .filter(|device| {
            std::fs::read_to_string(device.path().join("loop/backing_file"))
                .is_ok_and(|file| Path::new(file.trim_end().trim_end_matches(" (deleted)")).starts_with(dir))
        })
        .map(|device| Path::new("/dev").join(device.file_name()))
        .collect()
}
