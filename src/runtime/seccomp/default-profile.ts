import type { SeccompProfile, SyscallRule } from "./profile.ts";

/**
 * The filter of a container that asks for none of its own. What it allows is what Docker's default allows, for
 * images rely on it; the table is ordered by what the calls are for. Everything else fails with EPERM, and clone3
 * with ENOSYS, so that C libraries fall back to clone, whose flags a filter can see.
 */

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Namespace flags of clone(2): CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000n;
const AF_VSOCK = 40n;
const ENOSYS = 38;
const EPERM = 1;

const ALLOWED: Readonly<Record<string, string[]>> = {
  files: words(`
    access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync flock fstat
    fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown
    lchown32 link linkat _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat
    openat2 readlink readlinkat rename renameat renameat2 rmdir stat stat64 statfs statfs64 statx symlink symlinkat sync
    sync_file_range syncfs truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes`),
  "reading and writing": words(`
    pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64 splice tee vmsplice write
    writev io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit`),
  "extended attributes": words(`
    fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr lsetxattr removexattr
    setxattr`),
  waiting: words(`
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
    _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select fanotify_mark inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch`),
  sockets: words(`
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
    send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`),
  memory: words(`
    brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
    mprotect mremap msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages`),
  "interprocess communication": words(`
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
    msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`),
  processes: words(`
    execve execveat exit exit_group fork getpgid getpgrp getpid getppid getsid gettid kill pidfd_open pidfd_send_signal
    prctl process_vm_readv process_vm_writev ptrace restart_syscall rseq set_robust_list get_robust_list set_thread_area
    get_thread_area set_tid_address setpgid setsid tgkill tkill vfork wait4 waitid waitpid futex futex_requeue
    futex_time64 futex_wait futex_waitv futex_wake`),
  identity: words(`
    capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
    getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
    setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32`),
  "signals and pauses": words(`
    pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn`),
  "clocks and timers": words(`
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64 times`),
  "scheduling and limits": words(`
    getcpu getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield setpriority setrlimit ugetrlimit`),
  "the system and oneself": words(`
    getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp sysinfo uname`),
};

/** Calls that come with a capability: whoever is given it is meant to use them. */
const BY_CAPABILITY: Readonly<Record<string, string[]>> = {
  CAP_DAC_READ_SEARCH: words("open_by_handle_at"),
  CAP_SYS_ADMIN: words(`
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree
    perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`),
  CAP_SYS_BOOT: words("reboot"),
  CAP_SYS_CHROOT: words("chroot"),
  CAP_SYS_MODULE: words("delete_module init_module finit_module"),
  CAP_SYS_PACCT: words("acct"),
  CAP_SYS_PTRACE: words("kcmp pidfd_getfd process_madvise"),
  CAP_SYS_RAWIO: words("iopl ioperm"),
  CAP_SYS_TIME: words("settimeofday stime clock_settime clock_settime64"),
  CAP_SYS_TTY_CONFIG: words("vhangup"),
  CAP_SYS_NICE: words("get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
  CAP_SYSLOG: words("syslog"),
  CAP_BPF: words("bpf"),
  CAP_PERFMON: words("perf_event_open"),
};

const BY_ARCHITECTURE: Readonly<Record<string, string[]>> = {
  amd64: words("arch_prctl modify_ldt"),
  arm64: words("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
  ppc64le: words("sync_file_range2 swapcontext"),
  riscv64: words("riscv_flush_icache"),
  s390x: words("s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"),
};

/** Personalities that are harmless: Linux, Linux with UNAME26, either without address randomisation, and the query. */
const PERSONALITIES = [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn];

const allow = (names: string[], rest: Partial<SyscallRule> = {}): SyscallRule => ({
  names,
  action: "allow",
  args: [],
  ...rest,
});

export const DEFAULT_PROFILE: SeccompProfile = {
  defaultAction: "errno",
  defaultErrno: EPERM,
  flags: 0,
  architectures: "native-with-compatible",
  rules: [
    ...Object.values(ALLOWED).map((names) => allow(names)),
    allow(["socket"], { args: [{ index: 0, op: "NE", value: AF_VSOCK, valueTwo: 0n }] }),
    ...PERSONALITIES.map((value) =>
      allow(["personality"], { args: [{ index: 0, op: "EQ", value, valueTwo: 0n }] }),
    ),
    ...Object.entries(BY_ARCHITECTURE).map(([arch, names]) => allow(names, { onlyArchitectures: [arch] })),
    ...Object.entries(BY_CAPABILITY).map(([capability, names]) => allow(names, { onlyWith: [capability] })),
    allow(["clone"], {
      args: [{ index: 0, op: "MASKED_EQ", value: NAMESPACE_FLAGS, valueTwo: 0n }],
      notWith: ["CAP_SYS_ADMIN"],
    }),
    { names: ["clone3"], action: "errno", errno: ENOSYS, args: [], notWith: ["CAP_SYS_ADMIN"] },
  ],
};
