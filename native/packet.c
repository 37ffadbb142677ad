/*
 * The packet socket: one, unbound, for all interfaces of the network namespace, those to come included. A socket bound to one
 * port goes deaf when that port is taken down or made again, which is what happens during a migration.
 */
#include "landfall.h"

#include "filter.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64  /* frames per call into JavaScript, then other work gets its turn */
#define FIELDS 6  /* numbers per frame, see `describe` */
#define CONTROL 128

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

struct capture {
  struct watch watch;
  uint8_t *slab;  /* BATCH * FRAME_SNAP octets, memory of a JavaScript Uint8Array */
  double *fields; /* BATCH * FIELDS numbers, of a Float64Array */
  napi_ref slab_reference, fields_reference;
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  struct sockaddr_ll addresses[BATCH];
  union {
    struct cmsghdr align;
    uint8_t bytes[CONTROL];
  } control[BATCH];
  double empty_at_ms; /* monotonic; when the queue was last seen empty */
  uint64_t received, dropped;
};

static double clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ifindex, octets, age in ms, tag present (0 or 1), TPID, TCI. */
static void describe(struct capture *capture, int index, double wall_ms, double oldest_ms) {
  struct msghdr *header = &capture->messages[index].msg_hdr;
  double *fields = capture->fields + index * FIELDS;
  double age = 0;
  fields[0] = capture->addresses[index].sll_ifindex;
  fields[1] = capture->messages[index].msg_len;
  fields[3] = fields[4] = fields[5] = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec stamp;
      memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
      age = wall_ms - ((double)stamp.tv_sec * 1e3 + (double)stamp.tv_nsec / 1e6);
    } else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
      struct tpacket_auxdata data;
      memcpy(&data, CMSG_DATA(c), sizeof data);
      if (data.tp_status & TP_STATUS_VLAN_VALID) {
        fields[3] = 1;
        fields[4] = data.tp_status & TP_STATUS_VLAN_TPID_VALID ? data.tp_vlan_tpid : ETH_P_8021Q;
        fields[5] = data.tp_vlan_tci;
      }
    }
  }
  /* The stamp is wall time. If that clock jumped meanwhile: no frame is from the future, none older than the empty queue. */
  fields[2] = age < 0 ? 0 : age > oldest_ms ? oldest_ms : age;
}

static void drain(struct watch *watch, int status) {
  struct capture *capture = (struct capture *)watch;
  napi_value argument;
  int count, error;
  double now;
  (void)status;
  for (int i = 0; i < BATCH; i++) {
    capture->messages[i].msg_hdr.msg_namelen = sizeof capture->addresses[i];
    capture->messages[i].msg_hdr.msg_controllen = CONTROL;
  }
  count = recvmmsg(watch->fd, capture->messages, BATCH, MSG_DONTWAIT, NULL);
  error = errno;
  now = clock_ms(CLOCK_MONOTONIC);
  if (count < 0) {
    if (error == EAGAIN) capture->empty_at_ms = now;
    if (error == EAGAIN || error == EINTR) return;
    argument = make_error(watch->env, "recvmmsg", error);
  } else {
    double wall = clock_ms(CLOCK_REALTIME);
    for (int i = 0; i < count; i++) describe(capture, i, wall, now - capture->empty_at_ms);
    if (count < BATCH) capture->empty_at_ms = now;
    if (napi_create_int32(watch->env, count, &argument) != napi_ok) return;
  }
  if (argument != NULL) watch_call(watch, 1, &argument);
}

static void release(struct watch *watch) {
  struct capture *capture = (struct capture *)watch;
  napi_delete_reference(watch->env, capture->slab_reference);
  napi_delete_reference(watch->env, capture->fields_reference);
}

