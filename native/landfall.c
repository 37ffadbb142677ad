/*
 * landfall.node: the few things that a BGP speaker for VMs needs from Linux and that Node does not offer. Plain N-API, so one
 * build loads on every Node that has N-API 8. index.ts is its only user and checks types; here lengths and states are checked.
 */
#include "landfall.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

napi_value make_error(napi_env env, const char *what, int error) {
  char text[256];
  napi_value message, code, name, number, result = NULL;
  const char *symbol = uv_err_name(-error);
  snprintf(text, sizeof text, "%s: %s (%s)", what, strerror(error), symbol);
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok) return NULL;
  if (napi_create_string_utf8(env, symbol, NAPI_AUTO_LENGTH, &code) != napi_ok) return NULL;
  if (napi_create_error(env, code, message, &result) != napi_ok) return NULL;
  if (napi_create_string_utf8(env, what, NAPI_AUTO_LENGTH, &name) == napi_ok) {
    napi_set_named_property(env, result, "syscall", name);
  }
  if (napi_create_int32(env, error, &number) == napi_ok) napi_set_named_property(env, result, "errno", number);
  return result;
}

napi_value throw_error(napi_env env, const char *what, int error) {
  napi_value value = make_error(env, what, error);
  if (value != NULL) napi_throw(env, value);
  return NULL;
}

bool read_arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *argv) {
  size_t argc = wanted;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == napi_ok && argc >= wanted) return true;
  napi_throw_type_error(env, NULL, "landfall.node: too few arguments");
  return false;
}

bool option_present(napi_env env, napi_value object, const char *name, napi_value *value) {
  napi_valuetype type;
  return napi_get_named_property(env, object, name, value) == napi_ok && napi_typeof(env, *value, &type) == napi_ok &&
         type != napi_undefined;
}

bool option_int(napi_env env, napi_value object, const char *name, int *out) {
  napi_value value;
  if (!option_present(env, object, name, &value)) return true;
  if (napi_get_value_int32(env, value, out) == napi_ok) return true;
  napi_throw_type_error(env, NULL, name);
  return false;
}

bool option_text(napi_env env, napi_value object, const char *name, char *out, size_t capacity) {
  napi_value value;
  size_t length;
  if (!option_present(env, object, name, &value)) return true;
  /* A longer text is cut by N-API: measure first, for a name that is cut would be another name. */
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) == napi_ok && length < capacity &&
      napi_get_value_string_utf8(env, value, out, capacity, &length) == napi_ok && strlen(out) == length) {
    return true;
  }
  napi_throw_type_error(env, NULL, name);
  return false;
}

/* With CAP_NET_ADMIN beyond net.core.rmem_max, without it up to there; the statistics tell if that was too little. */
void grow_receive_buffer(int fd, int bytes) {
  if (bytes <= 0) return;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0) return;
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static void disown(struct watch *watch) {
  if (--watch->owners == 0) free(watch);
}

static void on_closed(uv_handle_t *handle) {
  struct watch *watch = handle->data;
  if (watch->release != NULL) watch->release(watch);
  napi_delete_reference(watch->env, watch->callback);
  /* Also tells an environment that is being torn down that it need not wait for us any longer. */
  napi_remove_async_cleanup_hook(watch->cleanup);
  disown(watch);
}

void watch_close(struct watch *watch) {
  if (!watch->open) return;
  watch->open = false;
  uv_close((uv_handle_t *)&watch->poll, on_closed);
  if (watch->fd >= 0) close(watch->fd);
  watch->fd = -1;
}

/* Node aborts if its loop still has a poll handle when the process or a worker ends. */
static void on_environment_end(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  watch_close(data);
}

/*
 * libuv takes POLLERR for a broken descriptor, stops and says EBADF. For a socket it means that an error waits to be read
 * (ENOBUFS, ENETDOWN, ECONNREFUSED): go on, and let the next system call say which.
 */
static void on_poll(uv_poll_t *poll, int status, int events) {
  struct watch *watch = poll->data;
  napi_handle_scope scope;
  (void)events;
  if (!watch->open || napi_open_handle_scope(watch->env, &scope) != napi_ok) return;
  if (status < 0 && watch->kind != WATCH_CONNECT) uv_poll_start(poll, UV_READABLE, on_poll);
  watch->ready(watch, status);
  napi_close_handle_scope(watch->env, scope);
}

bool watch_start(napi_env env, struct watch *watch, int fd, int events, napi_value callback) {
  struct uv_loop_s *loop;
  int status;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok || napi_create_reference(env, callback, 1, &watch->callback) != napi_ok) {
    throw_error(env, "watch", EINVAL);
    return false;
  }
  status = uv_poll_init(loop, &watch->poll, fd);
  if (status != 0) {
    napi_delete_reference(env, watch->callback);
    throw_error(env, "uv_poll_init", -status);
    return false;
  }
  watch->env = env;
  watch->fd = fd;
  watch->poll.data = watch;
  watch->open = true;
  watch->owners = 1;
  napi_add_async_cleanup_hook(env, on_environment_end, watch, &watch->cleanup);
  uv_poll_start(&watch->poll, events, on_poll);
  return true;
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  disown(data);
}

