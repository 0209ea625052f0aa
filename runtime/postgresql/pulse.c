/*
 * pulse.c - a thread with a connection of its own: signs of life, what this node shows to the others, news
 * from the others, dead nodes; and whether the database can be reached at all.
 *
 * It begins with the store and ends with it, handles no signals, and never sees a fork.
 */
#include "postgresql.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../ipc/clock.h"

#define MS             UINT64_C(1000000)
#define PUBLISH_MS     300
#define OPEN_MS        5000
#define BEATS_A_LEASE  5
#define SWEEP_AGAIN_MS 20

/* ---- reachable? ------------------------------------------------------------------------------ */

static void set_reachable(struct pg_pulse *pulse, bool reachable, const struct ym_err *why)
{
	pthread_mutex_lock(&pulse->lock);
	if (!reachable && pulse->reachable)
		pulse->lost_at = ym_now_ns();
	pulse->reachable = reachable;
	if (why)
		pulse->why = *why;
	pthread_mutex_unlock(&pulse->lock);
}

int pg_pulse_ask(struct pg_store *store, struct ym_err *err)
{
	struct pg_pulse *pulse = &store->pulse;
	int code = 0;

	pthread_mutex_lock(&pulse->lock);
	if (!pulse->reachable) {
		code = ym_fail(err, pulse->why.class, "%s", pulse->why.text);
		ym_err_prefix(err, "no database for %llu s",
		              (unsigned long long)((ym_now_ns() - pulse->lost_at) / (1000 * MS)));
	}
	pthread_mutex_unlock(&pulse->lock);
	return code;
}

static void ring(struct pg_pulse *pulse)
{
	ssize_t n;

	do
		n = write(pulse->bell, &(uint64_t){1}, sizeof(uint64_t));
	while (n < 0 && errno == EINTR);
}

void pg_pulse_hurry(struct pg_store *store)
{
	if (store->pulse.running)
		ring(&store->pulse);
}

/* ---- the connection -------------------------------------------------------------------------- */

/* A beat that is lost with the server does no harm. What counts waits for the disk by itself. */
static const char async_sql[] = "SELECT set_config('synchronous_commit', 'off', false)";

static int connect_pulse(struct pg_store *store, bool first, struct ym_err *err)
{
	struct pg_link *link = &store->pulse.link;
	char name[STORE_NODE_MAX + 32];

	snprintf(name, sizeof(name), "yardmaster %s (pulse)", store->options.node);
	if (pg_open(link, store->options.uri, name, OPEN_MS, err) < 0)
		return -1;
	store->pulse.steady = 0;
	if (pg_schema_check(link, err) < 0 || pg_register(store, first, err) < 0 || pg_beat(store, err) < 0 ||
	    pg_run(link, async_sql, NULL, err) < 0) {
		pg_shut(link);
		return -1;
	}
	return 0;
}

static void reconnect(struct pg_store *store)
{
	struct pg_pulse *pulse = &store->pulse;
	struct ym_err err = {0};

	if (connect_pulse(store, false, &err) < 0) {
		set_reachable(pulse, false, &err);
		pg_back_off(&pulse->back_off, store->options.lease_ms);
		return;
	}
	pg_back_off_end(&pulse->back_off);
	pulse->beat_at = pulse->publish_at = pulse->sweep_at = 0;
	set_reachable(pulse, true, NULL);
	if (store->options.wake)
		store->options.wake(store->options.arg);
}

static void lose(struct pg_store *store, const struct ym_err *err)
{
	pg_shut(&store->pulse.link);
	set_reachable(&store->pulse, false, err);
	pg_back_off(&store->pulse.back_off, store->options.lease_ms);
}

/* ---- what is to be done ---------------------------------------------------------------------- */

static const char publish_sql[] =
    "INSERT INTO yardmaster.node_board (node, at, board) VALUES ($1, clock_timestamp(), $2)"
    " ON CONFLICT (node) DO UPDATE SET at = excluded.at, board = excluded.board";

/* What has not changed is shown again only now and then. */
static int publish(struct pg_store *store, uint64_t now, struct ym_err *err)
{
	struct pg_pulse *pulse = &store->pulse;
	char *board = store->options.publish ? store->options.publish(store->options.arg) : NULL;
	struct pg_args args = {0};
	int code;

	if (!board || (pulse->board && strcmp(board, pulse->board) == 0 && now - pulse->board_at < 2000 * MS)) {
		free(board);
		return 0;
	}
	pg_arg_big(&args, atomic_load(&store->me));
	pg_arg_text(&args, board);
	code = pg_run(&pulse->link, publish_sql, &args, err);
	pg_args_free(&args);
	free(pulse->board);
	pulse->board = board;
	pulse->board_at = now;
	return code;
}

