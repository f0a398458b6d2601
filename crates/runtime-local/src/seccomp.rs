//! Which system calls a dyno may make.
//!
//! An allow-list, in effect that of Docker's default profile for a container
//! without capabilities, and stricter in places: sockets of exotic families,
//! `TIOCSTI` and `TIOCLINUX` are refused too. What is not listed fails with
//! `EPERM`; `clone3` fails with `ENOSYS`, so that libraries fall back to
//! `clone`, whose flags a filter can see.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// The filter, compiled once and loaded in every dyno.
pub(crate) struct Filters(Vec<BpfProgram>);

#[derive(Debug, thiserror::Error)]
#[error("could not build the filter of system calls")]
pub(crate) struct FilterError(#[source] seccompiler::Error);

impl From<seccompiler::BackendError> for FilterError {
    fn from(error: seccompiler::BackendError) -> Self {
        Self(error.into())
    }
}

impl Filters {
    pub(crate) fn build() -> Result<Self, FilterError> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let refuse = SeccompAction::Errno(libc::EPERM as u32);
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = allowed().map(|call| (call, Vec::new())).collect();
        rules.insert(libc::SYS_clone3, Vec::new());
        for (call, arguments) in conditional()? {
            rules.insert(call, arguments);
        }
        let allow_list: BpfProgram = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)?.try_into()?;

        // A second filter, since one knows two outcomes only; the stricter verdict counts.
        let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let no_such_call = SeccompAction::Errno(libc::ENOSYS as u32);
        let clone3: BpfProgram = SeccompFilter::new(clone3, SeccompAction::Allow, no_such_call, arch)?.try_into()?;
        Ok(Self(vec![allow_list, clone3]))
    }

    /// Puts this process and all that it will make under the filter, for ever.
    pub(crate) fn apply(&self) -> Result<(), seccompiler::Error> {
        self.0.iter().try_for_each(|program| seccompiler::apply_filter(program))
    }
}

/// Calls that are allowed with certain arguments only.
fn conditional() -> Result<Vec<(i64, Vec<SeccompRule>)>, seccompiler::BackendError> {
    let argument = |index, length, operator, value| SeccompCondition::new(index, length, operator, value);
    let low = SeccompCmpArgLen::Dword;
    let whole = SeccompCmpArgLen::Qword;

    let namespaces = (libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET) as u32 as u64;
    let clone = SeccompRule::new(vec![argument(0, whole, SeccompCmpOp::MaskedEq(namespaces), 0)?])?;

    let personalities = [0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff]
        .into_iter()
        .map(|value| SeccompRule::new(vec![argument(0, low.clone(), SeccompCmpOp::Eq, value)?]))
        .collect::<Result<_, _>>()?;

    let families = [libc::AF_UNSPEC, libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]
        .into_iter()
        .map(|family| SeccompRule::new(vec![argument(0, low.clone(), SeccompCmpOp::Eq, family as u64)?]))
        .collect::<Result<_, _>>()?;

    const TIOCLINUX: u64 = 0x541C;
    let ioctl = SeccompRule::new(vec![
        argument(1, low.clone(), SeccompCmpOp::Ne, libc::TIOCSTI)?,
        argument(1, low, SeccompCmpOp::Ne, TIOCLINUX)?,
    ])?;

    Ok(vec![
        (libc::SYS_clone, vec![clone]),
        (libc::SYS_personality, personalities),
        (libc::SYS_socket, families),
        (libc::SYS_ioctl, vec![ioctl]),
    ])
}

fn allowed() -> impl Iterator<Item = i64> {
    [EVERYWHERE, NEW, &[IO_PGETEVENTS], OLD].into_iter().flatten().copied()
}

macro_rules! calls {
    ($($name:ident)*) => { [$(libc::$name),*] };
}

