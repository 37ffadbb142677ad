/* The capture: a packet socket (packet.c), the ring that is read (ring.c), and what one interface may take of the reader's time (budget.c). */
#ifndef LANDFALL_CAPTURE_H
#define LANDFALL_CAPTURE_H

#include "landfall.h"

#include "filter.h"
#include "sieve.h"
#include <linux/if_packet.h>
#include <time.h>

#define BATCH 64 /* frames per call into JavaScript, then other work gets its turn */
#define FIELDS 6 /* numbers per frame, see `describe` */

#define SLOT 384 /* tpacket2_hdr, sockaddr_ll and FRAME_SNAP octets; a multiple of TPACKET_ALIGNMENT */
#define BLOCK 65536
#define SLOTS_PER_BLOCK (BLOCK / SLOT)

#define BUDGETS 1024 /* by the low bits of the ifindex */

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

static inline double clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline double stamp_ms(const struct tpacket2_hdr *slot) { return (double)slot->tp_sec * 1e3 + (double)slot->tp_nsec / 1e6; }

/* The ring is readable: at most BATCH frames go to JavaScript. */
void ring_drain(struct watch *watch, int status);

#endif