napi_value watch_external(napi_env env, struct watch *watch) {
  napi_value result = NULL;
  watch->owners++;
  if (napi_create_external(env, watch, on_collected, NULL, &result) != napi_ok) {
    watch->owners--;
    watch_close(watch);
    return throw_error(env, "watch", ENOMEM);
  }
  return result;
}

struct watch *watch_of(napi_env env, napi_value value, enum watch_kind kind, const char *what) {
  struct watch *watch = NULL;
  if (napi_get_value_external(env, value, (void **)&watch) == napi_ok && watch->kind == kind && watch->open) return watch;
  throw_error(env, what, EBADF);
  return NULL;
}

void watch_call(struct watch *watch, size_t argc, const napi_value *argv) {
  napi_value function, global, result, exception;
  if (napi_get_reference_value(watch->env, watch->callback, &function) != napi_ok) return;
  if (napi_get_global(watch->env, &global) != napi_ok) return;
  if (watch->called_from_script) {
    napi_call_function(watch->env, global, function, argc, argv, &result);
    return;
  }
  if (napi_make_callback(watch->env, NULL, global, function, argc, argv, &result) != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(watch->env, &exception) == napi_ok) napi_fatal_exception(watch->env, exception);
}

/* close(external): of any kind, open or not. */
static napi_value close_watch(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct watch *watch = NULL;
  if (read_arguments(env, info, 1, argv) && napi_get_value_external(env, argv[0], (void **)&watch) == napi_ok) watch_close(watch);
  return NULL;
}

/*
 * setScheduling(fifo, priority). Of the calling thread, which is the one that runs JavaScript; the other threads of the pool and
 * all child processes stay as they were.
 */
static napi_value set_scheduling(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  bool fifo = false;
  int priority = 0;
  struct sched_param parameters = {0};
  if (!read_arguments(env, info, 2, argv)) return NULL;
  napi_get_value_bool(env, argv[0], &fifo);
  napi_get_value_int32(env, argv[1], &priority);
  parameters.sched_priority = fifo ? priority : 0;
  if (sched_setscheduler(0, (fifo ? SCHED_FIFO : SCHED_OTHER) | SCHED_RESET_ON_FORK, &parameters) != 0) {
    return throw_error(env, "sched_setscheduler", errno);
  }
  return NULL;
}

/* notify(socket, text): one datagram; a socket name that begins with '@' is an abstract one (sd_notify(3)). */
static napi_value notify(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char text[4096];
  size_t name_length = 0, length = 0;
  ssize_t sent;
  int fd, error;
  if (!read_arguments(env, info, 2, argv)) return NULL;
  if (napi_get_value_string_utf8(env, argv[0], NULL, 0, &name_length) != napi_ok ||
      napi_get_value_string_utf8(env, argv[1], text, sizeof text, &length) != napi_ok) {
    return throw_error(env, "sendto", EINVAL);
  }
  if (name_length < 2 || name_length >= sizeof address.sun_path) return throw_error(env, "sendto", ENAMETOOLONG);
  napi_get_value_string_utf8(env, argv[0], address.sun_path, sizeof address.sun_path, &name_length);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return throw_error(env, "socket", errno);
  sent = sendto(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_length));
  error = errno;
  close(fd);
  return sent < 0 ? throw_error(env, "sendto", error) : NULL;
}

/*
 * clockMaxError(): what the kernel takes for the largest error of the wall clock, in microseconds. It grows by 500 ppm while nobody
 * disciplines the clock, and ends at 16 s. The C library may ask by clock_adjtime, which sandboxes know less well.
 */
static napi_value clock_max_error(napi_env env, napi_callback_info info) {
  struct timex state = {.modes = 0};
  napi_value result = NULL;
  (void)info;
  if (syscall(SYS_adjtimex, &state) < 0) return throw_error(env, "adjtimex", errno);
  napi_create_double(env, (double)state.maxerror, &result);
  return result;
}

/*
 * trimMemory(): what the C library has been given back and keeps goes back to the kernel. It keeps megabytes for each thread that V8 compiles
 * in. Where the C library has no such call, it does nothing.
 */
static napi_value trim_memory(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return NULL;
}

static const struct {
  const char *name;
  napi_callback function;
} functions[] = {
    {"packetOpen", packet_open},
    {"packetSend", packet_send},
    {"packetStatistics", packet_statistics},
    {"packetIgnore", packet_ignore},
    {"packetReview", packet_review},
    {"netlinkOpen", netlink_open},
    {"netlinkDrain", netlink_drain},
    {"netlinkSend", netlink_send},
    {"tcpConnect", tcp_connect},
    {"tcpListen", tcp_listen},
    {"tcpSetMd5", tcp_set_md5},
    {"tcpSetAo", tcp_set_ao},
    {"tcpAoInfo", tcp_ao_info},
    {"tcpProbeAo", tcp_probe_ao},
    {"tcpSetTtl", tcp_set_ttl},
    {"tcpSend", tcp_send},
    {"tcpUnacknowledged", tcp_unacknowledged},
    {"udpOpen", udp_open},
    {"udpSend", udp_send},
    {"close", close_watch},
    {"setScheduling", set_scheduling},
    {"notify", notify},
    {"clockMaxError", clock_max_error},
    {"trimMemory", trim_memory},
};

NAPI_MODULE_INIT() {
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) != napi_ok) {
      return throw_error(env, functions[i].name, ENOMEM);
    }
  }
  return exports;
}
