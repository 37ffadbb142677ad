/*
 * The packet socket: one, unbound, for all interfaces of the network namespace, those to come included. A socket bound to one
 * port goes deaf when that port is taken down or made again, which is what happens during a migration.
 *
 * Frames arrive in a ring that the kernel shares with us (TPACKET_V2) instead of the socket's queue: how much a queue may hold is
 * net.core.rmem_max for a process without CAP_NET_ADMIN, on most machines some 250 announcements; a ring may be larger.
 */
#include "landfall.h"

#include "filter.h"
#include "sieve.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64 /* frames per call into JavaScript, then other work gets its turn */
#define FIELDS 6 /* numbers per frame, see `describe` */

#define SLOT 384 /* tpacket2_hdr, sockaddr_ll and FRAME_SNAP octets; a multiple of TPACKET_ALIGNMENT */
#define BLOCK 65536
#define SLOTS_PER_BLOCK (BLOCK / SLOT)
#define MAX_RING_BYTES (1 << 28)

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/*
 * What one interface may take of the reader's time: so many frames at once, and so many a second from then on. Who sends more (a guest
 * that floods) loses its own frames, and those of all others are read in time; a thousand VMs that announce themselves behind one port
 * are well below.
 */
#define BUDGET_FRAMES 8192
#define BUDGET_PER_SECOND 2000
#define BUDGETS 1024 /* by the low bits of the ifindex */

/*
 * Where more frames wait than one turn takes, those of interfaces that said little do not wait for those of one that floods: so many of a
 * turn's frames are taken from further behind, so many of one interface, and never past another frame of the same interface.
 */
#define EARLY 24
#define EARLY_OF_ONE 4
/* A frame that was taken early, in its slot's status until its turn to be freed comes; no status of the kernel's. */
#define STATUS_TAKEN (1U << 27)

/*
 * An interface that is over its budget after so many frames within a second is left to the kernel's chance (sieve.c), so that about twice
 * its budget passes. `packet_review` looks how much there is still, and ends it.
 */
#define FLOOD_FRAMES 1024
#define FLOOD_WINDOW_MS 1000
#define FLOOD_LEAST_MS 100 /* what waited in the ring is read faster than it came */
#define FLOOD_MAX_SHIFT 12

struct budget {
  int ifindex;
  double frames, at_ms;
  double window_at_ms;
  uint32_t window_frames; /* that passed since then */
  unsigned shift;         /* one frame in 2^shift passes */
  uint32_t waiting; /* frames of this interface between `next` and `seen` */
  uint32_t early;   /* taken early in turn `turn` */
  uint64_t turn;
};

struct capture {
  struct watch watch;
  uint8_t *slab;  /* BATCH * FRAME_SNAP octets, memory of a JavaScript Uint8Array */
  double *fields; /* BATCH * FIELDS numbers and how many interfaces are sampled, of a Float64Array */
  napi_ref slab_reference, fields_reference;
  uint8_t *ring;
  size_t ring_bytes;
  uint32_t slots;
  uint64_t next; /* the oldest frame, counted from the beginning: slot `next % slots` */
  uint64_t seen; /* up to here the frames that wait have been looked at */
  uint64_t turn;
  double empty_at_ms; /* monotonic; when the ring was last seen empty */
  uint64_t received, dropped, limited;
  uint64_t left_out;      /* by the sieve: an estimate */
  struct sieve sieve;
  double sieve_since_ms;  /* wall time, as the frames' stamps */
  bool sieve_is_old; /* some interface begins or ends to be sampled */
  struct budget budgets[BUDGETS];
};

static double clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct tpacket2_hdr *slot_at(const struct capture *capture, uint64_t number) {
  const uint32_t slot = (uint32_t)(number % capture->slots);
  return (struct tpacket2_hdr *)(capture->ring + (size_t)(slot / SLOTS_PER_BLOCK) * BLOCK + (size_t)(slot % SLOTS_PER_BLOCK) * SLOT);
}

static uint32_t status_of(const struct tpacket2_hdr *slot) { return __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE); }

