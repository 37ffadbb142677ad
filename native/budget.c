/*
 * Interfaces that flood: what they send is measured, and the kernel (sieve.c) then lets through a part of it. The budget itself is in
 * budget.h, for it is asked once for every frame.
 */
#include "budget.h"

void budget_sample(struct capture *capture, struct budget *budget, double now) {
  const double took = now - budget->window_at_ms, frames = (double)budget->window_frames * (1U << budget->shift);
  const double per_second = frames * 1e3 / (took < FLOOD_LEAST_MS ? FLOOD_LEAST_MS : took);
  unsigned shift = 0;
  while (shift < FLOOD_MAX_SHIFT && per_second / (1U << shift) > 2 * BUDGET_PER_SECOND) shift++;
  if (shift != budget->shift) capture->sieve_is_old = true;
  budget->shift = shift;
  budget->window_frames = 0;
  budget->window_at_ms = now;
}

void renew_sieve(struct capture *capture) {
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
