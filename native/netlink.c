/* The netlink socket of the kernel's interface and forwarding events. What is in a message is read in bridge/wire. */
#include "landfall.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#define DATAGRAM 65536 /* the kernel makes dump messages of at most 32 KiB */
#define BATCH 64
#define TOGETHER 4096

struct netlink {
  struct watch watch;
  uint8_t *slab; /* memory of a JavaScript Uint8Array: room for a datagram, or for one behind others that are handed over together */
  size_t slab_octets;
  napi_ref slab_reference;
};

static void report(struct watch *watch, const char *what, int error) {
  napi_handle_scope scope;
  napi_value argument;
  if (napi_open_handle_scope(watch->env, &scope) != napi_ok) return;
  argument = make_error(watch->env, what, error);
  if (argument != NULL) watch_call(watch, 1, &argument);
  napi_close_handle_scope(watch->env, scope);
}

/* Hands over so many octets at the beginning of the slab. False if nothing more is to be read now. */
static bool hand_over(struct watch *watch, size_t octets) {
  bool pending = false;
  napi_handle_scope scope;
  napi_value argument;
  if (octets == 0) return true;
  if (napi_open_handle_scope(watch->env, &scope) != napi_ok) return false;
  if (napi_create_int32(watch->env, (int32_t)octets, &argument) == napi_ok) watch_call(watch, 1, &argument);
  napi_close_handle_scope(watch->env, scope);
  napi_is_exception_pending(watch->env, &pending);
  return !pending && watch->open;
}

/* JavaScript reads what it is handed before the next datagram overwrites it. `slabs`: so often at most. */
static void drain_some(struct watch *watch, int datagrams, int slabs) {
  struct netlink *netlink = (struct netlink *)watch;
  size_t held = 0;
  for (int i = 0; i < datagrams && slabs > 0; i++) {
    struct sockaddr_nl from = {0};
    struct iovec vector = {.iov_base = netlink->slab + held, .iov_len = DATAGRAM};
    struct msghdr header = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1};
    ssize_t length = recvmsg(watch->fd, &header, MSG_DONTWAIT);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) break;
    if (length < 0 || (header.msg_flags & MSG_TRUNC)) {
      const int error = length < 0 ? errno : ENOBUFS; /* ENOBUFS: events were lost */
      bool pending = false;
      if (!hand_over(watch, held)) return;
      held = 0;
      report(watch, "recvmsg", error);
      napi_is_exception_pending(watch->env, &pending);
      if (pending || !watch->open) return;
      continue;
    }
    if (from.nl_pid != 0) continue; /* other processes have nothing to tell us */
    for (held += (size_t)length; held % NLMSG_ALIGNTO != 0; held++) netlink->slab[held] = 0;
    if (held + DATAGRAM <= netlink->slab_octets) continue;
    if (!hand_over(watch, held)) return;
    held = 0;
    slabs--;
  }
  hand_over(watch, held);
}

static void drain(struct watch *watch, int status) {
  const bool together = ((struct netlink *)watch)->slab_octets > DATAGRAM;
  (void)status;
  drain_some(watch, together ? TOGETHER : BATCH, together ? 1 : BATCH);
}

/* netlinkDrain(external): what waits is handed over before this returns. */
napi_value netlink_drain(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct watch *watch;
  if (!read_arguments(env, info, 1, argv)) return NULL;
  watch = watch_of(env, argv[0], WATCH_NETLINK, "recvmsg");
  if (watch == NULL || watch->called_from_script) return NULL; /* no reading within reading */
  watch->called_from_script = true;
  drain_some(watch, BATCH * BATCH, BATCH * BATCH);
  watch->called_from_script = false;
  return NULL;
}

static void release(struct watch *watch) {
  napi_delete_reference(watch->env, ((struct netlink *)watch)->slab_reference);
}

/* An own port number first, then the groups: a membership is refused before bind. */
static const char *open_socket(napi_env env, int *fd, napi_value groups, int receive_buffer_bytes, uint32_t *port) {
  struct sockaddr_nl own = {.nl_family = AF_NETLINK};
  socklen_t own_length = sizeof own;
  uint32_t count = 0;
  *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (*fd < 0) return "socket AF_NETLINK";
  grow_receive_buffer(*fd, receive_buffer_bytes);
  if (bind(*fd, (struct sockaddr *)&own, sizeof own) != 0) return "bind AF_NETLINK";
  if (getsockname(*fd, (struct sockaddr *)&own, &own_length) != 0) return "getsockname AF_NETLINK";
  *port = own.nl_pid;
  napi_get_array_length(env, groups, &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    int group = 0;
    napi_get_element(env, groups, i, &element);
    napi_get_value_int32(env, element, &group);
    if (setsockopt(*fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return "setsockopt NETLINK_ADD_MEMBERSHIP";
  }
  return NULL;
}

/* With a slab for more than one datagram those that wait are handed over together, one slab in a turn of the loop. */
/* netlinkOpen(slab: Uint8Array, groups: number[], receiveBufferBytes, callback(length | Error)): [external, port] */
napi_value netlink_open(napi_env env, napi_callback_info info) {
  napi_value argv[4], result, element;
  size_t length;
  napi_typedarray_type type;
  void *slab;
  int fd = -1, bytes = 0, error;
  uint32_t port = 0;
  const char *failed;
  struct netlink *netlink;
  if (!read_arguments(env, info, 4, argv)) return NULL;
  if (napi_get_typedarray_info(env, argv[0], &type, &length, &slab, NULL, NULL) != napi_ok || type != napi_uint8_array ||
      length < DATAGRAM || napi_get_value_int32(env, argv[2], &bytes) != napi_ok) {
    return throw_error(env, "netlinkOpen", EINVAL);
  }
  failed = open_socket(env, &fd, argv[1], bytes, &port);
  error = errno;
  netlink = failed == NULL ? calloc(1, sizeof *netlink) : NULL;
  if (netlink == NULL) {
    if (fd >= 0) close(fd);
    return throw_error(env, failed == NULL ? "calloc" : failed, failed == NULL ? ENOMEM : error);
  }
  netlink->slab = slab;
  netlink->slab_octets = length;
  netlink->watch.kind = WATCH_NETLINK;
  netlink->watch.ready = drain;
  netlink->watch.release = release;
  napi_create_reference(env, argv[0], 1, &netlink->slab_reference);
  if (!watch_start(env, &netlink->watch, fd, UV_READABLE, argv[3])) {
    napi_delete_reference(env, netlink->slab_reference);
    close(fd);
    free(netlink);
    return NULL;
  }
  element = watch_external(env, &netlink->watch);
  if (element == NULL || napi_create_array_with_length(env, 2, &result) != napi_ok) return NULL;
  napi_set_element(env, result, 0, element);
  napi_create_uint32(env, port, &element);
  napi_set_element(env, result, 1, element);
  return result;
}

/* netlinkSend(external, message) */
napi_value netlink_send(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  napi_typedarray_type type;
  size_t length;
  void *message;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct watch *watch;
  if (!read_arguments(env, info, 2, argv)) return NULL;
  watch = watch_of(env, argv[0], WATCH_NETLINK, "sendto AF_NETLINK");
  if (watch == NULL) return NULL;
  if (napi_get_typedarray_info(env, argv[1], &type, &length, &message, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    return throw_error(env, "sendto AF_NETLINK", EINVAL);
  }
  if (sendto(watch->fd, message, length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) {
    return throw_error(env, "sendto AF_NETLINK", errno);
  }
  return NULL;
}
