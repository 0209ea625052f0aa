/* feed.c - attach, look, put into words. */
#include "feed.h"

#include <stdlib.h>
#include <string.h>

#include "../../ipc/key.h"
#include "../../ipc/sys.h"
#include "../view.h"
#include "assets.h"

/* How often to see whether another instance is behind the key by now. */
#define CHECK_NS UINT64_C(500000000)
/* How old what is told may be for who asks: so much, or so many times what it took to tell. */
#define FRESH_NS   UINT64_C(100000000)
#define FRESH_COST 30
/* Times, course and crashes that often. */
#define WHOLE_NS UINT64_C(1000000000)
/* A table of more jobs than this is not looked through several times a second: the master's counts have to do. */
#define SLOTS_MOST 20000

/* ---- attached -------------------------------------------------------------------------------- */

void feed_open(struct feed *feed, const struct instance *located)
{
	*feed = (struct feed){.instance = *located};
}

static void forget(struct feed *feed)
{
	bytes_release(feed->status.bytes);
	feed->status = (struct feed_text){0};
	for (int format = 0; format < METRICS_FORMATS; format++) {
		bytes_release(feed->metrics[format].bytes);
		feed->metrics[format] = (struct feed_text){0};
	}
	bytes_release(feed->failures);
	feed->failures = NULL;
	feed->dead = false;
	feed->whole = feed->snapshot.at = 0;
}

static void detach(struct feed *feed)
{
	if (feed->there)
		instance_unview(&feed->instance);
	feed->there = false;
	forget(feed);
}

void feed_close(struct feed *feed)
{
	detach(feed);
	snapshot_free(&feed->snapshot);
}

bool feed_attach(struct feed *feed)
{
	uint64_t now = ym_now_ns();
	struct ym_err err;

	if (feed->checked && now - feed->checked < CHECK_NS)
		return feed->there;
	feed->checked = now;
	/* Who is attached to what was removed keeps its memory from being freed. */
	if (feed->there && instance_view_stale(&feed->instance))
		detach(feed);
	if (feed->there)
		return true;
	feed->there = instance_view(&feed->instance, &err) == 0;
	if (feed->there)
		feed->trouble[0] = '\0';
	else
		memcpy(feed->trouble, err.text, sizeof(feed->trouble));
	return feed->there;
}

/* ---- looks ----------------------------------------------------------------------------------- */

static bool any_dead(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->nworkers; i++)
		if (snapshot_killed(snapshot, &snapshot->workers[i].work))
			return true;
	return false;
}

static uint64_t count_failed(const struct snapshot *snapshot)
{
	uint64_t failed = 0;

	for (unsigned i = 0; i < TABLE_POOLS; i++)
		failed += snapshot->pools[i].counters[BOARD_FAILED] + snapshot->pools[i].buried;
	return failed;
}

/* To ask the kernel about every worker costs more than all the rest. */
static int look(struct feed *feed, bool whole)
{
	const struct table_sh *table = feed->instance.table;
	unsigned how = whole || feed->dead ? SNAPSHOT_WHOLE : SNAPSHOT_QUICK | SNAPSHOT_BRIEF;

	if (table && table->slots > SLOTS_MOST)
		how |= SNAPSHOT_SWEPT;
	if (snapshot_take(&feed->snapshot, &feed->instance, view_master(&feed->instance), how, NULL) < 0)
		return -1;
	if (!(how & SNAPSHOT_QUICK))
		feed->dead = any_dead(&feed->snapshot);
	if (!whole)
		feed->snapshot.how |= SNAPSHOT_BRIEF;
	feed->failed = count_failed(&feed->snapshot);
	return 0;
}

static struct bytes *write_status(const struct snapshot *snapshot)
{
	struct bytes_writer writer;
	struct json json = {.to = bytes_write(&writer)};

	if (!json.to)
		return NULL;
	snapshot_put(&json, snapshot);
	fputc('\n', json.to);
	return bytes_written(&writer);
}

struct bytes *feed_error(const char *text)
{
	struct bytes_writer writer;
	struct json json = {.to = bytes_write(&writer)};

	if (!json.to)
		return NULL;
	json_open(&json, NULL, '{');
	json_put_string(&json, "error", text);
	json_close(&json, '}');
	fputc('\n', json.to);
	return bytes_written(&writer);
}

/* NULL: no memory. */
static struct bytes *write_metrics(const struct feed *feed, enum metrics_format format)
{
	struct bytes_writer writer;

	if (!bytes_write(&writer))
		return NULL;
	metrics_write(writer.to, format, feed->there ? &feed->snapshot : NULL, &feed->counters);
	return bytes_written(&writer);
}

static struct bytes *keep(struct feed_text *text, struct bytes *bytes, uint64_t since)
{
	uint64_t now = ym_now_ns(), cost = FRESH_COST * (now - since);

	bytes_release(text->bytes);
	*text = (struct feed_text){.bytes = bytes, .until = now + (cost > FRESH_NS ? cost : FRESH_NS)};
	return bytes_hold(bytes);
}

struct bytes *feed_status(struct feed *feed, bool *there)
{
	uint64_t now = ym_now_ns();

	*there = feed_attach(feed);
	if (!*there)
		return feed_error(feed->trouble);
	if (feed->status.bytes && now < feed->status.until)
		return bytes_hold(feed->status.bytes);
	return look(feed, true) == 0 ? keep(&feed->status, write_status(&feed->snapshot), now) : NULL;
}

struct bytes *feed_metrics(struct feed *feed, enum metrics_format format)
{
	struct feed_text *text = &feed->metrics[format];
	uint64_t now = ym_now_ns();

