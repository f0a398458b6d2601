//! Start, output, exit, files, stop, remove.

use std::os::unix::fs::chown;
use std::time::{Duration, Instant};

use runtime::{ExitStatus, Mount, Runtime, RuntimeError, StackRoot};

use crate::machine::{MIB, Machine, script, spec, squash};

#[tokio::test]
async fn output_and_status_come_back_in_order() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine.run(script("echo out; echo err >&2; exit 7")).await;
    assert_eq!((seen.stdout.as_str(), seen.stderr.as_str(), seen.code()), ("out\n", "err\n", 7));
    assert_eq!(seen.lost, 0);
}

#[tokio::test]
async fn a_command_that_can_not_run_says_so_on_stderr() {
    let Some(mut machine) = Machine::new().await else { return };
    let mut wish = script("");
    wish.command = Some(vec!["no-such-program".to_owned()]);
    let seen = machine.run(wish).await;
    assert_eq!((seen.stderr.as_str(), seen.code()), ("no-such-program: command not found\n", 127));

    let mut wish = script("");
    wish.command = Some(vec!["/etc/passwd".to_owned()]);
    let seen = machine.run(wish).await;
    assert_eq!((seen.stderr.as_str(), seen.code()), ("/etc/passwd: Permission denied\n", 126));
}

#[tokio::test]
async fn a_signal_is_told_from_a_code() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine.run(script("kill -SEGV $$")).await;
    assert_eq!(seen.exit.unwrap().status, ExitStatus::Signal(11));
    let seen = machine.run(script("exit 139")).await;
    assert_eq!(seen.exit.unwrap().status, ExitStatus::Code(139));
    let seen = machine.run(script("kill -40 $$")).await;
    assert_eq!(seen.exit.unwrap().status, ExitStatus::Signal(40), "a real-time signal");
}

#[tokio::test]
async fn the_environment_is_the_dynos_own() {
    let Some(mut machine) = Machine::new().await else { return };
    let mut wish = script("env | sort; hostname; id -u; id -un; umask; pwd");
    wish.env.push(("GREETING".to_owned(), "hello\nthere".to_owned()));
    let seen = machine.run(wish).await;
    let lines: Vec<&str> =
        seen.out().lines().filter(|line| !line.starts_with("SHLVL") && !line.starts_with('_')).collect();
    assert_eq!(
        lines,
        [
            "GREETING=hello",
            "HOME=/app",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "PWD=/app",
            "there",
            "web-1-test",
            "1000",
            "dyno",
            "0022",
            "/app"
        ]
    );
}

#[tokio::test]
async fn shipped_files_can_be_changed_and_changes_are_thrown_away() {
    let Some(machine) = Machine::new().await else { return };
    shipped_files_are_changed(machine).await;
}

pub(crate) async fn shipped_files_are_changed(mut machine: Machine) {
    let lower = machine.layer("lower", &[("a.txt", "lower a\n"), ("dir/b.txt", "lower b\n")]);
    let upper = machine.layer("upper", &[("a.txt", "upper a\n")]);
    let change = "cat a.txt dir/b.txt; stat -c %U a.txt dir; echo new > a.txt; rm dir/b.txt; touch dir/c; \
                  mkdir x; chmod 600 a.txt; cat a.txt; ls dir";
    for _ in 0..2 {
        let mut wish = script(change);
        wish.layers = vec![lower.clone(), upper.clone()];
        let seen = machine.run(wish).await;
        assert_eq!(seen.out(), "upper a\nlower b\ndyno\ndyno\nnew\nc");
    }
}

#[tokio::test]
async fn the_root_is_read_only_and_the_places_to_write_are_not() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine
        .run(script(
            "for at in / /etc /usr /dev /sys /proc; do touch $at/x 2>/dev/null && echo wrote $at; done; \
             for at in /app /tmp /dev/shm /var/tmp; do touch $at/x || echo failed $at; done; ls /var/tmp /tmp; \
             cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
        ))
        .await;
    assert_eq!(seen.out(), format!("/tmp:\nx\n\n/var/tmp:\nx\n{}", 256 * MIB));
}

#[tokio::test]
async fn a_mount_is_made_where_it_is_asked_for_with_the_users_mapped() {
    let Some(mut machine) = Machine::new().await else { return };
    let cache = machine.data_dir().join("cache");
    std::fs::create_dir(&cache).unwrap();
    chown(&cache, Some(1000), Some(1000)).unwrap();
    let file = machine.data_dir().join("note.txt");
    std::fs::write(&file, "note\n").unwrap();
    let mut wish = script("echo kept > /var/cache/build/x && cat /opt/note; touch /opt/note 2>/dev/null; echo $?");
    wish.mounts = vec![
        Mount { source: cache.clone(), target: "/var/cache/build".into(), read_only: false },
        Mount { source: file, target: "/opt/note".into(), read_only: true },
    ];
    let seen = machine.run(wish).await;
    assert_eq!(seen.out(), "note\n1");
    use std::os::unix::fs::MetadataExt;
    let kept = cache.join("x");
    assert_eq!(std::fs::metadata(&kept).unwrap().uid(), 1000, "on disk it belongs to user 1000");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "kept\n");
}

#[tokio::test]
async fn an_image_is_a_root_of_its_own_and_stays_as_it_is() {
    let Some(machine) = Machine::new().await else { return };
    an_image_is_the_root(machine).await;
}

