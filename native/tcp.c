/*
 * TCP sockets whose options are set before the first segment leaves: an MD5 key that comes after connect() comes too late, and
 * Node gives no descriptor before that. An option that can't be set fails the call: a session without its key must not be.
 */
#include "landfall.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define BACKLOG 64

/* RFC 5925, Linux 6.7 and later; older headers lack them. */
#ifndef TCP_AO_ADD_KEY
#define TCP_AO_ADD_KEY 38
#define TCP_AO_DEL_KEY 39
#define TCP_AO_INFO 40
#endif
#define AO_INFO_OCTETS 48

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

/* RFC 2385. An empty key takes the key away. prefix > 0: for all addresses that begin as this one does, where none has a key of its own. */
static const char *set_md5(int fd, const struct sockaddr_storage *address, int prefix, const uint8_t *key, size_t length) {
  struct tcp_md5sig request = {0};
  int failed;
  if (length > TCP_MD5SIG_MAXKEYLEN) {
    errno = EMSGSIZE;
    return "setsockopt TCP_MD5SIG";
  }
  memcpy(&request.tcpm_addr, address, sizeof *address);
  request.tcpm_keylen = (uint16_t)length;
  if (length > 0) memcpy(request.tcpm_key, key, length);
  if (prefix > 0) {
    request.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
    request.tcpm_prefixlen = (uint8_t)prefix;
  }
  failed = setsockopt(fd, IPPROTO_TCP, prefix > 0 ? TCP_MD5SIG_EXT : TCP_MD5SIG, &request, sizeof request);
  explicit_bzero(&request, sizeof request);
  return failed == 0 ? NULL : "setsockopt TCP_MD5SIG";
}

/* Of { address, key, prefixLength? }, or of a list of them (listener). Returns the failed step, or NULL. */
static const char *set_md5_entry(napi_env env, int fd, int family, napi_value entry) {
  char text[INET6_ADDRSTRLEN] = "";
  struct sockaddr_storage address;
  napi_value key;
  napi_typedarray_type type;
  size_t length = 0;
  void *bytes;
  int prefix = 0;
  if (!option_int(env, entry, "prefixLength", &prefix) || !option_text(env, entry, "address", text, sizeof text) || !read_address(family, text, 0, 0, &address) ||
      !option_present(env, entry, "key", &key) ||
      napi_get_typedarray_info(env, key, &type, &length, &bytes, NULL, NULL) != napi_ok || type != napi_uint8_array || length == 0) {
    errno = EINVAL; /* an empty key would mean no key */
    return "setsockopt TCP_MD5SIG";
  }
  return set_md5(fd, &address, prefix, bytes, length);
}

static const char *set_md5_option(napi_env env, int fd, int family, napi_value object) {
  napi_value md5, entry;
  bool list = false;
  uint32_t count = 0;
  const char *failed = NULL;
  if (!option_present(env, object, "md5", &md5)) return NULL;
  napi_is_array(env, md5, &list);
  if (!list) return set_md5_entry(env, fd, family, md5);
  napi_get_array_length(env, md5, &count);
  for (uint32_t i = 0; i < count && failed == NULL; i++) {
    napi_get_element(env, md5, i, &entry);
    failed = set_md5_entry(env, fd, family, entry);
  }
  return failed;
}

static bool read_octets(napi_env env, napi_value value, void **bytes, size_t *length) {
  napi_typedarray_type type;
  return napi_get_typedarray_info(env, value, &type, length, bytes, NULL, NULL) == napi_ok && type == napi_uint8_array;
}

/* `ao`: requests as the kernel wants them, one for each key. Returns the failed step, or NULL. */
static const char *set_ao_option(napi_env env, int fd, napi_value object) {
  napi_value list, entry;
  uint32_t count = 0;
  void *bytes = NULL;
  size_t length = 0;
  if (!option_present(env, object, "ao", &list)) return NULL;
  if (napi_get_array_length(env, list, &count) != napi_ok || count == 0) {
    errno = EINVAL; /* no key would mean no authentication */
    return "setsockopt TCP_AO_ADD_KEY";
  }
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, list, i, &entry) != napi_ok || !read_octets(env, entry, &bytes, &length)) {
      errno = EINVAL;
      return "setsockopt TCP_AO_ADD_KEY";
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_AO_ADD_KEY, bytes, (socklen_t)length) != 0) return "setsockopt TCP_AO_ADD_KEY";
  }
  return NULL;
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

