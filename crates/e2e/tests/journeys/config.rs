//! Config vars from the CLI.

use anyhow::ensure;

use crate::stage::Stage;

pub(crate) fn set_read_unset(stage: &Stage) -> anyhow::Result<()> {
    let owner = stage.owner()?;
    let app = ["--app", "config-vars"];
    let heroku = |words: &[&str]| owner.heroku(&[words, &app].concat());
    owner.heroku(&["apps:create", "config-vars"])?.ok()?;
    heroku(&["config"])?.ok()?.does_not_say("COLOUR")?;

    heroku(&["config:set", "COLOUR=dark blue", "LINES=one\ntwo", "EMPTY="])?.ok()?.says("COLOUR")?;
    ensure!(heroku(&["config:get", "COLOUR"])?.ok()?.stdout == "dark blue\n");
    ensure!(heroku(&["config:get", "LINES"])?.ok()?.stdout == "one\ntwo\n");
    heroku(&["config"])?.ok()?.says("dark blue")?;
    heroku(&["config", "--shell"])?.ok()?.says("COLOUR='dark blue'")?;
    let vars = heroku(&["config", "--json"])?.ok()?.json()?;
    ensure!(vars["COLOUR"] == "dark blue" && vars["EMPTY"] == "", "{vars}");

    heroku(&["config:unset", "COLOUR"])?.ok()?;
    heroku(&["config:get", "COLOUR"])?.does_not_say("dark blue")?;
    heroku(&["config:set", "not a name=1"])?.fails()?;
    let vars = heroku(&["config", "--json"])?.ok()?.json()?;
    ensure!(vars.get("COLOUR").is_none() && vars["LINES"] == "one\ntwo", "{vars}");
    Ok(())
}
