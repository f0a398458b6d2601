//! Content-addressed blobs and OCI images whose layers are squashfs.
//!
//! A slug is an OCI image: a manifest and a config, both JSON, and layers,
//! each a squashfs file that holds `app/…`. All are blobs of one store, named
//! by the SHA-256 of their content, so what two images share lies there once.
//!
//! Whoever writes holds what he wrote until something refers to it
//! ([`Hold`]); what nothing refers to is deleted by a [`Sweep`].
//!
//! Everything here blocks on files and on `mksquashfs`: call it from a
//! blocking thread.
//!
//! ```
//! let folder = std::env::temp_dir().join(format!("blobs-{}", std::process::id()));
//! let blobs = images::BlobStore::open(&folder)?;
//! let hold = blobs.hold();
//! let one = hold.put_bytes(b"the same bytes")?;
//! let other = hold.put_bytes(b"the same bytes")?;
//! assert_eq!(one.digest, other.digest);
//! assert_eq!(blobs.list()?.len(), 1);
//! assert_eq!(blobs.read(one.digest, 100)?, b"the same bytes");
//! # std::fs::remove_dir_all(&folder).expect("the folder was made above");
//! # Ok::<(), images::BlobError>(())
//! ```

mod blobs;
mod fingerprint;
mod gc_lock;
mod hold;
mod image;
mod pack;

pub use blobs::{Blob, BlobError, BlobStore};
pub use fingerprint::{Fingerprint, FingerprintError, Stop, TreeLimit, fingerprint};
pub use gc_lock::GcLock;
pub use hold::{Hold, Sweep};
pub use image::{Image, ImageError, LAYER_MEDIA_TYPE, Layer, NewImage};
pub use pack::{PackError, PackLimit, pack};
