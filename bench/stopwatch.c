// The neutral measuring program: sends the frame and, in the same process, sees the UPDATE or the kernel route that follows from it.
// It is the router's end of both sessions (landfall's and the floor's), so that both are measured by the same code.
//
//   stopwatch LABEL=ADDRESS …      listens for BGP on TCP port 179 of each address; one session per label
//
// Commands on standard input, one a line; answers on standard output:
//   send LABEL IFACE FIRST COUNT SPACING_US     a GARP of VM number FIRST, FIRST+1, …; latency to the last byte of its UPDATE
//   route IFACE FIRST COUNT SPACING_US          the same, latency to RTM_NEWROUTE in this namespace (a router runs here)
//     → claim NUMBER NANOSECONDS (or -1: not seen within five seconds) for each, then `done MISSING FIRST_TO_LAST_NANOSECONDS`
//   up LABEL / down LABEL                       printed when a session comes and goes
//
// VM number n has MAC 52:54:00:bb:hh:ll and address 198.18.hh.ll. Clock: CLOCK_REALTIME just before send(2), and the kernel's receive
// timestamp (SO_TIMESTAMPNS) of the segment that completes the UPDATE, so the wake-up of this program is in no figure.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SESSIONS 4
#define MAX_CLAIMS 65536
#define PATIENCE_NS 5000000000LL
#define FIRST_ADDRESS 0xc6120000u            // 198.18.0.0, RFC 2544

struct session {
  const char *label;
  struct in_addr address;
  int listener, fd;
  bool established;
  uint8_t buffer[65536];
  size_t length;
};

static struct session sessions[MAX_SESSIONS];
static int session_count;
static int routes = -1;                       // rtnetlink socket
static int64_t sent_at[MAX_CLAIMS], seen_at[MAX_CLAIMS];
static uint32_t oldest;                       // the oldest claim that has not been answered, for updates with a prefix not ours
static uint32_t first_claim, claim_count, answered;
static struct session *measured;              // whose UPDATEs count now; NULL: kernel routes count

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "stopwatch: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void answer(uint32_t address, int64_t at) {
  uint32_t number = address - FIRST_ADDRESS;
  if (number < first_claim || number >= first_claim + claim_count) {
    while (oldest < first_claim + claim_count && seen_at[oldest] != 0) oldest++;
    number = oldest;
  }
  if (number >= first_claim + claim_count || sent_at[number] == 0 || seen_at[number] != 0) return;
  seen_at[number] = at;
  answered++;
}

