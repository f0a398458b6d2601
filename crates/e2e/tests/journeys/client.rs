//! Renga's own client.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, bail, ensure};
use e2e::{Deadline, Person, Repository, Server, copy_folder, eventually, workspace_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{PATIENCE, Stage};

/// The one who may do everything, on the server's own machine.
fn owner_at(stage: &Stage, server: &Server) -> anyhow::Result<Person> {
    let data_dir = server.data_dir().to_str().context("a path of text")?;
    Ok(stage.afar()?.and("RENGA_DATA_DIR", data_dir))
}

/// A new app with the code of the probe, pushed by our own client.
fn deployed<'a>(server: &Server, person: &'a Person, app: &str) -> anyhow::Result<Repository<'a>> {
    let repository = Repository::of(person, "probe", app)?;
    repository.renga(&["create", app])?.ok()?.says(app)?;
    repository.renga(&["push"])?.ok()?.says("Released v2")?;
    server.app_says(app, "/", "version one")?;
    Ok(repository)
}

fn fingerprint(server: &Server) -> anyhow::Result<String> {
    Ok(server.renga(&["trust", "--print"])?.ok()?.stderr.trim().to_owned())
}

pub(crate) fn from_afar(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let made = server.renga(&["accounts:create", "dora@example.com"])?.ok()?;
    let password = made.stdout.trim().to_owned();
    let dora = stage.afar()?.and("RENGA_PROFILE", "far");
    let url = format!("https://127.0.0.1:{}", server.address().port());

    // An authority that is not the expected one is sent nothing.
    let wrong = format!("SHA256:{}", ["00"; 32].join(":"));
    dora.renga(&["login", &url, "--fingerprint", &wrong, "--api-key-stdin"])?.fails()?.says("nothing was sent")?;

    let mut login = dora.terminal("renga", &["login", &url, "--profile", "far"])?;
    login.expect(&fingerprint(&server)?)?;
    login.expect("[y/N]")?;
    login.type_keys("y\r")?;
    login.expect("E-mail")?;
    login.type_keys("dora@example.com\r")?;
    login.expect("Password")?;
    login.type_keys(&format!("{password}\r"))?;
    let (code, shown) = login.end()?;
    ensure!(code == 0 && shown.contains("Logged in to"), "ended with {code}:\n{shown}");
    ensure!(!shown.contains(&password), "the password was shown:\n{shown}");
    let profiles = dora.folder(".config/renga/profiles.json");
    ensure!(std::fs::metadata(&profiles)?.permissions().mode() & 0o777 == 0o600, "others may read the profiles");
    dora.renga(&["whoami"])?.ok()?.says("dora@example.com")?.says(&url)?;

    let app = deployed(&server, &dora, "client-far")?;
    app.renga(&["ps"])?.ok()?.says("web.1")?;
    app.renga(&["apps", "--json"])?.ok()?.json()?.as_array().context("no list")?;
    // Git by itself, too: `create` told it how.
    app.change("VERSION", "two\n")?;
    app.git(&["push", "renga", "main"])?.ok()?;
    server.app_says("client-far", "/", "version two")?;
    app.renga(&["run", "cat VERSION; exit 7"]).and_then(|ran| {
        ensure!(ran.code == 7 && ran.stdout == "two\n", "{ran}");
        Ok(())
    })?;
    app.renga(&["destroy", "--confirm", "client-fat"])?.fails()?.says("nothing was destroyed")?;
    app.renga(&["destroy", "--confirm", "client-far"])?.ok()?;

    let stored: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&profiles)?)?;
    let key = stored["profiles"]["far"]["api_key"].as_str().context("no key")?.to_owned();
    dora.renga(&["logout"])?.ok()?;
    dora.renga(&["whoami"])?.fails()?.says("renga login")?;
    // The key that she had is good for nothing now.
    let owner = owner_at(stage, &server)?.and("RENGA_API_KEY", &key);
    owner.renga(&["whoami"])?.fails()?.says("log in anew")?;
    Ok(())
}

