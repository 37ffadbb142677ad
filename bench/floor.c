/*
 * The yardstick of bench/frame-to-update.ts: the least that can stand between a frame and an UPDATE. One BGP session (IPv4 unicast,
 * 4-octet AS), one packet socket with landfall's own filter, one poll loop. Each GARP or RARP becomes a prebuilt UPDATE in
 * which four octets of NLRI and the sequence are patched. No checks, no state, no retry: any error ends the program.
 *
 *   cc -O2 -o floor bench/floor.c
 *   floor --peer ADDR --port N --asn N [--peer-asn N] --id A.B.C.D [--next-hop A.B.C.D] --frames-from IFNAME...
 *
 * Prints `established` and then `claims N` at the end of the session or at SIGTERM.
 */
#define _GNU_SOURCE
#include "../native/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOLD_SECONDS 90
#define MAX_PORTS 64

enum { OPEN = 1, UPDATE = 2, NOTIFICATION = 3, KEEPALIVE = 4 };

struct message {
  uint8_t bytes[256];
  size_t length;
};

static volatile sig_atomic_t stopping;
static const char *port_names[MAX_PORTS];
static int ports[MAX_PORTS], port_count;
static struct message update;
static size_t nlri_at, sequence_at;

static void stop(int signal) {
  (void)signal;
  stopping = 1;
}

static void die(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void put(struct message *m, uint64_t value, size_t octets) {
  for (size_t i = octets; i > 0; i--) m->bytes[m->length++] = (uint8_t)(value >> (8 * (i - 1)));
}

static void begin(struct message *m, uint8_t type) {
  memset(m->bytes, 0xff, 16);
  m->length = 18;
  put(m, type, 1);
}

static void finish(struct message *m) {
  m->bytes[16] = (uint8_t)(m->length >> 8);
  m->bytes[17] = (uint8_t)m->length;
}

static void write_all(int fd, const struct message *m) {
  if (send(fd, m->bytes, m->length, MSG_NOSIGNAL) != (ssize_t)m->length) die("send");
}

static void send_open(int fd, uint32_t asn, uint32_t id) {
  struct message m;
  begin(&m, OPEN);
  put(&m, 4, 1);
  put(&m, asn > 65535 ? 23456 : asn, 2); /* AS_TRANS, RFC 6793 */
  put(&m, HOLD_SECONDS, 2);
  put(&m, ntohl(id), 4);
  put(&m, 16, 1);
  put(&m, 0x020e, 2); /* parameter: capabilities */
  put(&m, 0x0104000100ull << 8 | 1, 6); /* multiprotocol, IPv4 unicast */
  put(&m, 0x4104, 2);
  put(&m, asn, 4);
  put(&m, 0x0200, 2); /* route refresh: offered, not answered */
  finish(&m);
  write_all(fd, &m);
}

static void send_keepalive(int fd) {
  struct message m;
  begin(&m, KEEPALIVE);
  finish(&m);
  write_all(fd, &m);
}

/* ORIGIN, AS_PATH, NEXT_HOP, LOCAL_PREF (iBGP), MED, LARGE_COMMUNITY with the sequence; one /32. */
static void build_update(uint32_t asn, bool ibgp, uint32_t next_hop) {
  size_t length_at;
  begin(&update, UPDATE);
  put(&update, 0, 2);
  length_at = update.length;
  put(&update, 0, 2);
  put(&update, 0x40010100, 4);
  if (ibgp) {
    put(&update, 0x400200, 3);
  } else {
    put(&update, 0x4002060201, 5);
    put(&update, asn, 4);
  }
  put(&update, 0x400304, 3);
  put(&update, ntohl(next_hop), 4);
  put(&update, 0x800404, 3);
  put(&update, 100, 4);
  if (ibgp) {
    put(&update, 0x400504, 3);
    put(&update, 200, 4);
  }
  put(&update, 0xc0200c, 3);
  put(&update, asn, 4);
  put(&update, 1, 4);
  sequence_at = update.length;
  put(&update, 0, 4);
  update.bytes[length_at] = (uint8_t)((update.length - length_at - 2) >> 8);
  update.bytes[length_at + 1] = (uint8_t)(update.length - length_at - 2);
  put(&update, 32, 1);
  nlri_at = update.length;
  put(&update, 0, 4);
  finish(&update);
}

static int dial(const char *address, int port) {
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  const int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (inet_pton(AF_INET, address, &peer.sin_addr) != 1) die(address);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0) die("connect");
  return fd;
}

static int open_capture(void) {
  struct sockaddr_ll everywhere = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  const int on = 1, size = 8 << 20;
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket AF_PACKET");
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &frame_filter_program, sizeof frame_filter_program) != 0) die("filter");
  setsockopt(fd, SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&everywhere, sizeof everywhere) != 0) die("bind");
  return fd;
}

