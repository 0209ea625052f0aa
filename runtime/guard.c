/* guard.c - keep a guardian running. */
#include "guard.h"

#include <stdio.h>
#include <unistd.h>

#include "log.h"
#include "spawn.h"

#define RESTART_MS 1000

static void timer_fired(uv_timer_t *timer)
{
	guard_start(timer->data);
}

static void line(void *arg, enum process_stream stream, const char *text, size_t length)
{
	(void)arg;
	(void)stream;
	log_line(LOG_INFO, "guardian: %.*s", (int)length, text);
}

static void ready(void *arg)
{
	(void)arg;
}

static void ended(void *arg, pid_t pid, int status, const struct rusage *usage)
{
	struct guard *guard = arg;
	char how[80];

	(void)usage;
	spawn_status_text(status, how, sizeof(how));
	/* That of an earlier generation. */
	if (!guard->process || process_pid(guard->process) != pid)
		return;
	guard->process = NULL;
	if (guard->off)
		return;
	guard->ended(guard->arg);
	/* Its set has gone, and with it its task: the next generation gets one of its own. */
	if (instance_gone(guard->instance, NULL))
		return;
	log_line(LOG_WARN, "the guardian (pid %ld) %s: starting another", (long)pid, how);
	uv_timer_start(&guard->timer, timer_fired, RESTART_MS, 0);
}

static const struct process_events events = {.line = line, .ready = ready, .ended = ended};

void guard_init(struct guard *guard, uv_loop_t *loop, struct instance *instance, void (*told)(void *arg), void *arg)
{
	*guard = (struct guard){.loop = loop, .instance = instance, .ended = told, .arg = arg};
	uv_timer_init(loop, &guard->timer);
	guard->timer.data = guard;
}

static pid_t spawn_guardian(struct guard *guard, int *pidfd, struct ym_err *err)
{
	char title[TABLE_NAME_MAX], semid[16];
	char *argv[] = {(char[]){"yardmaster"}, (char[]){"guardian"}, title, semid, NULL};
	struct spawn spawn = {.argv = argv, .brief = -1, .detach = true};

	snprintf(title, sizeof(title), "%s", guard->instance->name);
	snprintf(semid, sizeof(semid), "%d", guard->instance->group.semid);
	return spawn_self(&spawn, pidfd, err);
}

void guard_start(struct guard *guard)
{
	struct ym_registry_sh *reg = guard->instance->group.reg;
	pid_t pid = atomic_load(&reg->guardian);
	struct process_fds fds = PROCESS_FDS_INIT;
	struct ym_err err;
	int pidfd;

	/* It may have been set for the last generation. */
	uv_timer_stop(&guard->timer);
	pidfd = spawn_open_process(pid, atomic_load(&reg->guardian_started));
	if (pidfd < 0) {
		pid = spawn_guardian(guard, &pidfd, &err);
		if (pid < 0) {
			log_line(LOG_ERROR, "no guardian: %s: next try in %d ms", err.text, RESTART_MS);
			uv_timer_start(&guard->timer, timer_fired, RESTART_MS, 0);
			return;
		}
		atomic_store(&reg->guardian_started, ym_process_started(pid));
		atomic_store(&reg->guardian, pid);
	}
	fds.pidfd = pidfd;
	guard->process = process_watch(guard->loop, pid, &fds, &events, guard);
	if (guard->process)
		return;
	close(pidfd);
	log_line(LOG_ERROR, "the guardian (pid %ld) cannot be watched: next try in %d ms", (long)pid, RESTART_MS);
	uv_timer_start(&guard->timer, timer_fired, RESTART_MS, 0);
}

void guard_forget(struct guard *guard)
{
	/* As long as the loop goes on, its end is heard of: nobody else would reap it. */
	if (guard->process && guard->off)
		process_forget(guard->process);
	guard->process = NULL;
	/* The next one is for another generation. */
	uv_timer_stop(&guard->timer);
}