pub(crate) fn folder(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = owner_at(stage, &server)?;
    let folder = owner.folder("client-folder");
    copy_folder(&workspace_root().join("crates/e2e/apps/probe"), &folder)?;
    owner.renga(&["create", "client-folder"])?.ok()?;
    let push = |words: &[&str]| owner.run_in(&folder, "renga", &[&["push", "--app", "client-folder"], words].concat());
    push(&[])?.ok()?.says("no git repository")?.says("-----> ")?.says("Released v2")?;
    server.app_says("client-folder", "/", "version one")?;

    // In a repository what lies there goes, committed or not.
    owner.git(&folder, &["init", "--quiet"])?.ok()?;
    push(&[])?.fails()?.says("no commit yet")?;
    std::fs::write(folder.join("VERSION"), "as it is\n")?;
    push(&["--dir", "."])?.ok()?;
    server.app_says("client-folder", "/", "version as it is")?;

    std::fs::remove_file(folder.join("Procfile"))?;
    push(&["--dir", "."])?.fails()?.says("the build failed")?;
    let builds = owner.renga(&["builds", "--app", "client-folder"])?.ok()?.says("succeeded")?.says("failed")?;
    ensure!(builds.stdout.lines().count() == 4, "{builds}");
    Ok(())
}

pub(crate) fn day_by_day(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = owner_at(stage, &server)?;
    let app = deployed(&server, &owner, "client-days")?;
    app.renga(&["config:set", "GREETING=hello you", "COLOUR=green"])?.ok()?.says("(v3)")?;
    app.renga(&["config"])?.ok()?.says("GREETING  hello you")?;
    ensure!(app.renga(&["config", "COLOUR"])?.ok()?.stdout == "green\n", "the value alone");
    app.renga(&["config", "unset", "COLOUR"])?.ok()?;
    app.renga(&["config", "--json"])?.ok()?.does_not_say("COLOUR")?;
    // Both spellings.
    app.renga(&["ps", "scale", "worker=1"])?.ok()?.says("worker")?;
    eventually(PATIENCE, || app.renga(&["ps"])?.ok()?.says("worker.1"))?;
    app.renga(&["ps:scale", "worker-1"])?.ok()?;
    let releases = app.renga(&["releases", "--json"])?.ok()?.json()?;
    ensure!(releases[0]["version"] == 4 && releases[0]["current"] == true, "{releases}");
    app.renga(&["rollback", "v2"])?.ok()?.says("v5")?;
    app.renga(&["config"])?.ok()?.does_not_say("GREETING  ")?;
    app.renga(&["domains:add", "client-days.example.test"])?.ok()?;
    app.renga(&["domains"])?.ok()?.says("client-days.example.test")?;
    app.renga(&["domains", "remove", "client-days.example.test"])?.ok()?;
    app.renga(&["info"])?.ok()?.says("https://client-days.localhost")?;
    ensure!(app.renga(&["open", "/x", "--url"])?.ok()?.stdout.ends_with("/x\n"), "the URL alone");
    Ok(())
}

pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = owner_at(stage, &server)?;
    let app = deployed(&server, &owner, "client-run")?;
    let words =
        app.renga(&["run", "--env", "COLOUR=green", "--", "sh", "-c", "echo it is $COLOUR on $DYNO; exit 3"])?;
    ensure!(words.code == 3 && words.stdout.starts_with("it is green on run."), "{words}");
    ensure!(app.renga(&["run", "no-such-command"])?.code == 127, "the shell's own status");
    owner.renga(&["run", "bash", "--app", "client-run"])?.fails()?.says("come before the command")?;
    app.renga(&["run", "--detached", "echo from afar"])?.ok()?.says("run.")?;
    eventually(PATIENCE, || app.renga(&["logs", "--num", "500"])?.ok()?.says("]: from afar"))?;

    let mut terminal = owner.terminal("renga", &["run", "--app", "client-run", "bash"])?;
    terminal.expect("$ ")?;
    terminal.type_keys("echo $((6 * 7)) on $(tty)\r")?;
    terminal.expect("42 on /dev/pts/")?;
    // The interrupt key reaches the program, and not us.
    terminal.type_keys("sh -c \"echo sle''eps; exec sleep 1000\"\r")?;
    terminal.expect("sleeps")?;
    terminal.type_keys("\u{3}")?;
    terminal.expect("$ ")?;
    terminal.type_keys("exit 5\r")?;
    let (code, shown) = terminal.end()?;
    ensure!(code == 5 && !shown.contains("exit-status"), "ended with {code}:\n{shown}");
    Ok(())
}

/// What a program writes, line by line.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(person: &Person, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = person.spawn_in(person.home(), "renga", arguments)?;
        let output = child.stdout.take().context("no output")?;
        let (sender, lines) = channel();
        // Ends with the output.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    fn expect(&self, text: &str) -> anyhow::Result<()> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match self.lines.recv_timeout(deadline.remaining()) {
                Ok(line) if line.contains(text) => return Ok(()),
                Ok(_) => {}
                Err(_) => bail!("`{text}` did not arrive"),
            }
        }
    }

    /// SIGTERM, which `timeout` hands on.
    fn end(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }
}

