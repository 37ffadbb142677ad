/*
 * The capture's filter, and in front of it what belongs to this network namespace alone: interfaces of which nothing is wanted (a bridge:
 * each frame was seen on its port already), and interfaces that flood, of whose frames the kernel then lets through one in 2, 4, 8 …
 * by chance. What a guest floods thus neither fills the ring nor takes the reader's time.
 */
#include "sieve.h"

#include "filter.h"

#define LOAD32(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define PER_IGNORED 2
#define PER_SAMPLED 5
#define BASE (sizeof frame_filter / sizeof frame_filter[0])

bool sieve_attach(int fd, const struct sieve *sieve) {
  struct sock_filter filter[1 + PER_IGNORED * SIEVE_IGNORED + PER_SAMPLED * SIEVE_SAMPLED + BASE];
  struct sock_fprog program = {.filter = filter};
  unsigned at = 0, i;
  filter[at++] = (struct sock_filter)LOAD32(SKB(SKF_AD_IFINDEX));
  for (i = 0; i < sieve->ignored_count; i++) {
    filter[at++] = (struct sock_filter)IF_EQUAL((uint32_t)sieve->ignored[i], 0, 1);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
  }
  for (i = 0; i < sieve->sampled_count; i++) {
    filter[at++] = (struct sock_filter)IF_EQUAL((uint32_t)sieve->sampled[i].ifindex, 0, 4);
    filter[at++] = (struct sock_filter)LOAD32(SKB(SKF_AD_RANDOM));
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (1U << sieve->sampled[i].shift) - 1);
    filter[at++] = (struct sock_filter)IF_EQUAL(0, 1, 0); /* 0 is no interface, so the checks that follow pass it on */
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
  }
  memcpy(filter + at, frame_filter, sizeof frame_filter);
  program.len = (unsigned short)(at + BASE);
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}
