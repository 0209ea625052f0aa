/* control.c - the master's side of the control socket. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ipc/clock.h"
#include "control_wire.h"
#include "log.h"

#define CLIENTS_MAX 32
#define RETRY_MS    1000
#define FLUSH_MS    500

uint64_t control_client_ms = 10000;

struct client {
	struct control *control;
	struct client *next;
	uv_poll_t poll;
	uv_timer_t timer;
	int fd;
	int handles;
	long pid;
	char *bytes;         /* the request, and then the answer */
	size_t length, sent; /* `sent` of an answer */
	bool answered;
};

struct control {
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t retry;
	int fd, directory;
	dev_t device;
	ino_t inode;
	struct client *clients;
	unsigned nclients;
	int handles; /* of the loop, not yet closed: its own and one for each client */
	bool closing, failing;
	uint64_t since;
	control_handler *handler;
	void *arg;
};

static void listen_again(struct control *control);

/* ---- one client ------------------------------------------------------------------------------ */

static void let_go(struct control *control)
{
	if (--control->handles == 0)
		free(control);
}

static void client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;
	struct control *control = client->control;

	if (--client->handles > 0)
		return;
	close(client->fd);
	free(client->bytes);
	free(client);
	if (!control->closing)
		listen_again(control);
	let_go(control);
}

static void drop(struct client *client)
{
	struct client **at = &client->control->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->control->nclients--;
	uv_close((uv_handle_t *)&client->poll, client_closed);
	uv_close((uv_handle_t *)&client->timer, client_closed);
}

static void too_slow(uv_timer_t *timer)
{
	struct client *client = timer->data;

	log_line(LOG_WARN, "control: process %ld has not %s within %.1f s: dropped", client->pid,
	         client->answered ? "read its answer" : "sent a request", (double)control_client_ms / 1000);
	drop(client);
}

/* Send what goes without waiting: true when it is over, all sent or the client gone. */
static bool send_some(struct client *client)
{
	while (client->sent < client->length) {
		ssize_t n = send(client->fd, client->bytes + client->sent, client->length - client->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR)
			return true;
		client->sent += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void writable(uv_poll_t *handle, int status, int events)
{
	struct client *client = handle->data;

	(void)events;
	if (status < 0 || send_some(client))
		drop(client);
}

static void send_reply(struct client *client, struct control_reply *reply)
{
	control_end(reply);
	free(client->bytes);
	client->bytes = reply->bytes.bytes;
	client->length = reply->bytes.length;
	client->answered = true;
	if (reply->broken)
		log_line(LOG_ERROR, "control: no memory for the answer to process %ld", client->pid);
	if (reply->broken || send_some(client)) {
		drop(client);
		return;
	}
	uv_poll_start(&client->poll, UV_WRITABLE, writable);
	uv_timer_start(&client->timer, too_slow, control_client_ms, 0);
}

static void answer(struct client *client, size_t length)
{
	struct control *control = client->control;
	struct control_message message;
	struct control_reply reply = {.code = 0};
	struct ym_err err;

	if (control_parse(client->bytes, length, &message, &err) < 0) {
		control_refuse(&reply, err.class, "%s", err.text);
		send_reply(client, &reply);
		return;
	}
	message.request.pid = client->pid;
	if (strcmp(message.request.verb, CONTROL_PING) == 0)
		control_pong(&reply, &(struct control_pong){YM_VERSION, getpid(), control->since});
	else
		control->handler(control->arg, &message.request, &reply);
	control_message_free(&message);
	send_reply(client, &reply);
}

static void refuse_long(struct client *client)
{
	struct control_reply reply = {.code = 0};

	control_refuse(&reply, YM_ERR_USAGE, "a request has at most %d bytes", CONTROL_REQUEST_MAX);
	send_reply(client, &reply);
}

static void readable(uv_poll_t *handle, int status, int events)
{
	struct client *client = handle->data;

	(void)events;
	while (status == 0) {
		char *end = client->bytes + client->length, *newline;
		ssize_t n = recv(client->fd, end, CONTROL_REQUEST_MAX - client->length, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EINTR)
			continue;
		/* It ends without a whole request: nobody is there to be told. */
		if (n <= 0)
			break;
		newline = memchr(end, '\n', (size_t)n);
		client->length += (size_t)n;
		if (newline) {
			answer(client, (size_t)(newline - client->bytes));
			return;
		}
		if (client->length == CONTROL_REQUEST_MAX) {
			refuse_long(client);
			return;
		}
	}
	drop(client);
}

/* ---- new clients ----------------------------------------------------------------------------- */

/* Takes the descriptor over. */
static struct client *new_client(struct control *control, int fd, long pid)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client)
		*client = (struct client){.control = control, .fd = fd, .pid = pid, .handles = 2};
	if (!client || !(client->bytes = malloc(CONTROL_REQUEST_MAX)) ||
	    uv_poll_init(control->loop, &client->poll, fd) < 0) {
		log_line(LOG_ERROR, "control: no memory to hear process %ld", pid);
		close(fd);
		if (client)
			free(client->bytes);
		free(client);
		return NULL;
	}
	uv_timer_init(control->loop, &client->timer);
	client->poll.data = client;
	client->timer.data = client;
	client->next = control->clients;
	control->clients = client;
	control->nclients++;
	control->handles++;
	return client;
}