pub(crate) async fn an_image_is_the_root(mut machine: Machine) {
    // The host's bash and a few more, with the libraries that they name.
    let tree = machine.data_dir().join("stack.tree");
    let programs = ["/usr/bin/bash", "/usr/bin/ls", "/usr/bin/cat", "/usr/bin/stat"];
    let listed = std::process::Command::new("ldd").args(programs).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries = text.split_whitespace().filter(|word| word.starts_with("/lib")).map(str::to_owned);
    for file in programs.iter().map(|name| (*name).to_owned()).chain(libraries) {
        let to = tree.join(file.trim_start_matches('/').trim_end_matches(':'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file.trim_end_matches(':'), to).unwrap();
    }
    std::os::unix::fs::symlink("usr/bin", tree.join("bin")).unwrap();
    std::fs::create_dir_all(tree.join("etc")).unwrap();
    std::fs::write(tree.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nlocal:x:77:77::/:/bin/sh\n").unwrap();
    // A link that would lead a careless mount to the host.
    std::os::unix::fs::symlink("/etc", tree.join("trap")).unwrap();
    let image = machine.data_dir().join("stack.sqfs");
    squash(&tree, &image, &["-all-root"]);
    let source = machine.data_dir().join("mounted");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("here"), "").unwrap();
    let mut wish = script("");
    let text =
        "cat /etc/passwd; stat -c %u /bin/cat; ls /trap/inside /home /usr/share 2>/dev/null; ls -d /root; exit 0";
    wish.command = Some(["bash", "-c", text].map(str::to_owned).to_vec());
    wish.stack = StackRoot::Image(image);
    wish.mounts = vec![Mount { source, target: "/trap/inside".into(), read_only: true }];
    let seen = machine.run(wish).await;
    assert_eq!(
        seen.out(),
        "root:x:0:0::/:/bin/sh\nlocal:x:77:77::/:/bin/sh\ndyno:x:1000:1000::/app:/bin/bash\n0\n/trap/inside:\nhere",
        "{}",
        seen.stderr
    );
    assert!(!std::path::Path::new("/etc/inside").exists(), "the host's /etc is untouched");
}

#[tokio::test]
async fn a_stop_reaches_every_process_and_grace_ends() {
    let Some(mut machine) = Machine::new().await else { return };
    // A process in a session of its own is told too.
    let (id, _) = machine
        .start(script(
            "setsid bash -c 'trap \"echo child; exit\" TERM; echo up; while :; do sleep 0.05; done' & \
             trap 'wait; echo main; exit 3' TERM; while :; do sleep 0.05; done",
        ))
        .await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    machine.runtime().stop(id, Duration::from_secs(20)).await.unwrap();
    let seen = machine.until_exit(id).await;
    assert_eq!((seen.stdout.as_str(), seen.code()), ("up\nchild\nmain\n", 3));

    let (id, _) = machine.start(script("trap '' TERM; echo up; while :; do sleep 0.05; done")).await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let begun = Instant::now();
    machine.runtime().stop(id, Duration::from_millis(400)).await.unwrap();
    machine.runtime().stop(id, Duration::from_secs(60)).await.unwrap();
    let seen = machine.until_exit(id).await;
    assert_eq!(seen.exit.unwrap().status, ExitStatus::Signal(9), "the earlier deadline holds");
    assert!(begun.elapsed() >= Duration::from_millis(400));
    machine.runtime().stop(id, Duration::ZERO).await.expect("stopping an ended one is fine");
}

#[tokio::test]
async fn what_is_left_of_a_dyno_dies_with_its_main_process() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine.run(script("setsid sleep 1000 & (sleep 1000 &) ; echo $!")).await;
    assert_eq!(seen.code(), 0);
    let existing = machine.runtime().list().await.unwrap();
    assert_eq!(machine.pids(existing[0].id), Vec::<i32>::new());
}

#[tokio::test]
async fn a_removed_dyno_is_gone_and_its_place_is_used_again() {
    let Some(machine) = Machine::new().await else { return };
    let before = runtime_local::inventory(machine.data_dir());
    let mut slots = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let (id, started) = machine.start(script("sleep 1000")).await;
        slots.insert(started.address);
        machine.runtime().remove(id).await.expect("a running one is killed first");
        assert!(matches!(machine.runtime().remove(id).await, Err(RuntimeError::NoSuchDyno(_))));
    }
    assert!(machine.runtime().list().await.unwrap().is_empty());
    assert!(slots.len() < 12, "networks are reused: {slots:?}");
    let after = runtime_local::inventory(machine.data_dir());
    assert_eq!((before.cgroups, before.processes), (after.cgroups, after.processes));
}

#[tokio::test]
async fn a_start_that_can_not_be_leaves_nothing() {
    let Some(machine) = Machine::new().await else { return };
    let before = runtime_local::inventory(machine.data_dir());
    let mut wish = script("true");
    wish.mounts = vec![Mount { source: "/no/such/dir".into(), target: "/x".into(), read_only: true }];
    let error = machine.runtime().start(spec(wish)).await.err().expect("refused");
    assert!(error.to_string().contains("/no/such/dir"), "{error}");
    let mut wish = script("true");
    wish.stack = StackRoot::Image("/no/such/image".into());
    assert!(machine.runtime().start(spec(wish)).await.is_err());
    assert!(machine.runtime().list().await.unwrap().is_empty());
    let after = runtime_local::inventory(machine.data_dir());
    assert_eq!((before.cgroups, before.processes, before.mounts), (after.cgroups, after.processes, after.mounts));
}
