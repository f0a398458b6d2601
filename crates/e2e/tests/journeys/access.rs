//! Collaborators from the CLI.

use crate::stage::Stage;

pub(crate) fn let_in_and_put_out(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    server.renga(&["accounts:create", "carol@example.com"])?.ok()?;
    owner.heroku(&["apps:create", "access-app"])?.ok()?;
    let heroku = |words: &[&str]| owner.heroku(&[words, &["--app", "access-app"]].concat());
    heroku(&["access"])?.ok()?.says("owner")?;
    heroku(&["access:add", "carol@example.com"])?.ok()?;
    heroku(&["access"])?.ok()?.says("carol@example.com")?;
    heroku(&["access:add", "nobody@example.com"])?.fails()?;
    heroku(&["access:remove", "carol@example.com"])?.ok()?;
    heroku(&["access"])?.ok()?.does_not_say("carol@example.com")?;
    Ok(())
}
