/*
 * <yardmaster/plugin.h> - a worker task as a C plugin.
 *
 *     #include <yardmaster/plugin.h>
 *
 *     static int run(ym_job *job)
 *     {
 *             for (uint64_t i = 0; i < 100 && !ym_cancelled(job); i++)
 *                     ym_progress(job, i + 1, 100, "step %d", (int)i);
 *             return ym_cancelled(job) ? YM_CANCELLED : YM_OK;
 *     }
 *     YM_PLUGIN("steps", .run = run);
 *
 * Build it as a shared object: cc -shared -fPIC $(pkg-config --cflags yardmaster) -o steps.so steps.c
 * and name it in the INI: plugin = ./steps.so
 *
 * A plugin is loaded by worker processes only, one job at a time, on the worker's main thread. A crash
 * kills that worker and nothing else; the job is tried again until its attempts are used up. A job may run
 * more than once (a worker can be killed after the work and before the report), so make the work repeatable
 * or use ym_job_id() and ym_attempt() to recognise a second run.
 *
 * All functions below are provided by the worker; a plugin links against nothing of Yardmaster. They may be
 * called only between the start and the end of run(), from the thread that runs it.
 */
#ifndef YARDMASTER_PLUGIN_H
#define YARDMASTER_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a plugin built for the old header could not work with the new worker. */
#define YM_PLUGIN_ABI 1

#define YM_NOTE_MAX  80  /* bytes of a progress note, with its NUL; longer ones are cut at a UTF-8 boundary */
#define YM_ERROR_MAX 192 /* bytes of an error text, with its NUL; likewise                                  */

typedef struct ym_job ym_job;

/* What run() may return: name, value, meaning. */
#define YM_OUTCOME_MAP(X)                                                                                              \
	X(OK, 0, "done")                                                                                               \
	X(RETRY, 1, "try again later: counts an attempt, fails when none is left")                                     \
	X(FAIL, 2, "failed for good: no further attempt")                                                              \
	X(CANCELLED, 3, "stopped because ym_cancelled() said so")

enum ym_outcome {
#define X(name, value, text) YM_##name = value,
	YM_OUTCOME_MAP(X)
#undef X
};

/* One `option.KEY = VALUE` of the pool. */
struct ym_option {
	const char *key;
	const char *value;
};

/* What .open() gets: the options of the pool, in the order of the file. Valid until .close() returns. */
struct ym_plugin_config {
	const char *pool;
	const struct ym_option *options;
	size_t noptions;
};

struct ym_plugin {
	uint32_t abi;     /* YM_PLUGIN_ABI, set by YM_PLUGIN()                 */
	uint32_t size;    /* sizeof(struct ym_plugin) at the plugin's build    */
	const char *name; /* shown in status and errors                        */
	/*
	 * Called once in each worker before its first job; 0 or -1. On -1 put the reason into error
	 * (NUL-terminated, `size` bytes): the worker does not start, the master says why and tries again later.
	 */
	int (*open)(const struct ym_plugin_config *config, char *error, size_t size);
	int (*run)(ym_job *job); /* one job; returns an enum ym_outcome */
	void (*close)(void);     /* once, before the worker ends in peace */
};

/* Defines the one symbol that the worker looks for. */
#define YM_PLUGIN(plugin_name, ...)                                                                                    \
	__attribute__((visibility("default"))) extern const struct ym_plugin ym_plugin;                                \
	const struct ym_plugin ym_plugin = {                                                                           \
	    .abi = YM_PLUGIN_ABI, .size = sizeof(struct ym_plugin), .name = (plugin_name), __VA_ARGS__}

/* Value of an option, or `fallback` if it is not set. */
static inline const char *ym_option(const struct ym_plugin_config *config, const char *key, const char *fallback)
{
	for (size_t i = 0; i < config->noptions; i++) {
		const char *a = config->options[i].key, *b = key;
		while (*a && *a == *b)
			a++, b++;
		if (*a == *b)
			return config->options[i].value;
	}
	return fallback;
}

/* Found in the worker at load time: visible, whatever the plugin is built with. */
#pragma GCC visibility push(default)

/* The payload: bytes as submitted, not terminated by contract but always followed by a NUL byte. */
const void *ym_payload(ym_job *job, size_t *size);

uint64_t ym_job_id(const ym_job *job);   /* unique within the instance                              */
unsigned ym_attempt(const ym_job *job);  /* 1 on the first run                                      */
unsigned ym_attempts(const ym_job *job); /* how many are allowed                                   */
const char *ym_tag(const ym_job *job);   /* the submitter's own name for the job, "" if none        */

/*
 * Report progress: `done` of `total` (0: unknown), in the unit set by ym_unit(). A few stores to shared
 * memory, no system call: call it as often as you like. `note` is a printf format or NULL (keep the old note).
 */
void ym_progress(ym_job *job, uint64_t done, uint64_t total, const char *note, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Say that the job is alive: where the pool has `timeout_from = progress`, its timeout starts anew, as with every
 * ym_progress(). As cheap as that.
 */
void ym_touch(ym_job *job);

/* Name the unit of progress: "bytes" (shown as KiB, MiB), "rows", ... at most 11 characters. */
void ym_unit(ym_job *job, const char *unit);

/* True when the job should end early (cancelled, timed out, or the worker must stop): clean up and return. */
int ym_cancelled(const ym_job *job);

/* The result bytes of a successful job; the last call wins. 0, or -1 when out of memory or above payload_max. */
int ym_result(ym_job *job, const void *data, size_t size);

/* Say why the job fails or must be retried; shown to the user word for word. The last call wins. */
void ym_error(ym_job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
