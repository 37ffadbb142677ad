/*
 * TCP sockets whose options are set before the first segment leaves: an MD5 key that comes after connect() comes too late, and
 * Node gives no descriptor before that. An option that can't be set fails the call: a session without its key must not be.
 */
#include "landfall.h"

#include "tcp-auth.h"
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define BACKLOG 64

struct tcp_options {
  int family; /* AF_INET or AF_INET6 */
  struct sockaddr_storage address, local;
  bool has_local;
  char device[IFNAMSIZ];
  int ttl, min_ttl, tos, user_timeout_ms; /* 0 (or -1 for tos): leave alone */
};

socklen_t address_length(int family) {
  return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

bool read_address(int family, const char *text, int port, int scope, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (port < 0 || port > 65535) return false;
  if (family == AF_INET) {
    struct sockaddr_in *address = (struct sockaddr_in *)out;
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, text, &address->sin_addr) == 1;
  }
  struct sockaddr_in6 *address = (struct sockaddr_in6 *)out;
  address->sin6_family = AF_INET6;
  address->sin6_port = htons((uint16_t)port);
  address->sin6_scope_id = (uint32_t)scope;
  return inet_pton(AF_INET6, text, &address->sin6_addr) == 1;
}

static bool read_options(napi_env env, napi_value object, struct tcp_options *out) {
  char address[INET6_ADDRSTRLEN] = "", local[INET6_ADDRSTRLEN] = "";
  int family = 0, port = -1, scope = 0;
  memset(out, 0, sizeof *out);
  out->tos = -1;
  if (!option_int(env, object, "family", &family) || !option_int(env, object, "port", &port) ||
      !option_int(env, object, "scopeId", &scope) || !option_int(env, object, "ttl", &out->ttl) ||
      !option_int(env, object, "minTtl", &out->min_ttl) || !option_int(env, object, "tos", &out->tos) ||
      !option_int(env, object, "userTimeoutMs", &out->user_timeout_ms) ||
      !option_text(env, object, "address", address, sizeof address) ||
      !option_text(env, object, "localAddress", local, sizeof local) ||
      !option_text(env, object, "bindToDevice", out->device, sizeof out->device)) {
    return false;
  }
  out->family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC;
  out->has_local = local[0] != '\0';
  if (out->family == AF_UNSPEC || !read_address(out->family, address, port, scope, &out->address) ||
      (out->has_local && !read_address(out->family, local, 0, scope, &out->local))) {
    throw_error(env, "address", EINVAL);
    return false;
  }
  return true;
}

#define SET(level, option, value)                                                                   \
  do {                                                                                             \
    if (setsockopt(fd, level, option, &(value), sizeof(value)) != 0) return "setsockopt " #option; \
  } while (0)

/* RFC 5082: we send with 255 and let the kernel drop what arrived with less. Returns the failed step, or NULL. */
static const char *set_ttl(int fd, int family, int ttl, int min_ttl) {
  if (family == AF_INET) {
    if (ttl > 0) SET(IPPROTO_IP, IP_TTL, ttl);
    if (min_ttl > 0) SET(IPPROTO_IP, IP_MINTTL, min_ttl);
  } else {
    if (ttl > 0) SET(IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
    if (min_ttl > 0) SET(IPPROTO_IPV6, IPV6_MINHOPCOUNT, min_ttl);
  }
  return NULL;
}

static const char *set_options(int fd, const struct tcp_options *options) {
  const int on = 1;
  SET(IPPROTO_TCP, TCP_NODELAY, on); /* accepted sockets inherit it */
  if (options->device[0] != '\0' &&
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device, (socklen_t)strlen(options->device) + 1) != 0) {
    return "setsockopt SO_BINDTODEVICE";
  }
  if (options->tos >= 0) {
    if (options->family == AF_INET) SET(IPPROTO_IP, IP_TOS, options->tos);
    else SET(IPPROTO_IPV6, IPV6_TCLASS, options->tos);
  }
  if (options->user_timeout_ms > 0) SET(IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_ms);
  return set_ttl(fd, options->family, options->ttl, options->min_ttl);
}

static napi_value give_up(napi_env env, int fd, const char *failed) {
  const int error = errno;
  bool pending = false;
  if (fd >= 0) close(fd);
  napi_is_exception_pending(env, &pending);
  return pending ? NULL : throw_error(env, failed, error);
}

/* The descriptor leaves the loop before JavaScript gets it: libuv allows one handle for each. */
static void on_connected(struct watch *watch, int status) {
  int fd = watch->fd, error = 0;
  socklen_t length = sizeof error;
  napi_value argument;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error == 0 && status < 0) error = -status;
  if (error == 0) watch->fd = -1;
  watch_close(watch);
  if (error != 0) argument = make_error(watch->env, "connect", error);
  else if (napi_create_int32(watch->env, fd, &argument) != napi_ok) argument = NULL;
  if (argument != NULL) watch_call(watch, 1, &argument);
}

