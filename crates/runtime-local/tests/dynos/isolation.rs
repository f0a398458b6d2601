//! The walls, probed from inside.

use std::time::Duration;

use runtime::Runtime;

use crate::machine::{Machine, script};

#[tokio::test]
async fn no_capability_is_left_and_none_can_come() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine.run(script("grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)' /proc/self/status")).await;
    let status: Vec<String> =
        seen.out().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        status,
        [
            "Uid: 1000 1000 1000 1000",
            "Gid: 1000 1000 1000 1000",
            "Groups:",
            "CapInh: 0000000000000000",
            "CapPrm: 0000000000000000",
            "CapEff: 0000000000000000",
            "CapBnd: 0000000000000000",
            "CapAmb: 0000000000000000",
            "NoNewPrivs: 1",
            "Seccomp: 2"
        ]
    );
}

#[tokio::test]
async fn the_host_is_out_of_sight() {
    let Some(mut machine) = Machine::new().await else { return };
    let secret = machine.data_dir().join("secret");
    std::fs::write(&secret, "s").unwrap();
    let seen = machine
        .run(script(&format!(
            "ls /proc | grep -c '^[0-9]'; ls /root /home /var/lib /usr/local /etc/shadow {0} 2>/dev/null; ls /; \
             cat /proc/1/environ /proc/1/maps 2>/dev/null; ls /proc/1/fd /proc/1/root 2>/dev/null; \
             readlink /proc/1/exe; ls /dev | tr '\\n' ' '; echo; ls -l /proc/self/fd | grep -c -- '->'; \
             grep -cE ' (/|/app|/tmp|/dev|/proc) ' /proc/self/mountinfo; grep -c renga /proc/self/cgroup; exit 0",
            secret.display()
        )))
        .await;
    let out = seen.out();
    assert!(!out.contains("secret"), "{out}");
    let dev = out.lines().find(|line| line.contains("urandom")).unwrap();
    assert_eq!(dev.trim(), "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero");
    // ls itself holds one more for the directory; nothing above leaked in.
    let numbers: Vec<u32> = out.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers[0] <= 5, "only the dyno's own processes: {out}");
    assert_eq!(numbers[1], 4, "stdin, stdout, stderr and the directory itself: {out}");
    assert_eq!(*numbers.last().unwrap(), 0, "the cgroup namespace hides the path");
}

#[tokio::test]
async fn setting_up_namespaces_mounts_and_keys_is_refused() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine
        .run(script(
            "for try in 'unshare -U true' 'unshare -m true' 'mount -t tmpfs x /tmp' 'umount /proc' 'chroot / true' \
             'nsenter -t 1 -m true' 'mknod /tmp/sda b 8 0' 'dmesg' 'kill -9 1' 'mount -o remount,rw /' \
             'bash -c \"echo c > /proc/sysrq-trigger\"' 'bash -c \"echo x > /proc/sys/kernel/core_pattern\"' \
             'bash -c \"echo x > /proc/1/mem\"' 'chown 0 /app' 'renice -n -5 -p 1' 'cat /proc/kcore' 'cat /dev/mem' \
             'bash -c \"echo -1000 > /proc/self/oom_score_adj\"' 'ip link add d0 type dummy' 'hostname other'; do \
             if eval \"$try\" >/dev/null 2>&1 && [ \"$try\" != 'kill -9 1' ] && [ \"$try\" != 'cat /proc/kcore' ]; \
             then echo \"open: $try\"; fi; done; head -c1 /proc/kcore | wc -c; head -c1 /proc/timer_list | wc -c; exit 0",
        ))
        .await;
    // `kill -9 1` succeeds without effect; masked files are empty devices.
    assert_eq!(seen.out(), "0\n0", "{}", seen.stderr);
}

