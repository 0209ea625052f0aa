/* log_writer.c - the thread that writes logs, and what the loop's thread calls. */
#include "log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "log_backup.h"
#include "log_packer.h"
#include "log_queue.h"
#include "log_sink.h"

#define QUEUE_BYTES (size_t)(1024 * 1024)
#define RETRY_MS    2000

/* Streams that the thread waits for; more of them are looked at again after a while. */
#define STUCK_MAX     16
#define STUCK_LOOK_NS UINT64_C(100000000)
/* In a flood, too, the thread looks after its files so often. */
#define TEND_NS       UINT64_C(500000000)
#define LONG_SLEEP_NS UINT64_C(60000000000)
/* A thread that has nothing to do ends at once. */
#define LAST_MOMENT_MS 500

struct log_writer {
	struct log_queue queue;
	pthread_t thread;
	int wake_fd;
	_Atomic bool sleeping, reopen, flush, stop, overflow;
	struct log_packer packer;
	/* Guards the lists, the configuration of sinks, and what follows. Held for moments: never during a write. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct log_voice *voices;
	struct log_sink *sinks;
	struct log_sink *main_sink;
	enum cfg_log_format format;
	uint64_t flushed; /* everything before this place is written */
	bool ended;
	/* the thread's own */
	struct log_sink_world world;
	struct log_sink *told; /* main_sink of this round */
	uint64_t tended;
};

/* ---- the thread ------------------------------------------------------------------------------ */

bool log_stderr(const char *line, size_t size)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

	/* Who reads it may stand still (a pager, a full disk behind a pipe): we must not. */
	return poll(&out, 1, 0) > 0 && (out.revents & POLLOUT) && write(STDERR_FILENO, line, size) == (ssize_t)size;
}

static void tell(void *arg, const struct log_sink *about, enum log_level level, const char *text)
{
	struct log_writer *writer = arg;
	struct log_sink *to = writer->told;
	struct log_event event = {writer->world.now_ms(), level, "log", 0, text, strlen(text)};
	char line[LOG_LINE_MAX];

	if (to && (to != about || !to->down))
		log_sink_note(to, &writer->world, "log", level, text);
	if (level >= LOG_WARN && !(to && to->file.fd == STDERR_FILENO))
		log_stderr(line, log_format(line, CFG_LOG_FORMAT_TEXT, &event));
}

/* Sort what is in the queue by sinks and write it. Returns the place behind it. */
static uint64_t write_batch(struct log_writer *writer, struct log_sink *sinks, uint64_t end)
{
	uint64_t place = atomic_load(&writer->queue.tail);
	/* Not all of a full queue at once: room must become free again. */
	uint64_t most = place + writer->queue.size / 4;
	struct log_record *record;

	while (place < most && (record = log_queue_next(&writer->queue, &place, end))) {
		struct log_sink *sink = record->voice->sink;

		record->next = NULL;
		if (!sink->first)
			sink->last = &sink->first;
		*sink->last = record;
		sink->last = &record->next;
	}
	for (struct log_sink *sink = sinks; sink; sink = sink->next)
		if (sink->first) {
			if (atomic_exchange(&sink->joined, false))
				log_sink_follow(sink, &writer->world);
			log_sink_write(sink, &writer->world);
		}
	atomic_store(&writer->queue.tail, place);
	return place;
}

static struct log_sink *begin_round(struct log_writer *writer)
{
	bool overflow = atomic_exchange(&writer->overflow, false), reopen = atomic_exchange(&writer->reopen, false);
	struct log_sink *sinks;

	pthread_mutex_lock(&writer->lock);
	sinks = writer->sinks;
	writer->world.voices = writer->voices;
	writer->told = writer->main_sink;
	for (struct log_sink *sink = sinks; sink; sink = sink->next) {
		bool console = log_file_standard(sink->file.path) == STDERR_FILENO;

		sink->format = writer->format == CFG_LOG_FORMAT_JSON ? CFG_LOG_FORMAT_JSON
		               : console                             ? writer->format
		                                                     : CFG_LOG_FORMAT_TEXT;
		if (sink->changed)
			log_file_rules(&sink->file, &sink->wanted);
		sink->changed = false;
	}
	pthread_mutex_unlock(&writer->lock);
	for (struct log_voice *voice = writer->world.voices; overflow && voice; voice = voice->next)
		if (atomic_load(&voice->lost))
			voice->sink->lossy = true;
	for (struct log_sink *sink = sinks; reopen && sink; sink = sink->next)
		log_sink_reopen(sink, &writer->world);
	return sinks;
}

