//! What becomes of dynos: output goes to the app's log, an exit to whoever
//! waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{AppId, DynoId};
use jiff::Timestamp;
use logs::{Assembler, Line, Logs, Source};
use runtime::{Event, Events, Exit, Stream};
use tokio::sync::oneshot;

use crate::reconcile::Reconciler;
use crate::transcript::Transcript;

/// Who is told that a dyno has ended.
pub(crate) enum ExitTo {
    Formation,
    OneOff(oneshot::Sender<Exit>),
}

struct Watched {
    app: AppId,
    /// As the log names it: `web.1`.
    process: String,
    stdout: Assembler,
    stderr: Assembler,
    /// Release commands are shown in the push as well.
    transcript: Option<Arc<Transcript>>,
    exit: ExitTo,
}

/// The dynos whose events matter, by id. A dyno is entered before it starts,
/// so that none of its events is missed.
#[derive(Default)]
pub(crate) struct DynoWatch(Mutex<HashMap<DynoId, Watched>>);

impl DynoWatch {
    pub(crate) fn enter(
        &self,
        dyno: DynoId,
        app: AppId,
        process: String,
        transcript: Option<Arc<Transcript>>,
        exit: ExitTo,
    ) {
        let watched =
            Watched { app, process, stdout: Assembler::default(), stderr: Assembler::default(), transcript, exit };
        self.lock().insert(dyno, watched);
    }

    /// For a dyno that did not start after all.
    pub(crate) fn leave(&self, dyno: DynoId) {
        self.lock().remove(&dyno);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DynoId, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events until the runtime closes them.
    pub(crate) async fn run(&self, mut events: Events, logs: Logs, reconciler: Reconciler) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Output { dyno, stream, at, bytes } => self.output(&logs, dyno, stream, at, &bytes),
                Event::Lost { dyno, bytes } => self.lost(&logs, dyno, bytes),
                Event::Exited { dyno, at, exit } => {
                    if let Some(exit_to) = self.exited(&logs, dyno, at) {
                        tell(exit_to, &reconciler, dyno, exit).await;
                    }
                }
            }
        }
    }

    fn output(&self, logs: &Logs, dyno: DynoId, stream: Stream, at: Timestamp, bytes: &[u8]) {
        let mut all = self.lock();
        let Some(watched) = all.get_mut(&dyno) else { return };
        if let Some(transcript) = &watched.transcript {
            transcript.write(bytes);
        }
        let assembler = match stream {
            Stream::Stdout => &mut watched.stdout,
            Stream::Stderr => &mut watched.stderr,
        };
        let lines = assembler.push(bytes);
        let line = |text| Line { at, source: Source::App, process: watched.process.clone(), text };
        logs.append_all(watched.app, lines.into_iter().map(line));
    }

    fn lost(&self, logs: &Logs, dyno: DynoId, bytes: u64) {
        let all = self.lock();
        let Some(watched) = all.get(&dyno) else { return };
        let text = format!(
            "Error L12 (Local buffer overflow) -> {bytes} bytes of output dropped while the platform was away or behind"
        );
        let line =
            Line { at: Timestamp::now(), source: Source::Heroku, process: watched.process.clone(), text: text.into() };
        logs.append(watched.app, line);
    }

    fn exited(&self, logs: &Logs, dyno: DynoId, at: Timestamp) -> Option<ExitTo> {
        let mut watched = self.lock().remove(&dyno)?;
        for text in [watched.stdout.finish(), watched.stderr.finish()].into_iter().flatten() {
            logs.append(watched.app, Line { at, source: Source::App, process: watched.process.clone(), text });
        }
        Some(watched.exit)
    }
}

async fn tell(exit_to: ExitTo, reconciler: &Reconciler, dyno: DynoId, exit: Exit) {
    match exit_to {
        ExitTo::Formation => reconciler.exited(dyno, exit).await,
        ExitTo::OneOff(waiting) => {
            // Whoever waited may be gone (a client that hung up): then no one needs to know.
            let _ = waiting.send(exit);
        }
    }
}