static void admit(struct control *control, int fd)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t size = sizeof(who);
	bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
	struct client *client = new_client(control, fd, who.pid);

	if (!client)
		return;
	if (!known || (who.uid != 0 && who.uid != geteuid())) {
		struct control_reply reply = {.code = 0};

		log_line(LOG_WARN, "control: process %ld of user %u was refused", client->pid, (unsigned)who.uid);
		control_refuse(&reply, YM_ERR_PERMISSION,
		               "only root and user %u, as whom the master runs, may ask it for something",
		               (unsigned)geteuid());
		send_reply(client, &reply);
		return;
	}
	uv_poll_start(&client->poll, UV_READABLE, readable);
	uv_timer_start(&client->timer, too_slow, control_client_ms, 0);
}

static void retry(uv_timer_t *timer)
{
	listen_again(timer->data);
}

/* The socket stays readable, and the loop would never sleep. */
static void rest(struct control *control, int sys)
{
	if (!control->failing)
		log_line(LOG_ERROR, "control: accept4(%d) for a command: %s: trying again every %d ms", control->fd,
		         strerror(sys), RETRY_MS);
	control->failing = true;
	uv_poll_stop(&control->poll);
	uv_timer_start(&control->retry, retry, RETRY_MS, 0);
}

static void arrived(uv_poll_t *handle, int status, int events)
{
	struct control *control = handle->data;

	(void)status;
	(void)events;
	/* Not for ever: who is refused makes room at once. */
	for (int i = 0; i < CLIENTS_MAX && control->nclients < CLIENTS_MAX; i++) {
		int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED) {
			rest(control, errno);
			return;
		}
		if (fd >= 0) {
			control->failing = false;
			admit(control, fd);
		}
	}
	if (control->nclients == CLIENTS_MAX)
		uv_poll_stop(&control->poll);
}

static void listen_again(struct control *control)
{
	uv_poll_start(&control->poll, UV_READABLE, arrived);
}

/* ---- the socket ------------------------------------------------------------------------------ */