static struct budget *budget_of(struct capture *capture, const struct tpacket2_hdr *slot, double now) {
  const struct sockaddr_ll *from = (const struct sockaddr_ll *)((const uint8_t *)slot + TPACKET_ALIGN(sizeof *slot));
  struct budget *budget = &capture->budgets[(unsigned)from->sll_ifindex % BUDGETS];
  if (budget->ifindex != from->sll_ifindex) {
    if (budget->shift > 0) capture->sieve_is_old = true;
    *budget = (struct budget){.ifindex = from->sll_ifindex, .frames = BUDGET_FRAMES, .at_ms = now, .window_at_ms = now};
  }
  return budget;
}

static double stamp_ms(const struct tpacket2_hdr *slot) { return (double)slot->tp_sec * 1e3 + (double)slot->tp_nsec / 1e6; }

/* ifindex, octets, age in ms, tag present (0 or 1), TPID, TCI. */
static void describe(struct capture *capture, int index, const struct tpacket2_hdr *slot, double wall_ms, double oldest_ms) {
  const struct sockaddr_ll *from = (const struct sockaddr_ll *)((const uint8_t *)slot + TPACKET_ALIGN(sizeof *slot));
  const uint32_t length = slot->tp_snaplen < FRAME_SNAP ? slot->tp_snaplen : FRAME_SNAP;
  const bool tagged = slot->tp_status & TP_STATUS_VLAN_VALID;
  const double age = wall_ms - stamp_ms(slot);
  double *fields = capture->fields + index * FIELDS;
  memcpy(capture->slab + index * FRAME_SNAP, (const uint8_t *)slot + slot->tp_mac, length);
  fields[0] = from->sll_ifindex;
  fields[1] = length;
  /* The stamp is wall time. If that clock jumped meanwhile: no frame is from the future, none older than the empty ring. */
  fields[2] = age < 0 ? 0 : age > oldest_ms ? oldest_ms : age;
  fields[3] = tagged;
  fields[4] = !tagged ? 0 : slot->tp_status & TP_STATUS_VLAN_TPID_VALID ? slot->tp_vlan_tpid : ETH_P_8021Q;
  fields[5] = tagged ? slot->tp_vlan_tci : 0;
}

/* Takes one frame out of the budget of its interface; false if there is none left. */
static bool within_budget(struct budget *budget, double now) {
  budget->frames += (now - budget->at_ms) * BUDGET_PER_SECOND / 1e3;
  if (budget->frames > BUDGET_FRAMES) budget->frames = BUDGET_FRAMES;
  budget->at_ms = now;
  if (budget->frames < 1) return false;
  budget->frames -= 1;
  return true;
}

/* Looks at what came since the last look, and takes what has no frame of its own interface before it. Returns how many of the batch there are then. */
static int take_early(struct capture *capture, int count, double wall, double now) {
  if (capture->seen < capture->next) capture->seen = capture->next;
  for (; count < BATCH && capture->seen < capture->next + capture->slots; capture->seen++) {
    struct tpacket2_hdr *slot = slot_at(capture, capture->seen);
    struct budget *budget;
    if (!(status_of(slot) & TP_STATUS_USER)) break;
    budget = budget_of(capture, slot, now);
    if (budget->turn != capture->turn) {
      budget->turn = capture->turn;
      budget->early = 0;
    }
    if (budget->waiting > 0 || budget->early >= EARLY_OF_ONE || !within_budget(budget, now)) {
      budget->waiting++;
      continue;
    }
    budget->early++;
    describe(capture, count++, slot, wall, now - capture->empty_at_ms);
    __atomic_store_n(&slot->tp_status, TP_STATUS_USER | STATUS_TAKEN, __ATOMIC_RELEASE);
  }
  return count;
}

/* One frame in 2^shift of so many that came is what an interface may send. */
static void sample(struct capture *capture, struct budget *budget, double now) {
  const double took = now - budget->window_at_ms, frames = (double)budget->window_frames * (1U << budget->shift);
  const double per_second = frames * 1e3 / (took < FLOOD_LEAST_MS ? FLOOD_LEAST_MS : took);
  unsigned shift = 0;
  while (shift < FLOOD_MAX_SHIFT && per_second / (1U << shift) > 2 * BUDGET_PER_SECOND) shift++;
  if (shift != budget->shift) capture->sieve_is_old = true;
  budget->shift = shift;
  budget->window_frames = 0;
  budget->window_at_ms = now;
}

