/*
 * process.h - a process watched by the loop: its end, and the lines it prints.
 */
#ifndef YM_RUNTIME_PROCESS_H
#define YM_RUNTIME_PROCESS_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <uv.h>

struct process;

/* With the log's prefix it fits into one atomic write to a pipe. */
#define PROCESS_LINE_MAX 3968

struct process_events {
	/* One line without its newline; longer ones come in pieces of PROCESS_LINE_MAX bytes. */
	void (*line)(void *arg, const char *text, size_t length);
	/* It has ended (as of spawn_reap()), after its last line. The process is freed afterwards. */
	void (*ended)(void *arg, pid_t pid, int status, const struct rusage *usage);
};

/* Watch; takes over both descriptors (`output` may be -1). NULL if the loop has no memory. */
struct process *process_watch(uv_loop_t *loop, pid_t pid, int pidfd, int output, const struct process_events *events,
                              void *arg);

pid_t process_pid(const struct process *process);
/* Has it ended, although the loop has not heard of it yet? Then its last lines have come by now. */
bool process_ended(struct process *process, int *status, struct rusage *usage);
void process_signal(struct process *process, int signo);

/* Stop watching; the process goes on. No event comes any more. */
void process_forget(struct process *process);

#endif
