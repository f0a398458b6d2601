//! Custom domains from the CLI.

use anyhow::ensure;
use e2e::{eventually, http};

use crate::stage::{PATIENCE, Stage, deployed};

pub(crate) fn added_served_removed(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    let app = deployed(&server, &owner, "domains-own")?;
    app.heroku(&["domains"])?.ok()?.says("domains-own.localhost")?;
    app.heroku(&["domains:add", "www.example.com"])?.ok()?;
    app.heroku(&["domains"])?.ok()?.says("www.example.com")?;
    let page = || http::get(server.address(), "www.example.com", "/");
    eventually(PATIENCE, || {
        let page = page()?;
        ensure!(page.status == 200 && page.body.contains("version one"), "{page:?}");
        Ok(())
    })?;
    app.heroku(&["domains:add", "www.example.com"])?.fails()?;
    app.heroku(&["domains:remove", "www.example.com"])?.ok()?;
    eventually(PATIENCE, || {
        let page = page()?;
        ensure!(page.status == 404, "{page:?}");
        Ok(())
    })
}
