/* loop_support.h - a loop that runs until something has come true, and what the master's log says meanwhile. */
#ifndef YM_TESTS_LOOP_SUPPORT_H
#define YM_TESTS_LOOP_SUPPORT_H

#include <fcntl.h>
#include <uv.h>

#include "../../runtime/log.h"
#include "support.h"

static uv_loop_t loop;
static uv_timer_t ticking; /* so that the loop comes back to look, and is no reason to go on */

static inline void tick(uv_timer_t *timer)
{
	(void)timer;
}

#define RUN_UNTIL(condition)                                                                                           \
	do {                                                                                                           \
		uint64_t give_up = ym_deadline(PATIENCE_MS);                                                           \
		while (!(condition)) {                                                                                 \
			ck_assert_msg(ym_now_ns() < give_up, "never came true: %s", #condition);                       \
			uv_run(&loop, UV_RUN_ONCE);                                                                    \
		}                                                                                                      \
	} while (0)

static inline void begin_loop(void)
{
	char path[PATH_MAX];
	int fd;

	begin_test();
	join_path(path, "log");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	log_set_level("debug");
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &ticking);
	uv_timer_start(&ticking, tick, 1, 5);
	uv_unref((uv_handle_t *)&ticking);
}

static inline void end_loop(void)
{
	uv_close((uv_handle_t *)&ticking, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	end_test();
}

/* Turn by turn, for what must not happen: something else has to come true after it would have. */
static inline void run_turns(int turns)
{
	while (turns-- > 0)
		uv_run(&loop, UV_RUN_ONCE);
}

/* What was logged so far. */
static inline const char *logged(void)
{
	static char text[65536];
	char path[PATH_MAX];
	FILE *file;

	join_path(path, "log");
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

#define ASSERT_LOGGED(words) ASSERT_IN(words, logged())

#endif
