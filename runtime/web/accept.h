/*
 * accept.h - which of several formats a client would rather have: `Accept` (RFC 9110), as far as one is named in it.
 */
#ifndef YM_RUNTIME_WEB_ACCEPT_H
#define YM_RUNTIME_WEB_ACCEPT_H

#include "request.h"

#define ACCEPT_MOST 1000

/*
 * How much the media type is liked, in thousandths. 0: it is not wanted, not named (a wildcard does not name it), only named
 * with another version, or it cannot be read how much.
 */
unsigned accept_quality(struct slice accept, const char *media, const char *version);

#endif
