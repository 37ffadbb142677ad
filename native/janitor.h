/* What a dead speaker must not leave, and how it goes. */
#ifndef LANDFALL_JANITOR_H
#define LANDFALL_JANITOR_H

#include <stdbool.h>
#include <stdint.h>

/* Takes it out of the kernel. False if the kernel refused something. */
bool sweep(void);

#endif