static void tend(struct log_writer *writer, struct log_sink *sinks)
{
	char why[YM_ERR_TEXT_MAX];

	for (struct log_sink *sink = sinks; sink; sink = sink->next)
		log_sink_tend(sink, &writer->world);
	if (log_packer_trouble(&writer->packer, why))
		tell(writer, NULL, LOG_WARN, why);
	writer->tended = ym_now_ns();
}

static void pack(struct log_writer *writer, struct log_sink *sinks)
{
	for (struct log_sink *sink = sinks; sink; sink = sink->next) {
		if (sink->pack)
			log_packer_add(&writer->packer, sink->file.real, sink->file.backups);
		sink->pack = false;
	}
}

/* Free voices whose last line is written, and sinks without voices. */
static void sweep(struct log_writer *writer, uint64_t place)
{
	struct log_sink *unused = NULL;

	pthread_mutex_lock(&writer->lock);
	for (struct log_voice **at = &writer->voices; *at;) {
		struct log_voice *voice = *at;

		if (!voice->closed || voice->last > place) {
			at = &voice->next;
			continue;
		}
		*at = voice->next;
		voice->sink->users--;
		free(voice);
	}
	for (struct log_sink **at = &writer->sinks; *at;) {
		struct log_sink *sink = *at;

		if (sink->users) {
			at = &sink->next;
			continue;
		}
		*at = sink->next;
		sink->next = unused;
		unused = sink;
		if (writer->main_sink == sink)
			writer->main_sink = NULL;
	}
	pthread_mutex_unlock(&writer->lock);
	while (unused) {
		struct log_sink *sink = unused;

		unused = sink->next;
		log_sink_free(sink);
	}
}

static void end_round(struct log_writer *writer, struct log_sink *sinks, uint64_t place)
{
	bool quiet = true;

	for (struct log_sink *sink = sinks; sink; sink = sink->next)
		quiet = quiet && log_sink_quiet(sink);
	if (quiet && atomic_load(&writer->flush)) {
		pthread_mutex_lock(&writer->lock);
		writer->flushed = place;
		pthread_cond_broadcast(&writer->changed);
		pthread_mutex_unlock(&writer->lock);
	}
	sweep(writer, place);
}

/* Until there is a line, a request, room in a stream, or the time for something. */
static void sleep_on(struct log_writer *writer)
{
	struct pollfd fds[STUCK_MAX + 1] = {{.fd = writer->wake_fd, .events = POLLIN}};
	uint64_t due = YM_NEVER, now = ym_now_ns(), count;
	struct log_sink *sinks;
	nfds_t n = 1;
	int timeout;

	pthread_mutex_lock(&writer->lock);
	sinks = writer->sinks;
	pthread_mutex_unlock(&writer->lock);
	for (struct log_sink *sink = sinks; sink; sink = sink->next) {
		uint64_t at = log_sink_due_at(sink, &writer->world);

		if (!log_sink_quiet(sink) && n <= STUCK_MAX)
			fds[n++] = (struct pollfd){.fd = sink->file.fd, .events = POLLOUT};
		else if (!log_sink_quiet(sink))
			at = now + STUCK_LOOK_NS;
		due = at < due ? at : due;
	}
	due = due < now ? now : due;
	timeout = due == YM_NEVER             ? -1
	          : due - now > LONG_SLEEP_NS ? (int)(LONG_SLEEP_NS / 1000000u)
	                                      : (int)((due - now) / 1000000u) + 1;
	atomic_store(&writer->sleeping, true);
	if (atomic_load(&writer->queue.head) == atomic_load(&writer->queue.tail) && !atomic_load(&writer->stop))
		poll(fds, n, timeout);
	atomic_store(&writer->sleeping, false);
	if (read(writer->wake_fd, &count, sizeof(count)) < 0)
		return; /* it was not that */
}

