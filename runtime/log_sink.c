/* log_sink.c - write batches of lines, whatever happens to the file. */
#include "log_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/clock.h"
#include "log_backup.h"

/* What a stream that nobody reads may owe, besides what the kernel keeps for it. */
#define REST_MAX 65536

/* Files removed or moved away are noticed so soon, if something is written at all. */
#define LOOK_NS UINT64_C(1000000000)
/* A directory that does not let us rotate may be mended; until then the file grows. */
#define ROTATE_AGAIN_NS UINT64_C(60000000000)
/* The wall clock can be set: rotation by time looks at it so often. */
#define CLOCK_LOOK_MS 60000

/* ---- trouble --------------------------------------------------------------------------------- */

static void lose(struct log_sink *sink, struct log_voice *voice)
{
	atomic_fetch_add(&voice->lost, 1);
	sink->lossy = true;
}

static void fail(struct log_sink *sink, struct log_sink_world *world, const struct ym_err *err)
{
	char text[YM_ERR_TEXT_MAX + 128];

	log_file_close(&sink->file);
	sink->down = true;
	sink->retry_at = ym_now_ns() + world->retry_ns;
	snprintf(sink->why, sizeof(sink->why), "%s", err->text);
	if (sink->told)
		return;
	sink->told = true;
	snprintf(text, sizeof(text), "%s: its lines are counted and dropped until it works again", err->text);
	world->tell(world->arg, sink, LOG_ERROR, text);
}

static void works(struct log_sink *sink, struct log_sink_world *world)
{
	char text[PATH_MAX + 64];

	if (!sink->told)
		return;
	sink->told = false;
	snprintf(text, sizeof(text), "the log %s works again", sink->file.path);
	world->tell(world->arg, sink, LOG_INFO, text);
}

static void drop_rest(struct log_sink *sink, size_t bytes)
{
	sink->used -= bytes;
	if (sink->used) {
		memmove(sink->rest, sink->rest + bytes, sink->used);
		return;
	}
	free(sink->rest);
	sink->rest = NULL;
}

/* What is left of a line that has begun elsewhere makes no sense here. */
static void skip_torn_line(struct log_sink *sink)
{
	size_t done = 0;

	while (sink->torn && done < sink->used)
		sink->torn = sink->rest[done++] != '\n';
	if (done)
		drop_rest(sink, done);
	sink->torn = false;
}

static void open_file(struct log_sink *sink, struct log_sink_world *world)
{
	struct iovec rest;
	struct ym_err err;

	skip_torn_line(sink);
	sink->looked_at = ym_now_ns();
	sink->down = false;
	if (log_file_open(&sink->file, world->now_ms(), &err) < 0) {
		fail(sink, world, &err);
		return;
	}
	if (sink->used == 0 || sink->file.kind == LOG_FILE_STREAM)
		return;
	/* It was a stream, now it is a file. */
	rest = (struct iovec){.iov_base = sink->rest, .iov_len = sink->used};
	if (log_file_write(&sink->file, &rest, 1, &err) < 1)
		fail(sink, world, &err);
	else
		drop_rest(sink, sink->used);
}

static void look(struct log_sink *sink, struct log_sink_world *world)
{
	uint64_t now = ym_now_ns();

	if (sink->down || now - sink->looked_at < LOOK_NS)
		return;
	sink->looked_at = now;
	if (log_file_displaced(&sink->file))
		open_file(sink, world);
}

static void rotate(struct log_sink *sink, struct log_sink_world *world, int64_t when_ms)
{
	char text[YM_ERR_TEXT_MAX + 64];
	struct ym_err err;

	if (ym_now_ns() < sink->rotate_at)
		return;
	if (log_file_rotate(&sink->file, when_ms, &err) == 0) {
		sink->rotate_at = 0;
		sink->pack = sink->file.compress && sink->file.backups > 0;
		return;
	}
	if (sink->rotate_at == 0) {
		snprintf(text, sizeof(text), "%s: the log goes on in the old file", err.text);
		world->tell(world->arg, sink, LOG_ERROR, text);
	}
	sink->rotate_at = ym_now_ns() + ROTATE_AGAIN_NS;
}