	if (!feed_attach(feed))
		return write_metrics(feed, format);
	if (text->bytes && now < text->until)
		return bytes_hold(text->bytes);
	return look(feed, true) == 0 ? keep(text, write_metrics(feed, format), now) : NULL;
}

bool feed_health(struct feed *feed, char why[HEALTH_MAX])
{
	if (!feed_attach(feed)) {
		snprintf(why, HEALTH_MAX, "%.*s", HEALTH_MAX - 1, feed->trouble);
		return false;
	}
	if (ym_now_ns() - feed->snapshot.at > FRESH_NS && look(feed, false) < 0) {
		snprintf(why, HEALTH_MAX, "out of memory");
		return false;
	}
	return health_look(&feed->snapshot, HEALTH_PATIENCE_NS, why);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t mark, const void *from, size_t size)
{
	const char *at = from;

	for (; size >= sizeof(uint64_t); at += sizeof(uint64_t), size -= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		mark = (mark ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		mark ^= mark >> 29;
	}
	return mark;
}

static uint64_t mix_number(uint64_t mark, uint64_t number)
{
	return mix(mark, &number, sizeof(number));
}

/* Of the rows that the master writes, and what is asked of the kernel: what may change while no worker does anything. */
static uint64_t mark_rows(uint64_t mark, const struct snapshot *snapshot)
{
	const struct instance *instance = snapshot->instance;
	const struct board_sh *board = instance->board;

	mark = mix_number(mark, (uint64_t)snapshot->master << 32 | atomic_load(&board->instance.master_state));
	mark = mix_number(mark, atomic_load(&board->store.state) + 31 * atomic_load(&board->instance.crashes));
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &board->pools[i];

		mark = mix_number(mark, (uint64_t)atomic_load(&row->used) << 48 |
		                            (uint64_t)atomic_load(&row->wanted) << 24 | atomic_load(&row->actual));
		mark = mix_number(mark, (uint64_t)atomic_load(&row->state) << 32 | snapshot_mode(instance, i));
		mark = mix_number(mark, atomic_load(&row->reason_version));
	}
	for (unsigned i = 0; i < TABLE_LIMITS; i++)
		if (atomic_load(&board->limits[i].used))
			mark = mix_number(mark, (uint64_t)snapshot_units(instance, i) << 32 |
			                            (uint32_t)snapshot_free_units(instance, i));
	for (unsigned i = 0; i < BOARD_PROGRAMS; i++)
		if (atomic_load(&board->programs[i].used))
			mark = mix_number(mark, (uint64_t)atomic_load(&board->programs[i].state) << 32 |
			                            (uint32_t)atomic_load(&board->programs[i].pid));
	return mark;
}

/* Changes with all that a frame shows but the time that passes. */
static uint64_t mark_of(const struct snapshot *snapshot)
{
	uint64_t mark = mark_rows(snapshot->nworkers, snapshot);

	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct snapshot_pool *pool = &snapshot->pools[i];
		const uint64_t jobs[] = {pool->waiting, pool->running, pool->delayed, pool->buried};

		mark = mix(mark, pool->counters, sizeof(pool->counters));
		mark = mix(mark, jobs, sizeof(jobs));
	}
	for (size_t i = 0; i < snapshot->nworkers; i++) {
		mark = mix(mark, &snapshot->workers[i].work, sizeof(snapshot->workers[i].work));
		mark = mix(mark, &snapshot->workers[i].progress, sizeof(snapshot->workers[i].progress));
	}
	return mark;
}

static struct bytes *write_frame(struct feed *feed)
{
	struct bytes_writer writer;
	struct json json = {.to = bytes_write(&writer)};

	if (!json.to)
		return NULL;
	fputs("data: ", json.to);
	json_open(&json, NULL, '{');
	json_put_uint(&json, "assets", assets_mark());
	json_put_string(&json, "trouble", feed->there ? "" : feed->trouble);
	if (feed->failures && !(feed->snapshot.how & SNAPSHOT_BRIEF))
		json_put_raw(&json, "failures", feed->failures->at);
	if (feed->there) {
		/* The value of a key that stands here already. */
		json_put_raw(&json, "status", "");
		json.comma = false;
		snapshot_put(&json, &feed->snapshot);
	} else {
		json_put_null(&json, "status");
	}
	json_close(&json, '}');
	fputs("\n\n", json.to);
	return bytes_written(&writer);
}

struct bytes *feed_frame(struct feed *feed, bool all)
{
	uint64_t now = ym_now_ns(), mark = 0;
	bool whole = all || feed->failures_new || now - feed->whole >= WHOLE_NS;
	struct bytes *frame;

	if (!feed_attach(feed)) {
		mark = ym_crc32(feed->trouble, strlen(feed->trouble));
	} else {
		if (look(feed, whole) < 0)
			return NULL;
		mark = mark_of(&feed->snapshot);
	}
	/* The course goes on, though nothing else happens. */
	if (!all && mark == feed->mark && !(whole && feed->there))
		return NULL;
	frame = write_frame(feed);
	if (frame && whole) {
		feed->whole = now;
		feed->failures_new = false;
	}
	feed->mark = frame ? mark : 0;
	return frame;
}

void feed_failures(struct feed *feed, struct bytes *failures)
{
	bool same = failures && feed->failures && failures->size == feed->failures->size &&
	            memcmp(failures->at, feed->failures->at, failures->size) == 0;

	bytes_release(feed->failures);
	feed->failures = failures;
	feed->failures_new = !same;
}
