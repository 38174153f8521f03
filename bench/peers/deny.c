/* deny ERRNO CALL[,CALL...] COMMAND...: starts it behind a filter that answers these system calls with
 * ERRNO: EPERM, as the sandboxes of containers do, or ENOSYS, as kernels without the call. "docker"
 * stands for all calls that Docker's default profile denies. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL(name) {#name, SYS_##name}
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
  const char *name;
  unsigned number;
} calls[] = {
    CALL(eventfd2), CALL(futex), CALL(pidfd_open), CALL(pipe2), CALL(semctl), CALL(semget), CALL(semop),
    CALL(semtimedop), CALL(shmat), CALL(shmctl), CALL(shmget),
    /* Behind it: profiles/seccomp/default.json of moby 25 and later, without added capabilities */
    {"docker", 0},
    CALL(acct), CALL(add_key), CALL(bpf), CALL(clock_settime), CALL(delete_module), CALL(fanotify_init),
    CALL(finit_module), CALL(fsconfig), CALL(fsmount), CALL(fsopen), CALL(fspick), CALL(get_mempolicy),
    CALL(init_module), CALL(io_uring_enter), CALL(io_uring_register), CALL(io_uring_setup), CALL(kcmp),
    CALL(kexec_load), CALL(keyctl), CALL(mbind), CALL(migrate_pages), CALL(mount),
    CALL(move_mount), CALL(move_pages), CALL(open_by_handle_at), CALL(open_tree), CALL(perf_event_open),
    CALL(pidfd_getfd), CALL(pivot_root), CALL(quotactl), CALL(reboot), CALL(request_key),
    CALL(set_mempolicy), CALL(setdomainname), CALL(sethostname), CALL(setns), CALL(settimeofday),
    CALL(swapoff), CALL(swapon), CALL(syslog), CALL(umount2), CALL(unshare), CALL(userfaultfd),
    CALL(vhangup),
};

static struct sock_filter filter[2 * COUNT(calls) + 2] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
};
static unsigned short used = 1;

/* Adds the answer to the calls of this name; returns whether there are any. */
static int deny(const char *name, int error) {
  size_t first = 0, end;
  while (first < COUNT(calls) && strcmp(calls[first].name, name) != 0) first++;
  end = first + 1;
  if (strcmp(name, "docker") == 0) first++, end = COUNT(calls);
  for (size_t i = first; i < end && i < COUNT(calls) && used + 2u < COUNT(filter); i++) {
    filter[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
    filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
  }
  return first < COUNT(calls);
}

int main(int argc, char **argv) {
  int error = argc < 4                        ? 0
              : strcmp(argv[1], "EPERM") == 0  ? EPERM
              : strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS
                                               : 0;
  if (error == 0) return fputs("usage: deny EPERM|ENOSYS CALL[,CALL...] COMMAND...\n", stderr), 2;
  for (char *name = strtok(argv[2], ","); name != NULL; name = strtok(NULL, ",")) {
    if (!deny(name, error)) return fprintf(stderr, "deny: unknown call %s\n", name), 2;
  }
  filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_fprog program = {used, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
    perror("seccomp");
    return 1;
  }
  execvp(argv[3], argv + 3);
  perror(argv[3]);
  return 1;
}
