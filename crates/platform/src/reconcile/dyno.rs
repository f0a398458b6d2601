//! What goes on beside the reconciler for one dyno: starting it, waiting until
//! it listens, letting it finish and ending it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::dyno::Dyno;
use domain::release::Release;
use domain::{App, AppId};
use runtime::{Listening, RuntimeError, Stdio};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Message;
use crate::Platform;
use crate::label::Kind;
use crate::launch::Launch;

/// A web process must listen within this time (Heroku's R10).
pub(crate) const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
/// Between SIGTERM and SIGKILL (Heroku's R12).
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(30);
/// Between tries to reach the keeper.
const STOP_RETRY: Duration = Duration::from_secs(1);
/// A dyno off the router may finish its requests for this long before SIGTERM.
const DRAIN_AT_MOST: Duration = Duration::from_secs(30);

/// Starts a dyno and reports [`Message::Started`], then [`Message::Ready`] or
/// [`Message::BootTimeout`]; or [`Message::NotStarted`].
pub(super) async fn start(
    platform: Arc<Platform>,
    (app, release): (App, Release),
    dyno: Dyno,
    port: u16,
    ended: CancellationToken,
) {
    let launchable = match platform.launchable(&app, &release).await {
        Ok(Some(launchable)) => launchable,
        Ok(None) => return platform.reconciler.not_started(dyno.id, "the release has no code".to_owned()).await,
        Err(error) => return platform.reconciler.not_started(dyno.id, error_chain(&error)).await,
    };
    let spec = launchable.spec(&Launch {
        id: dyno.id,
        name: &dyno.name,
        kind: Kind::Formation,
        command: &dyno.command,
        size: dyno.size,
        port,
        stdio: Stdio::Logged,
        extra_env: &BTreeMap::new(),
    });
    match platform.runtime.start(spec).await {
        Ok(started) => {
            platform.reconciler.send(Message::Started { dyno: dyno.id, address: started.address }).await;
            wait_until_ready(platform, dyno, port, ended).await;
        }
        Err(error) => {
            platform.reconciler.not_started(dyno.id, error_chain(&error)).await;
        }
    }
}

/// A web dyno is ready when it listens on its port, any other at once.
pub(super) async fn wait_until_ready(platform: Arc<Platform>, dyno: Dyno, port: u16, ended: CancellationToken) {
    if !dyno.name.process_type.is_web() {
        platform.reconciler.send(Message::Ready { dyno: dyno.id }).await;
        return;
    }
    let mut on_loopback_only = false;
    let began = Instant::now();
    let deadline = began + BOOT_TIMEOUT;
    let listens = timeout_at(deadline, async {
        loop {
            match platform.runtime.listening(dyno.id, port).await {
                Ok(Listening::Yes) => return true,
                Ok(found) => on_loopback_only = found == Listening::OnLoopbackOnly,
                Err(RuntimeError::NoSuchDyno(_)) => return false,
                Err(error) => tracing::warn!(%error, "Could not see whether a dyno listens"),
            }
            tokio::select! {
                () = ended.cancelled() => return false,
                () = sleep(look_again_after(began.elapsed())) => {}
            }
        }
    });
    match listens.await {
        Ok(true) => platform.reconciler.send(Message::Ready { dyno: dyno.id }).await,
        Ok(false) => {} // it ended; its exit tells
        Err(_) => platform.reconciler.send(Message::BootTimeout { dyno: dyno.id, on_loopback_only }).await,
    }
}

/// A tenth of the time that it took so far: a quick start is seen at once, and
/// a slow one costs little to watch (each look scans a table of the kernel's).
fn look_again_after(elapsed: Duration) -> Duration {
    (elapsed / 10).clamp(Duration::from_millis(4), Duration::from_secs(1))
}

/// Lets a dyno that is off the router finish, then ends it.
pub(super) async fn stop(platform: Arc<Platform>, app: AppId, dyno: Dyno, drain: bool, ended: CancellationToken) {
    if drain {
        platform.in_flight.drained(dyno.id, DRAIN_AT_MOST).await;
    }
    let process = dyno.name.to_string();
    platform.log(app, &process, "Stopping all processes with SIGTERM");
    loop {
        match platform.runtime.stop(dyno.id, STOP_GRACE).await {
            Ok(()) => break,
            // Ended already; or not there yet, and stopped again when it is.
            Err(RuntimeError::NoSuchDyno(_)) => return,
            Err(error) => tracing::warn!(dyno.id = %dyno.id, %error, "Could not stop a dyno; trying again"),
        }
        tokio::select! {
            () = ended.cancelled() => return,
            () = sleep(STOP_RETRY) => {}
        }
    }
    tokio::select! {
        () = ended.cancelled() => {}
        () = sleep(STOP_GRACE) => {
            platform.log(app, &process, "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM");
            platform.log(app, &process, "Stopping remaining processes with SIGKILL");
        }
    }
}

/// An error and its causes on one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