/* tcpSetMd5(fd, family, address, key: Uint8Array, empty to take it away, prefixLength: 0 for the address alone) */
napi_value tcp_set_md5(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  napi_typedarray_type type;
  struct sockaddr_storage address;
  char text[INET6_ADDRSTRLEN] = "";
  int fd = -1, family = 0, prefix = 0;
  size_t length = 0, text_length;
  void *key = NULL;
  const char *failed;
  if (!read_arguments(env, info, 5, argv)) return NULL;
  if (napi_get_value_int32(env, argv[0], &fd) != napi_ok || napi_get_value_int32(env, argv[1], &family) != napi_ok ||
      napi_get_value_int32(env, argv[4], &prefix) != napi_ok ||
      napi_get_value_string_utf8(env, argv[2], text, sizeof text, &text_length) != napi_ok ||
      napi_get_typedarray_info(env, argv[3], &type, &length, &key, NULL, NULL) != napi_ok || type != napi_uint8_array ||
      !read_address(family == 4 ? AF_INET : AF_INET6, text, 0, 0, &address)) {
    return throw_error(env, "setsockopt TCP_MD5SIG", EINVAL);
  }
  failed = set_md5(fd, &address, prefix, key, length);
  return failed == NULL ? NULL : throw_error(env, failed, errno);
}

/* tcpSetAo(fd, option, request: Uint8Array): one of the three options of RFC 5925 */
napi_value tcp_set_ao(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int fd = -1, option = 0;
  size_t length = 0;
  void *bytes = NULL;
  const char *step;
  if (!read_arguments(env, info, 3, argv)) return NULL;
  if (napi_get_value_int32(env, argv[0], &fd) != napi_ok || napi_get_value_int32(env, argv[1], &option) != napi_ok ||
      option < TCP_AO_ADD_KEY || option > TCP_AO_INFO || !read_octets(env, argv[2], &bytes, &length)) {
    return throw_error(env, "setsockopt TCP_AO", EINVAL);
  }
  step = option == TCP_AO_ADD_KEY ? "setsockopt TCP_AO_ADD_KEY" : option == TCP_AO_DEL_KEY ? "setsockopt TCP_AO_DEL_KEY" : "setsockopt TCP_AO_INFO";
  return setsockopt(fd, IPPROTO_TCP, option, bytes, (socklen_t)length) == 0 ? NULL : throw_error(env, step, errno);
}

/* tcpAoInfo(fd, room: Uint8Array of zeroes): fills in what the kernel tells; throws ENOENT where the socket has no key */
napi_value tcp_ao_info(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd = -1;
  size_t length = 0;
  void *bytes = NULL;
  socklen_t room;
  if (!read_arguments(env, info, 2, argv)) return NULL;
  if (napi_get_value_int32(env, argv[0], &fd) != napi_ok || !read_octets(env, argv[1], &bytes, &length) || length != AO_INFO_OCTETS) {
    return throw_error(env, "getsockopt TCP_AO_INFO", EINVAL);
  }
  room = (socklen_t)length;
  return getsockopt(fd, IPPROTO_TCP, TCP_AO_INFO, bytes, &room) == 0 ? NULL : throw_error(env, "getsockopt TCP_AO_INFO", errno);
}

/* tcpProbeAo(family, request: Uint8Array): undefined, or the error that the kernel has for this key */
napi_value tcp_probe_ao(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int family = 0, fd, failed, error;
  size_t length = 0;
  void *bytes = NULL;
  if (!read_arguments(env, info, 2, argv)) return NULL;
  if (napi_get_value_int32(env, argv[0], &family) != napi_ok || !read_octets(env, argv[1], &bytes, &length)) {
    return throw_error(env, "setsockopt TCP_AO_ADD_KEY", EINVAL);
  }
  fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return throw_error(env, "socket", errno);
  failed = setsockopt(fd, IPPROTO_TCP, TCP_AO_ADD_KEY, bytes, (socklen_t)length);
  error = errno;
  close(fd);
  return failed == 0 ? NULL : make_error(env, "setsockopt TCP_AO_ADD_KEY", error);
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
