/*
 * landfall-janitor: a small process beside the speaker, which outlives it. A speaker that is killed takes nothing out of the kernel; what sends
 * packets on to another node must not stay for ever, and a route of IPv4 can't end by itself. forward/io/janitor.ts starts it.
 *
 * stdin: lines of milliseconds. What may be in the kernel is to go so long after the line was read, if the speaker has died by then, which is
 * the end of the input; after that time, so long after the death. "0": a speaker that stops has left nothing, so there is nothing to do.
 * stdout: one octet once nobody else is at work on the tables. Exit status: 0, 1 (the kernel refused), 77 (no CAP_NET_ADMIN).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "janitor.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NO_CAPABILITY 77
#define LEASE_TRIES 100 /* of 20 ms */

/* A supervisor that ends what a dead speaker left behind does not wait. */
static volatile sig_atomic_t hurry;

static void told_to_end(int signal) {
  (void)signal;
  hurry = 1;
}

static int64_t now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void pause_ms(int64_t ms) {
  const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static bool may_change_tables(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
  return syscall(SYS_capget, &header, data) != 0 || (data[0].effective & (1u << CAP_NET_ADMIN)) != 0;
}

/*
 * Whoever holds this name (of the network namespace, not of the file system) has the tables to itself: the janitor of a living speaker, or
 * one at work. The kernel gives it back at the end of a process, however that comes.
 */
static socklen_t lease_name(struct sockaddr_un *name) {
  static const char text[] = "landfall-stragglers";
  memset(name, 0, sizeof *name);
  name->sun_family = AF_UNIX;
  memcpy(name->sun_path + 1, text, sizeof text - 1);
  return offsetof(struct sockaddr_un, sun_path) + sizeof text;
}

static int take_lease(void) {
  struct sockaddr_un name;
  const socklen_t length = lease_name(&name);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&name, length) == 0 && listen(fd, 1) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/* The name is free for everybody to take: somebody else's user is no speaker. */
static bool is_leased(void) {
  struct sockaddr_un name;
  struct ucred holder = {.uid = (uid_t)-1};
  socklen_t length = lease_name(&name), holder_length = sizeof holder;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool known = false;
  if (fd < 0) return false;
  if (connect(fd, (struct sockaddr *)&name, length) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &holder, &holder_length) == 0) {
    known = holder.uid == geteuid() || holder.uid == 0;
  } else {
    known = errno == EAGAIN; /* many ask at once */
  }
  close(fd);
  return known;
}

struct orders {
  int64_t every_ms;    /* the last line */
  int64_t deadline_ms; /* and when it is due */
};

/* Returns at the end of the input: the speaker is dead. */
static void listen_to_speaker(struct orders *orders) {
  int64_t value = -1;
  for (;;) {
    char text[64];
    const ssize_t length = read(STDIN_FILENO, text, sizeof text);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return;
    for (ssize_t i = 0; i < length; i++) {
      if (text[i] >= '0' && text[i] <= '9' && value < 1000000000) {
        value = (value < 0 ? 0 : value * 10) + (text[i] - '0');
      } else if (text[i] == '\n') {
        if (value == 0) exit(0);
        if (value > 0) *orders = (struct orders){.every_ms = value, .deadline_ms = now_ms() + value};
        value = -1;
      }
    }
  }
}

/* Until the time has come, or a signal. */
static void wait_until(int64_t deadline_ms) {
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &all, NULL);
  while (!hurry) {
    const int64_t left = deadline_ms - now_ms();
    const struct timespec time = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    if (left <= 0) break;
    ppoll(NULL, 0, &time, &none);
  }
}

/* Nothing of the speaker's is kept but the pipe: no socket, no priority, no signal that the janitor would die of. */
static void settle(void) {
  static const int ends[] = {SIGTERM, SIGABRT, SIGINT, SIGHUP, SIGQUIT};
  struct sigaction action = {.sa_handler = told_to_end};
  const struct sched_param normal = {0};
  sigset_t none;
  syscall(436 /* close_range */, 3u, ~0u, 0u);
  sched_setscheduler(0, SCHED_OTHER, &normal);
  if (chdir("/") != 0) return;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) sigaction(ends[i], &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(void) {
  struct orders orders = {0};
  int lease;
  settle();
  if (!may_change_tables()) return NO_CAPABILITY;
  lease = take_lease();
  for (int i = 0; lease < 0 && i < LEASE_TRIES; i++) {
    pause_ms(20);
    lease = take_lease();
  }
  if (write(STDOUT_FILENO, ".", 1) < 0) { /* the speaker is dead already: its pipe says so, too */
  }
  listen_to_speaker(&orders);
  if (lease >= 0) close(lease);
  if (orders.every_ms == 0) return 0; /* it has not written anything yet */
  wait_until(orders.deadline_ms > now_ms() ? orders.deadline_ms : now_ms() + orders.every_ms);
  lease = take_lease();
  if (lease < 0 && is_leased()) return 0; /* a new life: what is in the kernel is its own affair */
  return sweep() ? 0 : 1;
}