static void *run(void *arg)
{
	struct log_writer *writer = arg;

	for (;;) {
		bool stop = atomic_load(&writer->stop);
		/* First the end, then the lists: so they hold the sink of every line before that end. */
		uint64_t end = atomic_load(&writer->queue.head);
		struct log_sink *sinks = begin_round(writer);
		uint64_t place = write_batch(writer, sinks, end);
		bool idle = place == atomic_load(&writer->queue.head);

		if (idle || ym_now_ns() - writer->tended >= TEND_NS)
			tend(writer, sinks);
		pack(writer, sinks);
		end_round(writer, sinks, place);
		if (stop)
			break;
		if (idle)
			sleep_on(writer);
	}
	pthread_mutex_lock(&writer->lock);
	writer->ended = true;
	pthread_cond_broadcast(&writer->changed);
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

/* ---- start and end --------------------------------------------------------------------------- */

static void wake(struct log_writer *writer)
{
	uint64_t one = 1;

	/* Only a counter that is full already can refuse it. */
	if (write(writer->wake_fd, &one, sizeof(one)) < 0)
		return;
}

int log_writer_start(struct log_writer **out, const struct log_writer_options *options, struct ym_err *err)
{
	struct log_writer *writer = calloc(1, sizeof(*writer));
	int64_t retry_ms = options->retry_ms ? options->retry_ms : RETRY_MS;
	int sys;

	*out = NULL;
	if (!writer)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the log");
	if (log_queue_init(&writer->queue, options->queue_bytes ? options->queue_bytes : QUEUE_BYTES, err) < 0) {
		free(writer);
		return -1;
	}
	writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	writer->world = (struct log_sink_world){.retry_ns = (uint64_t)retry_ms * 1000000,
	                                        .now_ms = options->now_ms ? options->now_ms : ym_unix_ms,
	                                        .tell = tell,
	                                        .arg = writer};
	writer->format = CFG_LOG_FORMAT_TEXT;
	log_packer_init(&writer->packer);
	pthread_mutex_init(&writer->lock, NULL);
	log_cond_init(&writer->changed);
	sys = writer->wake_fd < 0 ? errno : log_thread_start(&writer->thread, run, writer);
	if (sys == 0) {
		*out = writer;
		return 0;
	}
	if (writer->wake_fd >= 0)
		close(writer->wake_fd);
	log_queue_free(&writer->queue);
	free(writer);
	return ym_fail_sys(err, sys, "pthread_create() for the log");
}

static bool flush_until(struct log_writer *writer, uint64_t deadline)
{
	uint64_t place = atomic_load(&writer->queue.head);
	bool done;

	pthread_mutex_lock(&writer->lock);
	/* What was flushed before says nothing of a stream that has got stuck since. */
	writer->flushed = 0;
	atomic_store(&writer->flush, true);
	wake(writer);
	while (writer->flushed < place && log_cond_wait(&writer->changed, &writer->lock, deadline))
		continue;
	done = writer->flushed >= place;
	atomic_store(&writer->flush, false);
	pthread_mutex_unlock(&writer->lock);
	return done;
}

bool log_writer_flush(struct log_writer *writer, int64_t patience_ms)
{
	return flush_until(writer, ym_deadline(patience_ms));
}

void log_writer_stop(struct log_writer *writer, int64_t patience_ms)
{
	uint64_t deadline = ym_deadline(patience_ms), last = ym_deadline(LAST_MOMENT_MS);
	bool ended;

	flush_until(writer, deadline);
	deadline = deadline > last ? deadline : last;
	atomic_store(&writer->stop, true);
	wake(writer);
	pthread_mutex_lock(&writer->lock);
	while (!writer->ended && log_cond_wait(&writer->changed, &writer->lock, deadline))
		continue;
	ended = writer->ended;
	pthread_mutex_unlock(&writer->lock);
	if (!log_packer_stop(&writer->packer, deadline) || !ended)
		return;
	pthread_join(writer->thread, NULL);
	for (struct log_voice *voice = writer->voices, *next; voice; voice = next) {
		next = voice->next;
		free(voice);
	}
	for (struct log_sink *sink = writer->sinks, *next; sink; sink = next) {
		next = sink->next;
		log_sink_free(sink);
	}
	close(writer->wake_fd);
	log_queue_free(&writer->queue);
	free(writer);
}

void log_writer_reopen(struct log_writer *writer)
{
	atomic_store(&writer->reopen, true);
	wake(writer);
}

void log_writer_format(struct log_writer *writer, enum cfg_log_format format)
{
	pthread_mutex_lock(&writer->lock);
	writer->format = format;
	pthread_mutex_unlock(&writer->lock);
}

void log_writer_main(struct log_writer *writer, struct log_voice *voice)
{
	pthread_mutex_lock(&writer->lock);
	writer->main_sink = voice ? voice->sink : NULL;
	pthread_mutex_unlock(&writer->lock);
}

/* ---- voices ---------------------------------------------------------------------------------- */

/* One that nobody else has: opened before the thread sees it. */
static struct log_sink *new_sink(struct log_writer *writer, const struct cfg_log *config, bool own, struct ym_err *err)
{
	struct log_sink *sink = calloc(1, sizeof(*sink));

	if (!sink || log_file_init(&sink->file, config->file, config) < 0) {
		free(sink);
		ym_err_set(err, YM_ERR_LIMIT, "out of memory for the log \"%s\"", config->file);
		return NULL;
	}
	sink->file.make_directory = own;
	sink->format = CFG_LOG_FORMAT_TEXT;
	if (log_file_open(&sink->file, writer->world.now_ms(), err) < 0) {
		sink->down = true;
		sink->told = true; /* the caller says it */
		sink->retry_at = ym_now_ns() + writer->world.retry_ns;
		snprintf(sink->why, sizeof(sink->why), "%s", err->text);
	} else if (sink->file.kind == LOG_FILE_REGULAR) {
		log_backup_tidy(sink->file.real, sink->file.backups);
		sink->pack = sink->file.compress && sink->file.backups > 0;
	}
	return sink;
}

static struct log_sink *find_sink(struct log_writer *writer, const char *path)
{
	struct log_sink *sink = writer->sinks;
	int standard = log_file_standard(path);

	while (sink && strcmp(sink->file.path, path) != 0 &&
	       (standard < 0 || log_file_standard(sink->file.path) != standard))
		sink = sink->next;
	return sink;
}

static void apply(struct log_sink *sink, const struct cfg_log *config)
{
	sink->wanted = *config;
	sink->changed = true;
}

int log_voice_open(struct log_voice **out, struct log_writer *writer, const struct cfg_log *config, bool own,
                   const char *name, struct ym_err *err)
{
	struct log_voice *voice = calloc(1, sizeof(*voice));
	struct ym_err trouble = {0};
	struct log_sink *sink;

	*out = NULL;
	if (!voice)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for a log");
	snprintf(voice->name, sizeof(voice->name), "%s", name);
	voice->writer = writer;
	/*
	 * Only this thread adds sinks, so the lock need not be held while one is opened; the user keeps it from being
	 * freed.
	 */
	pthread_mutex_lock(&writer->lock);
	sink = find_sink(writer, config->file);
	if (sink) {
		sink->users++;
		atomic_store(&sink->joined, true);
		apply(sink, config);
	}
	pthread_mutex_unlock(&writer->lock);
	if (!sink) {
		sink = new_sink(writer, config, own, &trouble);
		if (!sink) {
			free(voice);
			return ym_fail(err, trouble.class, "%s", trouble.text);
		}
		sink->users = 1;
	}
	voice->sink = sink;
	pthread_mutex_lock(&writer->lock);
	if (sink->users == 1 && find_sink(writer, config->file) != sink) {
		sink->next = writer->sinks;
		writer->sinks = sink;
	}
	voice->next = writer->voices;
	writer->voices = voice;
	pthread_mutex_unlock(&writer->lock);
	wake(writer);
	*out = voice;
	return trouble.class == YM_ERR_NONE ? 0 : ym_fail(err, trouble.class, "%s", trouble.text);
}

void log_voice_apply(struct log_voice *voice, const struct cfg_log *config)
{
	pthread_mutex_lock(&voice->writer->lock);
	apply(voice->sink, config);
	pthread_mutex_unlock(&voice->writer->lock);
	wake(voice->writer);
}

void log_voice_close(struct log_voice *voice)
{
	struct log_writer *writer;

	if (!voice)
		return;
	writer = voice->writer;
	pthread_mutex_lock(&writer->lock);
	voice->closed = true;
	voice->last = atomic_load(&writer->queue.head);
	pthread_mutex_unlock(&writer->lock);
	wake(writer);
}

bool log_voice_put(struct log_voice *voice, int64_t when_ms, const char *line, size_t size)
{
	struct log_writer *writer = voice->writer;
	struct log_record *record = log_queue_reserve(&writer->queue, size);

	if (!record) {
		atomic_fetch_add(&voice->lost, 1);
		atomic_store(&writer->overflow, true);
		return false;
	}
	record->voice = voice;
	record->when_ms = when_ms;
	memcpy(record->text, line, size);
	log_queue_commit(&writer->queue, record);
	if (atomic_load(&writer->sleeping))
		wake(writer);
	return true;
}
