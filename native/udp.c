/*
 * UDP sockets that tell with how much TTL a datagram came, and where. Node's own don't, and IP_MINTTL does not filter UDP: who lives by
 * GTSM (RFC 5881 section 5) has to look at each datagram.
 */
#include "landfall.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define BATCH 64   /* datagrams per turn of the loop, then other work gets its turn */
#define SLAB 2048  /* octets; a longer datagram is cut, which its length shows */

struct udp {
  struct watch watch;
  int family;
  uint8_t *slab; /* memory of a JavaScript Uint8Array */
  napi_ref slab_reference;
};

/* -1 where the kernel did not say. */
struct arrival {
  int ttl, ifindex;
};

static struct arrival read_control(struct msghdr *message) {
  struct arrival found = {.ttl = -1, .ifindex = -1};
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if ((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TTL) ||
        (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_HOPLIMIT)) {
      memcpy(&found.ttl, CMSG_DATA(part), sizeof found.ttl);
    } else if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info;
      memcpy(&info, CMSG_DATA(part), sizeof info);
      found.ifindex = info.ipi_ifindex;
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info;
      memcpy(&info, CMSG_DATA(part), sizeof info);
      found.ifindex = (int)info.ipi6_ifindex;
    }
  }
  return found;
}

/* callback(length | Error, address, port, ttl, ifindex) */
static void tell(struct udp *udp, ssize_t length, const struct sockaddr_storage *from, struct arrival arrival) {
  const napi_env env = udp->watch.env;
  char text[INET6_ADDRSTRLEN] = "";
  const bool ipv4 = from->ss_family == AF_INET;
  const void *octets = ipv4 ? (const void *)&((const struct sockaddr_in *)from)->sin_addr : (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr;
  napi_value argv[5];
  if (inet_ntop(from->ss_family, octets, text, sizeof text) == NULL) return;
  if (napi_create_int32(env, (int32_t)length, &argv[0]) != napi_ok ||
      napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &argv[1]) != napi_ok ||
      napi_create_int32(env, ntohs(ipv4 ? ((const struct sockaddr_in *)from)->sin_port : ((const struct sockaddr_in6 *)from)->sin6_port), &argv[2]) != napi_ok ||
      napi_create_int32(env, arrival.ttl, &argv[3]) != napi_ok || napi_create_int32(env, arrival.ifindex, &argv[4]) != napi_ok) {
    return;
  }
  watch_call(&udp->watch, 5, argv);
}

static void drain_udp(struct watch *watch, int status) {
  struct udp *udp = (struct udp *)watch;
  (void)status;
  for (int i = 0; i < BATCH && watch->open; i++) {
    struct sockaddr_storage from = {0};
    union {
      char octets[256];
      struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = udp->slab, .iov_len = SLAB};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.octets, .msg_controllen = sizeof control.octets};
    const ssize_t length = recvmsg(watch->fd, &message, MSG_DONTWAIT | MSG_TRUNC);
    if (length >= 0) {
      tell(udp, length, &from, read_control(&message));
    } else if (errno == EAGAIN || errno == EINTR) {
      return;
    } else {
      napi_value argument = make_error(watch->env, "recvmsg", errno);
      if (argument != NULL) watch_call(watch, 1, &argument);
    }
  }
}

static void release_udp(struct watch *watch) {
  napi_delete_reference(watch->env, ((struct udp *)watch)->slab_reference);
}

#define SET(level, option, value)                                                                  \
  do {                                                                                             \
    if (setsockopt(fd, level, option, &(value), sizeof(value)) != 0) return "setsockopt " #option; \
  } while (0)

static const char *prepare(int fd, int family, int ttl, int tos, const char *device) {
  const int on = 1;
  if (family == AF_INET) {
    SET(IPPROTO_IP, IP_RECVTTL, on);
    SET(IPPROTO_IP, IP_PKTINFO, on);
    if (ttl > 0) SET(IPPROTO_IP, IP_TTL, ttl);
    if (tos > 0) SET(IPPROTO_IP, IP_TOS, tos);
  } else {
    SET(IPPROTO_IPV6, IPV6_V6ONLY, on);
    SET(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, on);
    SET(IPPROTO_IPV6, IPV6_RECVPKTINFO, on);
    if (ttl > 0) SET(IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
    if (tos > 0) SET(IPPROTO_IPV6, IPV6_TCLASS, tos);
  }
  if (device[0] != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device) + 1) != 0) {
    return "setsockopt SO_BINDTODEVICE";
  }
  return NULL;
}

