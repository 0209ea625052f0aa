/*
 * control_wire.h - what both sides of the control socket share: its address, requests and answers as bytes.
 */
#ifndef YM_RUNTIME_CONTROL_WIRE_H
#define YM_RUNTIME_CONTROL_WIRE_H

#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../ipc/buffer.h"
#include "control.h"

#define CONTROL_NAME        "control"
#define CONTROL_PING        "ping"
#define CONTROL_REQUEST_MAX 65536
#define CONTROL_ANSWER_MAX  1048576

/*
 * The address of the socket in a directory, through an open descriptor of the directory: sun_path is far too short for
 * some paths. Returns that descriptor, to be closed when the address is not needed any more; -1 with err.
 */
int control_address(const char *directory, struct sockaddr_un *address, struct ym_err *err);

struct control_message {
	struct control_request request; /* points into `json` and `list` */
	json_t *json;
	const char **list;
};

/* -1 (YM_ERR_USAGE): it is no request. */
int control_parse(const char *line, size_t length, struct control_message *message, struct ym_err *err);
void control_message_free(struct control_message *message);

/* The line of a request; -1 (YM_ERR_USAGE): too long. Free the buffer in any case. */
int control_write(const struct control_request *request, struct ym_buffer *line, struct ym_err *err);

struct control_reply {
	struct ym_buffer bytes;
	int code;
	bool cut;    /* more than CONTROL_ANSWER_MAX */
	bool broken; /* out of memory: no answer */
};

void control_pong(struct control_reply *reply, const struct control_pong *pong);
/* The last lines. */
void control_end(struct control_reply *reply);

#endif
