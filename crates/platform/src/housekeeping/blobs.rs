//! Old releases give up their slugs, and blobs that no slug is made of go.
//!
//! What refers to blobs: the image of every slug that was not collected. A
//! build's blobs are held until its slug's row is written (see
//! [`images::Hold`]); dynos run slugs that are never collected.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, bail};
use domain::build::Slug;
use domain::retention::SlugParts;
use domain::{Digest, SlugId};
use images::{Blob, BlobStore, Image};

use super::run::{Run, blocking};
use super::{Found, Garbage};

/// Blobs that are deleted before others get their turn.
const AT_ONCE: usize = 64;

/// What the marking leaves for the sweep.
pub(super) struct Released {
    pub(super) found: Found,
    collected: HashSet<SlugId>,
    parts: SlugParts,
}

impl Run<'_> {
    /// Marks slugs that no release is to be rolled back to any more.
    pub(super) async fn releases(&self) -> anyhow::Result<Released> {
        let platform = self.platform;
        let (retention, now) = (platform.settings.disk.retention, platform.now());
        let slugs = platform.store.slugs().list_kept().await?;
        let apps: HashSet<_> = slugs.iter().map(|slug| slug.app).collect();
        let parts = self.parts_of(&slugs, &SlugParts::new()).await?;
        for slug in slugs.iter().filter(|slug| !parts.contains_key(&slug.id)) {
            self.problem(Garbage::Blobs, format!("the image of the slug {} can't be read", slug.id));
        }
        let mut collected = HashSet::new();
        for app in apps {
            let housekeeping = platform.store.housekeeping();
            collected.extend(match self.dry_run {
                true => housekeeping.spent(app, &retention, &parts, now).await?,
                false => housekeeping.collect(app, &retention, &parts, now).await?,
            });
        }
        let items = u64::try_from(collected.len()).unwrap_or(u64::MAX);
        Ok(Released { found: Found { items, ..Found::nothing(Garbage::Releases) }, collected, parts })
    }

    /// Deletes what no kept slug is made of.
    pub(super) async fn blobs(&self, released: Released) -> anyhow::Result<Found> {
        let platform = self.platform;
        // Before the rows are read: from here on nothing that someone writes
        // or finds again is deleted.
        let sweep = platform.images.sweep().context("another sweep is under way")?;
        let mut kept = platform.store.slugs().list_kept().await?;
        kept.retain(|slug| !released.collected.contains(&slug.id));
        let parts = self.parts_of(&kept, &released.parts).await?;
        if let Some(slug) = kept.iter().find(|slug| !parts.contains_key(&slug.id)) {
            bail!(
                "no blob is deleted, for the image of the slug {} can't be read, and nothing tells what it is made of: \
                 restore `blobs/sha256/{}` from a backup, or destroy its app",
                slug.id,
                slug.image.hex()
            );
        }
        let reachable: HashSet<Digest> = parts.into_values().flatten().map(|(digest, _)| digest).collect();
        let blobs = platform.images.clone();
        let garbage: Vec<Blob> = blocking(move || {
            let all = blobs.list()?;
            Ok(all.into_iter().filter(|blob| !reachable.contains(&blob.digest)).collect())
        })
        .await?;

        let mut found = Found::nothing(Garbage::Blobs);
        if self.dry_run {
            garbage.iter().for_each(|blob| found.add(blob.size_bytes));
            return Ok(found);
        }
        let sweep = std::sync::Arc::new(sweep);
        for some in garbage.chunks(AT_ONCE) {
            let (some, sweep) = (some.to_vec(), sweep.clone());
            let deleted = blocking(move || {
                let mut deleted = Vec::new();
                for blob in some {
                    if sweep.delete(blob.digest)? {
                        deleted.push(blob);
                    }
                }
                Ok(deleted)
            });
            deleted.await?.iter().for_each(|blob| found.add(blob.size_bytes));
        }
        platform.builder.forget_deleted_layers().await?;
        Ok(found)
    }

    /// What the images of slugs are made of; those that can't be read are left
    /// out. `known` are taken as they are: images never change.
    async fn parts_of(&self, slugs: &[Slug], known: &SlugParts) -> anyhow::Result<SlugParts> {
        let mut parts = HashMap::new();
        let mut unknown = Vec::new();
        for slug in slugs {
            match known.get(&slug.id) {
                Some(known) => drop(parts.insert(slug.id, known.clone())),
                None => unknown.push((slug.id, slug.image)),
            }
        }
        let blobs = self.platform.images.clone();
        parts.extend(blocking(move || Ok(read_parts(&blobs, unknown))).await?);
        Ok(parts)
    }
}

fn read_parts(blobs: &BlobStore, slugs: Vec<(SlugId, Digest)>) -> SlugParts {
    let read = |(slug, image): (SlugId, Digest)| match Image::blobs(blobs, image) {
        Ok(parts) => Some((slug, parts.into_iter().map(|blob| (blob.digest, blob.size_bytes)).collect())),
        Err(error) => {
            tracing::error!(slug.id = %slug, %error, "The image of a slug can't be read");
            None
        }
    };
    slugs.into_iter().filter_map(read).collect()
}
