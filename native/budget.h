/* What one interface may take, frame by frame. */
#ifndef LANDFALL_BUDGET_H
#define LANDFALL_BUDGET_H

#include "capture.h"

/*
 * What one interface may take of the reader's time: so many frames at once, and so many a second from then on. Who sends more (a guest
 * that floods) loses its own frames, and those of all others are read in time; a thousand VMs that announce themselves behind one port
 * are well below.
 */
#define BUDGET_FRAMES 8192
#define BUDGET_PER_SECOND 2000

/*
 * An interface that is over its budget after so many frames within a second is left to the kernel's chance (sieve.c), so that about twice
 * its budget passes. `packet_review` looks how much there is still, and ends it.
 */
#define FLOOD_FRAMES 1024
#define FLOOD_WINDOW_MS 1000
#define FLOOD_LEAST_MS 100 /* what waited in the ring is read faster than it came */
#define FLOOD_MAX_SHIFT 12

static inline struct budget *budget_of(struct capture *capture, const struct tpacket2_hdr *slot, double now) {
  const struct sockaddr_ll *from = (const struct sockaddr_ll *)((const uint8_t *)slot + TPACKET_ALIGN(sizeof *slot));
  struct budget *budget = &capture->budgets[(unsigned)from->sll_ifindex % BUDGETS];
  if (budget->ifindex != from->sll_ifindex) {
    if (budget->shift > 0) capture->sieve_is_old = true;
    *budget = (struct budget){.ifindex = from->sll_ifindex, .frames = BUDGET_FRAMES, .at_ms = now, .window_at_ms = now};
  }
  return budget;
}

/* Takes one frame out of the budget of its interface; false if there is none left. */
static inline bool within_budget(struct budget *budget, double now) {
  budget->frames += (now - budget->at_ms) * BUDGET_PER_SECOND / 1e3;
  if (budget->frames > BUDGET_FRAMES) budget->frames = BUDGET_FRAMES;
  budget->at_ms = now;
  if (budget->frames < 1) return false;
  budget->frames -= 1;
  return true;
}

/* One frame of the interface passed the filter. */
static inline void count_passed(struct capture *capture, struct budget *budget, const struct tpacket2_hdr *slot, double now) {
  if (budget->shift > 0) {
    if (capture->sieve_is_old || stamp_ms(slot) < capture->sieve_since_ms) return; /* it waited here before the sieve was this one */
    capture->left_out += (1U << budget->shift) - 1; /* those that did not pass, as many as there are on average */
  } else if (now - budget->window_at_ms > FLOOD_WINDOW_MS) {
    budget->window_frames = 0;
    budget->window_at_ms = now;
  }
  budget->window_frames++;
}

/* One frame in 2^shift of so many that came is what an interface may send. */
void budget_sample(struct capture *capture, struct budget *budget, double now);
/* The filter as `ignored` and the budgets want it now. Where the kernel refuses it, the old one stays, which is right and only slower. */
void renew_sieve(struct capture *capture);

#endif
