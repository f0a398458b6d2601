//! The same dynos on images that are unpacked instead of mounted.

use std::path::PathBuf;
use std::time::Duration;

use runtime::Runtime;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::lifecycle::{an_image_is_the_root, shipped_files_are_changed};
use crate::machine::{Machine, Wish, mounts_images, script, within};

/// The entries of `mounts/` that are directories.
fn directories(machine: &Machine) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(machine.data_dir().join("mounts")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// Runs until it is told to stop, and says `up` after what the text does.
fn lasting(layer: &std::path::Path, text: &str) -> Wish {
    let mut wish = script(&format!("{text}; echo up; trap 'exit 0' TERM; while :; do sleep 0.02; done"));
    wish.layers = vec![layer.to_owned()];
    wish
}

#[tokio::test]
async fn shipped_files_can_be_changed_and_changes_are_thrown_away() {
    let Some(machine) = Machine::unpacking().await else { return };
    shipped_files_are_changed(machine).await;
}

#[tokio::test]
async fn an_image_is_a_root_of_its_own_and_stays_as_it_is() {
    let Some(machine) = Machine::unpacking().await else { return };
    an_image_is_the_root(machine).await;
}

#[tokio::test]
async fn shipped_files_are_served() {
    let Some(mut machine) = Machine::unpacking().await else { return };
    if !std::path::Path::new("/usr/bin/python3").exists() {
        eprintln!("skipped: /usr/bin/python3 is missing");
        return;
    }
    let serve = "import socket\ns=socket.create_server(('0.0.0.0', 80)); print('up', flush=True)\n\
                 c,_=s.accept(); c.sendall(open('page.html', 'rb').read()); c.close()\n";
    let layer = machine.layer("site", &[("page.html", "<p>hello</p>"), ("serve.py", serve)]);
    let mut wish = script("");
    wish.command = Some(["/usr/bin/python3", "serve.py"].map(str::to_owned).to_vec());
    wish.layers = vec![layer];
    let (id, started) = machine.start(wish).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let mut stream = within(TcpStream::connect((started.address, 80))).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "<p>hello</p>");
}

#[tokio::test]
async fn two_dynos_share_one_directory_and_no_changes() {
    let Some(mut machine) = Machine::unpacking().await else { return };
    let layer = machine.layer("shared", &[("a.txt", "shipped\n"), ("dir/b.txt", "b\n")]);
    let (one, _) = machine.start(lasting(&layer, "echo mine > a.txt; rm -r dir; touch new; cat a.txt")).await;
    assert_eq!(machine.until(one, |seen| seen.stdout.contains("up")).await.stdout, "mine\nup\n");
    let shared = directories(&machine);
    assert_eq!(shared.len(), 1, "{shared:?}");

    let (two, _) = machine.start(lasting(&layer, "cat a.txt dir/b.txt; ls")).await;
    let seen = machine.until(two, |seen| seen.stdout.contains("up")).await;
    assert_eq!(seen.stdout, "shipped\nb\na.txt\ndir\nup\n");
    assert_eq!(directories(&machine), shared);
    assert_eq!(runtime_local::inventory(machine.data_dir()).mounts, 0);
    assert_eq!(std::fs::read_to_string(shared[0].join("app/a.txt")).unwrap(), "shipped\n");

    // The end of one is not the other's, and the last one leaves it for the next.
    machine.runtime().remove(one).await.unwrap();
    machine.runtime().remove(two).await.unwrap();
    assert_eq!(directories(&machine), shared);
}

#[tokio::test]
async fn a_new_server_keeps_what_dynos_use_and_removes_the_rest() {
    let Some(mut machine) = Machine::unpacking().await else { return };
    let used = machine.layer("used", &[("a.txt", "used\n")]);
    let unused = machine.layer("unused", &[("a.txt", "unused\n")]);
    let (id, _) = machine.start(lasting(&used, "true")).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let of_the_dyno = directories(&machine);
    let mut wish = script("cat a.txt");
    wish.layers = vec![unused];
    let (ended, _) = machine.start(wish).await;
    assert_eq!(machine.until_exit(ended).await.out(), "unused");
    assert_eq!(directories(&machine).len(), 2);

    machine.drop_server().await;
    std::fs::create_dir_all(machine.data_dir().join("mounts/0123456789abcdef.files.new/app")).unwrap();
    machine.start_server().await;
    // What goes is renamed before it is removed.
    let of_images = |machine: &Machine| {
        let named = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "files");
        directories(machine).into_iter().filter(named).collect::<Vec<_>>()
    };
    assert_eq!(of_images(&machine), of_the_dyno);
    // That one of its dynos has ended before does not matter to the next.
    machine.runtime().remove(ended).await.unwrap();
    let (next, _) = machine.start(lasting(&used, "cat a.txt")).await;
    assert_eq!(machine.until(next, |seen| seen.stdout.contains("up")).await.stdout, "used\nup\n");
    assert_eq!(of_images(&machine), of_the_dyno);
    machine.drop_server().await;
    assert_eq!(directories(&machine), of_the_dyno, "rubbish is gone with the server");
}

#[tokio::test]
async fn a_server_that_mounts_takes_over_from_one_that_unpacked() {
    let Some(mut machine) = Machine::unpacking().await else { return };
    let layer = machine.layer("one", &[("a.txt", "one\n")]);
    let (id, _) = machine.start(lasting(&layer, "true")).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    machine.drop_server().await;
    machine.unpack_images = false;
    machine.start_server().await;
    let (next, _) = machine.start(lasting(&layer, "cat a.txt")).await;
    assert_eq!(machine.until(next, |seen| seen.stdout.contains("up")).await.stdout, "one\nup\n");
    assert_eq!(runtime_local::inventory(machine.data_dir()).mounts, usize::from(mounts_images()));
    machine.runtime().remove(id).await.unwrap();
    machine.drop_server().await;
    machine.start_server().await;
    machine.drop_server().await;
    assert_eq!(directories(&machine).len(), 1, "the one in use alone");
}

#[tokio::test]
async fn down_leaves_nothing() {
    let Some(mut machine) = Machine::unpacking().await else { return };
    let layer = machine.layer("one", &[("f", "x")]);
    let (id, _) = machine.start(lasting(&layer, "cat f")).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    assert_eq!(directories(&machine).len(), 1);
    let dir = machine.data_dir().to_owned();
    let report = tokio::task::spawn_blocking(move || runtime_local::down(&dir, Duration::from_secs(10))).await.unwrap();
    let report = report.unwrap();
    assert_eq!((report.dynos, report.mounts), (1, 0));
    assert_eq!(directories(&machine), Vec::<PathBuf>::new());
    assert_eq!(machine.until_exit(id).await.code(), 0);
    machine.drop_server().await;
    assert!(runtime_local::inventory(machine.data_dir()).is_empty());
    machine.start_server().await;
    let mut wish = script("cat f");
    wish.layers = vec![layer];
    assert_eq!(machine.run(wish).await.out(), "x");
}