pub(crate) fn followed(stage: &Stage) -> anyhow::Result<()> {
    let mut server = stage.server_of_its_own()?;
    let owner = owner_at(stage, &server)?;
    deployed(&server, &owner, "client-logs")?;
    server.app("client-logs", "/say/first-words")?;
    let logs = |words: &[&str]| owner.renga(&[&["logs", "--app", "client-logs"], words].concat());
    eventually(PATIENCE, || logs(&["--source", "app"])?.ok()?.says("app[web.1]: first-words"))?;
    let one = logs(&["--dyno", "web.1", "--source", "app", "--num", "1", "--json"])?.ok()?.json()?;
    ensure!(one["process"] == "web.1" && one["text"] == "first-words", "{one}");

    let tail = Follower::start(&owner, &["logs", "--tail", "--app", "client-logs"])?;
    let outcome = (|| {
        tail.expect("first-words")?;
        server.app("client-logs", "/say/later-words")?;
        tail.expect("app[web.1]: later-words")?;
        // It goes on where it was after the server was away.
        server.terminate()?;
        server.start_again()?;
        server.app_says("client-logs", "/", "version one")?;
        server.app("client-logs", "/say/last-words")?;
        tail.expect("app[web.1]: last-words")
    })();
    tail.end()?;
    outcome
}

