//! A [`Runtime`] without processes: dynos are entries of a map, and what
//! becomes of them is the test's to say.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::DynoId;
use jiff::Timestamp;
use runtime::{
    Attachment, DynoSpec, Event, Events, Existing, Exit, ExitStatus, Listening, Runtime, RuntimeError, StartError,
    Started, Stdio, Usage,
};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// What a dyno does once it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Runs, and listens on every port, until it is stopped.
    Runs,
    /// Runs without ever listening.
    Deaf,
    /// Writes this to its stdio, if that is attached, and exits at once.
    Exits { code: i32, output: String },
}

type Chooser = Box<dyn Fn(&DynoSpec) -> Script + Send + Sync>;

/// Dynos that run by script. Cheap to share as an `Arc`.
pub struct ScriptedRuntime {
    dynos: Mutex<HashMap<DynoId, Scripted>>,
    script: Mutex<Chooser>,
    events: mpsc::UnboundedSender<Event>,
}

struct Scripted {
    existing: Existing,
    listening: Listening,
    /// The dyno's end of an attached stdio.
    stdio: Option<DuplexStream>,
}

impl ScriptedRuntime {
    /// A runtime without dynos, and where its events arrive. Every dyno
    /// [`Script::Runs`] until [`ScriptedRuntime::script`] says otherwise.
    /// To be called within a tokio runtime.
    pub fn new() -> (Arc<Self>, Events) {
        let (events, mut pending) = mpsc::unbounded_channel();
        // The trait's channel is bounded; this one in between never makes a
        // dyno of a test wait.
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Some(event) = pending.recv().await {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        let runtime = Self { dynos: Mutex::default(), script: Mutex::new(Box::new(|_| Script::Runs)), events };
        (Arc::new(runtime), receiver)
    }

    /// Dynos that are started from now on do what `choose` says.
    pub fn script(&self, choose: impl Fn(&DynoSpec) -> Script + Send + Sync + 'static) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(choose);
    }

    /// The dyno ends by itself with this exit code.
    pub fn exit(&self, dyno: DynoId, code: i32) {
        self.end(dyno, ExitStatus::Code(code));
    }

    /// The ids of the dynos that run.
    pub fn running(&self) -> Vec<DynoId> {
        let dynos = self.dynos();
        dynos.values().filter(|dyno| dyno.existing.exit.is_none()).map(|dyno| dyno.existing.id).collect()
    }

    /// The other end of an attached dyno's stdio; it can be taken once.
    pub fn take_stdio(&self, dyno: DynoId) -> Option<DuplexStream> {
        self.dynos().get_mut(&dyno)?.stdio.take()
    }

    fn dynos(&self) -> MutexGuard<'_, HashMap<DynoId, Scripted>> {
        self.dynos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, id: DynoId, status: ExitStatus) {
        let exit = Exit { status, out_of_memory: false };
        let ended = match self.dynos().get_mut(&id) {
            Some(dyno) if dyno.existing.exit.is_none() => {
                dyno.existing.exit = Some(exit);
                dyno.stdio = None;
                true
            }
            _ => false,
        };
        if ended {
            // No one listens any more when a test is over.
            let _over = self.events.send(Event::Exited { dyno: id, at: Timestamp::now(), exit });
        }
    }
}

#[async_trait]
impl Runtime for ScriptedRuntime {
    async fn start(&self, spec: DynoSpec) -> Result<Started, StartError> {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner)(&spec);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (attachment, mut stdio) = match spec.stdio {
            Stdio::Attached { .. } => {
                let (client, dyno) = tokio::io::duplex(64 * 1024);
                let (output, input) = tokio::io::split(client);
                (Some(Attachment { input: Box::new(input), output: Box::new(output) }), Some(dyno))
            }
            Stdio::Logged => (None, None),
        };
        if let (Script::Exits { output, .. }, Some(stdio)) = (&script, &mut stdio) {
            stdio.write_all(output.as_bytes()).await.map_err(|error| StartError::Failed {
                what: "the script's output does not fit".to_owned(),
                source: Some(error),
            })?;
        }
        let existing = Existing {
            id: spec.id,
            app: spec.app,
            label: spec.label,
            address,
            started_at: Timestamp::now(),
            exit: None,
        };
        let listening = if script == Script::Deaf { Listening::No } else { Listening::Yes };
        self.dynos().insert(spec.id, Scripted { existing, listening, stdio });
        if let Script::Exits { code, .. } = script {
            self.exit(spec.id, code);
        }
        Ok(Started { address, attachment })
    }

    /// The grace is not used: a scripted dyno ends at SIGTERM.
    async fn stop(&self, dyno: DynoId, _grace: Duration) -> Result<(), RuntimeError> {
        self.end(dyno, ExitStatus::Signal(15));
        Ok(())
    }

    async fn remove(&self, dyno: DynoId) -> Result<(), RuntimeError> {
        self.dynos().remove(&dyno);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Existing>, RuntimeError> {
        Ok(self.dynos().values().map(|dyno| dyno.existing.clone()).collect())
    }

    async fn listening(&self, dyno: DynoId, _port: u16) -> Result<Listening, RuntimeError> {
        let dynos = self.dynos();
        dynos.get(&dyno).map(|dyno| dyno.listening).ok_or(RuntimeError::NoSuchDyno(dyno))
    }

    async fn drop_unused_images(&self, _dry_run: bool) -> Result<u64, RuntimeError> {
        Ok(0)
    }

    async fn usage(&self, dyno: DynoId) -> Result<Usage, RuntimeError> {
        if self.dynos().contains_key(&dyno) { Ok(Usage::default()) } else { Err(RuntimeError::NoSuchDyno(dyno)) }
    }
}
