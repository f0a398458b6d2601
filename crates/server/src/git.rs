//! The platform, as the git server sees it: who may push where, and what a
//! push leads to.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{AppName, Secret};
use futures::StreamExt;
use git_server::{Access, Credentials, Grant, Push, Refusal, Repositories, Repository, Verdict};
use platform::{Caller, Deploying, NewDeploy, Outcome, Platform, PlatformError, SourceOrigin};

pub(crate) struct AppRepositories {
    pub(crate) platform: Arc<Platform>,
}

#[async_trait]
impl Repositories for AppRepositories {
    async fn open(&self, app: &AppName, credentials: &Credentials, access: Access) -> Result<Repository, Refusal> {
        let caller = self.caller(&credentials.password).await?;
        let app = self.platform.apps().find(&caller, app.as_str()).await.map_err(refusal)?;
        let path = self.platform.repository_path(app.id);
        if access == Access::Push || !path.exists() {
            let made = path.clone();
            let made = tokio::task::spawn_blocking(move || git_server::init(&made)).await;
            made.map_err(|error| unavailable(&error)).and_then(|made| made.map_err(|error| unavailable(&error)))?;
        }
        Ok(Repository { path, grant: Grant { app: app.id, account: caller.account.id } })
    }

    async fn deploy(&self, push: Push) -> Verdict {
        match self.begin(&push).await {
            Ok(deploying) => follow(deploying, &push).await,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "A push could not be deployed");
                push.output.write(format!(" !     {}\n", shown(&error))).await;
                Verdict::Rejected
            }
        }
    }

    async fn pushed(&self, grant: Grant, size_bytes: u64) {
        if let Err(error) = self.platform.apps().note_repo_size(grant.app, size_bytes).await {
            tracing::warn!(%error, "Could not note the size of a repository");
        }
    }
}

impl AppRepositories {
    async fn caller(&self, key: &Secret) -> Result<Caller, Refusal> {
        self.platform.accounts().authenticate(key).await.map_err(refusal)
    }

    async fn begin(&self, push: &Push) -> anyhow::Result<Deploying> {
        let new = NewDeploy {
            source: Box::new(push.source.tar()?),
            origin: SourceOrigin::Git,
            version: Some(push.commit.to_string()),
            description: Some(push.summary.clone()),
            buildpacks: Vec::new(),
        };
        Ok(self.platform.builds().deploy_granted(push.grant.account, push.grant.app, new).await?)
    }
}

/// Sends on what the deploy says, to its end. If the one who pushes goes away
/// the deploy is stopped, unless its release is made already.
async fn follow(mut deploying: Deploying, push: &Push) -> Verdict {
    let cancel = deploying.cancel_token();
    let watch = push.cancelled.clone();
    let output = async {
        while let Some(chunk) = deploying.output.next().await {
            match chunk {
                Ok(chunk) => push.output.write(chunk).await,
                Err(error) => {
                    tracing::warn!(%error, "Could not read a build's output");
                    break;
                }
            }
        }
        deploying.outcome().await
    };
    let mut output = std::pin::pin!(output);
    let outcome = tokio::select! {
        outcome = &mut output => outcome,
        () = watch.cancelled() => {
            cancel.cancel();
            output.await
        }
    };
    match outcome {
        Outcome::Released(_) => Verdict::Accepted,
        Outcome::Failed | Outcome::Cancelled => {
            push.output.write("\nVerifying deploy...\n").await;
            Verdict::Rejected
        }
    }
}

fn refusal(error: PlatformError) -> Refusal {
    match error {
        PlatformError::NotFound(_) => Refusal::NotFound,
        PlatformError::Unauthorized => Refusal::BadCredentials,
        PlatformError::Forbidden(text) => Refusal::Forbidden(text),
        other => unavailable(&other),
    }
}

fn unavailable(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "A repository could not be opened");
    Refusal::Unavailable("The platform can't serve this repository now; try again in a moment.".to_owned())
}

/// What the one who pushes may read of an error.
fn shown(error: &anyhow::Error) -> String {
    match error.downcast_ref::<PlatformError>() {
        Some(PlatformError::Internal(_)) | None => {
            "The platform could not begin this deploy; try again in a moment.".to_owned()
        }
        Some(told) => told.to_string(),
    }
}
