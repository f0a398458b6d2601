//! How a build is judged: by its dyno's end, by what the driver reported, and
//! by how the packing went.

use images::Image;
use runtime::ExitStatus;
use tokio_util::sync::CancellationToken;

use crate::config::BuildLimits;
use crate::dyno::Ended;
use crate::error::{BuildError, Rejection};
use crate::events::{Events, Failure};
use crate::layers::LayersError;
use crate::output::{self, Output};
use crate::scratch::Scratch;

/// Finds the reason if the build has failed; what the driver has not said
/// itself is said here.
pub(crate) async fn judge(
    ended: &Ended,
    events: &Events,
    limits: &BuildLimits,
    scratch: &Scratch,
    output: &mut Output,
) -> Result<(), BuildError> {
    let name = name_of(events);
    let exit = match ended {
        Ended::Exited(exit) => exit,
        Ended::Cancelled => return Err(BuildError::Cancelled),
        Ended::TimedOut => return Err(timed_out(events, limits, output).await),
        Ended::SourceBroken(error) => {
            tracing::warn!(%error, "The sender of a build's source failed");
            output.problem("The source ended in the middle.").await;
            output.push_failed().await;
            return Err(BuildError::Rejected(Rejection::Source));
        }
    };
    if exit.status == ExitStatus::Code(0) && events.done {
        return Ok(());
    }
    let told = events.failure.is_some();
    if exit.out_of_memory {
        let text = format!(
            "The build used more memory than it may ({}), and was ended for it.",
            output::size(limits.memory_bytes)
        );
        output.problem(&text).await;
        if !told {
            output.problem(&format!("Push rejected, failed to compile {name} app.")).await;
            output.push_failed().await;
        }
        return Err(BuildError::Rejected(Rejection::OutOfMemory));
    }
    if scratch.is_full()? {
        let text = format!("The build filled its disk ({}).", output::size(limits.disk_bytes));
        output.problem(&text).await;
        if !told {
            output.push_failed().await;
        }
        return Err(BuildError::Rejected(Rejection::DiskFull));
    }
    let rejection = match &events.failure {
        Some(Failure::Source) => Rejection::Source,
        Some(Failure::NothingDetected) => Rejection::NothingDetected,
        Some(Failure::NotCompatible(reference)) => Rejection::NotCompatible(reference.clone()),
        Some(Failure::NoSuchBuildpack(reference) | Failure::BrokenBuildpack(reference)) => {
            Rejection::NoSuchBuildpack(reference.clone())
        }
        Some(Failure::CompileFailed(name)) => Rejection::CompileFailed(name.clone()),
        None => {
            output
                .problem(&format!("The build ended with status {} before it was finished.", exit.status.code()))
                .await;
            output.problem(&format!("Push rejected, failed to compile {name} app.")).await;
            output.push_failed().await;
            Rejection::Ended
        }
    };
    Err(BuildError::Rejected(rejection))
}

/// Says why a build that went well can't become an image.
pub(crate) async fn not_packed(
    failed: LayersError,
    events: &Events,
    limits: &BuildLimits,
    cancel: &CancellationToken,
    output: &mut Output,
) -> BuildError {
    match failed {
        LayersError::Platform(error) => BuildError::Platform(error),
        LayersError::Stopped if cancel.is_cancelled() => BuildError::Cancelled,
        LayersError::Stopped => timed_out(events, limits, output).await,
        LayersError::SlugTooLarge => {
            let most = output::size(limits.slug_bytes).replace(".0M", "M");
            let text = format!("Compiled slug size: more than {most} is too large (max is {most}).");
            output.problem(&text).await;
            output.problem("See: http://devcenter.heroku.com/articles/slug-size").await;
            output.push_failed().await;
            BuildError::Rejected(Rejection::TooLarge)
        }
        LayersError::Tree(error) => {
            output.problem(&format!("The app can't be packed: {error}")).await;
            output.push_failed().await;
            BuildError::Rejected(Rejection::TooLarge)
        }
    }
}

async fn timed_out(events: &Events, limits: &BuildLimits, output: &mut Output) -> BuildError {
    let minutes = limits.time.as_secs().div_ceil(60);
    output.problem(&format!("Timed out compiling {} app ({minutes} minutes)", name_of(events))).await;
    output.push_failed().await;
    BuildError::Rejected(Rejection::TimedOut)
}

fn name_of(events: &Events) -> &str {
    events.current_name().unwrap_or("your")
}

pub(crate) async fn show_size(image: &Image, limits: &BuildLimits, output: &mut Output) {
    let size = output::size(image.size_bytes());
    output.line(&format!("       Done: {size}")).await;
    if image.size_bytes() > limits.slug_warn_bytes {
        let soft = limits.slug_warn_bytes / (1024 * 1024);
        let text =
            format!("Warning: Your slug size ({size}) exceeds our soft limit ({soft} MB) which may affect boot time.");
        output.problem(&text).await;
    }
}
