/*
 * The packet socket: one, unbound, for all interfaces of the network namespace, those to come included. A socket bound to one
 * port goes deaf when that port is taken down or made again, which is what happens during a migration.
 */
#include "capture.h"

#include "budget.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define MAX_RING_BYTES (1 << 28)

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static void release(struct watch *watch) {
  struct capture *capture = (struct capture *)watch;
  munmap(capture->ring, capture->ring_bytes);
  napi_delete_reference(watch->env, capture->slab_reference);
  napi_delete_reference(watch->env, capture->fields_reference);
}

/* The order matters: with protocol 0 no frame comes before filter and ring are there. Returns the failed step, or NULL. */
static const char *open_socket(int *fd, struct capture *capture, int ring_bytes) {
  const int on = 1, version = TPACKET_V2;
  struct sockaddr_ll everywhere = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = 0};
  struct tpacket_req ring = {.tp_block_size = BLOCK, .tp_frame_size = SLOT};
  ring.tp_block_nr = ring_bytes < BLOCK ? 1 : (unsigned)ring_bytes / BLOCK;
  ring.tp_frame_nr = ring.tp_block_nr * SLOTS_PER_BLOCK;
  *fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*fd < 0) return "socket AF_PACKET";
  if (setsockopt(*fd, SOL_SOCKET, SO_ATTACH_FILTER, &frame_filter_program, sizeof frame_filter_program) != 0) {
    return "setsockopt SO_ATTACH_FILTER";
  }
  /* The earliest stamp there is; without it the ring has the time at which the frame was put there. */
  if (setsockopt(*fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) return "setsockopt SO_TIMESTAMPNS";
  /* Since Linux 4.20; on older kernels the filter alone drops what we sent. */
  (void)setsockopt(*fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  if (setsockopt(*fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) return "setsockopt PACKET_VERSION";
  if (setsockopt(*fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) return "setsockopt PACKET_RX_RING";
  capture->slots = ring.tp_frame_nr;
  capture->ring_bytes = (size_t)ring.tp_block_nr * BLOCK;
  capture->ring = mmap(NULL, capture->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  if (capture->ring == MAP_FAILED) return "mmap AF_PACKET";
  if (bind(*fd, (struct sockaddr *)&everywhere, sizeof everywhere) != 0) return "bind AF_PACKET";
  return NULL;
}

static void discard(struct capture *capture, int fd) {
  if (capture->ring != NULL && capture->ring != MAP_FAILED) munmap(capture->ring, capture->ring_bytes);
  if (fd >= 0) close(fd);
  free(capture);
}

/* packetOpen(slab: Uint8Array, fields: Float64Array, ringBytes, callback(count | Error)) */
napi_value packet_open(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t slab_length, fields_length;
  napi_typedarray_type slab_type, fields_type;
  void *slab, *fields;
  int fd = -1, bytes = 0;
  const char *failed;
  struct capture *capture;
  if (!read_arguments(env, info, 4, argv)) return NULL;
  if (napi_get_typedarray_info(env, argv[0], &slab_type, &slab_length, &slab, NULL, NULL) != napi_ok ||
      napi_get_typedarray_info(env, argv[1], &fields_type, &fields_length, &fields, NULL, NULL) != napi_ok ||
      slab_type != napi_uint8_array || slab_length != BATCH * FRAME_SNAP || fields_type != napi_float64_array ||
      fields_length != BATCH * FIELDS + 1 || napi_get_value_int32(env, argv[2], &bytes) != napi_ok || bytes < 0 || bytes > MAX_RING_BYTES) {
    return throw_error(env, "packetOpen", EINVAL);
  }
  capture = calloc(1, sizeof *capture);
  if (capture == NULL) return throw_error(env, "calloc", ENOMEM);
  failed = open_socket(&fd, capture, bytes);
  if (failed != NULL) {
    const int error = errno;
    discard(capture, fd);
    return throw_error(env, failed, error);
  }
  capture->slab = slab;
  capture->fields = fields;
  capture->empty_at_ms = clock_ms(CLOCK_MONOTONIC);
  capture->watch.kind = WATCH_PACKET;
  capture->watch.ready = ring_drain;
  capture->watch.release = release;
  napi_create_reference(env, argv[0], 1, &capture->slab_reference);
  napi_create_reference(env, argv[1], 1, &capture->fields_reference);
  if (!watch_start(env, &capture->watch, fd, UV_READABLE, argv[3])) {
    napi_delete_reference(env, capture->slab_reference);
    napi_delete_reference(env, capture->fields_reference);
    discard(capture, fd);
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

/* packetStatistics(capture): [received, dropped] since it was opened; what was over its interface's budget counts as dropped. The kernel starts again at zero with each answer. */
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
  napi_create_double(env, (double)(capture->received - capture->limited), &number);
  napi_set_element(env, result, 0, number);
  napi_create_double(env, (double)(capture->dropped + capture->limited + capture->left_out), &number);
  napi_set_element(env, result, 1, number);
  return result;
}

/* packetIgnore(capture, ifindexes): nothing of these interfaces is wanted; of more than 64 the first. */
napi_value packet_ignore(napi_env env, napi_callback_info info) {
  napi_value argv[2], number;
  uint32_t length = 0;
  struct capture *capture;
  if (!read_arguments(env, info, 2, argv)) return NULL;
  capture = (struct capture *)watch_of(env, argv[0], WATCH_PACKET, "setsockopt SO_ATTACH_FILTER");
  if (capture == NULL) return NULL;
  if (napi_get_array_length(env, argv[1], &length) != napi_ok) return throw_error(env, "setsockopt SO_ATTACH_FILTER", EINVAL);
  if (length > SIEVE_IGNORED) length = SIEVE_IGNORED;
  capture->sieve.ignored_count = 0;
  for (uint32_t i = 0; i < length; i++) {
    if (napi_get_element(env, argv[1], i, &number) != napi_ok ||
        napi_get_value_int32(env, number, &capture->sieve.ignored[capture->sieve.ignored_count]) != napi_ok) {
      return throw_error(env, "setsockopt SO_ATTACH_FILTER", EINVAL);
    }
    capture->sieve.ignored_count++;
  }
  renew_sieve(capture);
  return NULL;
}

/* packetReview(capture): how many interfaces are sampled, after another look at how much they send. */
napi_value packet_review(napi_env env, napi_callback_info info) {
  napi_value argv[1], number;
  struct capture *capture;
  const double now = clock_ms(CLOCK_MONOTONIC);
  if (!read_arguments(env, info, 1, argv)) return NULL;
  capture = (struct capture *)watch_of(env, argv[0], WATCH_PACKET, "setsockopt SO_ATTACH_FILTER");
  if (capture == NULL) return NULL;
  for (int i = 0; i < BUDGETS; i++) {
    struct budget *budget = &capture->budgets[i];
    if (budget->shift > 0 && now - budget->window_at_ms >= FLOOD_LEAST_MS) budget_sample(capture, budget, now);
  }
  if (capture->sieve_is_old) renew_sieve(capture);
  if (napi_create_int32(env, (int)capture->sieve.sampled_count, &number) != napi_ok) return NULL;
  return number;
}
