/* test_daemon_pidfile.c - the pid file of a process in the background. */
#include <fcntl.h>
#include <sys/file.h>

#include "../../runtime/daemon.h"
#include "support.h"

static char pid_path[PATH_MAX];

static void name_pidfile(void)
{
	join_path(pid_path, "test.pid");
}

static const char *content(const char *path)
{
	static char text[64];
	FILE *file = fopen(path, "re");
	size_t n;

	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	return text;
}

static void assert_our_pid(void)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());
	ck_assert_str_eq(content(pid_path), expected);
}

START_TEST(pidfile)
{
	name_pidfile();
	ck_assert_int_eq(daemon_pidfile_fd(), -1);
	daemon_pidfile_remove();
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	assert_our_pid();
	ck_assert_int_ge(daemon_pidfile_fd(), 0);
	ck_assert_int_eq(fcntl(daemon_pidfile_fd(), F_GETFD), FD_CLOEXEC);
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
	ck_assert_int_eq(daemon_pidfile_fd(), -1);
}
END_TEST

START_TEST(pidfile_of_relative_path)
{
	name_pidfile();
	ck_assert_int_eq(chdir(directory), 0);
	ASSERT_OK(daemon_pidfile("test.pid", &err));
	ck_assert_int_eq(chdir("/"), 0);
	assert_our_pid();
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
}
END_TEST

/* Longer than ours. */
START_TEST(pidfile_is_stale)
{
	name_pidfile();
	write_file("test.pid", "99999999999\n", 12);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	assert_our_pid();
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
}
END_TEST

static void hold_pidfile(void *arg)
{
	(void)arg;
	MUST(daemon_pidfile(pid_path, &err) == 0);
	tell_step();
	sleep_for_ever();
}

START_TEST(pidfile_is_held)
{
	char pid_text[32];
	pid_t pid;

	name_pidfile();
	open_steps();
	pid = spawn(hold_pidfile, NULL);
	await_step();
	snprintf(pid_text, sizeof(pid_text), "(pid %ld)", (long)pid);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_NO);
	ASSERT_IN(pid_text, err.text);
	ASSERT_IN(pid_path, err.text);
	ck_assert_int_eq(strtol(content(pid_path), NULL, 10), pid);
	/* Dead, whatever is in the file. */
	kill_and_reap(pid);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	assert_our_pid();
	daemon_pidfile_remove();
}
END_TEST

START_TEST(pidfile_was_just_made)
{
	int fd;

	name_pidfile();
	fd = open(pid_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_NO);
	ASSERT_IN("(which has just made it)", err.text);
	close(fd);
}
END_TEST

START_TEST(pidfile_of_somebody_else)
{
	char other[PATH_MAX];

	name_pidfile();
	join_path(other, "precious");
	write_file("precious", "1\n", 2);
	ck_assert_int_eq(symlink(other, pid_path), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
	ASSERT_IN("symbolic link", err.text);
	unlink(pid_path);
	ck_assert_int_eq(link(other, pid_path), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
	ASSERT_IN("hard link", err.text);
	unlink(pid_path);
	ck_assert_str_eq(content(other), "1\n");
	ck_assert_int_eq(mkfifo(pid_path, 0600), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
	ASSERT_IN("something other than a file", err.text);
	unlink(pid_path);
	ck_assert_int_eq(mkdir(pid_path, 0700), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_SYSTEM);
	rmdir(pid_path);
	if (have_nobody()) {
		write_file("test.pid", "1\n", 2);
		ck_assert_int_eq(chown(pid_path, NOBODY, NOBODY), 0);
		ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
		ASSERT_IN("belongs to uid 65534", err.text);
	}
}
END_TEST

START_TEST(pidfile_holds_no_pid)
{
	static const char *const texts[] = {"[yardmaster]\n", "-1\n", "12 13\n",
	                                    "1\n2",           " 1",   "123                               \nx"};

	name_pidfile();
	for (size_t i = 0; i < COUNT(texts); i++) {
		write_file("test.pid", texts[i], strlen(texts[i]));
		ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
		ASSERT_IN("not overwritten", err.text);
		ck_assert_str_eq(content(pid_path), texts[i]);
	}
	write_file("test.pid", "", 0);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	daemon_pidfile_remove();
}
END_TEST

START_TEST(pidfile_is_no_longer_ours)
{
	name_pidfile();
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	unlink(pid_path);
	write_file("test.pid", "4711\n", 5);
	daemon_pidfile_remove();
	ck_assert_str_eq(content(pid_path), "4711\n");
}
END_TEST

START_TEST(pidfile_cannot_be_made)
{
	join_path(pid_path, "missing/test.pid");
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_USAGE);
	ASSERT_IN(pid_path, err.text);
	memset(pid_path, 'x', sizeof(pid_path) - 1);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_CONFIG);
	ck_assert_int_eq(daemon_pidfile_fd(), -1);
}
END_TEST

/* A new image: it knows the number of the descriptor, and nothing else. */
static void new_image(void *arg)
{
	int fd = *(int *)arg;

	ASSERT_OK(daemon_pidfile_adopt("test.pid", fd, &err));
	await_step();
	ck_assert_int_eq(daemon_pidfile_fd(), fd);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_NO);
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
}

START_TEST(pidfile_is_adopted)
{
	int fd;
	pid_t pid;

	name_pidfile();
	ck_assert_int_eq(chdir(directory), 0);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	fd = fcntl(daemon_pidfile_fd(), F_DUPFD, 20);
	ck_assert_int_ge(fd, 0);
	open_steps();
	pid = spawn(new_image, &fd);
	close(fd);
	close(daemon_pidfile_fd());
	tell_step();
	reap_well(pid);
	ck_assert_int_eq(chdir("/"), 0);
	ASSERT_ERR(daemon_pidfile_adopt(pid_path, 999, &err), YM_ERR_SYSTEM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon_pidfile");
	TCase *tcase = add_case(suite, "pid file");

	tcase_add_test(tcase, pidfile);
	tcase_add_test(tcase, pidfile_of_relative_path);
	tcase_add_test(tcase, pidfile_is_stale);
	tcase_add_test(tcase, pidfile_is_held);
	tcase_add_test(tcase, pidfile_was_just_made);
	tcase_add_test(tcase, pidfile_of_somebody_else);
	tcase_add_test(tcase, pidfile_holds_no_pid);
	tcase_add_test(tcase, pidfile_is_no_longer_ours);
	tcase_add_test(tcase, pidfile_cannot_be_made);
	tcase_add_test(tcase, pidfile_is_adopted);
	return run_suite(suite);
}