pub(crate) fn cancelled(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = owner_at(stage, &server)?;
    let app = Repository::of(&owner, "node-hello", "client-cancel")?;
    app.change("package.json", r#"{ "name": "x", "scripts": { "build": "echo builds now; sleep 600" } }"#)?;
    app.renga(&["create", "client-cancel"])?.ok()?;
    app.renga(&["builds:cancel"])?.fails()?.says("no build of client-cancel goes on")?;
    let mut push = owner.spawn_in(app.path(), "renga", &["push", "--dir", "."])?;
    eventually(PATIENCE, || app.renga(&["builds"])?.ok()?.says("pending"))?;
    let output = Follower::start(&owner, &["builds:output", "--app", "client-cancel"])?;
    let begun = output.expect("builds now");
    let cancelled = app.renga(&["builds", "cancel"])?.ok();
    let status = push.wait()?;
    output.end()?;
    begun?;
    cancelled?;
    ensure!(status.code() == Some(1), "the push ended with {status}");
    app.renga(&["builds"])?.ok()?.says("failed")?.does_not_say("pending")?;
    Ok(())
}

pub(crate) fn official_cli_from_afar(stage: &Stage) -> anyhow::Result<()> {
    // An address that the official CLI does not take for this machine.
    let server = stage.server_of_its_own_with(&["--listen", "127.0.0.2:0"])?;
    let record = std::fs::read_to_string(server.data_dir().join("run/server.json"))?;
    let record: serde_json::Value = serde_json::from_str(&record)?;
    let addresses = record["listen"].as_array().context("no addresses")?;
    let far = addresses.iter().filter_map(|address| address.as_str()).find(|address| address.starts_with("127.0.0.2"));
    let far = far.context("the second address is missing")?;
    let url = format!("https://{far}");

    let owner = std::fs::read_to_string(server.data_dir().join("keys/owner.json"))?;
    let owner: serde_json::Value = serde_json::from_str(&owner)?;
    let key = owner["api_key"].as_str().context("no key")?;
    let eve = stage.afar()?.and("RENGA_PROFILE", "far");
    let login =
        format!("echo {key} | renga login {url} --profile far --fingerprint {} --api-key-stdin", fingerprint(&server)?);
    eve.run_in(eve.home(), "sh", &["-c", &login])?.ok()?;

    let app = Repository::of(&eve, "probe", "client-official")?;
    let script = r#"set -e
        eval "$(renga env)"
        heroku apps:create client-official
        git push heroku main
        heroku run --no-tty --exit-code "cat VERSION"
        heroku logs --num 5
        heroku config:set A=1
        heroku auth:whoami"#;
    eve.run_in(app.path(), "bash", &["-c", script])?.ok()?.says("one")?.says("owner@renga.local")?;
    // Through a local port, which is gone with the command.
    app.renga(&["heroku", "--", "config:get", "A"])?.ok()?.says("1")?;
    app.renga(&["heroku", "--", "run", "--no-tty", "--exit-code", "cat VERSION"])?.ok()?.says("one")?;
    app.renga(&["heroku", "--", "config:get", "A", "--app", "no-such-app"])?.fails()?.says("Couldn't find that app")?;

    let connect = Follower::start(&eve, &["connect", "--port", "0"])?;
    let outcome = connected(&eve, &connect, far);
    connect.end()?;
    outcome
}

fn connected(eve: &Person, connect: &Follower, far: &str) -> anyhow::Result<()> {
    let line = connect.lines.recv_timeout(PATIENCE)?;
    ensure!(line.ends_with(&format!("leads to https://{far} until Ctrl-C. In another terminal:")), "{line}");
    let port = line.trim_start_matches("https://localhost:").split(' ').next().context("no port")?;
    let script = format!("set -e; eval \"$(renga env --through {port})\"; echo $HEROKU_HOST; heroku apps");
    eve.run_in(eve.home(), "bash", &["-c", &script])?
        .ok()?
        .says(&format!("https://localhost:{port}"))?
        .says("client-official")?;
    let plain = e2e::http::get(format!("127.0.0.1:{port}").parse()?, "localhost", "/account")?;
    ensure!(plain.status == 400 && plain.body.contains("https://"), "{plain:?}");
    Ok(())
}

pub(crate) fn completed(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = owner_at(stage, &server)?;
    owner.renga(&["create", "client-tab"])?.ok()?;
    let completed = |line: &str| -> anyhow::Result<String> {
        let script =
            r#"source <(renga completions bash); COMP_LINE="$1"; COMP_POINT=${#1}; _renga; echo "${COMPREPLY[*]}""#;
        Ok(owner.run_in(owner.home(), "bash", &["-c", script, "bash", line])?.ok()?.stdout.trim().to_owned())
    };
    for (line, expected) in [
        ("renga relea", "releases releases:rollback"),
        // In bash what stands before the colon stays where it is.
        ("renga ps:sc", "scale"),
        ("renga ps sc", "scale"),
        ("renga logs --ta", "--tail"),
        ("renga logs --source ", "app heroku"),
        ("renga ps --app client-ta", "client-tab"),
    ] {
        let answered = completed(line)?;
        ensure!(answered == expected, "`{line}` is completed with `{answered}`");
    }
    for shell in ["zsh", "fish"] {
        owner.renga(&["completions", shell])?.ok()?.says("renga complete")?;
    }
    Ok(())
}

pub(crate) fn trusted(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = owner_at(stage, &server)?;
    let printed = owner.renga(&["trust", "--print"])?.ok()?;
    let authority = std::fs::read_to_string(server.data_dir().join("tls/ca.pem"))?;
    ensure!(printed.stdout == authority && printed.stderr.starts_with("SHA256:"), "{printed}");
    let served = server.app("anything", "/").and_then(|_| {
        e2e::http::get(server.address(), &format!("localhost:{}", server.address().port()), "/renga/authority.pem")
    })?;
    ensure!(served.status == 200 && served.body == authority, "{served:?}");

    let store = owner.folder("store");
    let into = store.to_str().context("a path of text")?;
    owner.renga(&["trust", "--into", into])?.fails()?.says("--yes")?;
    ensure!(!store.exists(), "something was done before it was confirmed");
    owner.renga(&["trust", "--into", into, "--yes"])?.ok()?.says("install `")?;
    let files: Vec<_> = std::fs::read_dir(&store)?.collect::<Result<_, _>>()?;
    ensure!(files.len() == 1 && std::fs::read_to_string(files[0].path())? == authority, "{files:?}");
    owner.renga(&["trust", "--into", into, "--remove", "--yes"])?.ok()?;
    ensure!(std::fs::read_dir(&store)?.next().is_none(), "it is still there");
    Ok(())
}

pub(crate) fn slips(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let owner = owner_at(stage, &server)?;
    owner.renga(&["create", "client-slips"])?.ok()?;
    owner.renga(&["config:set", "DATABASE_URL=x", "--app", "client-slips"])?.ok()?;
    let usage = owner.renga(&["relases"])?;
    ensure!(usage.code == 2 && usage.stderr.contains("releases"), "{usage}");
    let app = owner.renga(&["ps", "--app", "client-slip"])?;
    ensure!(app.code == 1 && app.stderr.contains("Did you mean `client-slips`?"), "{app}");
    owner
        .renga(&["config:unset", "DATABASE_ULR", "--app", "client-slips"])?
        .fails()?
        .says("Did you mean `DATABASE_URL`?")?;
    owner.renga(&["ps"])?.fails()?.says("--app NAME")?;
    owner.renga(&["create", "No Name"])?.fails()?.says("(invalid_params)")?;
    // No colours where nobody looks; on demand they are there.
    owner.renga(&["apps"])?.ok()?.does_not_say("\u{1b}[")?;
    owner.run_in(owner.home(), "env", &["CLICOLOR_FORCE=1", "renga", "apps"])?.ok()?.says("\u{1b}[1m")?;
    Ok(())
}