/* One frame of the interface passed the filter. */
static void count_passed(struct capture *capture, struct budget *budget, const struct tpacket2_hdr *slot, double now) {
  if (budget->shift > 0) {
    if (capture->sieve_is_old || stamp_ms(slot) < capture->sieve_since_ms) return; /* it waited here before the sieve was this one */
    capture->left_out += (1U << budget->shift) - 1; /* those that did not pass, as many as there are on average */
  } else if (now - budget->window_at_ms > FLOOD_WINDOW_MS) {
    budget->window_frames = 0;
    budget->window_at_ms = now;
  }
  budget->window_frames++;
}

/* The filter as `ignored` and the budgets want it now. Where the kernel refuses it, the old one stays, which is right and only slower. */
static void renew_sieve(struct capture *capture) {
  capture->sieve.sampled_count = 0;
  for (int i = 0; i < BUDGETS; i++) {
    struct budget *budget = &capture->budgets[i];
    if (budget->shift == 0) continue;
    if (capture->sieve.sampled_count == SIEVE_SAMPLED) {
      budget->shift = 0;
      continue;
    }
    capture->sieve.sampled[capture->sieve.sampled_count].ifindex = budget->ifindex;
    capture->sieve.sampled[capture->sieve.sampled_count++].shift = budget->shift;
  }
  capture->sieve_is_old = false;
  (void)sieve_attach(capture->watch.fd, &capture->sieve);
  capture->sieve_since_ms = clock_ms(CLOCK_REALTIME);
  capture->fields[BATCH * FIELDS] = capture->sieve.sampled_count;
}

/* A ring that is nearly full loses whatever comes next: room is made at the cost of the interface that fills it. */
static bool is_crowded_by(const struct capture *capture, const struct budget *budget) {
  return capture->seen > capture->next + capture->slots / 4 * 3 && budget->waiting > capture->slots / 4;
}

static void drain(struct watch *watch, int status) {
  struct capture *capture = (struct capture *)watch;
  napi_value argument;
  const double now = clock_ms(CLOCK_MONOTONIC);
  const double wall = clock_ms(CLOCK_REALTIME);
  int count = 0;
  uint32_t looked_at = 0;
  bool renewed;
  if (status < 0) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &length); /* also clears it, or we would be called for ever */
    argument = make_error(watch->env, "recv AF_PACKET", error == 0 ? -status : error);
    if (argument != NULL) watch_call(watch, 1, &argument);
    if (!watch->open) return;
  }
  capture->turn++;
  while (count < BATCH - EARLY && looked_at++ < capture->slots) {
    struct tpacket2_hdr *slot = slot_at(capture, capture->next);
    struct budget *budget;
    const uint32_t slot_status = status_of(slot);
    if (!(slot_status & TP_STATUS_USER)) {
      capture->empty_at_ms = now;
      break;
    }
    budget = budget_of(capture, slot, now);
    count_passed(capture, budget, slot, now);
    if (!(slot_status & STATUS_TAKEN)) {
      if (!is_crowded_by(capture, budget) && within_budget(budget, now)) describe(capture, count++, slot, wall, now - capture->empty_at_ms);
      else {
        capture->limited++;
        if (budget->window_frames >= FLOOD_FRAMES) sample(capture, budget, now);
      }
      if (capture->next < capture->seen && budget->waiting > 0) budget->waiting--;
    }
    __atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    capture->next++;
  }
  if (count == BATCH - EARLY) count = take_early(capture, count, wall, now);
  renewed = capture->sieve_is_old;
  if (renewed) renew_sieve(capture);
  if ((count > 0 || renewed) && napi_create_int32(watch->env, count, &argument) == napi_ok) watch_call(watch, 1, &argument);
}

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
  capture->watch.ready = drain;
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
    if (budget->shift > 0 && now - budget->window_at_ms >= FLOOD_LEAST_MS) sample(capture, budget, now);
  }
  if (capture->sieve_is_old) renew_sieve(capture);
  if (napi_create_int32(env, (int)capture->sieve.sampled_count, &number) != napi_ok) return NULL;
  return number;
}
