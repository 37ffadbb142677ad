// A guest that floods: announcements of ever other MACs and addresses out of one interface, at a pace or as fast as the kernel takes them.
//
//   flood IFACE SECONDS [FRAMES_PER_SECOND]      prints `FRAMES NANOSECONDS` at its end
//
// GARP, RARP and unsolicited NA in turn, in batches of sendmmsg(2). MACs are 52:54:xx:xx:xx:xx, addresses of 198.18.255.0/24 and
// 2001:db8:200::/64: nobody's, but within what a node may announce.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 63  // a multiple of the three kinds
#define OCTETS 86

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint32_t random_word(void) {
  static uint32_t state = 1;
  state ^= state << 13, state ^= state >> 17, state ^= state << 5;
  return state;
}

static uint16_t checksum(const uint8_t *ip, const uint8_t *icmp, size_t length) {
  uint32_t sum = (uint32_t)length + 58;
  for (size_t i = 8; i < 40; i += 2) sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
  for (size_t i = 0; i < length; i += 2) sum += (uint32_t)(icmp[i] << 8 | icmp[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

// Returns the frame's length.
static size_t make(uint8_t *f, int kind) {
  const uint32_t r = random_word();
  const uint8_t mac[6] = {0x52, 0x54, (uint8_t)(r >> 24), (uint8_t)(r >> 16), (uint8_t)(r >> 8), (uint8_t)r};
  memset(f, 0, OCTETS);
  memset(f, 255, 6);
  memcpy(f + 6, mac, 6);
  if (kind < 2) {  // ARP: GARP, then RARP
    const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1}, address[] = {198, 18, 255, (uint8_t)r};
    f[12] = kind == 0 ? 0x08 : 0x80, f[13] = kind == 0 ? 0x06 : 0x35;
    memcpy(f + 14, head, sizeof head);
    f[21] = kind == 0 ? 1 : 3;
    memcpy(f + 22, mac, 6);
    memcpy(f + 32, mac, 6);
    if (kind == 0) memcpy(f + 28, address, 4), memset(f + 32, 0, 6), memcpy(f + 38, address, 4);
    return 60;
  }
  const uint8_t all_nodes_mac[] = {0x33, 0x33, 0, 0, 0, 1}, head[] = {0x60, 0, 0, 0, 0, 32, 58, 255};
  uint8_t *ip = f + 14, *icmp = ip + 40;
  memcpy(f, all_nodes_mac, 6);
  f[12] = 0x86, f[13] = 0xdd;
  memcpy(ip, head, sizeof head);
  ip[8] = 0x20, ip[9] = 1, ip[10] = 0x0d, ip[11] = 0xb8, ip[12] = 2, ip[13] = 0;
  memcpy(ip + 20, &r, 4);
  ip[24] = 0xff, ip[25] = 2, ip[39] = 1;
  icmp[0] = 136, icmp[4] = 0x20;  // NA, Override
  memcpy(icmp + 8, ip + 8, 16);
  icmp[24] = 2, icmp[25] = 1;
  memcpy(icmp + 26, mac, 6);
  const uint16_t sum = checksum(ip, icmp, 32);
  icmp[2] = (uint8_t)(sum >> 8), icmp[3] = (uint8_t)sum;
  return OCTETS;
}

int main(int argc, char **argv) {
  static uint8_t frames[BATCH][OCTETS];
  static struct iovec io[BATCH];
  static struct mmsghdr messages[BATCH];
  if (argc < 3 || argc > 4) return 2;
  const double pace = argc == 4 ? atof(argv[3]) : 0;
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[1]), .sll_halen = 6};
  if (fd < 0 || to.sll_ifindex == 0) return fprintf(stderr, "flood: %s: %s\n", argv[1], strerror(errno)), 1;
  const int64_t from = now_ns(), until = from + (int64_t)(atof(argv[2]) * 1e9);
  long long sent = 0;
  while (now_ns() < until) {
    for (int i = 0; i < BATCH; i++) {
      io[i] = (struct iovec){frames[i], make(frames[i], i % 3)};
      messages[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &io[i], .msg_iovlen = 1};
    }
    const int done = sendmmsg(fd, messages, BATCH, 0);
    if (done < 0 && errno != ENOBUFS && errno != EAGAIN) return fprintf(stderr, "flood: send: %s\n", strerror(errno)), 1;
    if (done > 0) sent += done;
    if (pace == 0) continue;
    const int64_t early = from + (int64_t)((double)sent / pace * 1e9) - now_ns();
    const struct timespec rest = {early / 1000000000LL, early % 1000000000LL};
    if (early > 0) nanosleep(&rest, NULL);
  }
  printf("%lld %lld\n", sent, (long long)(now_ns() - from));
}
