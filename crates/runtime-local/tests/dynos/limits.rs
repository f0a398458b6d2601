//! What a dyno may use.

use runtime::{ExitStatus, Runtime};

use crate::machine::{MIB, Machine, script};

#[tokio::test]
async fn too_much_memory_ends_it_and_is_told() {
    let Some(mut machine) = Machine::new().await else { return };
    let mut wish = script("echo start; x=$(head -c 200M /dev/zero | tr '\\0' x); echo survived ${#x}");
    wish.limits.memory_bytes = 48 * MIB;
    let seen = machine.run(wish).await;
    let exit = seen.exit.unwrap();
    assert!(exit.out_of_memory, "{exit:?}");
    assert_ne!(exit.status, ExitStatus::Code(0));
    assert!(!seen.stdout.contains("survived"));

    let seen = machine.run(script("true")).await;
    assert!(!seen.exit.unwrap().out_of_memory);
}

#[tokio::test]
async fn a_fork_bomb_meets_its_limit() {
    let Some(mut machine) = Machine::new().await else { return };
    let mut wish =
        script("for i in $(seq 40); do sleep 100 & done 2>/dev/null; jobs -p | wc -l; kill $(jobs -p); exit 0");
    wish.limits.processes = 16;
    let seen = machine.run(wish).await;
    assert!(seen.stderr.contains("Resource temporarily unavailable") || seen.stdout.len() < 4, "{}", seen.stderr);
    // The main process, and what it may start beside.
    let (id, _) = machine
        .start({
            let mut wish = script("sleep 100 & sleep 100 & echo up; wait");
            wish.limits.processes = 8;
            wish
        })
        .await;
    machine.until(id, |seen| seen.stdout.contains("up")).await;
    let usage = machine.runtime().usage(id).await.unwrap();
    assert_eq!(usage.processes, 3, "pid 1 does not count");
    assert!(usage.memory_bytes > 0);
}

#[tokio::test]
async fn the_disk_has_an_end() {
    let Some(mut machine) = Machine::new().await else { return };
    let mut wish = script(
        "head -c 50M /dev/zero > /tmp/x; ls -s --block-size=1M /tmp/x >/dev/null; \
         head -c 50M /dev/zero > /app/y 2>&1; echo $?; stat -c %s /app/y",
    );
    wish.limits.disk_bytes = 64 * MIB;
    let seen = machine.run(wish).await;
    let lines: Vec<&str> = seen.out().lines().collect();
    assert_eq!(lines[0], "1", "no space left: {}", seen.stderr);
    assert!(lines[1].parse::<u64>().unwrap() < 20 * MIB, "{lines:?}");
}

#[tokio::test]
async fn cpu_time_is_counted_and_capped() {
    let Some(mut machine) = Machine::new().await else { return };
    let mut wish = script("for ((i = 0; i < 300000; i++)); do :; done; echo done; sleep 1000");
    wish.limits.cpu_millis = Some(500);
    let (id, _) = machine.start(wish).await;
    machine.until(id, |seen| seen.stdout.contains("done")).await;
    let usage = machine.runtime().usage(id).await.unwrap();
    assert!(usage.cpu_time.as_millis() > 50, "{usage:?}");
}

#[tokio::test]
async fn descriptors_and_core_dumps_are_limited() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine.run(script("ulimit -c; ulimit -n; ulimit -Hn")).await;
    let lines: Vec<u64> = seen.out().lines().map(|line| line.parse().unwrap()).collect();
    assert!(lines[0] == 0 && lines[1] <= 10_000 && lines[2] <= 10_000, "{lines:?}");
}
