/* probe.c - a command a second. */
#include "probe.h"

#include <signal.h>
#include <stdlib.h>

#include "launch.h"
#include "log.h"
#include "process.h"

#define PROBE_EVERY_MS 1000
/* One that hangs is tried anew. */
#define PROBE_PATIENCE_MS 10000

struct probe {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct process *process; /* NULL: none right now */
	char *const *words;
	const struct persona *persona;
	void (*succeeded)(void *arg);
	void *arg;
	bool told;    /* that it cannot be started */
	bool closing; /* as soon as what still runs of it has ended */
};

static void run(uv_timer_t *timer);

static void line(void *arg, enum process_stream stream, const char *text, size_t length)
{
	(void)arg;
	(void)stream;
	(void)text;
	(void)length;
}

static void ready(void *arg)
{
	(void)arg;
}

static void ended(void *arg, pid_t pid, int status, const struct rusage *usage)
{
	struct probe *probe = arg;

	(void)pid;
	(void)usage;
	probe->process = NULL;
	uv_timer_stop(&probe->timer);
	if (probe->closing)
		probe_close(probe);
	else if (status == 0)
		probe->succeeded(probe->arg);
	else
		uv_timer_start(&probe->timer, run, PROBE_EVERY_MS, 0);
}

/* A shell that is killed alone leaves behind what it waits for. Its pid is its own until it is reaped. */
static void kill_all(const struct probe *probe)
{
	kill(-process_pid(probe->process), SIGKILL);
	process_signal(probe->process, SIGKILL);
}

static void too_slow(uv_timer_t *timer)
{
	kill_all(timer->data);
}

static void run(uv_timer_t *timer)
{
	static const struct process_events events = {.line = line, .ready = ready, .ended = ended};
	struct probe *probe = timer->data;
	struct process_fds fds = PROCESS_FDS_INIT;
	struct launch how = {.file = probe->words[0],
	                     .argv = probe->words,
	                     .persona = probe->persona,
	                     .output = &fds.streams[PROCESS_OUTPUT]};
	struct ym_err err;
	pid_t pid = launch(&how, &fds.pidfd, &err);

	if (pid >= 0) {
		probe->process = process_watch(probe->loop, pid, &fds, &events, probe);
		if (probe->process) {
			uv_timer_start(&probe->timer, too_slow, PROBE_PATIENCE_MS, 0);
			return;
		}
		process_fds_close(&fds);
		ym_fail(&err, YM_ERR_LIMIT, "out of memory");
	}
	if (!probe->told)
		log_line(LOG_WARN, "the readiness command %s cannot be run: %s: next try in %d ms", probe->words[0],
		         err.text, PROBE_EVERY_MS);
	probe->told = true;
	uv_timer_start(&probe->timer, run, PROBE_EVERY_MS, 0);
}

struct probe *probe_open(uv_loop_t *loop, char *const *words, const struct persona *persona,
                         void (*succeeded)(void *arg), void *arg)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return NULL;
	*probe = (struct probe){.loop = loop, .words = words, .persona = persona, .succeeded = succeeded, .arg = arg};
	uv_timer_init(loop, &probe->timer);
	probe->timer.data = probe;
	uv_timer_start(&probe->timer, run, 0, 0);
	return probe;
}

pid_t probe_pid(const struct probe *probe)
{
	return probe && probe->process ? process_pid(probe->process) : 0;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void probe_close(struct probe *probe)
{
	if (!probe)
		return;
	if (probe->process) {
		probe->closing = true;
		uv_timer_stop(&probe->timer);
		kill_all(probe);
		return;
	}
	uv_close((uv_handle_t *)&probe->timer, closed);
}
