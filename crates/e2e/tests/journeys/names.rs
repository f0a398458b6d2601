//! A domain of the operator's, beside `localhost`.

use anyhow::ensure;
use e2e::http;

use crate::stage::{Stage, deployed};

pub(crate) fn own_domain(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server_of_its_own_with(&["--domain", "example.test", "--listen", "127.0.0.1:0"])?;
    let owner = stage.owner_of(&server)?;
    let app = deployed(&server, &owner, "names-domain")?;
    let port = server.address().port();
    let public = format!("renga.example.test:{port}");

    // Programs here go on by `localhost`; apps have URLs of the domain.
    ensure!(http::get(server.address(), &public, "/healthz")?.status == 200, "the platform has no name of its own");
    let info = app.heroku(&["apps:info", "--json"])?.ok()?.json()?;
    ensure!(info["app"]["web_url"] == format!("https://names-domain.example.test:{port}/"), "{info}");
    ensure!(info["app"]["git_url"] == format!("https://localhost:{port}/names-domain.git"), "{info}");
    let by_domain = http::get(server.address(), &format!("names-domain.example.test:{port}"), "/")?;
    ensure!(by_domain.status == 200 && by_domain.body.contains("version one"), "{by_domain:?}");
    ensure!(http::get(server.address(), "nobody.example.test", "/")?.status == 404, "an unknown name has an app");

    // Others use the platform's name, and its certificate is good for it.
    let resolve = format!("http.curloptResolve={public}:127.0.0.1");
    let remote = format!("https://{public}/names-domain.git");
    let key = owner.heroku(&["auth:token"])?.ok()?.stdout.trim().to_owned();
    let helper = format!("credential.helper=!printf 'username=x\\npassword={key}\\n' #");
    owner
        .run_in(owner.home(), "git", &["-c", &resolve, "-c", &helper, "ls-remote", &remote])?
        .ok()?
        .says("refs/heads/main")?;

    // No app may take a name of the platform's domain for its own.
    app.heroku(&["domains:add", "shop.example.test"])?.fails()?.says("belongs to the platform")?;
    Ok(())
}