/* The order matters: with protocol 0 nothing is queued before the filter is attached. Returns the failed step, or NULL. */
static const char *open_socket(int *fd, int receive_buffer_bytes) {
  const int on = 1;
  struct sockaddr_ll everywhere = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = 0};
  *fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*fd < 0) return "socket AF_PACKET";
  if (setsockopt(*fd, SOL_SOCKET, SO_ATTACH_FILTER, &frame_filter_program, sizeof frame_filter_program) != 0) {
    return "setsockopt SO_ATTACH_FILTER";
  }
  if (setsockopt(*fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0) return "setsockopt PACKET_AUXDATA";
  if (setsockopt(*fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) return "setsockopt SO_TIMESTAMPNS";
  /* Since Linux 4.20; on older kernels the filter alone drops what we sent. */
  (void)setsockopt(*fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  grow_receive_buffer(*fd, receive_buffer_bytes);
  if (bind(*fd, (struct sockaddr *)&everywhere, sizeof everywhere) != 0) return "bind AF_PACKET";
  return NULL;
}

/* packetOpen(slab: Uint8Array, fields: Float64Array, receiveBufferBytes, callback(count | Error)) */
napi_value packet_open(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t slab_length, fields_length;
  napi_typedarray_type slab_type, fields_type;
  void *slab, *fields;
  int fd = -1, bytes = 0, error;
  const char *failed;
  struct capture *capture;
  if (!read_arguments(env, info, 4, argv)) return NULL;
  if (napi_get_typedarray_info(env, argv[0], &slab_type, &slab_length, &slab, NULL, NULL) != napi_ok ||
      napi_get_typedarray_info(env, argv[1], &fields_type, &fields_length, &fields, NULL, NULL) != napi_ok ||
      slab_type != napi_uint8_array || slab_length != BATCH * FRAME_SNAP || fields_type != napi_float64_array ||
      fields_length != BATCH * FIELDS || napi_get_value_int32(env, argv[2], &bytes) != napi_ok) {
    return throw_error(env, "packetOpen", EINVAL);
  }
  failed = open_socket(&fd, bytes);
  error = errno;
  capture = failed == NULL ? calloc(1, sizeof *capture) : NULL;
  if (capture == NULL) {
    if (fd >= 0) close(fd);
    return throw_error(env, failed == NULL ? "calloc" : failed, failed == NULL ? ENOMEM : error);
  }
  capture->slab = slab;
  capture->fields = fields;
  for (int i = 0; i < BATCH; i++) {
    capture->vectors[i] = (struct iovec){.iov_base = capture->slab + i * FRAME_SNAP, .iov_len = FRAME_SNAP};
    capture->messages[i].msg_hdr = (struct msghdr){
        .msg_name = &capture->addresses[i],
        .msg_iov = &capture->vectors[i],
        .msg_iovlen = 1,
        .msg_control = capture->control[i].bytes,
    };
  }
  capture->empty_at_ms = clock_ms(CLOCK_MONOTONIC);
  capture->watch.kind = WATCH_PACKET;
  capture->watch.ready = drain;
  capture->watch.release = release;
  napi_create_reference(env, argv[0], 1, &capture->slab_reference);
  napi_create_reference(env, argv[1], 1, &capture->fields_reference);
  if (!watch_start(env, &capture->watch, fd, UV_READABLE, argv[3])) {
    napi_delete_reference(env, capture->slab_reference);
    napi_delete_reference(env, capture->fields_reference);
    close(fd);
    free(capture);
    return NULL;
  }
  return watch_external(env, &capture->watch);
}

/* packetSend(capture, ifindex, frame) */
napi_value packet_send(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  napi_typedarray_type type;
  size_t length;
  void *frame;
  struct sockaddr_ll target = {.sll_family = AF_PACKET};
  struct watch *watch;
  if (!read_arguments(env, info, 3, argv)) return NULL;
  watch = watch_of(env, argv[0], WATCH_PACKET, "send");
  if (watch == NULL) return NULL;
  if (napi_get_value_int32(env, argv[1], &target.sll_ifindex) != napi_ok ||
      napi_get_typedarray_info(env, argv[2], &type, &length, &frame, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    return throw_error(env, "send", EINVAL);
  }
  if (sendto(watch->fd, frame, length, MSG_DONTWAIT, (struct sockaddr *)&target, sizeof target) < 0) {
    return throw_error(env, "send", errno);
  }
  return NULL;
}

/* packetStatistics(capture): [received, dropped] since it was opened. The kernel starts again at zero with each answer. */
napi_value packet_statistics(napi_env env, napi_callback_info info) {
  napi_value argv[1], result, number;
  struct tpacket_stats statistics;
  socklen_t length = sizeof statistics;
  struct capture *capture;
  if (!read_arguments(env, info, 1, argv)) return NULL;
  capture = (struct capture *)watch_of(env, argv[0], WATCH_PACKET, "getsockopt PACKET_STATISTICS");
  if (capture == NULL) return NULL;
  if (getsockopt(capture->watch.fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) != 0) {
    return throw_error(env, "getsockopt PACKET_STATISTICS", errno);
  }
  capture->received += statistics.tp_packets - statistics.tp_drops;
  capture->dropped += statistics.tp_drops;
  if (napi_create_array_with_length(env, 2, &result) != napi_ok) return NULL;
  napi_create_double(env, (double)capture->received, &number);
  napi_set_element(env, result, 0, number);
  napi_create_double(env, (double)capture->dropped, &number);
  napi_set_element(env, result, 1, number);
  return result;
}
