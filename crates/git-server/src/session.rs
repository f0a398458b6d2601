//! One push, from its list of updates to its verdict.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use domain::AppName;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;

use crate::process::Git;
use crate::push::{Output, Push, Verdict};
use crate::refs::{Plan, Update, plan, read_ref};
use crate::repositories::{Repositories, Repository};
use crate::source::Source;

const SUBMODULES: &str = " !     This app has git submodules. They are not fetched: their directories will be empty.\n";
const WAITING: &str = " !     Another push to this app is being deployed; this one waits for its end.\n";

/// How far a push has come. Before the hook has called, a push whose client
/// left can simply be ended; afterwards the platform has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Receiving,
    Deciding,
    Decided,
}

pub(crate) struct Session {
    pub(crate) app: AppName,
    pub(crate) repository: Repository,
    pub(crate) updates: Vec<Update>,
    pub(crate) cancelled: CancellationToken,
    turns: Arc<tokio::sync::Mutex<()>>,
    phase: watch::Sender<Phase>,
    /// Held from before the build until git has moved the branch.
    turn: Mutex<Option<OwnedMutexGuard<()>>>,
}

impl Session {
    pub(crate) fn new(
        app: AppName,
        repository: Repository,
        updates: Vec<Update>,
        turns: Arc<tokio::sync::Mutex<()>>,
        cancelled: CancellationToken,
    ) -> Self {
        let (phase, _) = watch::channel(Phase::Receiving);
        Self { app, repository, updates, cancelled, turns, phase, turn: Mutex::new(None) }
    }

    /// The hook has called: `false` if the client has left before.
    pub(crate) fn begin(&self) -> bool {
        self.phase.send_if_modified(|phase| {
            let begins = *phase == Phase::Receiving;
            if begins {
                *phase = Phase::Deciding;
            }
            begins
        })
    }

    /// The client has left, or the server ends: `true` if nothing is being
    /// decided, so that git is to be ended.
    pub(crate) fn leave(&self) -> bool {
        self.cancelled.cancel();
        self.phase.send_if_modified(|phase| {
            let receives = *phase == Phase::Receiving;
            if receives {
                *phase = Phase::Decided;
            }
            receives
        })
    }

    /// Waits for the verdict.
    pub(crate) async fn decided(&self) {
        // The sender is `self`, so it can't be gone.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Decided).await;
    }

    /// The updated branch that deploys, if any.
    pub(crate) fn deployed(&self) -> Option<&Update> {
        match plan(&self.updates) {
            Plan::Deploy(update) => Some(update),
            Plan::Keep { .. } | Plan::Refuse(_) => None,
        }
    }

    /// Lets the next push have its turn.
    pub(crate) fn release_turn(&self) {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// What is to become of the push. Must follow a [`Session::begin`].
    pub(crate) async fn decide(
        self: &Arc<Self>,
        git: &Arc<Git>,
        repositories: &Arc<dyn Repositories>,
        quarantine: Option<String>,
        output: &Output,
    ) -> Verdict {
        let verdict = match plan(&self.updates) {
            Plan::Refuse(why) => self.refuse(output, &why).await,
            Plan::Keep { branches } => {
                if branches {
                    output.write("Pushed to branch other than [main, master], skipping build.\n").await;
                }
                Verdict::Accepted
            }
            Plan::Deploy(update) => {
                let source = Source {
                    git: Arc::clone(git),
                    repository: self.repository.path.clone(),
                    quarantine,
                    commit: update.new.clone(),
                };
                self.deploy(update, source, repositories, output).await
            }
        };
        self.phase.send_replace(Phase::Decided);
        verdict
    }

    async fn deploy(
        self: &Arc<Self>,
        update: &Update,
        source: Source,
        repositories: &Arc<dyn Repositories>,
        output: &Output,
    ) -> Verdict {
        if !self.take_turn(output).await {
            return Verdict::Rejected;
        }
        match current(&self.repository.path, update).await {
            Ok(true) => {}
            Ok(false) => {
                return self.refuse(output, "Push rejected, another push came first: fetch, then push again").await;
            }
            Err(error) => return self.fail(output, "could not read the branch", &error).await,
        }
        let branch = update.name.deploys().unwrap_or_default().to_owned();
        let description = match source.describe().await {
            Ok(Some(description)) => description,
            Ok(None) => {
                return self.refuse(output, &format!("Push rejected, {branch} must point to a commit")).await;
            }
            Err(error) => return self.fail(output, "could not read the commit", &error).await,
        };
        if description.has_submodules {
            output.write(SUBMODULES).await;
        }
        let push = Push {
            grant: self.repository.grant,
            commit: update.new.clone(),
            summary: description.summary,
            branch,
            source,
            output: output.clone(),
            cancelled: self.cancelled.clone(),
        };
        let repositories = Arc::clone(repositories);
        // A task of its own, so that a panic ends this deploy only.
        match tokio::spawn(async move { repositories.deploy(push).await }).await {
            Ok(Verdict::Accepted) => Verdict::Accepted,
            Ok(Verdict::Rejected) => {
                output.write(format!("\n!\tPush rejected to {}.\n\n", self.app)).await;
                Verdict::Rejected
            }
            Err(error) => self.fail(output, "the deploy broke off", &error).await,
        }
    }

    /// Waits until no other push to the repository is being deployed; `false`
    /// if the client leaves first.
    async fn take_turn(&self, output: &Output) -> bool {
        let turn = match Arc::clone(&self.turns).try_lock_owned() {
            Ok(turn) => turn,
            Err(_) => {
                output.write(WAITING).await;
                tokio::select! {
                    turn = Arc::clone(&self.turns).lock_owned() => turn,
                    () = self.cancelled.cancelled() => return false,
                }
            }
        };
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
        true
    }

    async fn refuse(&self, output: &Output, why: &str) -> Verdict {
        output.write(format!("\n!\t{why}\n\n")).await;
        Verdict::Rejected
    }

    async fn fail(&self, output: &Output, what: &str, error: &impl std::error::Error) -> Verdict {
        tracing::error!(app.name = %self.app, %error, "A push failed: {what}");
        self.refuse(output, &format!("Push rejected, {what}; this is not your app's fault")).await
    }
}

/// Whether the branch still is where the pusher believes it to be.
async fn current(repository: &Path, update: &Update) -> std::io::Result<bool> {
    let (repository, name) = (repository.to_owned(), update.name.clone());
    let read = tokio::task::spawn_blocking(move || read_ref(&repository, &name));
    let now = read.await.map_err(std::io::Error::other)??;
    Ok(now.map_or(update.old.is_zero(), |now| now == update.old))
}
