/*
 * notify.c - datagrams to the service manager.
 *
 * By hand: it is one sendto(), and libsystemd would bring five libraries into every worker that starts.
 */
#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../ipc/clock.h"
#include "log.h"

#define VARIABLE_MAP(X)                                                                                                \
	X(SOCKET, "NOTIFY_SOCKET")                                                                                     \
	X(WATCHDOG_USEC, "WATCHDOG_USEC")                                                                              \
	X(WATCHDOG_PID, "WATCHDOG_PID")

enum variable {
#define X(name, word) VARIABLE_##name,
	VARIABLE_MAP(X)
#undef X
	    VARIABLES
};

static const char *const variable_names[] = {
#define X(name, word) word,
    VARIABLE_MAP(X)
#undef X
};

#define STATUS_MAX  512
#define MESSAGE_MAX (STATUS_MAX + 16)
#define WAITING_MAX 8
#define RETRY_MS    100

static struct {
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t length;
	char *taken[VARIABLES];
	bool failed;                 /* said so */
	char status[STATUS_MAX + 1]; /* as it was sent */
	/* Changes of state for which the manager had no room; a lost READY=1 would be the end of us. */
	char waiting[WAITING_MAX][MESSAGE_MAX];
	size_t nwaiting;
	uv_timer_t retry;
	uv_timer_t watchdog;
	uint64_t beat_ms; /* 0: no watchdog */
	bool alive;       /* since the last beat */
	bool due;         /* the next sign of life is passed on at once */
} notify = {.fd = -1};

/* ---- sending --------------------------------------------------------------------------------- */

/* 0, or the errno. */
static int put(const char *message)
{
	ssize_t n;

	do
		n = sendto(notify.fd, message, strlen(message), MSG_DONTWAIT | MSG_NOSIGNAL,
		           (const struct sockaddr *)&notify.address, notify.length);
	while (n < 0 && errno == EINTR);
	return n < 0 ? errno : 0;
}

static bool no_room(int sys)
{
	return sys == EAGAIN || sys == ENOBUFS;
}

static void complain(int sys, const char *message)
{
	if (notify.failed)
		return;
	notify.failed = true;
	log_line(LOG_WARN,
	         "sendto(%s) to tell the service manager %.*s: %s: it may take us for hung (said only this once)",
	         notify.taken[VARIABLE_SOCKET], (int)strcspn(message, "\n"), message, strerror(sys));
}

static void retry(uv_timer_t *timer);

static void send_waiting(void)
{
	while (notify.nwaiting > 0) {
		int sys = put(notify.waiting[0]);

		if (no_room(sys)) {
			uv_timer_start(&notify.retry, retry, RETRY_MS, 0);
			return;
		}
		if (sys)
			complain(sys, notify.waiting[0]);
		notify.nwaiting--;
		memmove(notify.waiting[0], notify.waiting[1], notify.nwaiting * MESSAGE_MAX);
	}
}

static void retry(uv_timer_t *timer)
{
	(void)timer;
	send_waiting();
}

