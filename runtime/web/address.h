/* address.h - where to listen: ADDRESS:PORT or the path of a socket. */
#ifndef YM_RUNTIME_WEB_ADDRESS_H
#define YM_RUNTIME_WEB_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "../../ipc/error.h"

#define ADDRESS_DEFAULT "127.0.0.1:8421"

/* Bytes of "http://[...]:65535/" or "unix:PATH". */
#define ADDRESS_TEXT_MAX 160

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
		struct sockaddr_un local;
	};
	socklen_t size;
	dev_t device; /* of a socket file */
	ino_t inode;
};

/* 127.0.0.1:8421, [::1]:8421, localhost:8421; port 0: any free one. */
int address_parse(struct address *address, const char *text, struct ym_err *err);
int address_local(struct address *address, const char *path, struct ym_err *err);

/* Can only this machine reach it? */
bool address_is_loopback(const struct address *address);
bool address_is_local(const struct address *address);

/*
 * A socket that can listen there; *address becomes what it got. A socket file has `mode`; one that nobody answers behind is
 * replaced. -1 with err.
 */
int address_bind(struct address *address, unsigned mode, int *fd, struct ym_err *err);
/* Remove the socket file, if it still is ours. */
void address_leave(const struct address *address);

/* As one types it into a browser. */
const char *address_text(const struct address *address, char out[ADDRESS_TEXT_MAX]);

#endif
