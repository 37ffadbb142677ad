#ifndef LANDFALL_TCP_AUTH_H
#define LANDFALL_TCP_AUTH_H

#include "landfall.h"

/* `md5`: { address, key, prefixLength? }, or a list of them (listener). Returns the failed step, or NULL. */
const char *set_md5_option(napi_env env, int fd, int family, napi_value object);
/* `ao`: requests as the kernel wants them, one for each key. Returns the failed step, or NULL. */
const char *set_ao_option(napi_env env, int fd, napi_value object);

#endif
