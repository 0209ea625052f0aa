/*
 * process.h - a process watched by the loop: its end, the lines it prints, its word that it is ready.
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

/* What comes out of it, each through a pipe of its own. */
enum process_stream {
	PROCESS_OUTPUT,
	PROCESS_ERRORS, /* only if stderr does not go where stdout goes */
	PROCESS_READY,  /* a line says that it is ready */
	PROCESS_STREAMS
};

struct process_events {
	/* One line without its newline; longer ones come in pieces of PROCESS_LINE_MAX bytes. Not of PROCESS_READY. */
	void (*line)(void *arg, enum process_stream stream, const char *text, size_t length);
	/* The first newline on PROCESS_READY. */
	void (*ready)(void *arg);
	/* It has ended (as of spawn_reap()), after its last line. The process is freed afterwards. */
	void (*ended)(void *arg, pid_t pid, int status, const struct rusage *usage);
};

/* What is watched: takes over all descriptors. -1: none. */
struct process_fds {
	int pidfd;
	int streams[PROCESS_STREAMS];
};
#define PROCESS_FDS_INIT                                                                                               \
	{                                                                                                              \
		.pidfd = -1, .streams = { -1, -1, -1 }                                                                 \
	}

/* Watch. NULL if the loop has no memory: the descriptors are still the caller's. */
struct process *process_watch(uv_loop_t *loop, pid_t pid, const struct process_fds *fds,
                              const struct process_events *events, void *arg);
void process_fds_close(struct process_fds *fds);

pid_t process_pid(const struct process *process);
/* Has it ended, although the loop has not heard of it yet? Then its last lines have come by now. */
bool process_ended(struct process *process, int *status, struct rusage *usage);
void process_signal(struct process *process, int signo);

/* Before this program is replaced by another image: the descriptors, to be handed on, still watched. */
void process_peek(const struct process *process, struct process_fds *fds);

/* What has come of a line that is not whole yet: read by one image, ended by the next. */
size_t process_part(const struct process *process, enum process_stream which, const char **text);
void process_take_part(struct process *process, enum process_stream which, const char *text, size_t length);

/* Stop watching; the process goes on. No event comes any more. */
void process_forget(struct process *process);

#endif