/* ---- streams --------------------------------------------------------------------------------- */

/* As many whole lines as may go at once; a line that is longer goes in pieces. */
static size_t next_piece(const char *bytes, size_t size, size_t most, bool torn)
{
	const char *end;

	most = size < most ? size : most;
	end = torn ? memchr(bytes, '\n', most) : memrchr(bytes, '\n', most);
	return end ? (size_t)(end - bytes) + 1 : most;
}

static void pump(struct log_sink *sink, struct log_sink_world *world)
{
	size_t done = 0;
	struct ym_err err;

	while (!sink->down && done < sink->used) {
		const char *bytes = sink->rest + done;
		size_t piece = next_piece(bytes, sink->used - done, sink->file.piece, sink->torn);
		ssize_t n = log_file_push(&sink->file, bytes, piece, &err);

		if (n == 0)
			break;
		if (n < 0) {
			fail(sink, world, &err);
			break;
		}
		done += (size_t)n;
		sink->torn = sink->rest[done - 1] != '\n';
	}
	if (done)
		drop_rest(sink, done);
}

static bool append(struct log_sink *sink, const char *line, size_t size)
{
	if (!sink->rest)
		sink->rest = malloc(REST_MAX);
	if (!sink->rest || sink->used + size > REST_MAX)
		return false;
	memcpy(sink->rest + sink->used, line, size);
	sink->used += size;
	return true;
}

