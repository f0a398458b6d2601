//! What destroyed apps leave: repositories, caches, logs, transcripts.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context;
use domain::AppId;
use images::GcLock;

use super::measure::{present, size_of};
use super::run::{Run, blocking};
use super::{Found, Garbage};
use crate::Platform;

/// Below the data directory: entries are named by the app's id.
const FOLDERS: [&str; 4] = ["git", "transcripts", "logs", "cache/builds"];

impl Platform {
    /// Apps that have files and no row.
    pub(crate) async fn apps_gone(&self) -> anyhow::Result<HashSet<AppId>> {
        // Files first: an app that is made meanwhile has its row before its files.
        let data_dir = self.settings.data_dir.clone();
        let mut with_files = blocking(move || {
            let mut with_files = HashSet::new();
            for folder in FOLDERS {
                with_files.extend(apps_in(&data_dir.join(folder)).with_context(|| format!("could not list {folder}"))?);
            }
            Ok(with_files)
        })
        .await?;
        for app in self.store.apps().list_all().await? {
            with_files.remove(&app.id);
        }
        Ok(with_files)
    }
}

fn apps_in(folder: &Path) -> std::io::Result<Vec<AppId>> {
    let mut apps = Vec::new();
    for entry in present(std::fs::read_dir(folder))?.into_iter().flatten() {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.split('.').next()).map(str::parse::<AppId>);
        apps.extend(id.and_then(Result::ok));
    }
    Ok(apps)
}

impl Platform {
    /// Removes the files of an app whose rows are gone.
    pub(crate) async fn remove_files_of(&self, app: AppId) {
        let turn = self.ongoing.turn(app).lock_owned().await;
        let repository = match tokio::fs::remove_dir_all(self.repository_path(app)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let removed = repository.and_then(|()| self.transcripts.remove_all(app));
        if let Err(error) = removed {
            tracing::warn!(app.id = %app, %error, "Could not remove the files of a destroyed app");
        }
        if let Err(error) = self.builder.purge_cache(app).await {
            tracing::warn!(app.id = %app, %error, "Could not remove the build cache of a destroyed app");
        }
        self.logs.remove(app);
        drop(turn);
        self.ongoing.forget(app);
    }

    /// The same when its last dyno is gone, unless a backup reads them or a
    /// collection goes on: the next one does it, and frees its blobs.
    pub(crate) async fn app_is_gone(&self, app: AppId) {
        let turn = self.collecting.try_lock();
        match GcLock::try_exclusive(&self.settings.data_dir) {
            Ok(Some(_lock)) if turn.is_ok() => self.remove_files_of(app).await,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "Could not lock the data directory for a destroyed app"),
        }
        drop(turn);
        self.garbage.notify_one();
    }
}

impl Run<'_> {
    pub(super) async fn destroyed_apps(&self) -> anyhow::Result<Found> {
        let mut found = Found::nothing(Garbage::Apps);
        for app in self.platform.apps_gone().await? {
            let data_dir = self.platform.settings.data_dir.clone();
            found.add(blocking(move || Ok(size_of_app(&data_dir, app)?)).await?);
            if !self.dry_run {
                self.platform.remove_files_of(app).await;
            }
        }
        Ok(found)
    }
}

fn size_of_app(data_dir: &Path, app: AppId) -> std::io::Result<u64> {
    let mut bytes = 0;
    for folder in FOLDERS {
        for entry in present(std::fs::read_dir(data_dir.join(folder)))?.into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&app.to_string()) {
                bytes += size_of(&entry.path())?.bytes;
            }
        }
    }
    Ok(bytes)
}
