/* The keys of a TCP socket: MD5 signatures (RFC 2385) and TCP-AO (RFC 5925). A key that can't be set is an error, never no key. */
#include "tcp-auth.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/* RFC 5925, Linux 6.7 and later; older headers lack them. */
#ifndef TCP_AO_ADD_KEY
#define TCP_AO_ADD_KEY 38
#define TCP_AO_DEL_KEY 39
#define TCP_AO_INFO 40
#endif
#define AO_INFO_OCTETS 48

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

/* Of { address, key, prefixLength? }. Returns the failed step, or NULL. */
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

const char *set_md5_option(napi_env env, int fd, int family, napi_value object) {
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

const char *set_ao_option(napi_env env, int fd, napi_value object) {
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
