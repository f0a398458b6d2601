//! Journeys through the real binary: each does what a user does, with the
//! official CLI and real git, and looks at what he sees.
//!
//! Most share one server and differ in their apps and homes; those that end
//! servers start their own. The suite needs root, the official CLI (`cargo
//! xtask test` gets it) and the binary; without them it says what is missing
//! and skips.

mod access;
mod account;
mod apps;
mod backup;
mod buildpacks;
mod client;
mod config;
mod deploy;
mod docs;
mod domains;
mod dynos;
mod lifetime;
mod login;
mod logs;
mod machine;
mod names;
mod releases;
mod router;
mod run;
mod sources;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use stage::Stage;

type Journey = fn(&Stage) -> anyhow::Result<()>;

const JOURNEYS: &[(&str, Journey)] = &[
    // The longest first, so that they overlap with the others.
    ("lifetime: a server killed in the middle of a deploy leaves nothing half done", lifetime::killed_in_a_deploy),
    ("lifetime: dynos outlive a kill -9 of the server and no line is lost", lifetime::killed_with_dynos),
    ("lifetime: a server that is ended and started again adopts the dynos", lifetime::ended_and_started_again),
    ("lifetime: down leaves nothing on the machine and the app comes back", lifetime::down_and_up_again),
    ("backup: made under load, it brings apps back in another place", backup::under_load_and_back),
    ("router: a release under load loses no request", router::release_under_load),
    ("deploy: the Node example answers", deploy::node_example),
    ("deploy: a push builds, releases and serves", deploy::push_serves),
    ("deploy: a failed build leaves the branch and the app as they were", deploy::failed_build),
    ("deploy: other branches are taken but not built", deploy::other_branches),
    ("deploy: a push without the right key is refused", deploy::refused_without_key),
    ("sources: a tarball is built through the API", sources::tarball_build),
    ("releases: are listed, shown and rolled back", releases::listed_and_rolled_back),
    ("releases: a release phase runs before traffic moves", releases::release_phase),
    ("dynos: formations are scaled by numbers and deltas", dynos::scaled),
    ("dynos: are restarted and stopped", dynos::restarted_and_stopped),
    ("dynos: have Heroku's environment and none of the host's", dynos::environment),
    ("logs: are shown, filtered and followed", logs::shown_filtered_followed),
    ("run: gives a terminal", run::terminal),
    ("run: passes output and exit status on", run::exit_status),
    ("run: goes on by itself when detached", run::detached),
    ("router: WebSockets pass", router::websocket),
    ("router: headers, unknown hosts and apps without code", router::pages_and_headers),
    ("apps: are made, shown, renamed and destroyed", apps::made_to_destroyed),
    ("apps: are found by the git remote", apps::found_by_remote),
    ("config: is set, read and unset", config::set_read_unset),
    ("domains: are added, served and removed", domains::added_served_removed),
    ("names: apps and platform answer at a domain of the operator's", names::own_domain),
    ("buildpacks: are set, added, removed and cleared", buildpacks::set_to_cleared),
    ("access: others may be let in and put out", access::let_in_and_put_out),
    ("account: who it is, and what the platform has", account::whoami_and_lists),
    ("account: drains are kept", account::drains),
    ("login: with a password, and out again", login::in_and_out),
    ("client: from a login on another machine to an app and out again", client::from_afar),
    ("client: a folder without git is deployed as it is", client::folder),
    ("client: config, scale, releases and rollback", client::day_by_day),
    ("client: run gives a terminal and the program's status", client::run),
    ("client: logs are followed", client::followed),
    ("client: a build is cancelled", client::cancelled),
    ("client: the official CLI reaches a far server", client::official_cli_from_afar),
    ("client: shells complete commands and apps", client::completed),
    ("client: the authority is shown, installed and removed", client::trusted),
    ("client: slips are told with what was meant", client::slips),
    ("machine: the owner's key is his alone, and the doctor looks around", machine::keys_and_doctor),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let stage = match Stage::prepare() {
        Ok(stage) => Some(Arc::new(stage)),
        Err(missing) => {
            eprintln!("skipped: {missing:#}");
            None
        }
    };
    let pages = match docs::pages() {
        Ok(pages) => pages,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let pages = pages.into_iter().map(|page| {
        let taken = stage.clone();
        let trial = Trial::test(format!("docs: {} can be followed", page.name), move || match &taken {
            Some(stage) => page.run(stage).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        });
        trial.with_ignored_flag(stage.is_none())
    });
    let journeys = JOURNEYS.iter().map(|(name, journey)| {
        let taken = stage.clone();
        let trial = Trial::test(*name, move || match &taken {
            Some(stage) => journey(stage).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        });
        trial.with_ignored_flag(stage.is_none())
    });
    let conclusion = libtest_mimic::run(&arguments, journeys.chain(pages).collect());
    if conclusion.has_failed()
        && let Some(stage) = &stage
    {
        stage.show_log();
    }
    drop(stage);
    conclusion.exit_code()
}
