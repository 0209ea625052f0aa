/* clerk_support.h - a yard (yard.h) with a store behind its table: the clerk at work on a fake (fake_store.h). */
#ifndef YM_TESTS_CLERK_SUPPORT_H
#define YM_TESTS_CLERK_SUPPORT_H

#include <fcntl.h>
#include <uv.h>

#include "../../runtime/clerk.h"
#include "../../runtime/clerk_self.h"
#include "../../runtime/log.h"
#include "../../runtime/reach.h"
#include "fake_store.h"
#include "yard.h"

static uv_loop_t loop;
static struct clerk *clerk;
static struct config config;
static struct cfg_pool pools[2];
static unsigned looks, answers; /* what the loop was told */

static inline void count_look(void *arg)
{
	ck_assert_ptr_eq(arg, &config);
	looks++;
}

static inline void count_answered(void *arg)
{
	ck_assert_ptr_eq(arg, &config);
	answers++;
}

/* Let the loop do what the thread has told it. */
static inline void pump(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
}

static inline int try_clerk(bool lenient)
{
	const struct clerk_options options = {.instance = &yard,
	                                      .loop = &loop,
	                                      .config = &config,
	                                      .driver = &fake_driver,
	                                      .answered = count_answered,
	                                      .look = count_look,
	                                      .arg = &config};

	err = (struct ym_err){0};
	return clerk_open(&clerk, &options, lenient, &err);
}

static inline void open_clerk(void)
{
	ck_assert_msg(try_clerk(false) == 0, "%s", err.text);
}

static inline bool end_clerk(bool hand_over)
{
	bool clean = clerk_close(clerk, hand_over);

	clerk = NULL;
	pump();
	return clean;
}

static inline void log_to_file(void)
{
	char path[PATH_MAX];
	int fd;

	join_path(path, "log");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	log_set_level("debug");
}

/* What was logged so far. */
static inline const char *logged(void)
{
	static char text[65536];
	char path[PATH_MAX];
	FILE *file;

	pump();
	join_path(path, "log");
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static inline void begin_stored_of(uint32_t slots)
{
	begin_yard_of(slots);
	log_to_file();
	yard.table->store = 1;
	strcpy(pools[0].name, "work");
	strcpy(pools[1].name, "other");
	config.instance.store = (char *)(uintptr_t) "fake:";
	config.instance.history_ms = 86400000;
	config.instance.payload_max = PAYLOAD_MAX;
	config.pools = pools;
	config.npools = 1;
	ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static inline void begin_stored(void)
{
	begin_stored_of(256);
	open_clerk();
}

/* A table of which half, the window, are 32 slots. */
static inline void begin_small_stored(void)
{
	begin_stored_of(64);
	open_clerk();
}

static inline void end_stored(void)
{
	FAKE(fake.shut = false);
	clerk_close(clerk, true);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	fake_free();
	end_yard();
}

/* Nothing is left to be done: all that has ended is written. */
static inline bool nothing_owed(void)
{
	for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
		uint64_t word = atomic_load(&yard.table->words[slot]);

		if (word_state(word) == JOB_STORING ||
		    (job_state_over(word_state(word)) && (word_flags(word) & JOB_STORED)))
			return false;
	}
	return true;
}

/* Jobs of the table that the store holds. */
static inline uint32_t residents(void)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < yard.table->slots; slot++)
		n += (word_flags(atomic_load(&yard.table->words[slot])) & JOB_STORED) != 0;
	return n;
}

static inline bool is_in_table(uint64_t id)
{
	uint64_t word;

	return table_find(yard.table, id, &word) >= 0;
}

/* As finish() of yard.h; but the slot may be another's right afterwards. */
static inline void report(struct job_ref ref, uint64_t word, enum story_end end)
{
	struct job_report said = {.end = end, .error = end == STORY_DONE ? NULL : "no luck"};
	enum job_state became;

	ck_assert(dispatch_finish(&yard, ref.slot, word, &said, &became));
}

/* The next job, when there is one, is done as a worker does it; 0: there is none now. */
static inline uint64_t run_one(enum story_end end)
{
	struct job_ref ref;
	uint64_t word;

	if (!try_claim(&ref, &word))
		return 0;
	report(ref, word, end);
	return ref.id;
}

static inline uint64_t run_next(void)
{
	uint64_t id = 0;

	WAIT_UNTIL((id = run_one(STORY_DONE)) != 0);
	return id;
}

/* A job as one that was put into the store by somebody else. */
static inline struct store_job stored_job(uint64_t id, unsigned level, int64_t ready_ms)
{
	struct store_job job = {
	    .id = id,
	    .pool = "work",
	    .state = JOB_READY,
	    .level = (uint8_t)level,
	    .attempts = 3,
	    .submitted_ms = ready_ms,
	    .rank = store_rank(level, (int64_t)(AGEING_NS / 1000000u), ready_ms),
	    .payload = {.data = "bytes", .size = 5, .fd = -1},
	    .result = {.data = "", .fd = -1},
	};

	return job;
}

/* ---- submissions in threads of their own ------------------------------------------------------ */

#define BATCH 700

struct submission {
	struct job_request requests[BATCH];
	struct job_ref refs[BATCH];
	bool existed[BATCH];
	size_t n, done;
	pthread_t thread;
	struct ym_err err;
};

static inline void *submit_in_thread(void *arg)
{
	struct submission *mine = arg;

	mine->done = submit_jobs(&yard, mine->requests, mine->n, mine->refs, mine->existed, &mine->err);
	return NULL;
}

static inline void prepare(struct submission *submission, size_t n)
{
	submission->n = n;
	submission->err = (struct ym_err){0};
	for (size_t i = 0; i < n; i++) {
		submission->requests[i] = request_of("x");
		submission->requests[i].deadline = ym_deadline(PATIENCE_MS);
	}
}

static inline void start_submission(struct submission *submission)
{
	ck_assert_int_eq(pthread_create(&submission->thread, NULL, submit_in_thread, submission), 0);
}

static inline size_t end_submission(struct submission *submission)
{
	ck_assert_int_eq(pthread_join(submission->thread, NULL), 0);
	return submission->done;
}

static inline TCase *stored_case(Suite *suite, const char *name, SFun begin)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin, end_stored);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
