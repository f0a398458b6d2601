//! `cargo xtask up`: from a clean machine to an app that answers.

mod deploy;
mod options;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use self::deploy::Deployed;
pub(crate) use self::options::Options;
use self::server::Server;
use crate::packages;
use crate::privilege::prefix;
use crate::stack_image::InBackground;
use crate::steps::{Step, cargo, step};

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    packages::for_server()?;
    let stack = InBackground::start()?;
    step("Build", &mut cargo(&["build", "--release", "--bin", "renga"]))?;
    let waiting = Step::begin("Stack");
    stack.wait()?;
    waiting.done();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(options));
    // A push that Ctrl-C interrupted may still be waiting for its end.
    runtime.shutdown_timeout(Duration::ZERO);
    outcome
}

/// Whatever happens after the server's start, it is brought down in the end.
async fn serve(options: Options) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(stop);

    let renga = e2e::workspace_root().join("target/release/renga");
    let server = Server::start(&renga, &options)?;
    let place = server.place();
    let show = tokio::task::spawn_blocking({
        let place = place.clone();
        move || deploy::example(&place)
    });
    let outcome = tokio::select! {
        shown = show => shown.context("the deploy came to no end")?.map(Some),
        () = &mut stop => Ok(None),
    };
    if let Ok(Some(deployed)) = &outcome {
        println!("{}", report(&place, deployed));
        if !options.once {
            stop.await;
        }
    }
    let down = Step::begin("Down");
    server.down()?;
    down.done();
    outcome.map(|_| ExitCode::SUCCESS)
}

/// Where the server is and how to talk to it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) renga: PathBuf,
    pub(crate) address: SocketAddr,
    /// As given; `None` is the binary's own default.
    pub(crate) data_dir: Option<PathBuf>,
}

impl Place {
    pub(crate) fn data_dir_words(&self) -> Vec<String> {
        match &self.data_dir {
            Some(data_dir) => vec!["--data-dir".to_owned(), data_dir.display().to_string()],
            None => Vec::new(),
        }
    }
}

fn report(place: &Place, deployed: &Deployed) -> String {
    let Deployed { app, url, answer, push } = deployed;
    let took = match push {
        Some(took) => format!("The push took {:.1} s, from `git push` to its end.", took.as_secs_f64()),
        None => "It was deployed before and has not changed: there was nothing to push.".to_owned(),
    };
    let env = [vec![format!("{}target/release/renga env", prefix())], place.data_dir_words()].concat().join(" ");
    format!(
        r#"
{url} answers: {answer}
{took}

Try next, in another terminal in this folder:
    eval "$({env})"
    npm install --global heroku@11        (the official CLI; needs Node 20 or later)
    heroku apps
    heroku logs --tail --app {app}
    heroku run --app {app} bash
    heroku ps:scale web=2 --app {app}
and with an app of yours, in its repository:
    heroku create
    git push heroku main
In a browser: {url}
Ctrl-C brings everything down; apps and data stay for the next time."#
    )
}
