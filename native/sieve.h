#ifndef LANDFALL_SIEVE_H
#define LANDFALL_SIEVE_H

#include "landfall.h"

/* A filter and the one that it replaces must fit into net.core.optmem_max, 20 KiB on older kernels. */
#define SIEVE_IGNORED 64
#define SIEVE_SAMPLED 16

struct sieve {
  int ignored[SIEVE_IGNORED];
  unsigned ignored_count;
  struct {
    int ifindex;
    unsigned shift; /* one frame in 2^shift passes */
  } sampled[SIEVE_SAMPLED];
  unsigned sampled_count;
};

/* Replaces the filter of a packet socket at once: no frame passes by neither of the two. False, with errno, if the old one stays. */
bool sieve_attach(int fd, const struct sieve *sieve);

#endif
