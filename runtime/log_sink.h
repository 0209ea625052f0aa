/*
 * log_sink.h - a log_file with its troubles: what cannot be written is counted, told of, and tried again later.
 *
 * All of it belongs to the thread of log_writer.c. A voice is one of those who speak into a sink; losses are counted
 * for each, so that the log can say whose lines are missing.
 */
#ifndef YM_RUNTIME_LOG_SINK_H
#define YM_RUNTIME_LOG_SINK_H

#include <stdatomic.h>

#include "log_file.h"
#include "log_format.h"

#define LOG_VOICE_NAME_MAX 176

struct log_sink;

struct log_voice {
	struct log_voice *next;
	struct log_writer *writer;
	struct log_sink *sink;
	char name[LOG_VOICE_NAME_MAX];
	_Atomic uint64_t lost; /* lines nobody has been told of */
	uint64_t last;         /* place in the queue behind its last line, once it is closed */
	bool closed;
};

/* A line in the queue. */
struct log_record {
	struct log_voice *voice;
	struct log_record *next; /* of the same sink, in a batch */
	int64_t when_ms;
	uint32_t span; /* bytes of the queue that it takes */
	uint32_t size; /* of the text, with its newline */
	char text[];
};

struct log_sink {
	struct log_sink *next;
	struct log_file file;
	enum cfg_log_format format; /* of lines about the log itself */
	unsigned users;             /* voices; under the writer's lock, like `wanted` */
	struct cfg_log wanted;      /* numbers of the configuration */
	bool changed;               /* ... that are not in `file` yet */
	_Atomic bool joined;        /* another voice has come: perhaps there is another file behind the name by now */
	/* lines of the batch that is being written */
	struct log_record *first, **last;
	/* trouble */
	bool down;         /* it does not work; next try at retry_at */
	bool told;         /* ... and that has been said */
	bool lossy;        /* a voice of it has lost lines */
	uint64_t retry_at; /* like all moments here: ym_now_ns() */
	uint64_t looked_at;
	uint64_t rotate_at; /* rotation has failed: not again before this */
	bool pack;          /* it was rotated: there is something to gzip */
	char why[YM_ERR_TEXT_MAX];
	/* a stream: what it has not taken yet */
	char *rest;
	size_t used;
	bool torn; /* it begins in the middle of a line */
};

/* What the sink needs of its surroundings. */
struct log_sink_world {
	uint64_t retry_ns;
	int64_t (*now_ms)(void);
	/* Something that must be known is said elsewhere: on stderr, in the master's own log. */
	void (*tell)(void *arg, const struct log_sink *about, enum log_level level, const char *text);
	void *arg;
	struct log_voice *voices;
};

/* Write the batch; what does not work is counted with its voices. */
void log_sink_write(struct log_sink *sink, struct log_sink_world *world);
/* A line about the log itself, now. */
void log_sink_note(struct log_sink *sink, struct log_sink_world *world, const char *source, enum log_level level,
                   const char *text);
/* Try again what did not work, rotate by time, notice that the file is gone, say what was lost. */
void log_sink_tend(struct log_sink *sink, struct log_sink_world *world);
/* Its name may mean another file by now. */
void log_sink_reopen(struct log_sink *sink, struct log_sink_world *world);
/* The same if there is another file, or none, behind its name. */
void log_sink_follow(struct log_sink *sink, struct log_sink_world *world);
/* Everything that can be written has been. */
bool log_sink_quiet(const struct log_sink *sink);
/* When there is something to do without a new line; YM_NEVER: never. */
uint64_t log_sink_due_at(const struct log_sink *sink, const struct log_sink_world *world);

void log_sink_free(struct log_sink *sink);

#endif