static int hear(struct pg_store *store, struct ym_err *err)
{
	struct pg_link *link = &store->pulse.link;
	PGnotify *news;
	bool wake = false;

	if (!libpq.PQconsumeInput(link->conn))
		return pg_error_link(link, "listening", err);
	while ((news = libpq.PQnotifies(link->conn))) {
		if (strcmp(news->relname, "yardmaster") == 0)
			wake = true;
		else if (store->options.cancel)
			store->options.cancel(store->options.arg, strtoull(news->extra, NULL, 10));
		libpq.PQfreemem(news);
	}
	if (wake && store->options.wake)
		store->options.wake(store->options.arg);
	return 0;
}

/* Nobody believes that we live: begin anew. What of our jobs nobody has taken back yet stays ours. */
static int rise_again(struct pg_store *store, struct ym_err *err)
{
	store->pulse.steady = 0;
	return pg_register(store, false, err) < 0 || pg_beat(store, err) < 0 ? -1 : 0;
}

static int beat(struct pg_store *store, struct ym_err *err)
{
	int code = pg_beat(store, err);

	return code > 0 ? rise_again(store, err) : code;
}

static int work(struct pg_store *store, struct ym_err *err)
{
	struct pg_pulse *pulse = &store->pulse;
	uint64_t now = ym_now_ns(), beat_span = (uint64_t)store->options.lease_ms * MS / BEATS_A_LEASE;

	if (hear(store, err) < 0)
		return -1;
	if (now >= pulse->beat_at) {
		if (beat(store, err) < 0)
			return -1;
		pulse->beat_at = now + beat_span;
	}
	if (now >= pulse->publish_at) {
		if (publish(store, now, err) < 0)
			return -1;
		pulse->publish_at = now + PUBLISH_MS * MS;
	}
	if (now >= pulse->sweep_at) {
		pulse->sweep_at = now + beat_span;
		if (pg_watch(store, err) < 0)
			return -1;
		if (pulse->sweep_at == 0)
			pulse->sweep_at = ym_now_ns() + SWEEP_AGAIN_MS * MS;
	}
	return 0;
}

static void sleep_until(struct pg_pulse *pulse, uint64_t until)
{
	struct pollfd fds[2] = {{.fd = pulse->bell, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	uint64_t now = ym_now_ns(), rung;
	int ms = until <= now ? 0 : (int)((until - now) / MS + 1);

	if (pulse->link.conn)
		fds[1].fd = libpq.PQsocket(pulse->link.conn);
	if (poll(fds, 2, ms) > 0 && fds[0].revents & POLLIN && read(pulse->bell, &rung, sizeof(rung)) > 0)
		pulse->beat_at = 0;
}

static uint64_t next_of(const struct pg_pulse *pulse)
{
	uint64_t next = pulse->beat_at < pulse->publish_at ? pulse->beat_at : pulse->publish_at;

	if (!pulse->link.conn)
		return pulse->back_off.until;
	return next < pulse->sweep_at ? next : pulse->sweep_at;
}

static void *live(void *arg)
{
	struct pg_store *store = arg;
	struct pg_pulse *pulse = &store->pulse;

	while (!atomic_load(&pulse->stop)) {
		struct ym_err err = {0};

		if (!pulse->link.conn && ym_now_ns() >= pulse->back_off.until)
			reconnect(store);
		else if (pulse->link.conn && work(store, &err) < 0)
			lose(store, &err);
		if (!atomic_load(&pulse->stop))
			sleep_until(pulse, next_of(pulse));
	}
	return NULL;
}

/* ---- begin and end --------------------------------------------------------------------------- */

int pg_pulse_open(struct pg_store *store, struct ym_err *err)
{
	struct pg_pulse *pulse = &store->pulse;
	sigset_t all, before;
	int code;

	if (connect_pulse(store, true, err) < 0)
		return -1;
	pulse->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pulse->bell < 0)
		return ym_fail_sys(err, errno, "eventfd() for the store's signs of life");
	pulse->reachable = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&pulse->thread, NULL, live, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0) {
		close(pulse->bell);
		return ym_fail_sys(err, code, "pthread_create() for the store's signs of life");
	}
	pulse->running = true;
	return 0;
}

void pg_pulse_close(struct pg_store *store, bool leave)
{
	struct pg_pulse *pulse = &store->pulse;
	struct ym_err err;

	if (pulse->running) {
		atomic_store(&pulse->stop, true);
		ring(pulse);
		pthread_join(pulse->thread, NULL);
		close(pulse->bell);
	}
	pulse->running = false;
	/* If it fails, our lease runs out. */
	if (leave && pulse->link.conn)
		pg_deregister(store, &err);
	pg_shut(&pulse->link);
	free(pulse->others);
	free(pulse->board);
	pulse->others = NULL;
	pulse->board = NULL;
}