static void write_all(struct session *s, const uint8_t *bytes, size_t length) {
  if (send(s->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) fprintf(stderr, "stopwatch: short write to %s\n", s->label);
}

static void send_keepalive(struct session *s) {
  uint8_t message[19];
  memset(message, 0xff, 16);
  message[16] = 0, message[17] = 19, message[18] = 4;
  write_all(s, message, sizeof message);
}

// OPEN with the AS that the peer itself has (iBGP), hold time 240 s, IPv4 unicast, four-octet AS numbers.
static void send_open(struct session *s, const uint8_t *peer_open, size_t length) {
  uint8_t as4[4] = {0, 0, peer_open[20], peer_open[21]};
  for (size_t i = 29; i + 2 <= length;) {  // optional parameters: type, length, capabilities
    size_t end = i + 2 + peer_open[i + 1];
    for (size_t j = i + 2; peer_open[i] == 2 && j + 2 <= end && end <= length; j += 2 + peer_open[j + 1])
      if (peer_open[j] == 65 && peer_open[j + 1] == 4 && j + 6 <= length) memcpy(as4, peer_open + j + 2, 4);
    i = end;
  }
  uint8_t message[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 43, 1, 4, peer_open[20], peer_open[21],
                       0, 240, 0, 0, 0, 0, 14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4, as4[0], as4[1], as4[2], as4[3]};
  memcpy(message + 24, &s->address.s_addr, 4);
  write_all(s, message, sizeof message);
}

static void read_update(struct session *s, const uint8_t *m, size_t length, int64_t at) {
  if (s != measured || length < 23) return;
  size_t i = 19 + 2 + (m[19] << 8 | m[20]);
  if (i + 2 > length) return;
  i += 2 + (m[i] << 8 | m[i + 1]);
  while (i < length) {
    size_t octets = (m[i] + 7) / 8;
    if (i + 1 + octets > length || octets > 4) return;
    uint8_t a[4] = {0};
    memcpy(a, m + i + 1, octets);
    answer((uint32_t)a[0] << 24 | a[1] << 16 | a[2] << 8 | a[3], at);
    i += 1 + octets;
  }
}

static void drop(struct session *s) {
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
  s->length = 0;
  if (s->established) printf("down %s\n", s->label), fflush(stdout);
  s->established = false;
}

static void read_session(struct session *s) {
  struct iovec io = {s->buffer + s->length, sizeof s->buffer - s->length};
  char control[256];
  struct msghdr header = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(s->fd, &header, MSG_DONTWAIT);
  if (got <= 0) {
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    drop(s);
    return;
  }
  int64_t at = now_ns();
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec t;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    if (t.tv_sec != 0) at = t.tv_sec * 1000000000LL + t.tv_nsec;
  }
  s->length += (size_t)got;
  size_t used = 0;
  while (s->length - used >= 19) {
    uint8_t *m = s->buffer + used;
    size_t length = (size_t)(m[16] << 8 | m[17]);
    if (length < 19 || length > 4096) {
      fprintf(stderr, "stopwatch: %s sent a message of %zu octets\n", s->label, length);
      drop(s);
      return;
    }
    if (s->length - used < length) break;
    if (m[18] == 1 && length >= 29) send_open(s, m, length), send_keepalive(s);
    if (m[18] == 2) read_update(s, m, length, at);
    if (m[18] == 3) fprintf(stderr, "stopwatch: %s sent NOTIFICATION %d/%d\n", s->label, m[19], m[20]);
    if (m[18] == 4 && !s->established) {
      s->established = true;
      printf("up %s\n", s->label);
      fflush(stdout);
    }
    used += length;
  }
  memmove(s->buffer, s->buffer + used, s->length - used);
  s->length -= used;
}

static void accept_session(struct session *s) {
  int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  drop(s);
  s->fd = fd;
}

static void read_routes(void) {
  char buffer[65536];
  ssize_t got = recv(routes, buffer, sizeof buffer, MSG_DONTWAIT);
  int64_t at = now_ns();
  if (got < 0) {
    if (errno == ENOBUFS) fprintf(stderr, "stopwatch: route events were lost (ENOBUFS)\n");
    return;
  }
  if (measured != NULL) return;
  int left = (int)got;
  for (struct nlmsghdr *n = (struct nlmsghdr *)buffer; NLMSG_OK(n, left); n = NLMSG_NEXT(n, left)) {
    if (n->nlmsg_type != RTM_NEWROUTE) continue;
    struct rtmsg *route = NLMSG_DATA(n);
    int attributes = RTM_PAYLOAD(n);
    if (route->rtm_family != AF_INET || route->rtm_dst_len != 32) continue;
    for (struct rtattr *a = RTM_RTA(route); RTA_OK(a, attributes); a = RTA_NEXT(a, attributes)) {
      uint32_t address;
      if (a->rta_type != RTA_DST) continue;
      memcpy(&address, RTA_DATA(a), 4);
      if (ntohl(address) - FIRST_ADDRESS < MAX_CLAIMS) answer(ntohl(address), at);
    }
  }
}

static int64_t next_keepalive;