/// System calls by number, which no shell tool makes.
#[tokio::test]
async fn the_filter_refuses_what_tools_do_not_try() {
    let Some(mut machine) = Machine::new().await else { return };
    let probe = r#"
import ctypes, errno, os, socket, fcntl
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    result = libc.syscall(number, *args)
    print(name, 'open' if result >= 0 else errno.errorcode[ctypes.get_errno()])
call('clone3', 435, 0, 0)
call('keyctl', 250, 0, -3, 0, 0, 0)
call('add_key', 248, b'user', b'x', b'y', 1, -3)
call('bpf', 321, 0, 0, 0)
call('perf', 298, 0, 0, -1, -1, 0)
call('uring', 425, 1, 0)
call('userfaultfd', 323, 0)
call('open_tree', 428, -100, b'/', 0)
call('fsopen', 430, b'tmpfs', 0)
call('setns', 308, 0, 0)
call('clone-newuser', 56, 0x10000000 | 17, 0, 0, 0, 0)
call('personality', 135, 0x0040000)
call('open_by_handle', 304, 0, 0, 0)
for family, kind in ((17, 3), (38, 5), (40, 1)):
    try:
        socket.socket(family, kind); print('socket', family, 'open')
    except OSError as error: print('socket', family, errno.errorcode[error.errno])
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print('raw open')
except OSError as error: print('raw', errno.errorcode[error.errno])
master, slave = os.openpty()
try:
    fcntl.ioctl(slave, 0x5412, b'x'); print('TIOCSTI open')
except OSError as error: print('TIOCSTI', errno.errorcode[error.errno])
print('threads', __import__('concurrent.futures').futures.ThreadPoolExecutor().submit(lambda: 'work').result())
"#;
    if !cfg!(target_arch = "x86_64") || !std::path::Path::new("/usr/bin/python3").exists() {
        eprintln!("skipped: the probe knows the numbers of x86-64 only, and needs /usr/bin/python3");
        return;
    }
    let mut wish = script("");
    wish.command = Some(["/usr/bin/python3", "-c", probe].map(str::to_owned).to_vec());
    let seen = machine.run(wish).await;
    assert_eq!(
        seen.out(),
        "clone3 ENOSYS\nkeyctl EPERM\nadd_key EPERM\nbpf EPERM\nperf EPERM\nuring EPERM\nuserfaultfd EPERM\n\
         open_tree EPERM\nfsopen EPERM\nsetns EPERM\nclone-newuser EPERM\npersonality EPERM\nopen_by_handle EPERM\n\
         socket 17 EPERM\nsocket 38 EPERM\nsocket 40 EPERM\nraw EPERM\nTIOCSTI EPERM\nthreads work"
    );
}

#[tokio::test]
async fn dynos_do_not_see_each_other_and_have_ids_of_their_own() {
    let Some(mut machine) = Machine::new().await else { return };
    let (one, _) = machine.start(script("touch /tmp/mine /dev/shm/mine; echo up; sleep 1000")).await;
    machine.until(one, |seen| seen.stdout.contains("up")).await;
    let (two, _) = machine
        .start(script("ls /tmp /dev/shm /app; ps ax 2>/dev/null | grep -c 'sleep 1000$'; echo up; sleep 999"))
        .await;
    let seen = machine.until(two, |seen| seen.stdout.contains("up")).await;
    assert!(!seen.stdout.contains("mine"), "{}", seen.stdout);
    let uid = |pids: Vec<i32>| {
        use std::os::unix::fs::MetadataExt;
        pids.into_iter()
            .filter_map(|pid| Some((pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?)))
            .find(|(_, command)| command.contains("sleep"))
            .map(|(pid, _)| std::fs::metadata(format!("/proc/{pid}")).unwrap().uid())
            .unwrap()
    };
    let (first, second) = (uid(machine.pids(one)), uid(machine.pids(two)));
    assert!(first >= 1 << 31 && first.abs_diff(second) >= 65_536, "{first} {second}");
    machine.runtime().stop(one, Duration::ZERO).await.unwrap();
    machine.until_exit(one).await;
}

/// Pid 1 is a copy of the keeper; nothing inside may get at it.
#[tokio::test]
async fn pid_1_can_not_be_traced_and_shrugs_signals_off() {
    let Some(mut machine) = Machine::new().await else { return };
    let seen = machine
        .run(script(
            "kill -KILL 1; kill -STOP 1; kill -INT 1; kill -40 1; cat /proc/1/environ 2>&1 | head -c1 | wc -c; \
             python3 -c 'import ctypes; print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))' 2>/dev/null || echo -1; \
             cat /proc/1/status | grep -c Name",
        ))
        .await;
    let lines: Vec<&str> = seen.out().lines().collect();
    assert_eq!(&lines[lines.len() - 2..], ["-1", "1"], "{lines:?}");
}
