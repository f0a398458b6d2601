//! Builds of tarballs, without git.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use e2e::http::{self, Request};
use e2e::{Api, Person, eventually, path_of, workspace_root};
use serde_json::{Value, json};

use crate::stage::Stage;

const BUILD_PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn tarball_build(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = stage.owner()?;
    owner.heroku(&["apps:create", "sources-tar"])?.ok()?;
    let api = Api::new(server.address(), owner.heroku(&["auth:token"])?.ok()?.stdout.trim());

    let source = api.call("POST", "/apps/sources-tar/sources", &json!({}))?;
    let blob = &source["source_blob"];
    // Neither a key nor a content type: the URL is the secret.
    let put = Request {
        method: "PUT",
        host: &server.url()[8..],
        path: path_of(&blob["put_url"])?,
        headers: &[],
        body: &tarball(&owner)?,
    };
    let stored = http::send(server.address(), &put)?;
    ensure!(stored.status == 200, "the source was not taken: {stored:?}");

    let wish = json!({ "source_blob": { "url": blob["get_url"], "version": "v-tar" } });
    let build = api.call("POST", "/apps/sources-tar/builds", &wish)?;
    let output = http::get(server.address(), "localhost", path_of(&build["output_stream_url"])?)?;
    ensure!(output.body.contains("----->"), "{output:?}");
    let id = build["id"].as_str().context("a build without id")?;
    let done = eventually(BUILD_PATIENCE, || {
        let build = api.call("GET", &format!("/apps/sources-tar/builds/{id}"), &Value::Null)?;
        if build["status"] == "pending" {
            bail!("the build goes on");
        }
        Ok(build)
    })?;
    ensure!(done["status"] == "succeeded", "{done}: {}", output.body);
    server.app_says("sources-tar", "/", "version one")?;
    Ok(())
}

/// Text files in a tar are text themselves.
fn tarball(owner: &Person) -> anyhow::Result<String> {
    let probe = workspace_root().join("crates/e2e/apps/probe");
    Ok(owner.run_in(&probe, "tar", &["--create", "--file=-", "."])?.ok()?.stdout)
}