// Serves sockets until `deadline` (CLOCK_REALTIME ns) or until all claims are answered; `also` is standard input or -1.
static bool serve(int64_t deadline, int also, bool stop_when_answered) {
  for (;;) {
    int64_t now = now_ns();
    if (now >= next_keepalive) {
      for (int i = 0; i < session_count; i++)
        if (sessions[i].established) send_keepalive(&sessions[i]);
      next_keepalive = now + 2000000000LL;
    }
    if (deadline != 0 && now >= deadline) return false;
    if (stop_when_answered && answered == claim_count) return false;
    struct pollfd polled[2 * MAX_SESSIONS + 2];
    int n = 0;
    for (int i = 0; i < session_count; i++) {
      polled[n++] = (struct pollfd){.fd = sessions[i].listener, .events = POLLIN};
      polled[n++] = (struct pollfd){.fd = sessions[i].fd, .events = POLLIN};
    }
    polled[n++] = (struct pollfd){.fd = routes, .events = POLLIN};
    polled[n++] = (struct pollfd){.fd = also, .events = POLLIN};
    int64_t wait = (deadline != 0 && deadline < next_keepalive ? deadline : next_keepalive) - now;
    struct timespec timeout = {wait / 1000000000LL, wait % 1000000000LL};
    if (ppoll(polled, (nfds_t)n, &timeout, NULL) <= 0) continue;
    for (int i = 0; i < session_count; i++) {
      if (polled[2 * i + 1].revents != 0 && sessions[i].fd >= 0) read_session(&sessions[i]);
      if (polled[2 * i].revents & POLLIN) accept_session(&sessions[i]);
    }
    if (polled[n - 2].revents != 0) read_routes();
    if (polled[n - 1].revents != 0) return true;
  }
}

static void measure(const char *iface, uint32_t first, uint32_t count, int64_t spacing_ns) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(iface), .sll_halen = 6};
  if (fd < 0 || to.sll_ifindex == 0) die(iface);
  int size = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  first_claim = oldest = first, claim_count = count, answered = 0;
  for (uint32_t i = first; i < first + count; i++) sent_at[i] = seen_at[i] = 0;
  int64_t due = now_ns();
  for (uint32_t i = first; i < first + count; i++) {
    uint8_t hi = (uint8_t)(i >> 8), lo = (uint8_t)i;
    uint8_t frame[60] = {255, 255, 255, 255, 255, 255, 0x52, 0x54, 0, 0xbb, hi, lo, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                         0x52, 0x54, 0, 0xbb, hi, lo, 198, 18, hi, lo, 0, 0, 0, 0, 0, 0, 198, 18, hi, lo};
    if (spacing_ns > 0) serve(due, -1, false);
    sent_at[i] = now_ns();
    if (sendto(fd, frame, sizeof frame, 0, (struct sockaddr *)&to, sizeof to) < 0) die("send");
    due += spacing_ns;
  }
  serve(now_ns() + PATIENCE_NS, -1, true);
  close(fd);
  int64_t last = 0;
  for (uint32_t i = first; i < first + count; i++) {
    if (seen_at[i] > last) last = seen_at[i];
    printf("claim %u %lld\n", i, seen_at[i] == 0 ? -1LL : (long long)(seen_at[i] - sent_at[i]));
  }
  printf("done %u %lld\n", claim_count - answered, (long long)(last - sent_at[first]));
  fflush(stdout);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc && session_count < MAX_SESSIONS; i++) {
    struct session *s = &sessions[session_count++];
    char *equals = strchr(argv[i], '=');
    if (equals == NULL || inet_pton(AF_INET, equals + 1, &s->address) != 1) die(argv[i]);
    *equals = 0;
    s->label = argv[i], s->fd = -1;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(179), .sin_addr = s->address};
    if (bind(s->listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(s->listener, 4) != 0) die("listen");
  }
  routes = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int size = 32 << 20;
  setsockopt(routes, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_ROUTE};
  if (bind(routes, (struct sockaddr *)&groups, sizeof groups) != 0) die("rtnetlink");
  setvbuf(stdin, NULL, _IONBF, 0);
  char line[256], label[32], iface[32];
  unsigned first, count, spacing;
  for (;;) {
    if (!serve(0, STDIN_FILENO, false)) continue;
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    if (sscanf(line, "send %31s %31s %u %u %u", label, iface, &first, &count, &spacing) == 5) {
      measured = NULL;
      for (int i = 0; i < session_count; i++)
        if (strcmp(sessions[i].label, label) == 0) measured = &sessions[i];
      if (measured == NULL || first + count > MAX_CLAIMS) die(line);
    } else if (sscanf(line, "route %31s %u %u %u", iface, &first, &count, &spacing) == 4 && first + count <= MAX_CLAIMS) {
      measured = NULL;
    } else {
      die(line);
    }
    measure(iface, first, count, spacing * 1000LL);
  }
}
