/* test_notify.c - what a service manager hears, with the test itself at the other end of its socket. */
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../../ipc/clock.h"
#include "../../runtime/notify.h"
#include "support.h"

static uv_loop_t loop;
static int manager = -1;
static char got[1024];

static void open_manager(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);

	ck_assert_uint_lt(length, sizeof(address.sun_path));
	memcpy(address.sun_path, name, length);
	if (*name == '@')
		address.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(manager, 0);
	ck_assert_int_eq(
	    bind(manager, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
	    0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	uv_loop_init(&loop);
}

static void open_in_directory(void)
{
	char path[PATH_MAX];

	join_path(path, "notify");
	open_manager(path);
}

/* The next message; NULL: none is there. */
static const char *heard(void)
{
	ssize_t n = recv(manager, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n < 0 ? 0 : n] = '\0';
	return n < 0 ? NULL : got;
}

static void assert_heard(const char *expected)
{
	const char *message = heard();

	ck_assert_msg(message != NULL, "nothing was heard, expected \"%s\"", expected);
	ck_assert_str_eq(message, expected);
}

static void leave(void)
{
	notify_close();
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	close(manager);
}

static void stop_loop(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* Let the loop turn for a time. */
static void turn(uint64_t ms)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, stop_loop, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* What is written to stderr from here on goes to a file. */
static int errors_fd;

static void take_errors(void)
{
	char path[PATH_MAX];

	join_path(path, "errors");
	errors_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(errors_fd, 0);
	ck_assert_int_ge(dup2(errors_fd, STDERR_FILENO), 0);
}

static const char *errors(void)
{
	static char text[8192];
	ssize_t n = pread(errors_fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static unsigned errors_with(const char *part)
{
	unsigned count = 0;

	for (const char *at = strstr(errors(), part); at; at = strstr(at + 1, part))
		count++;
	return count;
}

START_TEST(nobody_listens)
{
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "1000", 1);
	take_errors();
	uv_loop_init(&loop);
	notify_open(&loop);
	notify_ready();
	notify_status("busy");
	notify_reloading();
	notify_extend(1);
	notify_alive();
	ck_assert_uint_eq(notify_alive_ms(), UINT64_MAX);
	notify_stopping();
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_str_eq(errors(), "");
	leave();
}
END_TEST

START_TEST(every_message)
{
	unsigned long long before, then;

	open_in_directory();
	notify_open(&loop);
	ck_assert_ptr_null(heard());
	notify_ready();
	assert_heard("READY=1");
	before = ym_now_ns() / 1000;
	notify_reloading();
	ck_assert_ptr_nonnull(heard());
	ck_assert_int_eq(sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%llu", &then), 1);
	ck_assert_uint_ge(then, before);
	ck_assert_uint_le(then, ym_now_ns() / 1000);
	notify_ready();
	assert_heard("READY=1");
	notify_extend(UINT64_C(90000000));
	assert_heard("EXTEND_TIMEOUT_USEC=90000000");
	notify_stopping();
	assert_heard("STOPPING=1");
	/* Without WATCHDOG_USEC. */
	notify_alive();
	ck_assert_uint_eq(notify_alive_ms(), UINT64_MAX);
	turn(20);
	ck_assert_ptr_null(heard());
	leave();
}
END_TEST

START_TEST(abstract_socket)
{
	char name[64];

	snprintf(name, sizeof(name), "@yardmaster-test-%ld", (long)getpid());
	open_manager(name);
	notify_open(&loop);
	notify_ready();
	assert_heard("READY=1");
	leave();
}
END_TEST

START_TEST(status)
{
	char text[1000], expected[1000];

	open_in_directory();
	notify_open(&loop);
	notify_status("%d jobs", 7);
	assert_heard("STATUS=7 jobs");
	notify_status("%d jobs", 7);
	ck_assert_ptr_null(heard());
	notify_status("%d jobs", 8);
	assert_heard("STATUS=8 jobs");
	/* A line of it would be an assignment of its own. */
	notify_status("8 jobs\nREADY=1\tx");
	assert_heard("STATUS=8 jobs READY=1 x");
	/* 510 letters, and a character of two bytes, which does not fit (511 bytes do). */
	memset(text, 'a', 510);
	strcpy(text + 510, "\xc3\xa9tude");
	notify_status("%s", text);
	snprintf(expected, sizeof(expected), "STATUS=%.510s", text);
	assert_heard(expected);
	/* With a letter less it does. */
	notify_status("%s", text + 1);
	snprintf(expected, sizeof(expected), "STATUS=%.511s", text + 1);
	assert_heard(expected);
	leave();
}
END_TEST

START_TEST(environment)
{
	open_in_directory();
	setenv("WATCHDOG_USEC", "30000000", 1);
	unsetenv("WATCHDOG_PID");
	notify_open(&loop);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_uint_eq(notify_alive_ms(), 15000);
	notify_restore_environment();
	ASSERT_IN(directory, getenv("NOTIFY_SOCKET"));
	ck_assert_str_eq(getenv("WATCHDOG_USEC"), "30000000");
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	notify_hide_environment();
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	/* As the new image does. */
	notify_restore_environment();
	notify_close();
	uv_run(&loop, UV_RUN_DEFAULT);
	notify_open(&loop);
	notify_ready();
	assert_heard("READY=1");
	leave();
}
END_TEST

#define HALF_MS 40

static void open_with_watchdog(long pid)
{
	char text[32];

	open_in_directory();
	snprintf(text, sizeof(text), "%d", 2000 * HALF_MS);
	setenv("WATCHDOG_USEC", text, 1);
	snprintf(text, sizeof(text), "%ld", pid);
	setenv("WATCHDOG_PID", text, 1);
	notify_open(&loop);
}

START_TEST(watchdog)
{
	open_with_watchdog(getpid());
	ck_assert_uint_eq(notify_alive_ms(), HALF_MS);
	/* The first one at once, the next ones not before half of the interval has passed. */
	notify_alive();
	assert_heard("WATCHDOG=1");
	notify_alive();
	notify_alive();
	ck_assert_ptr_null(heard());
	turn(HALF_MS + HALF_MS / 2);
	assert_heard("WATCHDOG=1");
	ck_assert_ptr_null(heard());
	/* The loop turns, but nothing is done. */
	turn(4 * HALF_MS);
	ck_assert_ptr_null(heard());
	/* Something is done again: no time to lose. */
	notify_alive();
	assert_heard("WATCHDOG=1");
	ck_assert_ptr_null(heard());
	leave();
}
END_TEST

START_TEST(watchdog_of_another_process)
{
	open_with_watchdog(getppid());
	ck_assert_uint_eq(notify_alive_ms(), UINT64_MAX);
	notify_alive();
	turn(2 * HALF_MS);
	ck_assert_ptr_null(heard());
	leave();
}
END_TEST

/* The manager reads nothing until the kernel takes no more. */
static unsigned fill_socket(void)
{
	struct sockaddr_un address;
	socklen_t length = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned count = 0;

	ck_assert_int_eq(getsockname(manager, (struct sockaddr *)&address, &length), 0);
	while (sendto(fd, "X=1", 3, MSG_DONTWAIT, (struct sockaddr *)&address, length) == 3)
		count++;
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
	return count;
}

START_TEST(manager_is_slow)
{
	unsigned count;
	uint64_t start;

	open_with_watchdog(getpid());
	take_errors();
	count = fill_socket();
	start = ym_now_ns();
	notify_reloading();
	notify_status("lost, but not for ever");
	notify_ready();
	notify_alive();
	ck_assert_uint_lt(ym_now_ns() - start, UINT64_C(1000000000));
	while (count-- > 0)
		assert_heard("X=1");
	ck_assert_ptr_null(heard());
	/* The sign of life is late already. */
	notify_alive();
	assert_heard("WATCHDOG=1");
	/* Both, in their order. */
	WAIT_UNTIL((turn(10), heard()));
	ASSERT_IN("RELOADING=1\nMONOTONIC_USEC=", got);
	WAIT_UNTIL((turn(10), heard()));
	ck_assert_str_eq(got, "READY=1");
	notify_status("lost, but not for ever");
	assert_heard("STATUS=lost, but not for ever");
	ck_assert_str_eq(errors(), "");
	leave();
}
END_TEST

START_TEST(manager_reads_nothing_for_long)
{
	unsigned count;

	open_in_directory();
	notify_open(&loop);
	take_errors();
	count = fill_socket();
	for (unsigned i = 0; i < 100; i++)
		notify_extend(i);
	ck_assert_uint_eq(errors_with("to tell the service manager EXTEND_TIMEOUT_USEC=0:"), 1);
	while (count-- > 0)
		assert_heard("X=1");
	/* The last ones count. */
	WAIT_UNTIL((turn(10), heard()));
	ck_assert_str_eq(got, "EXTEND_TIMEOUT_USEC=92");
	for (unsigned i = 93; i < 100; i++)
		WAIT_UNTIL((turn(1), heard()));
	ck_assert_str_eq(got, "EXTEND_TIMEOUT_USEC=99");
	leave();
}
END_TEST

START_TEST(manager_is_gone)
{
	open_in_directory();
	notify_open(&loop);
	take_errors();
	close(manager);
	notify_ready();
	notify_status("up");
	notify_stopping();
	ck_assert_uint_eq(errors_with("sendto("), 1);
	ASSERT_IN("to tell the service manager READY=1: Connection refused", errors());
	leave();
}
END_TEST

START_TEST(bad_addresses)
{
	char longest[200];
	const char *addresses[] = {"vsock:2:1234", "relative/path", "@", "/", longest};

	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	take_errors();
	uv_loop_init(&loop);
	for (unsigned i = 0; i < COUNT(addresses); i++) {
		setenv("NOTIFY_SOCKET", addresses[i], 1);
		notify_open(&loop);
		ck_assert_uint_eq(errors_with("NOTIFY_SOCKET="), i + 1);
		notify_ready();
		ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
		notify_close();
	}
	ck_assert_uint_eq(errors_with("sendto("), 0);
	leave();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *tcase = add_case(suite, "notify");

	tcase_add_test(tcase, nobody_listens);
	tcase_add_test(tcase, every_message);
	tcase_add_test(tcase, abstract_socket);
	tcase_add_test(tcase, status);
	tcase_add_test(tcase, environment);
	tcase_add_test(tcase, watchdog);
	tcase_add_test(tcase, watchdog_of_another_process);
	tcase_add_test(tcase, manager_is_slow);
	tcase_add_test(tcase, manager_reads_nothing_for_long);
	tcase_add_test(tcase, manager_is_gone);
	tcase_add_test(tcase, bad_addresses);
	return run_suite(suite);
}