/* What a dead master has left. Anything else with that name is not ours to remove. */
static int remove_stale(int directory, const char *path, struct ym_err *err)
{
	struct stat st;

	if (fstatat(directory, CONTROL_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
		           ? 0
		           : ym_fail_sys(err, errno, "stat(\"%s/" CONTROL_NAME "\") for the control socket", path);
	if (!S_ISSOCK(st.st_mode))
		return ym_fail(err, YM_ERR_FOREIGN,
		               "\"%s/" CONTROL_NAME "\" is no socket: move it away, the master needs this name", path);
	if (unlinkat(directory, CONTROL_NAME, 0) < 0 && errno != ENOENT)
		return ym_fail_sys(err, errno, "unlink(\"%s/" CONTROL_NAME "\"), the socket of a dead master", path);
	return 0;
}

/* Nobody can connect before listen(), so the mode is right in time. */
static int bind_socket(struct control *control, const struct sockaddr_un *address, const char *path, struct ym_err *err)
{
	struct stat st;

	if (remove_stale(control->directory, path, err) < 0)
		return -1;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control->fd < 0)
		return ym_fail_sys(err, errno, "socket(AF_UNIX) for commands");
	if (bind(control->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return ym_fail_sys(err, errno, "bind(\"%s/" CONTROL_NAME "\") for commands", path);
	if (fchmodat(control->directory, CONTROL_NAME, 0600, 0) < 0 ||
	    fstatat(control->directory, CONTROL_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ym_fail_sys(err, errno, "chmod(\"%s/" CONTROL_NAME "\", 0600)", path);
	control->device = st.st_dev;
	control->inode = st.st_ino;
	if (listen(control->fd, SOMAXCONN) < 0)
		return ym_fail_sys(err, errno, "listen(\"%s/" CONTROL_NAME "\")", path);
	return 0;
}

static void discard(struct control *control)
{
	if (control->fd >= 0)
		close(control->fd);
	if (control->directory >= 0)
		close(control->directory);
	free(control);
}

int control_open(struct control **control, uv_loop_t *loop, const char *directory, control_handler *handler, void *arg,
                 struct ym_err *err)
{
	struct control *made = calloc(1, sizeof(*made));
	struct sockaddr_un address;
	int failed;

	if (!made)
		return ym_fail_sys(err, ENOMEM, "malloc() for the control socket");
	*made = (struct control){
	    .loop = loop, .fd = -1, .handles = 2, .since = ym_now_ns(), .handler = handler, .arg = arg};
	made->directory = control_address(directory, &address, err);
	if (made->directory < 0 || bind_socket(made, &address, directory, err) < 0) {
		discard(made);
		return -1;
	}
	failed = uv_poll_init(loop, &made->poll, made->fd);
	if (failed < 0) {
		discard(made);
		return ym_fail_sys(err, -failed, "uv_poll_init() for the control socket");
	}
	uv_timer_init(loop, &made->retry);
	made->poll.data = made;
	made->retry.data = made;
	listen_again(made);
	*control = made;
	return 0;
}

static void own_closed(uv_handle_t *handle)
{
	struct control *control = handle->data;

	if (handle == (uv_handle_t *)&control->poll)
		close(control->fd);
	let_go(control);
}

void control_close(struct control *control)
{
	struct stat st;

	if (!control)
		return;
	control->closing = true;
	while (control->clients)
		drop(control->clients);
	if (fstatat(control->directory, CONTROL_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == control->device &&
	    st.st_ino == control->inode)
		unlinkat(control->directory, CONTROL_NAME, 0);
	close(control->directory);
	uv_close((uv_handle_t *)&control->poll, own_closed);
	uv_close((uv_handle_t *)&control->retry, own_closed);
}

/* What goes at once goes; how many wait for room. */
static nfds_t send_all(struct control *control, struct pollfd rooms[CLIENTS_MAX])
{
	nfds_t n = 0;

	for (struct client *client = control->clients; client; client = client->next)
		if (client->answered && !send_some(client))
			rooms[n++] = (struct pollfd){.fd = client->fd, .events = POLLOUT};
	return n;
}

/* All at the same time: one that does not read takes nothing away from the others. */
void control_flush(struct control *control)
{
	uint64_t deadline = ym_deadline(FLUSH_MS), now;
	struct pollfd rooms[CLIENTS_MAX];
	nfds_t n;

	while ((n = send_all(control, rooms)) > 0 && (now = ym_now_ns()) < deadline)
		if (poll(rooms, n, (int)((deadline - now) / 1000000u) + 1) < 0 && errno != EINTR)
			return;
}
