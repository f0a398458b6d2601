//! Content-addressed blobs and OCI images whose layers are squashfs.
