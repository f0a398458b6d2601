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
    heroku(&["buildpacks:set", "https://git.example.com/pack.git#a/branch"])?.ok()?;
    heroku(&["buildpacks"])?.ok()?.says("https://git.example.com/pack.git#a/branch")?;
    heroku(&["buildpacks:set", "nobody/nothing"])?.fails()?.says("There is no buildpack nobody/nothing")?;
    heroku(&["buildpacks:set", "heroku/nodej"])?.fails()?.says("mean heroku/nodejs?")?;
    heroku(&["buildpacks:set", "git@git.example.com:pack.git"])?.fails()?;
    owner.heroku(&["buildpacks:search", "static"])?.ok()?.says("heroku/static")?.says("2 buildpacks found")?;
    owner.heroku(&["buildpacks:info", "heroku-community/apt"])?.ok()?.says("Aptfile")?;
    owner.heroku(&["buildpacks:versions", "heroku/go"])?.ok()?.says("published")?;
    Ok(())
}