/* A change of state: all of them arrive, in their order. */
static void send_state(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void send_state(const char *fmt, ...)
{
	va_list ap;

	if (notify.fd < 0)
		return;
	/* So many only if nobody has read for a long time: the last ones say how we are. */
	if (notify.nwaiting == WAITING_MAX) {
		complain(EAGAIN, notify.waiting[0]);
		notify.nwaiting--;
		memmove(notify.waiting[0], notify.waiting[1], notify.nwaiting * MESSAGE_MAX);
	}
	va_start(ap, fmt);
	vsnprintf(notify.waiting[notify.nwaiting++], MESSAGE_MAX, fmt, ap);
	va_end(ap);
	send_waiting();
}

void notify_ready(void)
{
	send_state("READY=1");
}

void notify_reloading(void)
{
	send_state("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(ym_now_ns() / 1000u));
}

void notify_stopping(void)
{
	send_state("STOPPING=1");
}

void notify_extend(uint64_t usec)
{
	send_state("EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)usec);
}

/* The manager takes no text that is cut within a character, and the end of the line is the end of the text. */
static void tidy(char *status, size_t wanted)
{
	size_t end = STATUS_MAX - 1;

	while (wanted > end && end > 0 && ((unsigned char)status[end] & 0xc0) == 0x80)
		end--;
	status[end] = '\0';
	for (char *c = status; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
}

void notify_status(const char *fmt, ...)
{
	char status[STATUS_MAX + 1], message[MESSAGE_MAX]; /* one byte more than fits: does a character begin there? */
	va_list ap;
	int n, sys;

	if (notify.fd < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(status, sizeof(status), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	tidy(status, (size_t)n);
	if (strcmp(status, notify.status) == 0)
		return;
	snprintf(message, sizeof(message), "STATUS=%s", status);
	/* Not worth a place among those that wait: the next call tries again, with what is true then. */
	sys = notify.nwaiting ? EAGAIN : put(message);
	if (sys && !no_room(sys))
		complain(sys, message);
	snprintf(notify.status, sizeof(notify.status), "%s", sys ? "" : status);
}

/* ---- watchdog -------------------------------------------------------------------------------- */

static void beat(void)
{
	static const char message[] = "WATCHDOG=1";
	int sys = put(message);

	if (sys && !no_room(sys))
		complain(sys, message);
	notify.due = no_room(sys);
	notify.alive = false;
}

/* The timer alone proves nothing: a loop may turn in which nothing is done any more. */
static void half_interval(uv_timer_t *timer)
{
	(void)timer;
	if (notify.alive)
		beat();
	else
		notify.due = true;
}

void notify_alive(void)
{
	if (!notify.beat_ms)
		return;
	notify.alive = true;
	if (!notify.due)
		return;
	beat();
	uv_timer_again(&notify.watchdog);
}

uint64_t notify_alive_ms(void)
{
	return notify.beat_ms ? notify.beat_ms : UINT64_MAX;
}

static void start_watchdog(uv_loop_t *loop)
{
	const char *usec = notify.taken[VARIABLE_WATCHDOG_USEC], *pid = notify.taken[VARIABLE_WATCHDOG_PID];

	uv_timer_init(loop, &notify.watchdog);
	uv_unref((uv_handle_t *)&notify.watchdog);
	if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
		return;
	notify.beat_ms = strtoull(usec, NULL, 10) / 2000u;
	if (!notify.beat_ms)
		return;
	/* An image before this one (upgrade) may have sent its last sign of life long ago. */
	notify.due = true;
	uv_timer_start(&notify.watchdog, half_interval, notify.beat_ms, notify.beat_ms);
}

/* ---- open, close ----------------------------------------------------------------------------- */

void notify_restore_environment(void)
{
	for (int i = 0; i < VARIABLES; i++)
		if (notify.taken[i])
			setenv(variable_names[i], notify.taken[i], 1);
}

void notify_hide_environment(void)
{
	for (int i = 0; i < VARIABLES; i++)
		unsetenv(variable_names[i]);
}

static int fill_address(const char *socket_name)
{
	size_t length = strlen(socket_name);
	struct sockaddr_un *address = &notify.address;

	if ((*socket_name != '/' && *socket_name != '@') || length < 2)
		return EAFNOSUPPORT;
	if (length >= sizeof(address->sun_path))
		return ENAMETOOLONG;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, socket_name, length);
	notify.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	/* "@NAME" is in the abstract name space, where every byte counts. */
	if (*socket_name == '@')
		address->sun_path[0] = '\0';
	return 0;
}

void notify_open(uv_loop_t *loop)
{
	const char *name;
	int sys;

	for (int i = 0; i < VARIABLES; i++) {
		const char *value = getenv(variable_names[i]);

		notify.taken[i] = value && *value ? strdup(value) : NULL;
	}
	notify_hide_environment();
	name = notify.taken[VARIABLE_SOCKET];
	if (!name)
		return;
	sys = fill_address(name);
	if (!sys) {
		notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		sys = notify.fd < 0 ? errno : 0;
	}
	if (sys) {
		log_line(LOG_WARN,
		         "NOTIFY_SOCKET=%s: %s: the service manager will not hear that we are up: expected an absolute "
		         "path, or @ and a name",
		         name, strerror(sys));
		return;
	}
	uv_timer_init(loop, &notify.retry);
	uv_unref((uv_handle_t *)&notify.retry);
	start_watchdog(loop);
}

static void close_timer(uv_timer_t *timer)
{
	if (!uv_is_closing((uv_handle_t *)timer))
		uv_close((uv_handle_t *)timer, NULL);
}

void notify_close(void)
{
	if (notify.fd >= 0) {
		send_waiting();
		close_timer(&notify.retry);
		close_timer(&notify.watchdog);
		close(notify.fd);
	}
	for (int i = 0; i < VARIABLES; i++)
		free(notify.taken[i]);
	/* But for the timers, which the loop still holds. */
	memset(notify.taken, 0, sizeof(notify.taken));
	notify.fd = -1;
	notify.beat_ms = notify.nwaiting = 0;
	notify.status[0] = '\0';
	notify.alive = notify.due = notify.failed = false;
}
