/* What the source files of the native module share: a watched file descriptor, and errors as JavaScript sees them. */
#ifndef LANDFALL_H
#define LANDFALL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define NAPI_VERSION 8

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <uv.h>

enum watch_kind { WATCH_PACKET = 1, WATCH_NETLINK = 2, WATCH_CONNECT = 3, WATCH_UDP = 4 };

/*
 * A file descriptor on Node's event loop and the JavaScript function that hears of it. First member of a larger structure.
 * It is freed when both are over: the poll handle is closed, and the JavaScript object that points here was collected.
 */
struct watch {
  enum watch_kind kind;
  napi_env env;
  uv_poll_t poll;
  int fd; /* -1 once given away or closed */
  napi_ref callback;
  napi_async_cleanup_hook_handle cleanup;
  int owners;
  bool open;
  bool called_from_script; /* the reader was asked to read now, from within JavaScript */
  void (*ready)(struct watch *watch, int status);
  void (*release)(struct watch *watch); /* may be NULL: deletes further references, still with a live env */
};

/* Begins to poll. Throws and returns false on failure; the caller then still owns `fd` and `watch`. */
bool watch_start(napi_env env, struct watch *watch, int fd, int events, napi_value callback);
/* The JavaScript value that stands for the watch; NULL with an exception pending on failure. */
napi_value watch_external(napi_env env, struct watch *watch);
/* Stops at once, closes the descriptor if it is still ours. Harmless when repeated. */
void watch_close(struct watch *watch);
/* The watch behind argument `value`, if it is of that kind and open; otherwise throws EBADF and returns NULL. */
struct watch *watch_of(napi_env env, napi_value value, enum watch_kind kind, const char *what);
/*
 * Calls the JavaScript function. What it throws becomes an uncaught exception, for it is our own fault; or the exception of
 * the script that asked for the call.
 */
void watch_call(struct watch *watch, size_t argc, const napi_value *argv);

/* An Error with `code` (ECONNREFUSED), `errno` and `syscall`, and the same thrown. Both give NULL-able values. */
napi_value make_error(napi_env env, const char *what, int error);
napi_value throw_error(napi_env env, const char *what, int error);

bool read_arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *argv);
bool option_present(napi_env env, napi_value object, const char *name, napi_value *value);
/* Leaves `out` alone if the property is undefined; false (with an exception) if it is not a number. */
bool option_int(napi_env env, napi_value object, const char *name, int *out);
bool option_text(napi_env env, napi_value object, const char *name, char *out, size_t capacity);

void grow_receive_buffer(int fd, int bytes);

/* Of AF_INET or AF_INET6. `scope`: the interface of a link-local address. False if the text is no address of the family. */
socklen_t address_length(int family);
bool read_address(int family, const char *text, int port, int scope, struct sockaddr_storage *out);

napi_value packet_open(napi_env env, napi_callback_info info);
napi_value packet_send(napi_env env, napi_callback_info info);
napi_value packet_statistics(napi_env env, napi_callback_info info);
napi_value packet_ignore(napi_env env, napi_callback_info info);
napi_value packet_review(napi_env env, napi_callback_info info);
napi_value netlink_open(napi_env env, napi_callback_info info);
napi_value netlink_drain(napi_env env, napi_callback_info info);
napi_value netlink_send(napi_env env, napi_callback_info info);
napi_value tcp_connect(napi_env env, napi_callback_info info);
napi_value tcp_listen(napi_env env, napi_callback_info info);
napi_value tcp_set_md5(napi_env env, napi_callback_info info);
napi_value tcp_set_ao(napi_env env, napi_callback_info info);
napi_value tcp_ao_info(napi_env env, napi_callback_info info);
napi_value tcp_probe_ao(napi_env env, napi_callback_info info);
napi_value tcp_set_ttl(napi_env env, napi_callback_info info);
napi_value tcp_send(napi_env env, napi_callback_info info);
napi_value tcp_unacknowledged(napi_env env, napi_callback_info info);
napi_value udp_open(napi_env env, napi_callback_info info);
napi_value udp_send(napi_env env, napi_callback_info info);

#endif
