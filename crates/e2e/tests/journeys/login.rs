//! Accounts with a password.

use anyhow::ensure;

use crate::stage::Stage;

pub(crate) fn in_and_out(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.server()?;
    let made = server.renga(&["accounts:create", "bob@example.com"])?.ok()?;
    let password = made.stdout.trim().to_owned();
    ensure!(password.len() >= 12, "a short password: {made}");
    server.renga(&["accounts:create", "bob@example.com"])?.fails()?.does_not_say(&password)?;

    let bob = stage.stranger()?;
    let mut refused = bob.heroku_terminal(&["login", "--interactive"])?;
    refused.expect("Email")?;
    refused.type_keys("bob@example.com\r")?;
    refused.expect("Password")?;
    refused.type_keys("not his password\r")?;
    let (code, shown) = refused.end()?;
    ensure!(code != 0, "a wrong password was taken:\n{shown}");

    let mut login = bob.heroku_terminal(&["login", "--interactive"])?;
    login.expect("Email")?;
    login.type_keys("bob@example.com\r")?;
    login.expect("Password")?;
    login.type_keys(&format!("{password}\r"))?;
    let (code, shown) = login.end()?;
    ensure!(code == 0 && shown.contains("Logged in as"), "ended with {code}:\n{shown}");
    ensure!(!shown.contains(&password), "the password was shown:\n{shown}");

    bob.heroku(&["auth:whoami"])?.ok()?.says("bob@example.com")?;
    let stored = std::fs::read_to_string(bob.folder(".netrc"))?;
    let token = stored.split_whitespace().skip_while(|word| *word != "password").nth(1).map(str::to_owned);
    bob.heroku(&["logout"])?.ok()?;
    bob.heroku(&["auth:whoami"])?.fails()?;
    // The key that he had is good for nothing now.
    let bob = bob.and("HEROKU_API_KEY", &token.unwrap_or_default());
    bob.heroku(&["apps"])?.fails()?;
    Ok(())
}
