//! A writer killed with -9, again and again: what it acknowledged is there,
//! what it did not is there as a whole or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use domain::formation::Quantity;
use domain::{App, WorkflowId};
use store::{FormationChange, Store};
use workflow::{Journal, Outcome};

use crate::support::{Home, at, changes, home, open, raw};

const KILLS: usize = 20;
const FOLDER: &str = "STORE_CRASH_TEST_FOLDER";

/// What the writer has said that it did.
#[derive(Default)]
struct Acknowledged {
    version: u32,
    value: String,
    quantity: u32,
}

#[test]
fn a_writer_killed_at_any_moment_loses_nothing_that_it_acknowledged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Ok(folder) = std::env::var(FOLDER) {
        // This process is the writer: it ends by being killed.
        return runtime.block_on(write_for_ever(Path::new(&folder)));
    }
    let home = runtime.block_on(async {
        let home = home().await;
        let app = home.app("one").await;
        let slug = home.slug(&app, &[("web", "run")]).await;
        home.releases().deploy(app.id, slug.id, app.owner, "Deploy", false, at(3)).await.unwrap();
        home.store.close().await;
        home
    });
    let mut before = 2;
    for kill in 0..KILLS {
        let acknowledged = write_and_kill(home.dir.path(), 1 + kill * 7 % 23);
        before = runtime.block_on(check(&home, &acknowledged, before));
    }
    assert!(before >= 2 + u32::try_from(KILLS).unwrap(), "the writers wrote something: v{before}");
}

/// Starts a writer, kills it after so many acknowledgements.
fn write_and_kill(folder: &Path, acknowledgements: usize) -> Acknowledged {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "crash::a_writer_killed_at_any_moment_loses_nothing_that_it_acknowledged"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    let mut lines = String::new();
    let mut seen = 0;
    while seen < acknowledgements && output.read_line(&mut lines).unwrap() > 0 {
        seen = lines.lines().filter(|line| line.starts_with("did ")).count();
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    output.read_to_string(&mut lines).unwrap();
    assert!(seen == acknowledgements, "the writer ended by itself: {lines}");

    let mut acknowledged = Acknowledged::default();
    for line in lines.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["did", version, value, quantity] = words[..] {
            acknowledged = Acknowledged {
                version: version.parse().unwrap(),
                value: value.to_owned(),
                quantity: quantity.parse().unwrap(),
            };
        }
    }
    acknowledged
}

async fn write_for_ever(folder: &Path) {
    let store = open(folder).await;
    let app = store.apps().list_all().await.unwrap().remove(0);
    println!(); // ends the line that the test harness began
    for turn in 0.. {
        let id = WorkflowId(uuid::Uuid::now_v7());
        store.begin(id, "turn", "{}").await.unwrap();
        let value = format!("{}-{turn}", std::process::id());
        let set = changes(&[("TURN", Some(&value))]);
        let (release, _) =
            store.releases().with_config_change(app.id, &set, app.owner, "Set TURN", at(turn)).await.unwrap();
        // The quantity follows the version, so the two can be compared.
        let quantity = quantity_of(release.version);
        store.formation().update(app.id, &[web(Quantity::Exactly(quantity))], at(turn)).await.unwrap();
        store.ended(id, Outcome::Done).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "did {} {value} {quantity}", release.version).unwrap();
        out.flush().unwrap();
    }
}

fn quantity_of(version: u32) -> u32 {
    version % 100
}

fn web(quantity: Quantity) -> FormationChange {
    FormationChange { process_type: "web".parse().unwrap(), quantity: Some(quantity), size: None }
}

/// Opens what the writer left; gives the highest version.
async fn check(home: &Home, acknowledged: &Acknowledged, before: u32) -> u32 {
    let reopened = Home { dir: tempfile::tempdir().unwrap(), store: open(home.dir.path()).await };
    let app: App = reopened.apps().list_all().await.unwrap().remove(0);
    let (live, versions) = reopened.versions(&app).await;
    let latest = versions[0];
    assert_eq!(versions, (1..=latest).rev().collect::<Vec<u32>>(), "no gap");
    assert_eq!(live, latest);
    assert!(
        latest >= before && (acknowledged.version..=acknowledged.version + 1).contains(&latest),
        "v{} was acknowledged, v{latest} is there",
        acknowledged.version
    );
    let release = reopened.releases().by_version(app.id, acknowledged.version).await.unwrap().unwrap();
    let config = reopened.releases().config(release.id).await.unwrap();
    assert_eq!(config.get("TURN"), Some(acknowledged.value.as_str()));
    for release in reopened.releases().list(app.id).await.unwrap() {
        reopened.releases().config(release.id).await.expect("every release has its config");
    }
    let quantity = reopened.formation().by_type(app.id, &"web".parse().unwrap()).await.unwrap().unwrap().quantity;
    assert!(quantity == acknowledged.quantity || quantity == quantity_of(latest), "{quantity} dynos at v{latest}");
    forget_unfinished(&reopened.store).await;
    reopened.store.close().await;

    let mut raw = raw(home.dir.path()).await;
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut raw).await.unwrap();
    assert_eq!(verdict, "ok");
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut raw).await.unwrap();
    assert!(broken.is_empty());
    latest
}

/// At most the turn that was in progress is in the journal.
async fn forget_unfinished(store: &Store) {
    let unfinished = store.unfinished().await.unwrap();
    assert!(unfinished.len() <= 1, "{unfinished:?}");
    for record in unfinished {
        store.ended(record.id, Outcome::Undone).await.unwrap();
    }
}
