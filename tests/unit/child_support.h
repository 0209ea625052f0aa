/* child_support.h - a child whose process is a shell script, and all that its owner is told. */
#ifndef YM_TESTS_CHILD_SUPPORT_H
#define YM_TESTS_CHILD_SUPPORT_H

#include "../../runtime/child.h"
#include "../../runtime/launch.h"
#include "loop_support.h"

/* Whose process it is: a shell script, run again at each start. */
struct owner {
	struct child child;
	const char *script;
	bool with_errors, with_ready, excuses;
	char lines[32768]; /* "o:a line" or "e:...", one below the other */
	char states[512];
	unsigned ends, closes;
	pid_t pid; /* of the last end */
	int status;
};

static struct owner owner;
static struct cfg_process policy;
static struct yard yard;
static unsigned soons;

static inline struct owner *of(struct child *child)
{
	return child_owner(child, struct owner, child);
}

static inline pid_t launch_script(struct child *child, struct process_fds *fds, struct ym_err *why)
{
	struct owner *mine = of(child);
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)mine->script, NULL};
	int ready[2] = {-1, -1};
	struct launch_fd handed;
	struct launch how = {.file = mine->script ? "/bin/sh" : "/no/such/program",
	                     .argv = argv,
	                     .fds = &handed,
	                     .output = &fds->streams[PROCESS_OUTPUT],
	                     .errors = mine->with_errors ? &fds->streams[PROCESS_ERRORS] : NULL};
	pid_t pid;

	if (mine->with_ready) {
		MUST(pipe2(ready, O_CLOEXEC) == 0 && fcntl(ready[0], F_SETFL, O_NONBLOCK) == 0);
		fds->streams[PROCESS_READY] = ready[0];
		handed = (struct launch_fd){ready[1], 3};
		how.nfds = 1;
	}
	pid = launch(&how, &fds->pidfd, why);
	if (ready[1] >= 0)
		close(ready[1]);
	if (pid < 0)
		process_fds_close(fds);
	return pid;
}

static inline int64_t press(struct child *child, unsigned step)
{
	if (step == 0) {
		child_signal(child, SIGTERM);
		return 50;
	}
	child_kill(child);
	return -1;
}

static inline void retire(struct child *child)
{
	child_signal(child, SIGUSR1);
}

static inline void line(struct child *child, enum process_stream stream, const char *text, size_t length)
{
	struct owner *mine = of(child);
	size_t used = strlen(mine->lines);

	snprintf(mine->lines + used, sizeof(mine->lines) - used, "%c:%.*s\n", stream == PROCESS_OUTPUT ? 'o' : 'e',
	         (int)length, text);
}

static inline bool ended(struct child *child, pid_t pid, int status, const struct rusage *usage)
{
	struct owner *mine = of(child);

	/* It is still there to be asked about. */
	ck_assert_int_eq(child_pid(child), pid);
	ck_assert_int_ge(usage->ru_maxrss, 0);
	mine->ends++;
	mine->pid = pid;
	mine->status = status;
	return mine->excuses;
}

static inline void changed(struct child *child, enum life_state from)
{
	struct owner *mine = of(child);
	size_t used = strlen(mine->states);

	(void)from;
	snprintf(mine->states + used, sizeof(mine->states) - used, " %s", life_state_word(child->life.state));
}

static const struct child_ops ops = {
    .launch = launch_script, .press = press, .retire = retire, .line = line, .ended = ended, .changed = changed};

static inline void soon(struct yard *of_yard)
{
	(void)of_yard;
	soons++;
}

static inline void closed(struct child *child)
{
	of(child)->closes++;
}

/* A child that has started when it was launched, and is not started again. */
static inline void make(struct owner *mine, const char *script)
{
	*mine = (struct owner){.script = script};
	child_init(&mine->child, &yard, &ops, &policy);
	snprintf(mine->child.name, sizeof(mine->child.name), "program test");
}

static inline void begin(void)
{
	begin_loop();
	yard = (struct yard){.loop = &loop, .soon = soon};
	policy = (struct cfg_process){.startretries = 3,
	                              .restart_delay_ms = 10,
	                              .restart_max_delay_ms = 1000,
	                              .restart_factor = 1,
	                              .ready_timeout_ms = 60000};
	make(&owner, "exit 0");
}

/* Its whole group: what a script has started goes, too. */
static inline void end(void)
{
	if (child_pid(&owner.child) > 0)
		kill(-child_pid(&owner.child), SIGKILL);
	if (!owner.closes)
		child_close(&owner.child, closed);
	RUN_UNTIL(owner.closes == 1);
	end_loop();
}

#define IS(state_) (owner.child.life.state == LIFE_##state_)
#define START()    ck_assert(child_event(&owner.child, LIFE_ON_START))

static inline void run_to_end(const char *script)
{
	unsigned ends = owner.ends;

	owner.script = script;
	owner.lines[0] = owner.states[0] = '\0';
	START();
	RUN_UNTIL(owner.ends > ends);
}

/* In a script: wait until the test says go(). */
#define AFTER_GO "while [ ! -e \"$GO\" ]; do sleep 0.01; done; "

static inline void go_later(void)
{
	char path[PATH_MAX];

	join_path(path, "go");
	setenv("GO", path, 1);
}

static inline void go(void)
{
	write_file("go", "", 0);
}

static inline TCase *add_child_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