/* A port may be made, or made again, after the start: names are looked up when an unknown interface speaks. */
static bool is_port(int ifindex) {
  char name[IF_NAMESIZE];
  for (int i = 0; i < port_count; i++) {
    if (ports[i] == ifindex) return true;
  }
  if (if_indextoname((unsigned)ifindex, name) == NULL) return false;
  for (int i = 0; i < port_count; i++) {
    if (strcmp(port_names[i], name) != 0) continue;
    ports[i] = ifindex;
    return true;
  }
  return false;
}

/* Returns the number of UPDATEs written. */
static unsigned relay_frames(int capture, int session, bool established) {
  uint8_t frame[FRAME_SNAP];
  struct sockaddr_ll from;
  socklen_t from_length = sizeof from;
  unsigned claims = 0;
  ssize_t length;
  while ((length = recvfrom(capture, frame, sizeof frame, 0, (struct sockaddr *)&from, &from_length)) >= 0) {
    from_length = sizeof from;
    if (length < 42 || !established || !is_port(from.sll_ifindex)) continue;
    if (frame[12] != 0x08 && frame[12] != 0x80) continue; /* ARP or RARP, untagged or with the tag already taken out */
    if (frame[12] == 0x08 && memcmp(frame + 28, frame + 38, 4) != 0) continue; /* ARP, but not gratuitous */
    memcpy(update.bytes + nlri_at, frame + 28, 4);
    for (int i = 3; i >= 0 && ++update.bytes[sequence_at + (size_t)i] == 0; i--) continue;
    write_all(session, &update);
    claims++;
  }
  if (errno != EAGAIN && errno != EINTR && errno != ENETDOWN) die("recvfrom");
  return claims;
}

/* Reads what the peer sent; true once its KEEPALIVE after the OPEN has come. */
static bool read_session(int fd, bool established) {
  static uint8_t stream[65536];
  static size_t filled;
  ssize_t length = recv(fd, stream + filled, sizeof stream - filled, MSG_DONTWAIT);
  size_t at = 0;
  if (length == 0) stopping = 1;
  if (length < 0 && errno != EAGAIN) die("recv");
  if (length > 0) filled += (size_t)length;
  while (filled - at >= 19) {
    size_t size = (size_t)stream[at + 16] << 8 | stream[at + 17];
    uint8_t type = stream[at + 18];
    if (size < 19) exit(1);
    if (filled - at < size) break;
    if (type == OPEN) send_keepalive(fd);
    if (type == KEEPALIVE && !established) {
      established = true;
      puts("established");
      fflush(stdout);
    }
    if (type == NOTIFICATION) {
      fprintf(stderr, "floor: NOTIFICATION %d/%d\n", stream[at + 19], stream[at + 20]);
      exit(1);
    }
    at += size;
  }
  memmove(stream, stream + at, filled - at);
  filled -= at;
  return established;
}

int main(int argc, char **argv) {
  const char *peer = NULL;
  int port = 179, session, capture;
  uint32_t asn = 0, peer_asn = 0, id = 0, next_hop = 0;
  unsigned claims = 0;
  bool established = false;
  time_t next_keepalive;
  struct pollfd polled[2];
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], "--peer") == 0) peer = argv[++i];
    else if (strcmp(argv[i], "--port") == 0) port = atoi(argv[++i]);
    else if (strcmp(argv[i], "--asn") == 0) asn = (uint32_t)strtoul(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--peer-asn") == 0) peer_asn = (uint32_t)strtoul(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--id") == 0) id = inet_addr(argv[++i]);
    else if (strcmp(argv[i], "--next-hop") == 0) next_hop = inet_addr(argv[++i]);
    else if (strcmp(argv[i], "--frames-from") == 0) {
      while (i + 1 < argc && argv[i + 1][0] != '-' && port_count < MAX_PORTS) port_names[port_count++] = argv[++i];
    }
  }
  if (peer == NULL || asn == 0 || id == 0 || port_count == 0) {
    fputs("usage: floor --peer ADDR --port N --asn N [--peer-asn N] --id A.B.C.D [--next-hop A.B.C.D] --frames-from IFNAME...\n", stderr);
    return 2;
  }
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  session = dial(peer, port);
  if (next_hop == 0) {
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    getsockname(session, (struct sockaddr *)&own, &length);
    next_hop = own.sin_addr.s_addr;
  }
  build_update(asn, peer_asn == 0 || peer_asn == asn, next_hop);
  capture = open_capture();
  send_open(session, asn, id);
  next_keepalive = time(NULL) + 1;
  polled[0] = (struct pollfd){.fd = capture, .events = POLLIN};
  polled[1] = (struct pollfd){.fd = session, .events = POLLIN};
  while (!stopping) {
    if (poll(polled, 2, 1000) < 0 && errno != EINTR) die("poll");
    if (polled[0].revents) claims += relay_frames(capture, session, established);
    if (polled[1].revents) established = read_session(session, established);
    if (established && time(NULL) >= next_keepalive) {
      send_keepalive(session);
      next_keepalive = time(NULL) + 1;
    }
  }
  printf("claims %u\n", claims);
  return 0;
}
