//! Output of builds and release commands, kept as long as old releases are.

use std::collections::HashSet;

use domain::AppId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::run::{Run, blocking};
use super::{Found, Garbage};

/// One whose row is not there may be about to get it.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

impl Run<'_> {
    pub(super) async fn transcripts(&self) -> anyhow::Result<Found> {
        let mut found = Found::nothing(Garbage::Transcripts);
        for app in self.platform.store.apps().list_all().await? {
            self.transcripts_of(app.id, &mut found).await?;
        }
        Ok(found)
    }

    async fn transcripts_of(&self, app: AppId, found: &mut Found) -> anyhow::Result<()> {
        let platform = self.platform;
        let (transcripts, now) = (platform.transcripts.clone(), platform.now());
        let files = blocking(move || Ok(transcripts.list(app)?)).await?;
        if files.is_empty() {
            return Ok(());
        }
        let builds = platform.store.builds().list(app).await?;
        let builds: Vec<(Uuid, Timestamp)> = builds.iter().rev().map(|build| (build.id.0, build.created_at)).collect();
        let releases = platform.store.releases().list(app).await?;
        let releases: Vec<(Uuid, Timestamp)> = releases
            .iter()
            .filter(|release| release.has_phase)
            .map(|release| (release.id.0, release.created_at))
            .collect();
        let known: HashSet<Uuid> = builds.iter().chain(&releases).map(|(id, _)| *id).collect();
        let retention = platform.settings.disk.retention;
        let spent = retention.spent_records(builds, now).chain(retention.spent_records(releases, now));
        let spent: HashSet<Uuid> = spent.collect();
        let is_garbage = |id: &Uuid, written: Timestamp| {
            spent.contains(id) || !known.contains(id) && now.duration_since(written) > UNKNOWN_FOR
        };
        for file in files.into_iter().filter(|file| !file.is_growing && is_garbage(&file.id.id, file.written_at)) {
            found.add(file.bytes);
            if !self.dry_run {
                let transcripts = platform.transcripts.clone();
                blocking(move || Ok(transcripts.remove(file.id)?)).await?;
            }
        }
        Ok(())
    }
}