static void write_stream(struct log_sink *sink, struct log_sink_world *world)
{
	for (struct log_record *record = sink->first; record; record = record->next) {
		if (!sink->down && sink->used + record->size > REST_MAX)
			pump(sink, world);
		if (sink->down || !append(sink, record->text, record->size)) {
			if (!sink->down)
				snprintf(sink->why, sizeof(sink->why), "nobody read them");
			lose(sink, record->voice);
		}
	}
	if (sink->used)
		pump(sink, world);
	if (!sink->down)
		works(sink, world);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* The lines from `record` on that go into the file as it is. Returns how many, *next is the first of the others. */
static int gather(const struct log_sink *sink, struct log_record *record, struct iovec parts[IOV_MAX], bool rotating,
                  struct log_record **next)
{
	struct log_file file = sink->file;
	int n = 0;

	for (; record && n < IOV_MAX; record = record->next, n++) {
		if (rotating && log_file_due(&file, record->size, record->when_ms))
			break;
		parts[n] = (struct iovec){.iov_base = record->text, .iov_len = record->size};
		file.size += record->size;
	}
	*next = record;
	return n;
}

static void write_regular(struct log_sink *sink, struct log_sink_world *world)
{
	struct log_record *record = sink->first;
	struct iovec parts[IOV_MAX];
	struct ym_err err;

	while (record && !sink->down) {
		bool rotating = ym_now_ns() >= sink->rotate_at;
		struct log_record *next;
		int n, done;

		/* An empty file is of the period of its first line. */
		if (sink->file.size == 0 && sink->file.rotate_ms > 0)
			sink->file.period = record->when_ms / sink->file.rotate_ms;
		n = gather(sink, record, parts, rotating, &next);
		if (n == 0) {
			rotate(sink, world, record->when_ms);
			continue;
		}
		done = log_file_write(&sink->file, parts, n, &err);
		for (int i = 0; i < done; i++)
			record = record->next;
		if (done < n)
			fail(sink, world, &err);
		else
			works(sink, world);
	}
	for (; record; record = record->next)
		lose(sink, record->voice);
}

/* ---- what the writer calls ------------------------------------------------------------------- */

/* Say whose lines are missing, now that lines go through again. */
static void tell_losses(struct log_sink *sink, struct log_sink_world *world)
{
	char text[YM_ERR_TEXT_MAX + LOG_VOICE_NAME_MAX + 64];

	if (!sink->lossy || sink->down || sink->used)
		return;
	sink->lossy = false;
	for (struct log_voice *voice = world->voices; voice; voice = voice->next) {
		uint64_t lost = voice->sink == sink ? atomic_exchange(&voice->lost, 0) : 0;

		if (lost == 0)
			continue;
		snprintf(text, sizeof(text), "%" PRIu64 " line%s of %s %s lost: %s", lost, lost == 1 ? "" : "s",
		         voice->name, lost == 1 ? "is" : "are",
		         sink->why[0] ? sink->why : "they came faster than they could be written");
		log_sink_note(sink, world, "log", LOG_WARN, text);
		if (sink->down) {
			atomic_fetch_add(&voice->lost, lost);
			sink->lossy = true;
			return;
		}
	}
	sink->why[0] = '\0';
}

void log_sink_write(struct log_sink *sink, struct log_sink_world *world)
{
	look(sink, world);
	/* Those of before come first, unless they are of the batch itself. */
	if (sink->why[0])
		tell_losses(sink, world);
	if (sink->file.kind == LOG_FILE_STREAM)
		write_stream(sink, world);
	else
		write_regular(sink, world);
	sink->first = NULL;
	tell_losses(sink, world);
}

void log_sink_note(struct log_sink *sink, struct log_sink_world *world, const char *source, enum log_level level,
                   const char *text)
{
	struct log_event event = {world->now_ms(), level, source, 0, text, strlen(text)};
	char line[LOG_LINE_MAX];
	struct iovec part = {.iov_base = line, .iov_len = log_format(line, sink->format, &event)};
	struct ym_err err;

	if (sink->down)
		return;
	if (sink->file.kind == LOG_FILE_STREAM) {
		if (append(sink, line, part.iov_len))
			pump(sink, world);
		return;
	}
	if (log_file_due(&sink->file, part.iov_len, event.when_ms))
		rotate(sink, world, event.when_ms);
	if (log_file_write(&sink->file, &part, 1, &err) < 1)
		fail(sink, world, &err);
	else
		works(sink, world);
}

void log_sink_reopen(struct log_sink *sink, struct log_sink_world *world)
{
	/* Closing a FIFO would lose what is in it and not read yet. */
	if (sink->file.kind == LOG_FILE_STREAM && !log_file_displaced(&sink->file))
		return;
	if (sink->used)
		pump(sink, world);
	open_file(sink, world);
}

void log_sink_follow(struct log_sink *sink, struct log_sink_world *world)
{
	if (!sink->down && log_file_displaced(&sink->file))
		log_sink_reopen(sink, world);
}

void log_sink_tend(struct log_sink *sink, struct log_sink_world *world)
{
	if (sink->down && ym_now_ns() >= sink->retry_at)
		open_file(sink, world);
	if (sink->used)
		pump(sink, world);
	if (log_file_due_at(&sink->file) != INT64_MAX && world->now_ms() >= log_file_due_at(&sink->file))
		rotate(sink, world, world->now_ms());
	tell_losses(sink, world);
}

bool log_sink_quiet(const struct log_sink *sink)
{
	return sink->down || sink->used == 0;
}

uint64_t log_sink_due_at(const struct log_sink *sink, const struct log_sink_world *world)
{
	int64_t rotate_ms = log_file_due_at(&sink->file), left;
	uint64_t now = ym_now_ns();

	if (sink->down)
		return sink->retry_at;
	if (rotate_ms == INT64_MAX)
		return YM_NEVER;
	left = rotate_ms - world->now_ms();
	left = left < 0 ? 0 : left > CLOCK_LOOK_MS ? CLOCK_LOOK_MS : left;
	left++;
	return now + (uint64_t)left * 1000000 > sink->rotate_at ? now + (uint64_t)left * 1000000 : sink->rotate_at;
}

void log_sink_free(struct log_sink *sink)
{
	log_file_free(&sink->file);
	free(sink->rest);
	free(sink);
}
