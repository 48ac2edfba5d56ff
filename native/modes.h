/* The modes of gantry-shim: one static program, one entry per duty. Each returns the process's exit code. */
#ifndef GANTRY_MODES_H
#define GANTRY_MODES_H

int mode_launch(int argc, char **argv);
int mode_unpack(int argc, char **argv);
int mode_pack(int argc, char **argv);
int mode_archive(int argc, char **argv);
int mode_files(int argc, char **argv);
int mode_netlink(int argc, char **argv);
int mode_netlink_watch(int argc, char **argv);
int mode_init(int argc, char **argv);
int mode_hold(int argc, char **argv);
int mode_identity(int argc, char **argv);
int mode_names(int argc, char **argv);
int mode_quota(int argc, char **argv);
int mode_rootless(int argc, char **argv);
int mode_rootless_wait(int argc, char **argv);
int mode_sync(int argc, char **argv);
int mode_seccomp(int argc, char **argv);

#endif
