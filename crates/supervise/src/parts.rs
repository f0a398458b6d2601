//! The parts of a program: started, named and ended in one place, so that no
//! task is without an owner who waits for it.

use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// One long-lived part of a program, such as a listener or a reconciler. It
/// is to end by itself soon after the stop signal that [`run`] was given.
pub struct Part {
    pub name: &'static str,
    pub future: Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>,
}

impl Part {
    pub fn new(name: &'static str, future: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> Self {
        Self { name, future: Box::pin(future) }
    }
}

/// Runs all parts until `stop` is cancelled or one of them ends, in whatever
/// way; then cancels `stop`, gives the others `grace` to end, and cuts off
/// those that have not. What ended the run is what is returned: `Ok` after a
/// stop or when a part ended well, else the error or panic of the part that
/// ended first. Errors of the others are logged.
///
/// ```
/// # use std::time::Duration;
/// use supervise::{Part, run};
/// use tokio_util::sync::CancellationToken;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stop = CancellationToken::new();
/// let asked_to_stop = stop.clone();
/// let server = Part::new("server", async move {
///     asked_to_stop.cancelled().await;
///     Ok(())
/// });
/// let job = Part::new("job", async { anyhow::bail!("the disk is full") });
/// let error = run(vec![server, job], Duration::from_secs(5), stop).await.unwrap_err();
/// assert_eq!(format!("{error:#}"), "job ended with an error: the disk is full");
/// # });
/// ```
pub async fn run(parts: Vec<Part>, grace: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    for Part { name, future } in parts {
        running.spawn(async move { future.await.with_context(|| format!("{name} ended with an error")) });
    }
    let outcome = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        Some(ended) = running.join_next() => ended.unwrap_or_else(|panic| Err(panic.into())),
    };
    stop.cancel(); // one part ended, so all end
    let drained = async {
        while let Some(ended) = running.join_next().await {
            if let Err(late) = ended.unwrap_or_else(|panic| Err(panic.into())) {
                error!("During shutdown: {late:#}");
            }
        }
    };
    if timeout(grace, drained).await.is_err() {
        warn!(grace_s = grace.as_secs(), "Grace is over; {} parts are cut off", running.len());
        running.shutdown().await;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::*;

    fn waiting(name: &'static str, stop: &CancellationToken, ended: &Arc<AtomicBool>) -> Part {
        let (stop, ended) = (stop.clone(), ended.clone());
        Part::new(name, async move {
            stop.cancelled().await;
            ended.store(true, SeqCst);
            Ok(())
        })
    }

    #[tokio::test]
    async fn a_stop_ends_all_parts() {
        let (stop, ended) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let running = tokio::spawn(run(vec![waiting("a", &stop, &ended)], Duration::from_secs(60), stop.clone()));
        stop.cancel();
        running.await.unwrap().unwrap();
        assert!(ended.load(SeqCst));
    }

    #[tokio::test]
    async fn one_part_that_ends_ends_the_others() {
        let (stop, ended) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let short = Part::new("short", async { Ok(()) });
        run(vec![waiting("long", &stop, &ended), short], Duration::from_secs(60), stop.clone()).await.unwrap();
        assert!(ended.load(SeqCst) && stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_ends_the_others() {
        let (stop, ended) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let bad = Part::new("bad", async { panic!("a bug") });
        let outcome = run(vec![waiting("long", &stop, &ended), bad], Duration::from_secs(60), stop.clone()).await;
        assert!(outcome.unwrap_err().to_string().contains("panic"));
        assert!(ended.load(SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_does_not_end_is_cut_off_after_the_grace() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, SeqCst);
            }
        }
        let cut_off = Arc::new(AtomicBool::new(false));
        let guard = Dropped(cut_off.clone());
        let deaf = Part::new("deaf", async move {
            let _guard = guard;
            std::future::pending().await
        });
        let stop = CancellationToken::new();
        stop.cancel();
        let begin = tokio::time::Instant::now();
        run(vec![deaf], Duration::from_secs(30), stop).await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 30);
        assert!(cut_off.load(SeqCst));
    }
}