static napi_value give_up(napi_env env, int fd, const char *failed) {
  const int error = errno;
  if (fd >= 0) close(fd);
  return throw_error(env, failed, error);
}

/* udpOpen(slab, options, callback): external. Options: family, address, port, scopeId, ttl, tos, bindToDevice. */
napi_value udp_open(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  napi_typedarray_type type;
  char address[INET6_ADDRSTRLEN] = "", device[IFNAMSIZ] = "";
  int family = 0, port = 0, scope = 0, ttl = 0, tos = 0, fd;
  size_t length = 0;
  void *slab = NULL;
  struct sockaddr_storage local;
  const char *failed;
  struct udp *udp;
  if (!read_arguments(env, info, 3, argv)) return NULL;
  if (napi_get_typedarray_info(env, argv[0], &type, &length, &slab, NULL, NULL) != napi_ok || type != napi_uint8_array || length < SLAB) {
    return throw_error(env, "udpOpen", EINVAL);
  }
  if (!option_int(env, argv[1], "family", &family) || !option_int(env, argv[1], "port", &port) || !option_int(env, argv[1], "scopeId", &scope) ||
      !option_int(env, argv[1], "ttl", &ttl) || !option_int(env, argv[1], "tos", &tos) ||
      !option_text(env, argv[1], "address", address, sizeof address) || !option_text(env, argv[1], "bindToDevice", device, sizeof device)) {
    return NULL;
  }
  family = family == 4 ? AF_INET : AF_INET6;
  if (!read_address(family, address, port, scope, &local)) return throw_error(env, "address", EINVAL);
  fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return throw_error(env, "socket", errno);
  failed = prepare(fd, family, ttl, tos, device);
  if (failed != NULL) return give_up(env, fd, failed);
  if (bind(fd, (struct sockaddr *)&local, address_length(family)) != 0) return give_up(env, fd, "bind");
  udp = calloc(1, sizeof *udp);
  if (udp == NULL) return give_up(env, fd, "calloc");
  udp->watch.kind = WATCH_UDP;
  udp->watch.ready = drain_udp;
  udp->watch.release = release_udp;
  udp->family = family;
  udp->slab = slab;
  if (napi_create_reference(env, argv[0], 1, &udp->slab_reference) != napi_ok) {
    free(udp);
    return give_up(env, fd, "slab");
  }
  if (!watch_start(env, &udp->watch, fd, UV_READABLE, argv[2])) {
    napi_delete_reference(env, udp->slab_reference);
    close(fd);
    free(udp);
    return NULL;
  }
  return watch_external(env, &udp->watch);
}

/* udpSend(external, bytes, address, port, scopeId) */
napi_value udp_send(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  napi_typedarray_type type;
  char text[INET6_ADDRSTRLEN] = "";
  int port = 0, scope = 0;
  size_t length = 0, text_length;
  void *bytes = NULL;
  struct sockaddr_storage to;
  struct udp *udp;
  if (!read_arguments(env, info, 5, argv)) return NULL;
  udp = (struct udp *)watch_of(env, argv[0], WATCH_UDP, "sendto");
  if (udp == NULL) return NULL;
  if (napi_get_typedarray_info(env, argv[1], &type, &length, &bytes, NULL, NULL) != napi_ok || type != napi_uint8_array ||
      napi_get_value_string_utf8(env, argv[2], text, sizeof text, &text_length) != napi_ok ||
      napi_get_value_int32(env, argv[3], &port) != napi_ok || napi_get_value_int32(env, argv[4], &scope) != napi_ok ||
      !read_address(udp->family, text, port, scope, &to)) {
    return throw_error(env, "sendto", EINVAL);
  }
  if (sendto(udp->watch.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, address_length(udp->family)) < 0) {
    return throw_error(env, "sendto", errno);
  }
  return NULL;
}
