/*
 * door.h - who may see the page.
 *
 * With a token, every request has to bring it: `Authorization: Bearer TOKEN` (programs), or a cookie that a browser got for
 * it: whoever comes to / without one is asked for it, and /?token=TOKEN gives the cookie and leads away to /, so that
 * the token is not left in the address.
 *
 * On a loopback address, a request has to be meant for this machine, too: the name in its Host line must be one of the
 * machine itself. A page of the wide web whose name suddenly means 127.0.0.1 (DNS rebinding) sends its own.
 */
#ifndef YM_RUNTIME_WEB_DOOR_H
#define YM_RUNTIME_WEB_DOOR_H

#include "../../ipc/error.h"
#include "../table.h"
#include "request.h"

#define DOOR_TOKEN_LEAST 16
#define DOOR_TOKEN_MAX   256 /* with the NUL */

struct door {
	char token[DOOR_TOKEN_MAX]; /* "": none is needed; the rest is zeroes */
	char cookie[TABLE_NAME_MAX + 16];
	const char *hosts; /* names that are ours, too, with commas; may be NULL */
	bool loopback;     /* look at the Host */
};

enum door_verdict {
	DOOR_OPEN,
	DOOR_ENTERED, /* by ?token=: give the cookie, lead away */
	DOOR_WRONG,   /* the token in the address is another one */
	DOOR_SHUT,    /* no token, or a wrong one */
	DOOR_ASTRAY,  /* meant for another host */
};

/* Read the token. Others than the owner and the group of the file must not get at it, and the group may only read it. */
int door_read(struct door *door, const char *path, struct ym_err *err);

enum door_verdict door_ask(const struct door *door, const struct request *request);

/* What Set-Cookie says to who has come in. */
#define DOOR_COOKIE_MAX (DOOR_TOKEN_MAX + TABLE_NAME_MAX + 128)
const char *door_cookie(const struct door *door, char out[DOOR_COOKIE_MAX]);

#endif
