/*
 * Frames arrive in a ring that the kernel shares with us (TPACKET_V2) instead of the socket's queue: how much a queue may hold is
 * net.core.rmem_max for a process without CAP_NET_ADMIN, on most machines some 250 announcements; a ring may be larger.
 */
#include "capture.h"

#include "budget.h"
#include <linux/if_ether.h>
#include <sys/socket.h>

/*
 * Where more frames wait than one turn takes, those of interfaces that said little do not wait for those of one that floods: so many of a
 * turn's frames are taken from further behind, so many of one interface, and never past another frame of the same interface.
 */
#define EARLY 24
#define EARLY_OF_ONE 4
/* A frame that was taken early, in its slot's status until its turn to be freed comes; no status of the kernel's. */
#define STATUS_TAKEN (1U << 27)

static struct tpacket2_hdr *slot_at(const struct capture *capture, uint64_t number) {
  const uint32_t slot = (uint32_t)(number % capture->slots);
  return (struct tpacket2_hdr *)(capture->ring + (size_t)(slot / SLOTS_PER_BLOCK) * BLOCK + (size_t)(slot % SLOTS_PER_BLOCK) * SLOT);
}

static uint32_t status_of(const struct tpacket2_hdr *slot) { return __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE); }

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

/* A ring that is nearly full loses whatever comes next: room is made at the cost of the interface that fills it. */
static bool is_crowded_by(const struct capture *capture, const struct budget *budget) {
  return capture->seen > capture->next + capture->slots / 4 * 3 && budget->waiting > capture->slots / 4;
}

void ring_drain(struct watch *watch, int status) {
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
        if (budget->window_frames >= FLOOD_FRAMES) budget_sample(capture, budget, now);
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
