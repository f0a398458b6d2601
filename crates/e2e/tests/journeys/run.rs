//! One-off dynos from the CLI.

use anyhow::ensure;

use crate::stage::{Stage, deployed, eventually_says};

pub(crate) fn terminal(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    deployed(&server, &owner, "run-terminal")?;
    let mut terminal = owner.heroku_terminal(&["run", "bash", "--app", "run-terminal"])?;
    terminal.expect("$ ")?;
    terminal.type_keys("echo $((6 * 7)) on $(tty) with $(cat VERSION)\r")?;
    terminal.expect("42 on /dev/pts/")?;
    terminal.expect("with one")?;
    // The terminal's interrupt key reaches the program, and only it. (The
    // program itself says that it runs: the outer shell would take the key in
    // the moment before.)
    terminal.type_keys("sh -c \"echo sle''eps; exec sleep 1000\"\r")?;
    terminal.expect("sleeps")?;
    terminal.type_keys("\u{3}")?;
    terminal.expect("$ ")?;
    terminal.type_keys("exit\r")?;
    terminal.end()?;
    Ok(())
}

pub(crate) fn exit_status(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "run-status")?;
    let good = app.heroku(&["run", "--exit-code", "--no-tty", "cat VERSION && echo to stderr >&2"])?.ok()?;
    ensure!(good.stdout.contains("one") && good.stdout.contains("to stderr"), "{good}");
    // In a shell of its own: the CLI appends the command that tells it the status.
    let bad = app.heroku(&["run", "--exit-code", "--no-tty", "sh -c 'exit 7'"])?;
    ensure!(bad.code == 7, "{bad}");
    let unknown = app.heroku(&["run", "-x", "--no-tty", "no-such-command"])?;
    ensure!(unknown.code == 127, "{unknown}");
    let variable =
        app.heroku(&["run", "-x", "--no-tty", "--env", "COLOUR=green", "echo it is $COLOUR on $DYNO"])?.ok()?;
    variable.says("it is green on run.")?;
    Ok(())
}

pub(crate) fn detached(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "run-detached")?;
    app.heroku(&["run:detached", "echo from afar"])?.ok()?.says("run.")?;
    eventually_says(&owner, &["logs", "--app", "run-detached", "--num", "500"], "from afar")?;
    Ok(())
}
