/*
 * A kernel with TCP-AO (RFC 5925) as far as its three socket options go, for LD_PRELOAD on one that lacks them. It takes and refuses requests
 * by the rules of Linux 6.7, reads them by structures that the compiler lays out, and writes a line to stderr for each. It signs nothing.
 * AO_FOLLOWS=1: the peer signs with what it is asked to at once, and asks for the same. AO_UNSIGNED=1: whoever calls signs nothing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FDS 1024
#define KEYS 16

struct ao_add {
  struct sockaddr_storage addr;
  char alg_name[64];
  int32_t ifindex;
  uint32_t set_current : 1, set_rnext : 1, reserved : 30;
  uint16_t reserved2;
  uint8_t prefix, sndid, rcvid, maclen, keyflags, keylen, key[80];
} __attribute__((aligned(8)));

struct ao_del {
  struct sockaddr_storage addr;
  int32_t ifindex;
  uint32_t set_current : 1, set_rnext : 1, del_async : 1, reserved : 29;
  uint16_t reserved2;
  uint8_t prefix, sndid, rcvid, current_key, rnext, keyflags;
} __attribute__((aligned(8)));

struct ao_info {
  uint32_t set_current : 1, set_rnext : 1, ao_required : 1, set_counters : 1, accept_icmps : 1, reserved : 27;
  uint16_t reserved2;
  uint8_t current_key, rnext;
  uint64_t counters[5];
} __attribute__((aligned(8)));

static struct {
  struct ao_add keys[KEYS];
  int count, current, rnext; /* indexes, or -1 */
} sockets[FDS];

static int refuse(int error) {
  errno = error;
  return -1;
}

static int is_listening(int fd) {
  int yes = 0;
  socklen_t length = sizeof yes;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &length) == 0 && yes != 0;
}

static int is_connected(int fd) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
}

static int family_of(int fd) {
  int family = 0;
  socklen_t length = sizeof family;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
  return family;
}

/* The octets of the address; their number in *length. */
static const uint8_t *octets(const struct sockaddr_storage *storage, int *length) {
  *length = storage->ss_family == AF_INET ? 4 : 16;
  return storage->ss_family == AF_INET ? (const uint8_t *)&((const struct sockaddr_in *)storage)->sin_addr : (const uint8_t *)&((const struct sockaddr_in6 *)storage)->sin6_addr;
}

