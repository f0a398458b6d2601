//! How a build is judged: by its dyno's end, by what the driver reported, and
//! by the size of the slug.

use images::Image;
use runtime::ExitStatus;

use crate::config::BuildLimits;
use crate::dyno::Ended;
use crate::error::{BuildError, Rejection};
use crate::events::{Events, Failure};
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
    let name = events.current_name().unwrap_or("your").to_owned();
    let exit = match ended {
        Ended::Exited(exit) => exit,
        Ended::Cancelled => return Err(BuildError::Cancelled),
        Ended::TimedOut => {
            let minutes = limits.time.as_secs().div_ceil(60);
            output.problem(&format!("Timed out compiling {name} app ({minutes} minutes)")).await;
            output.push_failed().await;
            return Err(BuildError::Rejected(Rejection::TimedOut));
        }
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
        Some(Failure::NoSuchBuildpack(reference)) => Rejection::NoSuchBuildpack(reference.clone()),
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

pub(crate) async fn check_size(image: &Image, limits: &BuildLimits, output: &mut Output) -> Result<(), BuildError> {
    let size = output::size(image.size_bytes());
    if image.size_bytes() > limits.slug_bytes {
        let most = output::size(limits.slug_bytes).replace(".0M", "M");
        output.problem(&format!("Compiled slug size: {size} is too large (max is {most}).")).await;
        output.problem("See: http://devcenter.heroku.com/articles/slug-size").await;
        output.push_failed().await;
        return Err(BuildError::Rejected(Rejection::TooLarge));
    }
    output.line(&format!("       Done: {size}")).await;
    if image.size_bytes() > limits.slug_warn_bytes {
        let soft = limits.slug_warn_bytes / (1024 * 1024);
        let text =
            format!("Warning: Your slug size ({size}) exceeds our soft limit ({soft} MB) which may affect boot time.");
        output.problem(&text).await;
    }
    Ok(())
}