const EVERYWHERE: &[i64] = &calls![
    SYS_accept SYS_accept4 SYS_adjtimex SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir SYS_clock_adjtime
    SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep SYS_close SYS_close_range SYS_connect SYS_copy_file_range
    SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve
    SYS_execveat SYS_exit SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fallocate SYS_fanotify_mark
    SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync SYS_fgetxattr SYS_flistxattr
    SYS_flock SYS_fremovexattr SYS_fsetxattr SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate SYS_futex SYS_futex_waitv
    SYS_getcpu SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getitimer
    SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid SYS_getresuid
    SYS_getrlimit SYS_get_robust_list SYS_getrusage SYS_getsid SYS_getsockname SYS_getsockopt SYS_gettid
    SYS_gettimeofday SYS_getuid SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1 SYS_inotify_rm_watch
    SYS_io_cancel SYS_io_destroy SYS_io_getevents SYS_ioprio_get SYS_ioprio_set SYS_io_setup
    SYS_io_submit SYS_kill SYS_landlock_add_rule SYS_landlock_create_ruleset SYS_landlock_restrict_self
    SYS_lgetxattr SYS_linkat SYS_listen SYS_listxattr SYS_llistxattr SYS_lremovexattr SYS_lseek SYS_lsetxattr
    SYS_madvise SYS_membarrier SYS_memfd_create SYS_memfd_secret SYS_mincore SYS_mkdirat SYS_mknodat SYS_mlock
    SYS_mlock2 SYS_mlockall SYS_mmap SYS_mprotect SYS_mq_getsetattr SYS_mq_notify SYS_mq_open SYS_mq_timedreceive
    SYS_mq_timedsend SYS_mq_unlink SYS_mremap SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock
    SYS_munlockall SYS_munmap SYS_name_to_handle_at SYS_nanosleep SYS_newfstatat SYS_openat SYS_openat2
    SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2 SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll
    SYS_prctl SYS_pread64 SYS_preadv SYS_preadv2 SYS_prlimit64 SYS_process_mrelease SYS_process_vm_readv
    SYS_process_vm_writev SYS_pselect6 SYS_ptrace SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead
    SYS_readlinkat SYS_readv SYS_recvfrom SYS_recvmmsg SYS_recvmsg SYS_remap_file_pages SYS_removexattr
    SYS_renameat SYS_renameat2 SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigpending SYS_rt_sigprocmask
    SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo
    SYS_sched_getaffinity SYS_sched_getattr SYS_sched_getparam SYS_sched_get_priority_max
    SYS_sched_get_priority_min SYS_sched_getscheduler SYS_sched_rr_get_interval SYS_sched_setaffinity
    SYS_sched_setattr SYS_sched_setparam SYS_sched_setscheduler SYS_sched_yield SYS_seccomp SYS_semctl SYS_semget
    SYS_semop SYS_semtimedop SYS_sendfile SYS_sendmmsg SYS_sendmsg SYS_sendto SYS_setfsgid SYS_setfsuid SYS_setgid
    SYS_setgroups SYS_setitimer SYS_setpgid SYS_setpriority SYS_setregid SYS_setresgid SYS_setresuid SYS_setreuid
    SYS_setrlimit SYS_set_robust_list SYS_setsid SYS_setsockopt SYS_set_tid_address SYS_setuid SYS_setxattr
    SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget SYS_shutdown SYS_sigaltstack SYS_signalfd4 SYS_socketpair SYS_splice
    SYS_statfs SYS_statx SYS_symlinkat SYS_sync SYS_sync_file_range SYS_syncfs SYS_sysinfo SYS_tee SYS_tgkill
    SYS_timer_create SYS_timer_delete SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime SYS_timerfd_create
    SYS_timerfd_gettime SYS_timerfd_settime SYS_times SYS_tkill SYS_truncate SYS_umask SYS_uname SYS_unlinkat
    SYS_utimensat SYS_vmsplice SYS_wait4 SYS_waitid SYS_write SYS_writev SYS_mseal
];

/// Younger than the C library's headers; from 424 on all architectures count
/// alike: cachestat, fchmodat2, map_shadow_stack, futex_wake, futex_wait,
/// futex_requeue, statmount, listmount.
const NEW: &[i64] = &[451, 452, 453, 454, 455, 456, 457, 458];

/// io_pgetevents, which the C library's headers lack too.
const IO_PGETEVENTS: i64 = if cfg!(target_arch = "x86_64") { 333 } else { 292 };

/// Calls that younger architectures never had.
#[cfg(target_arch = "x86_64")]
const OLD: &[i64] = &calls![
    SYS_access SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown SYS_creat SYS_dup2 SYS_epoll_create SYS_epoll_wait
    SYS_eventfd SYS_fork SYS_futimesat SYS_getdents SYS_getpgrp SYS_get_thread_area SYS_inotify_init SYS_lchown
    SYS_link SYS_lstat SYS_mkdir SYS_mknod SYS_modify_ldt SYS_open SYS_pause SYS_pipe SYS_poll SYS_readlink
    SYS_rename SYS_rmdir SYS_select SYS_set_thread_area SYS_signalfd SYS_stat SYS_symlink SYS_time SYS_unlink
    SYS_utime SYS_utimes SYS_vfork SYS_epoll_ctl_old SYS_epoll_wait_old
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[i64] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_out_are_not_on_the_list() {
        for call in calls![
            SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_unshare SYS_setns SYS_bpf SYS_perf_event_open
            SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_keyctl SYS_add_key
            SYS_request_key SYS_kexec_load SYS_init_module SYS_finit_module SYS_delete_module SYS_reboot SYS_swapon
            SYS_open_by_handle_at SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsmount SYS_fsconfig SYS_fspick
            SYS_mount_setattr SYS_acct SYS_settimeofday SYS_clock_settime SYS_sethostname SYS_setdomainname
            SYS_quotactl SYS_syslog SYS_vhangup SYS_kcmp SYS_pidfd_getfd SYS_fanotify_init SYS_nfsservctl
            SYS_move_pages SYS_mbind SYS_set_mempolicy SYS_lookup_dcookie
        ] {
            assert!(!allowed().any(|allowed| allowed == call), "{call}");
        }
    }

    #[test]
    fn the_filter_fits_the_kernel() {
        let filters = Filters::build().unwrap();
        assert!(filters.0.iter().all(|program| program.len() <= 4096));
    }
}
