/*
 * inbox_support.h - what the tests of inboxes share: a queue with messages, the loop and the thread of its inbox, what was
 * logged.
 */
#ifndef YM_TESTS_INBOX_SUPPORT_H
#define YM_TESTS_INBOX_SUPPORT_H

#include <sys/msg.h>
#include <sys/syscall.h>

#include "../../ipc/queue.h"
#include "../../runtime/inbox.h"
#include "support.h"

static uv_loop_t loop;
static int queue;
static struct inbox *inbox;
static unsigned losses;

/* ---- around a test --------------------------------------------------------------------------- */

/* In the directory of the test: what is logged from now on goes to a file there. */
static inline void begin_queue(void)
{
	char path[PATH_MAX];

	join_path(path, "log");
	ck_assert_ptr_nonnull(freopen(path, "ae", stderr));
	ASSERT_OK(ym_queue_create(fresh_key(), 0600, &queue, &err));
	ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static inline void close_inbox(void)
{
	if (inbox)
		inbox_close(inbox);
	inbox = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
}

static inline void end_queue(void)
{
	close_inbox();
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	ASSERT_OK(ym_queue_remove(queue, &err));
}

/* For who opens it. */
static inline void lost(void *arg, const struct ym_err *why)
{
	(void)arg;
	ASSERT_IN("was removed", why->text);
	ck_assert_int_eq(why->class, YM_ERR_GONE);
	losses++;
	inbox_close(inbox);
	inbox = NULL;
}

/* ---- the queue ------------------------------------------------------------------------------- */

static inline void send_text(const char *text)
{
	ASSERT_OK(ym_queue_send_bytes(queue, 5, text, strlen(text), ym_deadline(PATIENCE_MS), &err));
}

static inline uint64_t messages(void)
{
	struct ym_queue_stat stat;

	ASSERT_OK(ym_queue_stat(queue, &stat, &err));
	return stat.messages;
}

/* A kernel before 3.8, or one that is configured like that. */
static inline ssize_t msgrcv_of_old_kernel(int id, void *message, size_t size, long type, int flags)
{
	if (flags & MSG_COPY) {
		errno = ENOSYS;
		return -1;
	}
	return msgrcv(id, message, size, type, flags);
}

/* ---- what has happened ----------------------------------------------------------------------- */

#define RUN_UNTIL(condition)                                                                                           \
	do {                                                                                                           \
		uint64_t give_up = ym_deadline(PATIENCE_MS);                                                           \
		while (!(condition)) {                                                                                 \
			ck_assert_msg(ym_now_ns() < give_up, "never came true: %s", #condition);                       \
			uv_run(&loop, UV_RUN_NOWAIT);                                                                  \
			usleep(200);                                                                                   \
		}                                                                                                      \
	} while (0)

static inline unsigned times_logged(const char *part)
{
	char path[PATH_MAX], text[16384];
	unsigned n = 0;
	size_t length;
	FILE *file;

	join_path(path, "log");
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		n++;
	return n;
}

/* The first line of a file of a thread; false: there is none, or no such thread any more. */
static inline bool read_of_thread(const char *thread, const char *name, char line[64])
{
	char path[PATH_MAX];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", thread, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fgets(line, 64, file);
	fclose(file);
	return got;
}

/* The thread of the inbox sleeps in the kernel, which says where: the queue is empty, and all has been seen to. */
static inline bool thread_sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	bool sleeps = false;
	char line[64];

	ck_assert_ptr_nonnull(tasks);
	for (struct dirent *task = readdir(tasks); task; task = readdir(tasks))
		if (task->d_name[0] != '.' && read_of_thread(task->d_name, "comm", line) &&
		    strcmp(line, "inbox\n") == 0 && read_of_thread(task->d_name, "syscall", line))
			sleeps = strtol(line, NULL, 10) == SYS_msgrcv && line[0] != 'r';
	closedir(tasks);
	return sleeps;
}

#endif
