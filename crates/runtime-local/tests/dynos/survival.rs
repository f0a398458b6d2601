//! What outlives what.

use std::time::Duration;

use domain::DynoId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::{ExitStatus, Runtime};

use crate::machine::{Machine, mounts_images, script, spec, within};

/// Field 22 of `/proc/PID/stat`: when the process started.
fn start_time(pid: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name.split_whitespace().nth(19).unwrap().to_owned()
}

fn keeper(machine: &Machine) -> i32 {
    std::fs::read_to_string(machine.data_dir().join("run/keeper.lock")).unwrap().trim().parse().unwrap()
}

/// What no event tells; gives up after a while.
async fn until(is_so: impl Fn() -> bool) {
    within(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_server_finds_the_same_processes() {
    let Some(mut machine) = Machine::new().await else { return };
    let (id, started) = machine.start(script("echo up; sleep 1000")).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let before: Vec<_> = machine.pids(id).into_iter().map(|pid| (pid, start_time(pid))).collect();
    assert!(before.len() >= 2);
    let existing = machine.runtime().list().await.unwrap();

    machine.drop_server().await;
    machine.start_server().await;
    let after: Vec<_> = machine.pids(id).into_iter().map(|pid| (pid, start_time(pid))).collect();
    assert_eq!(before, after);
    let adopted = machine.runtime().list().await.unwrap();
    assert_eq!(adopted.len(), 1);
    assert_eq!((adopted[0].id, adopted[0].address), (id, started.address));
    assert_eq!((&adopted[0].label, adopted[0].started_at), (&existing[0].label, existing[0].started_at));
    assert!(adopted[0].exit.is_none());

    // It can be ordered about, and its network is not given to another.
    let (other, second) = machine.start(script("sleep 1000")).await;
    assert_ne!(second.address, started.address);
    machine.runtime().stop(id, Duration::ZERO).await.unwrap();
    assert!(machine.until_exit(id).await.exit.is_some());
    machine.runtime().remove(other).await.unwrap();
    machine.runtime().remove(id).await.unwrap();
}

#[tokio::test]
async fn words_and_exits_of_the_time_between_arrive() {
    let Some(mut machine) = Machine::new().await else { return };
    let (id, _) = machine
        .start(script(
            "echo before; while ! [ -e /tmp/x ]; do read -t 0.05 <> <(:) ; [ -e /app/go ] && break; n=$((n+1)); \
             [ $n -gt 20 ] && break; done; echo between; echo err >&2; exit 9",
        ))
        .await;
    machine.until(id, |seen| seen.stdout.contains("before")).await;
    machine.drop_server().await;
    // The dyno ends while nobody is there.
    for _ in 0..1000 {
        if machine.pids(id).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    machine.start_server().await;
    let seen = machine.until_exit(id).await;
    assert!(seen.stdout.ends_with("between\n"), "{}", seen.stdout);
    assert_eq!((seen.stderr.as_str(), seen.code(), seen.lost), ("err\n", 9, 0));
    // Until it is removed every new server is told.
    machine.drop_server().await;
    machine.start_server().await;
    assert_eq!(machine.until_exit(id).await.code(), 9);
}

#[tokio::test]
async fn a_flood_without_a_reader_does_not_stop_the_dyno_and_is_counted() {
    let Some(mut machine) = Machine::new().await else { return };
    let (id, _) = machine.start(script("echo ready; read -t 0.5 <> <(:); seq 1 1000000; exit 0")).await;
    machine.until(id, |seen| seen.stdout.contains("ready")).await;
    machine.drop_server().await;
    for _ in 0..2000 {
        if machine.pids(id).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(machine.pids(id).is_empty(), "the dyno was never held up");
    machine.start_server().await;
    let seen = machine.until_exit(id).await;
    let written: u64 = (1..=1_000_000_u64).map(|number| number.to_string().len() as u64 + 1).sum();
    let arrived = seen.stdout.replace("ready\n", "").len() as u64;
    assert_eq!(arrived + seen.lost, written);
    assert!(seen.lost > 0 && arrived > 512 * 1024, "{arrived} {}", seen.lost);
    assert!(seen.stdout.ends_with("\n1000000\n"), "the last words are kept");
}

#[tokio::test]
async fn a_killed_keeper_takes_its_dynos_along_and_another_reports_them() {
    let Some(mut machine) = Machine::new().await else { return };
    let (id, _) = machine.start(script("echo up; sleep 1000")).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let old = keeper(&machine);
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    let seen = machine.until_exit(id).await;
    assert_eq!(seen.exit.unwrap().status, ExitStatus::Unknown);
    assert_ne!(keeper(&machine), old);
    for _ in 0..1000 {
        if machine.pids(id).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(machine.pids(id).is_empty());
    machine.runtime().remove(id).await.unwrap();
    assert_eq!(machine.run(script("echo again")).await.out(), "again");
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_leaves_nothing_and_takes_nothing_of_the_next() {
    let Some(mut machine) = Machine::new().await else { return };
    // The keeper may be killed before the order has gone out to it; then its
    // successor gets the order, and there is nothing to be seen.
    let mut lost = None;
    for patience in 0..20 {
        lost = killed_during_start(&mut machine, patience).await;
        if lost.is_some() {
            break;
        }
    }
    let id = lost.expect("an answer is lost");
    let directory = machine.data_dir().join("dynos").join(id.to_string());
    until(|| !directory.exists()).await;
    assert!(machine.pids(id).is_empty());
    assert_eq!(machine.run(script("echo next")).await.out(), "next");
    let left = runtime_local::inventory(machine.data_dir());
    assert_eq!(left.processes, 1, "the keeper alone: {left:?}");
}

/// The dyno whose start failed, if it did.
async fn killed_during_start(machine: &mut Machine, patience: usize) -> Option<DynoId> {
    assert_eq!(machine.run(script("echo ready")).await.out(), "ready");
    let old = Pid::from_raw(keeper(machine));
    kill(old, Signal::SIGSTOP).unwrap();
    let spec = spec(script("sleep 1000"));
    let id = spec.id;
    let runtime = machine.runtime();
    let starting = tokio::spawn(async move { runtime.start(spec).await.map(|_| ()) });
    let directory = machine.data_dir().join("dynos").join(id.to_string());
    until(|| directory.exists()).await;
    // Cgroup and disk are next, and then comes the order, which can't be seen.
    for _ in 0..patience {
        until(|| machine.has_cgroup(id)).await;
        tokio::task::yield_now().await;
    }
    kill(old, Signal::SIGKILL).unwrap();
    let started = starting.await.unwrap();
    within(async {
        while machine.runtime().list().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    match started {
        Ok(()) => {
            machine.runtime().remove(id).await.unwrap();
            None
        }
        Err(_) => Some(id),
    }
}

#[tokio::test]
async fn keeper_and_server_killed_at_once_leave_nothing_running() {
    let Some(mut machine) = Machine::new().await else { return };
    let (id, _) = machine.start(script("echo up; sleep 1000")).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let old = keeper(&machine);
    machine.drop_server().await;
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    machine.start_server().await;
    assert_eq!(machine.until_exit(id).await.exit.unwrap().status, ExitStatus::Unknown);
    machine.runtime().remove(id).await.unwrap();
    let left = runtime_local::inventory(machine.data_dir());
    assert_eq!(left.processes, 1, "the keeper alone: {left:?}");
}

#[tokio::test]
async fn down_leaves_nothing_and_can_be_repeated() {
    let Some(mut machine) = Machine::new().await else { return };
    let layer = machine.layer("one", &[("f", "x")]);
    let mut wish = script("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done");
    wish.layers = vec![layer];
    let (id, _) = machine.start(wish).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let there = runtime_local::inventory(machine.data_dir());
    let mounted = usize::from(mounts_images());
    assert!(there.mounts == mounted && there.cgroups >= 2 && there.links >= 2 && there.processes >= 2, "{there:?}");
    assert!(there.loop_devices > mounted && there.nft_tables == 1 && there.namespaces >= 1, "{there:?}");

    let dir = machine.data_dir().to_owned();
    let report = tokio::task::spawn_blocking(move || runtime_local::down(&dir, Duration::from_secs(10))).await.unwrap();
    let report = report.unwrap();
    assert_eq!((report.dynos, report.keeper), (1, true));
    // The server that still ran was told, and starts no other keeper.
    assert_eq!(machine.until_exit(id).await.code(), 0);
    machine.drop_server().await;
    let left = runtime_local::inventory(machine.data_dir());
    assert!(left.is_empty(), "{left:?}");
    let again = runtime_local::down(machine.data_dir(), Duration::ZERO).unwrap();
    assert_eq!(again, runtime_local::DownReport::default());
    machine.start_server().await;
    assert_eq!(machine.run(script("echo new")).await.out(), "new");
}

#[tokio::test]
async fn two_data_directories_live_side_by_side() {
    let Some(mut one) = Machine::new().await else { return };
    let Some(mut two) = Machine::new().await else { return };
    let (kept, _) = one.start(script("echo up; sleep 1000")).await;
    one.until(kept, |seen| seen.stdout.contains("up")).await;
    assert_eq!(two.run(script("echo two")).await.out(), "two");
    assert!(runtime_local::LocalRuntime::open(one.config()).await.is_err(), "one server per directory");
    drop(two);
    assert!(!one.pids(kept).is_empty(), "the other's end is not ours");
    assert_eq!(one.run(script("echo one")).await.out(), "one");
}
