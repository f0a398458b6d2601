//! Buildpacks from the CLI.

use anyhow::ensure;

use crate::stage::Stage;

pub(crate) fn set_to_cleared(stage: &Stage) -> anyhow::Result<()> {
    let owner = stage.owner()?;
    owner.heroku(&["apps:create", "buildpacks-app"])?.ok()?;
    let heroku = |words: &[&str]| owner.heroku(&[words, &["--app", "buildpacks-app"]].concat());
    heroku(&["buildpacks"])?.ok()?.says("has no Buildpack")?;
    heroku(&["buildpacks:set", "heroku/nodejs"])?.ok()?;
    heroku(&["buildpacks:add", "--index", "1", "heroku/python"])?.ok()?;
    let listed = heroku(&["buildpacks"])?.ok()?;
    let (python, nodejs) = (listed.stdout.find("heroku/python"), listed.stdout.find("heroku/nodejs"));
    ensure!(python.is_some() && python < nodejs, "{listed}");
    heroku(&["buildpacks:remove", "heroku/python"])?.ok()?;
    heroku(&["buildpacks"])?.ok()?.does_not_say("heroku/python")?;
    heroku(&["buildpacks:clear"])?.ok()?;
    heroku(&["buildpacks"])?.ok()?.does_not_say("heroku/nodejs")?;
    heroku(&["buildpacks:set", "nobody/nothing"])?.fails()?;
    Ok(())
}
