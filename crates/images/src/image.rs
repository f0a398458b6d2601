//! OCI images: manifest and config as JSON blobs, layers as squashfs blobs.
//!
//! Layers bear a media type of our own, since OCI knows tar layers only; what
//! hands an image to others turns them into tar then.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::Digest;
use domain::procfile::ProcessTypes;
use serde::{Deserialize, Serialize};

use crate::blobs::{Blob, BlobError, BlobStore};
use crate::hold::Hold;

/// A squashfs file whose root is the image's root: it holds `app/…`.
pub const LAYER_MEDIA_TYPE: &str = "application/vnd.renga.image.layer.v1.squashfs";
const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_MEDIA_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const PATH_ANNOTATION: &str = "renga.layer.path";
const STACK_LABEL: &str = "renga.stack";
const PROCESS_LABEL: &str = "renga.process.";
const JSON_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// One layer, lowest first in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub digest: Digest,
    pub size_bytes: u64,
    pub media_type: String,
    /// What it holds, such as `app/node_modules`; `app` for the app itself.
    pub path: String,
}

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct NewImage {
    pub layers: Vec<Layer>,
    /// The stack it was built on, and needs beneath it.
    pub stack: String,
    pub process_types: ProcessTypes,
}

/// An image that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub manifest: Digest,
    pub layers: Vec<Layer>,
    pub stack: String,
    pub process_types: ProcessTypes,
}

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the image {manifest} is damaged")]
    Damaged { manifest: Digest, source: serde_json::Error },
    #[error("the image {manifest} has layers of the type `{media_type}`, which can't be mounted here")]
    MediaType { manifest: Digest, media_type: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Config {
    architecture: String,
    os: String,
    config: ContainerConfig,
    rootfs: RootFs,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    user: String,
    working_dir: String,
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<Digest>,
}

impl Image {
    /// Writes config and manifest; the layers must be in the store, and are
    /// held from now on. The same parts give the same digest.
    pub fn create(hold: &Hold, new: NewImage) -> Result<Self, ImageError> {
        for layer in &new.layers {
            hold.find(layer.digest)?;
        }
        let config = put_json(hold, &config_of(&new))?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_MEDIA_TYPE.to_owned(),
            config: Descriptor {
                media_type: CONFIG_MEDIA_TYPE.to_owned(),
                digest: config.digest,
                size: config.size_bytes,
                annotations: BTreeMap::new(),
            },
            layers: new.layers.iter().map(descriptor_of).collect(),
        };
        let manifest = put_json(hold, &manifest)?.digest;
        Ok(Self { manifest, layers: new.layers, stack: new.stack, process_types: new.process_types })
    }

    /// Reads an image; fails if its manifest, config or a layer is not there.
    pub fn load(store: &BlobStore, digest: Digest) -> Result<Self, ImageError> {
        let damaged = |source| ImageError::Damaged { manifest: digest, source };
        let manifest: Manifest = serde_json::from_slice(&store.read(digest, JSON_LIMIT_BYTES)?).map_err(damaged)?;
        let config: Config =
            serde_json::from_slice(&store.read(manifest.config.digest, JSON_LIMIT_BYTES)?).map_err(damaged)?;
        let mut layers = Vec::new();
        for mut layer in manifest.layers {
            if layer.media_type != LAYER_MEDIA_TYPE {
                return Err(ImageError::MediaType { manifest: digest, media_type: layer.media_type });
            }
            store.size(layer.digest)?;
            layers.push(Layer {
                digest: layer.digest,
                size_bytes: layer.size,
                media_type: layer.media_type,
                path: layer.annotations.remove(PATH_ANNOTATION).unwrap_or_default(),
            });
        }
        let mut labels = config.config.labels;
        let stack = labels.remove(STACK_LABEL).unwrap_or_default();
        let process_types = labels
            .into_iter()
            .filter_map(|(label, command)| Some((label.strip_prefix(PROCESS_LABEL)?.parse().ok()?, command)))
            .collect();
        Ok(Self { manifest: digest, layers, stack, process_types })
    }

    /// All blobs that the image `manifest` is made of, itself among them. They
    /// need not be there, but the manifest.
    pub fn blobs(store: &BlobStore, manifest: Digest) -> Result<Vec<Blob>, ImageError> {
        let json = store.read(manifest, JSON_LIMIT_BYTES)?;
        let own = Blob { digest: manifest, size_bytes: json.len() as u64 };
        let parsed: Manifest =
            serde_json::from_slice(&json).map_err(|source| ImageError::Damaged { manifest, source })?;
        let others = parsed.layers.into_iter().chain([parsed.config]);
        let others = others.map(|other| Blob { digest: other.digest, size_bytes: other.size });
        Ok([own].into_iter().chain(others).collect())
    }

    /// The layers' files, lowest first, as a runtime mounts them.
    pub fn layer_files(&self, store: &BlobStore) -> Vec<PathBuf> {
        self.layers.iter().map(|layer| store.path(layer.digest)).collect()
    }

    /// All layers together, compressed, without the stack.
    pub fn size_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size_bytes).sum()
    }
}

