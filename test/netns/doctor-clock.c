/*
 * Preloaded into a program, it shows it another clock than this machine's, which is everybody's: MAXERROR, in microseconds, is what
 * adjtimex says (`forbidden`: it may not be asked), and YEARS are added to the time. Run by itself it prints what the kernel says.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#ifdef ASK
int main(void) {
  struct timex state = {.modes = 0};
  return adjtimex(&state) < 0 ? 1 : (printf("%ld\n", state.maxerror), 0);
}
#else
static long shift(void) {
  const char *years = getenv("YEARS");
  return years == NULL ? 0 : atol(years) * 31556952;
}

long syscall(long number, ...) {
  static long (*real)(long, ...);
  const char *error = getenv("MAXERROR");
  long a[6], result;
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  if (number != SYS_adjtimex || error == NULL) return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (strcmp(error, "forbidden") == 0) {
    errno = EPERM;
    return -1;
  }
  result = real(number, a[0]);
  ((struct timex *)a[0])->maxerror = atol(error);
  return result;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  long result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += shift();
  return (int)result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact) < 0) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}
#endif