/* tcpConnect(options, callback(fd | Error)): external */
napi_value tcp_connect(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct tcp_options options;
  const char *failed;
  struct watch *watch;
  int fd;
  if (!read_arguments(env, info, 2, argv) || !read_options(env, argv[0], &options)) return NULL;
  fd = socket(options.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return throw_error(env, "socket", errno);
  failed = set_options(fd, &options);
  if (failed == NULL) failed = set_md5_option(env, fd, options.family, argv[0]);
  if (failed == NULL) failed = set_ao_option(env, fd, argv[0]);
  if (failed != NULL) return give_up(env, fd, failed);
  if (options.has_local && bind(fd, (struct sockaddr *)&options.local, address_length(options.family)) != 0) {
    return give_up(env, fd, "bind");
  }
  if (connect(fd, (struct sockaddr *)&options.address, address_length(options.family)) != 0 && errno != EINPROGRESS) {
    return give_up(env, fd, "connect");
  }
  watch = calloc(1, sizeof *watch);
  if (watch == NULL) return give_up(env, fd, "calloc");
  watch->kind = WATCH_CONNECT;
  watch->ready = on_connected;
  if (!watch_start(env, watch, fd, UV_WRITABLE, argv[1])) {
    close(fd);
    free(watch);
    return NULL;
  }
  return watch_external(env, watch);
}

/* tcpListen(options): fd, bound and listening */
napi_value tcp_listen(napi_env env, napi_callback_info info) {
  napi_value argv[1], result;
  struct tcp_options options;
  const char *failed;
  const int on = 1;
  int fd, backlog = BACKLOG;
  if (!read_arguments(env, info, 1, argv) || !read_options(env, argv[0], &options)) return NULL;
  if (!option_int(env, argv[0], "backlog", &backlog)) return NULL;
  fd = socket(options.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return throw_error(env, "socket", errno);
  failed = set_options(fd, &options);
  if (failed == NULL) failed = set_md5_option(env, fd, options.family, argv[0]);
  if (failed == NULL) failed = set_ao_option(env, fd, argv[0]);
  if (failed != NULL) return give_up(env, fd, failed);
  /* :: must not also take IPv4: a key for an IPv4 peer would not be found on such a socket. */
  if (options.family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    return give_up(env, fd, "setsockopt IPV6_V6ONLY");
  }
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return give_up(env, fd, "setsockopt SO_REUSEADDR");
  if (bind(fd, (struct sockaddr *)&options.address, address_length(options.family)) != 0) return give_up(env, fd, "bind");
  if (listen(fd, backlog) != 0) return give_up(env, fd, "listen");
  return napi_create_int32(env, fd, &result) == napi_ok ? result : give_up(env, fd, "listen");
}

/* tcpSetTtl(fd, family, ttl, minTtl), 0 leaves one alone */
napi_value tcp_set_ttl(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int32_t values[4] = {0};
  const char *failed;
  if (!read_arguments(env, info, 4, argv)) return NULL;
  for (int i = 0; i < 4; i++) napi_get_value_int32(env, argv[i], &values[i]);
  failed = set_ttl(values[0], values[1] == 4 ? AF_INET : AF_INET6, values[2], values[3]);
  return failed == NULL ? NULL : throw_error(env, failed, errno);
}

/* tcpSend(fd, bytes): octets that the kernel took, 0 if it has no room now; a negative errno if the connection has failed */
napi_value tcp_send(napi_env env, napi_callback_info info) {
  napi_value argv[2], result;
  napi_typedarray_type type;
  int fd = -1;
  size_t length = 0;
  void *bytes = NULL;
  ssize_t sent;
  if (!read_arguments(env, info, 2, argv)) return NULL;
  if (napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_typedarray_info(env, argv[1], &type, &length, &bytes, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    return throw_error(env, "send", EINVAL);
  }
  do {
    sent = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) sent = errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -errno;
  return napi_create_int64(env, sent, &result) == napi_ok ? result : NULL;
}

/* tcpUnacknowledged(fd): octets written that the peer's TCP has not acknowledged */
napi_value tcp_unacknowledged(napi_env env, napi_callback_info info) {
  napi_value argv[1], result;
  int fd = -1, octets = 0;
  if (!read_arguments(env, info, 1, argv)) return NULL;
  napi_get_value_int32(env, argv[0], &fd);
  if (ioctl(fd, SIOCOUTQ, &octets) != 0) return throw_error(env, "ioctl SIOCOUTQ", errno);
  return napi_create_int32(env, octets, &result) == napi_ok ? result : NULL;
}