fn config_of(new: &NewImage) -> Config {
    let processes = new.process_types.iter().map(|(name, command)| (format!("{PROCESS_LABEL}{name}"), command.clone()));
    Config {
        architecture: match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
        .to_owned(),
        os: "linux".to_owned(),
        config: ContainerConfig {
            user: "1000:1000".to_owned(),
            working_dir: "/app".to_owned(),
            env: vec!["HOME=/app".to_owned(), "PATH=/usr/local/bin:/usr/bin:/bin".to_owned()],
            labels: processes.chain([(STACK_LABEL.to_owned(), new.stack.clone())]).collect(),
        },
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: new.layers.iter().map(|layer| layer.digest).collect() },
    }
}

fn descriptor_of(layer: &Layer) -> Descriptor {
    Descriptor {
        media_type: layer.media_type.clone(),
        digest: layer.digest,
        size: layer.size_bytes,
        annotations: BTreeMap::from([(PATH_ANNOTATION.to_owned(), layer.path.clone())]),
    }
}

fn put_json(hold: &Hold, value: &impl Serialize) -> Result<Blob, BlobError> {
    // Maps with text keys and plain fields: nothing in these types can fail.
    let json = serde_json::to_vec(value).expect("manifests and configs are plain JSON");
    hold.put_bytes(&json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(store: &BlobStore) -> Image {
        let hold = store.hold();
        let blob = hold.put_bytes(b"layer").unwrap();
        let layer = Layer {
            digest: blob.digest,
            size_bytes: blob.size_bytes,
            media_type: LAYER_MEDIA_TYPE.to_owned(),
            path: "app".to_owned(),
        };
        let process_types = ProcessTypes::from([("web".parse().unwrap(), "node x.js".to_owned())]);
        Image::create(&hold, NewImage { layers: vec![layer], stack: "debian-13".to_owned(), process_types }).unwrap()
    }

    #[test]
    fn an_image_reads_what_it_wrote_and_the_same_parts_give_the_same_digest() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let image = stored(&store);
        assert_eq!(Image::load(&store, image.manifest).unwrap(), image);
        assert_eq!(stored(&store), image);
        assert_eq!(image.size_bytes(), 5);
        assert!(image.layer_files(&store)[0].is_file());
        let mut blobs = Image::blobs(&store, image.manifest).unwrap();
        let mut all = store.list().unwrap();
        blobs.sort_by_key(|blob| blob.digest);
        all.sort_by_key(|blob| blob.digest);
        assert_eq!(blobs, all);
    }

    #[test]
    fn an_image_without_its_layer_does_not_load() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let image = stored(&store);
        std::fs::remove_file(store.path(image.layers[0].digest)).unwrap();
        let loaded = Image::load(&store, image.manifest);
        assert!(matches!(loaded, Err(ImageError::Blob(BlobError::Absent(_)))), "{loaded:?}");
    }

    #[test]
    fn what_is_no_manifest_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let blob = store.hold().put_bytes(b"{}").unwrap();
        assert!(matches!(Image::load(&store, blob.digest), Err(ImageError::Damaged { .. })));
    }
}
