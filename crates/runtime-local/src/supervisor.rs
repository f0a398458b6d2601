//! The server's tie to the keeper: made, kept, and made again.

use std::ffi::OsString;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use runtime::Event;
use tokio::sync::mpsc;

use crate::client::{ClientError, Control, EventStream, EventsEnd};
use crate::local::{LocalRuntime, OpenError};
use crate::paths::Paths;

/// Both connections to a keeper.
pub(crate) struct Connected {
    pub(crate) reader: tokio::task::JoinHandle<io::Result<()>>,
    pub(crate) stream: EventStream,
}

/// Connects to the keeper; if there is none, starts it first.
pub(crate) async fn connect(
    paths: &Paths,
    command: &[OsString],
) -> Result<(Arc<Control>, impl Future<Output = io::Result<()>> + Send + use<>), OpenError> {
    let told = |error: ClientError| OpenError::Keeper(error.to_string());
    match Control::connect(paths).await {
        Err(ClientError::Io(error))
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        other => return other.map_err(told),
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(OpenError::Keeper("no command is configured".to_owned()));
    };
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .map_err(|error| OpenError::Keeper(error.to_string()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(OpenError::Keeper(format!("{}: {}", output.status, text.trim())));
    }
    Control::connect(paths).await.map_err(told)
}

/// How long what a keeper has left to be read may take. What is not read then
/// is sent again by a keeper that lives.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Keeps the connections to the keeper, and starts another if it dies. Ends
/// when the keeper was told to end, or when the runtime is gone.
pub(crate) async fn supervise(runtime: Weak<LocalRuntime>, mut connected: Connected, to_owner: mpsc::Sender<Event>) {
    loop {
        let Connected { mut reader, stream } = connected;
        let mut forwarding = std::pin::pin!(stream.forward(&to_owner));
        let end = tokio::select! {
            end = &mut forwarding => end,
            _ = &mut reader => {
                // The keeper may have said goodbye on the other connection: that is read to its end first.
                let last_words = tokio::time::timeout(LAST_WORDS, forwarding).await;
                last_words.unwrap_or(Ok(EventsEnd::Lost))
            }
        };
        match end {
            Ok(EventsEnd::Goodbye) => return,
            Ok(EventsEnd::Unwanted) => {
                // Orders still work.
                if !reader.is_finished() {
                    let _ = reader.await;
                }
                return;
            }
            Ok(EventsEnd::Lost) => {}
            Err(error) => tracing::error!("The keeper's events can't be read: {error}"),
        }
        reader.abort();
        tracing::warn!("The connection to the dynos' keeper is lost; connecting again");
        let mut wait = Duration::from_millis(20);
        connected = loop {
            let Some(runtime) = runtime.upgrade() else { return };
            match runtime.connect_again().await {
                Ok(connected) => break connected,
                Err(error) => tracing::error!("Could not connect to the dynos' keeper: {error}"),
            }
            drop(runtime);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        };
    }
}
