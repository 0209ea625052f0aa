/* command_support.h - run one job with the built-in task of commands, in the instance of yard.h. */
#ifndef YM_TESTS_COMMAND_SUPPORT_H
#define YM_TESTS_COMMAND_SUPPORT_H

#include <fcntl.h>
#include <sys/mman.h>

#include "../../runtime/brief.h"
#include "../../workers/command.h"
#include "../../workers/job.h"
#include "yard.h"

#define OPTIONS 32

static struct ym_option options[OPTIONS];
static size_t noptions;
static volatile sig_atomic_t *stop; /* shared with children: they ask for the end of the job */
static struct ym_job job;
static char tag[] = "holiday";

static inline void begin_command(void)
{
	begin_yard();
	stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne((void *)stop, MAP_FAILED);
	noptions = 0;
}

static inline void option(const char *key, const char *value)
{
	ck_assert_uint_lt(noptions, OPTIONS);
	options[noptions++] = (struct ym_option){key, value};
}

static inline void word(const char *text)
{
	option(BRIEF_WORD, text);
}

/* The command is a shell script. */
static inline void script(const char *text)
{
	word("/bin/sh");
	word("-c");
	word(text);
}

static inline int open_task(char *reason, size_t size)
{
	struct ym_plugin_config config = {"work", options, noptions};

	return command_task.open(&config, reason, size);
}

static inline void must_open(void)
{
	char reason[YM_ERROR_MAX];

	ck_assert_msg(open_task(reason, sizeof(reason)) == 0, "did not open: %s", reason);
}

static inline void must_not_open(const char *why)
{
	char reason[YM_ERROR_MAX] = "";

	ck_assert_int_eq(open_task(reason, sizeof(reason)), -1);
	ASSERT_IN(why, reason);
}

static struct board_work shown; /* what the board says of the worker */

/* A job that a worker has just taken; its payload may be longer than the instance would take. */
static inline struct job_ref begin_job(const void *payload, size_t size)
{
	struct job_ref ref = submit_request((struct job_request){JOB_REQUEST_INIT, .tag = tag});

	ASSERT_OK(job_begin(&job, &yard, &yard.board->workers[2], stop, ref.slot, claim_this(ref), &err));
	payload_close(&job.payload);
	job.payload = (struct payload){.memory = malloc(size + 1), .size = size, .fd = -1};
	ck_assert_ptr_nonnull(job.payload.memory);
	memcpy(job.payload.memory, payload, size);
	((char *)job.payload.memory)[size] = '\0';
	job.payload.data = job.payload.memory;
	job.work = &shown;
	return ref;
}

/* Run one and look at what is in `job`, until the next one. The task must be open. */
static inline int run_bytes(const void *payload, size_t size)
{
	struct job_ref ref;
	int outcome;

	job_end(&job);
	ref = begin_job(payload, size);
	outcome = command_task.run(&job);
	finish(ref, job.word, STORY_DONE);
	ck_assert_int_eq(shown.group, 0);
	return outcome;
}

static inline int run_text(const char *payload)
{
	return run_bytes(payload, strlen(payload));
}

/* Open with the options so far, run one job. */
static inline int run_once(const char *payload)
{
	must_open();
	return run_text(payload);
}

#define ASSERT_OUTCOME(call, expected)                                                                                 \
	do {                                                                                                           \
		int got = (call);                                                                                      \
		ck_assert_msg(got == (expected), "%s: outcome %d, not %s: %s", #call, got, #expected, job.error);      \
	} while (0)

static inline void assert_result(const char *expected)
{
	ck_assert_uint_eq(job.result_size, strlen(expected));
	ck_assert_mem_eq(job.result, expected, job.result_size);
}

static inline void end_command(void)
{
	job_end(&job);
	command_task.close();
	munmap((void *)stop, sizeof(*stop));
	end_yard();
}

static inline TCase *command_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_command, end_command);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* ---- files by which commands and children tell each other how far they are ----------------------- */

static inline bool exists(const char *name)
{
	char path[PATH_MAX];

	join_path(path, name);
	return access(path, F_OK) == 0;
}

static inline void await_file(const char *name)
{
	while (!exists(name))
		usleep(1000);
}

/* ---- our own stderr -------------------------------------------------------------------------- */

static char log_text[1 << 16];
static int log_fd = -1, real_stderr;

/* From now on what goes to stderr is kept. */
static inline void catch_log(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	ck_assert_int_ge(log_fd, 0);
	ck_assert_int_eq(dup2(log_fd, STDERR_FILENO), STDERR_FILENO);
}

static inline const char *caught_log(void)
{
	ssize_t n;

	/* ASSERT_IN() asks twice. */
	if (log_fd < 0)
		return log_text;
	n = pread(log_fd, log_text, sizeof(log_text) - 1, 0);
	ck_assert_msg(n >= 0, "pread(%d): %s", log_fd, strerror(errno));
	log_text[n] = '\0';
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(log_fd);
	log_fd = -1;
	return log_text;
}

#endif