static int same_bits(const uint8_t *a, const uint8_t *b, int bits) {
  int whole = bits / 8, rest = bits % 8;
  return memcmp(a, b, (size_t)whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

static int address_is_wrong(int fd, const struct sockaddr_storage *addr, int prefix) {
  int length, any = 1;
  const uint8_t *bytes = octets(addr, &length);
  if (addr->ss_family != family_of(fd) || ((const struct sockaddr_in *)addr)->sin_port != 0 || prefix > 8 * length) return 1;
  for (int i = 0; i < length; i++) any &= bytes[i] == 0;
  if ((prefix == 0) != any) return 1;
  for (int bit = prefix; bit < 8 * length; bit++) if (bytes[bit / 8] & (0x80 >> bit % 8)) return 1;
  return 0;
}

static void tell(int fd, const char *what, const struct ao_add *key, int error) {
  char text[64];
  int length;
  const uint8_t *bytes = octets(&key->addr, &length);
  inet_ntop(key->addr.ss_family, bytes, text, sizeof text);
  fprintf(stderr, "ao %s %s %s/%d %d/%d %s %d %.*s%s%s\n", is_listening(fd) || !is_connected(fd) ? "before" : "live", what, text, key->prefix, key->sndid, key->rcvid, key->alg_name,
          key->maclen, key->keylen, (const char *)key->key, key->set_current && key->set_rnext ? " first" : "", error ? " refused" : "");
}

static int add(int fd, const struct ao_add *request) {
  int length;
  const uint8_t *bytes = octets(&request->addr, &length);
  if (request->reserved || request->reserved2 || request->ifindex || request->keyflags || request->keylen > 80 || address_is_wrong(fd, &request->addr, request->prefix)) return refuse(EINVAL);
  if ((request->set_current || request->set_rnext) && is_listening(fd)) return refuse(EINVAL);
  if (is_connected(fd) && sockets[fd].count == 0) return refuse(EINVAL);
  for (int i = 0; i < sockets[fd].count; i++) {
    const struct ao_add *key = &sockets[fd].keys[i];
    int shorter = key->prefix < request->prefix ? key->prefix : request->prefix;
    if (same_bits(octets(&key->addr, &length), bytes, shorter) && (key->sndid == request->sndid || key->rcvid == request->rcvid)) return refuse(EEXIST);
  }
  if (strcmp(request->alg_name, "hmac(sha1)") != 0 && strcmp(request->alg_name, "cmac(aes128)") != 0) return refuse(ENOENT);
  if (sockets[fd].count == KEYS) return refuse(ENOMEM);
  if (sockets[fd].count == 0) sockets[fd].current = sockets[fd].rnext = -1;
  sockets[fd].keys[sockets[fd].count] = *request;
  if (request->set_current) sockets[fd].current = sockets[fd].count;
  if (request->set_rnext) sockets[fd].rnext = sockets[fd].count;
  sockets[fd].count++;
  return 0;
}

static int del(int fd, const struct ao_del *request) {
  if (request->reserved || request->reserved2 || request->keyflags) return refuse(EINVAL);
  for (int i = 0; i < sockets[fd].count; i++) {
    struct ao_add *key = &sockets[fd].keys[i];
    const uint8_t *wanted;
    int length;
    if (key->sndid != request->sndid || key->rcvid != request->rcvid || key->prefix != request->prefix || key->addr.ss_family != request->addr.ss_family) continue;
    wanted = octets(&request->addr, &length);
    if (memcmp(octets(&key->addr, &length), wanted, (size_t)length) != 0) continue;
    if (i == sockets[fd].current || i == sockets[fd].rnext) {
      tell(fd, "delete", key, 1);
      return refuse(EBUSY);
    }
    tell(fd, "delete", key, 0);
    memmove(key, key + 1, sizeof *key * (size_t)(sockets[fd].count - i - 1));
    sockets[fd].count--;
    if (sockets[fd].current > i) sockets[fd].current--;
    if (sockets[fd].rnext > i) sockets[fd].rnext--;
    return 0;
  }
  return refuse(ENOENT);
}

static int info(int fd, const struct ao_info *request) {
  if (request->reserved || request->reserved2) return refuse(EINVAL);
  if ((request->set_current || request->set_rnext) && is_listening(fd)) return refuse(EINVAL);
  for (int i = 0; i < sockets[fd].count; i++) {
    if (!request->set_rnext || request->set_current || sockets[fd].keys[i].rcvid != request->rnext) continue;
    tell(fd, "prefer", &sockets[fd].keys[i], 0);
    sockets[fd].rnext = i;
    if (getenv("AO_FOLLOWS") != NULL) sockets[fd].current = i;
    return 0;
  }
  return refuse(ENOENT);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
  static int (*real)(int, int, int, const void *, socklen_t);
  int result;
  if (real == NULL) real = (int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");
  if (level != IPPROTO_TCP || option < 38 || option > 40) return real(fd, level, option, value, length);
  if (fd >= FDS) return refuse(EMFILE);
  if (option == 38) {
    if (length < sizeof(struct ao_add)) return refuse(EINVAL);
    result = add(fd, value);
    tell(fd, "add", value, result);
    return result;
  }
  if (option == 39) return length < sizeof(struct ao_del) ? refuse(EINVAL) : del(fd, value);
  return length < sizeof(struct ao_info) ? refuse(EINVAL) : info(fd, value);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *length) {
  static int (*real)(int, int, int, void *, socklen_t *);
  struct ao_info answer = {0};
  if (real == NULL) real = (int (*)(int, int, int, void *, socklen_t *))dlsym(RTLD_NEXT, "getsockopt");
  if (level != IPPROTO_TCP || option != 40) return real(fd, level, option, value, length);
  if (fd >= FDS || sockets[fd].count == 0) return refuse(ENOENT);
  if (*length < sizeof answer) return refuse(EINVAL);
  if (sockets[fd].current >= 0) answer.set_current = 1, answer.current_key = sockets[fd].keys[sockets[fd].current].sndid;
  if (sockets[fd].rnext >= 0) answer.set_rnext = 1, answer.rnext = sockets[fd].keys[sockets[fd].rnext].rcvid;
  memcpy(value, &answer, sizeof answer);
  return 0;
}

/* The keys of the listener that are for this peer; it has signed its SYN with the last of them. */
int accept4(int listener, struct sockaddr *address, socklen_t *room, int flags) {
  static int (*real)(int, struct sockaddr *, socklen_t *, int);
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  int fd, octet_count;
  if (real == NULL) real = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
  fd = real(listener, address, room, flags);
  if (fd < 0 || fd >= FDS || listener >= FDS) return fd;
  sockets[fd].count = 0;
  if (getenv("AO_UNSIGNED") != NULL || getpeername(fd, (struct sockaddr *)&peer, &length) != 0) return fd;
  for (int i = 0; i < sockets[listener].count; i++) {
    const struct ao_add *key = &sockets[listener].keys[i];
    if (key->addr.ss_family != peer.ss_family || !same_bits(octets(&key->addr, &octet_count), octets(&peer, &octet_count), key->prefix)) continue;
    sockets[fd].keys[sockets[fd].count++] = *key;
  }
  sockets[fd].current = sockets[fd].rnext = sockets[fd].count - 1;
  return fd;
}

int close(int fd) {
  static int (*real)(int);
  if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "close");
  if (fd >= 0 && fd < FDS) sockets[fd].count = 0;
  return real(fd);
}
