//! Build caches, mounted images and stacks: what can be made again.

use super::run::{Run, blocking};
use super::{Found, Garbage};

impl Run<'_> {
    /// Build caches beyond the limit, the longest unused first.
    pub(super) async fn caches(&self) -> anyhow::Result<Found> {
        let platform = self.platform;
        let mut caches = platform.builder.caches().await?;
        caches.sort_by_key(|cache| std::cmp::Reverse(cache.used_at));
        let (mut found, mut total) = (Found::nothing(Garbage::Caches), 0_u64);
        for cache in caches {
            total += cache.bytes;
            if total <= platform.settings.disk.cache_bytes {
                continue;
            }
            found.add(cache.bytes);
            if !self.dry_run {
                platform.builder.purge_cache(cache.app).await?;
            }
        }
        Ok(found)
    }

    /// Images that the runtime keeps ready though their blobs are gone.
    pub(super) async fn unused_images(&self) -> anyhow::Result<Found> {
        let items = self.platform.runtime.drop_unused_images(self.dry_run).await?;
        Ok(Found { items, ..Found::nothing(Garbage::Images) })
    }

    pub(super) async fn stacks(&self) -> anyhow::Result<Found> {
        let (stacks, dry_run) = (self.platform.stacks.clone(), self.dry_run);
        blocking(move || {
            let mut found = Found::nothing(Garbage::Stacks);
            for replaced in stacks.replaced()? {
                found.add(replaced.bytes);
                if !dry_run {
                    replaced.remove()?;
                }
            }
            Ok(found)
        })
        .await
    }
}
