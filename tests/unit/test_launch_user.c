/* test_launch_user.c - another user: what he is, what he must not be, and that he cannot harm the master. */
#include <grp.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <sys/syscall.h>

#include "launch_support.h"

static void be_nobody(void)
{
	config.user = (char[]){"nobody"};
	make_persona(NULL);
}

START_TEST(ids_and_capabilities)
{
	char expected[256];
	const struct passwd *daemon;

	if (!other_user_or_skip("ids_and_capabilities"))
		return;
	daemon = getpwnam("daemon");
	config.user = (char[]){"daemon"};
	make_persona("games");
	snprintf(expected, sizeof(expected),
	         "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n",
	         daemon->pw_uid, daemon->pw_uid, daemon->pw_uid, daemon->pw_uid, daemon->pw_gid, daemon->pw_gid,
	         daemon->pw_gid, daemon->pw_gid);
	assert_says("grep -E '^(Uid|Gid|CapPrm|CapEff)' /proc/self/status", expected);
	run_shell("id -G");
	/* In the order of the kernel, which sorts them. */
	snprintf(expected, sizeof(expected), "%u %u\n", daemon->pw_gid, getgrnam("games")->gr_gid);
	ck_assert_str_eq(said, expected);
	assert_says("echo $USER $LOGNAME $HOME", "daemon daemon /usr/sbin\n");
	/* We can still dump a core, which the kernel takes from those who change their user. */
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
	config.user = NULL;
	config.group = (char[]){"games"};
	make_persona(NULL);
	snprintf(expected, sizeof(expected), "0 %u\n", getgrnam("games")->gr_gid);
	assert_says("echo $(id -u) $(id -g)", expected);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
}
END_TEST

START_TEST(output_of_another_user)
{
	if (!other_user_or_skip("output_of_another_user"))
		return;
	be_nobody();
	assert_says("echo out >/dev/stdout; exec 2>&-; echo out >/dev/fd/1", "out\nout\n");
}
END_TEST

START_TEST(where_he_may_not_be)
{
	char path[PATH_MAX];

	if (!other_user_or_skip("where_he_may_not_be"))
		return;
	/* The test's own directory is closed to others. */
	config.directory = directory;
	be_nobody();
	assert_no_start("/bin/true", EACCES, "as nobody: chdir(\"", "may not enter it");
	config.directory = NULL;
	be_nobody();
	join_path(path, "x");
	write_file("x", "#!/bin/sh\n", 10);
	chmod(path, 0755);
	assert_no_start(path, EACCES, "execve(", "may not execute it");
	/* A directory that only he may enter is no obstacle, though we are root. */
	chmod(directory, 0755);
	join_path(path, "his");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
	config.directory = path;
	be_nobody();
	strcat(path, "\n");
	assert_says("pwd", path);
}
END_TEST

START_TEST(too_many_processes)
{
	char *argv[] = {(char[]){"sleep"}, (char[]){"1000"}, NULL};
	struct launch start = {.file = "sleep", .argv = argv};
	int pidfd;
	pid_t first;

	if (!other_user_or_skip("too_many_processes"))
		return;
	be_nobody();
	start.persona = persona;
	first = launch(&start, &pidfd, &err);
	ck_assert_int_gt(first, 0);
	close(pidfd);
	config.rlimit_processes = 0;
	be_nobody();
	start.persona = persona;
	ck_assert_int_eq(launch(&start, &pidfd, &err), -1);
	kill_and_reap(first);
	ck_assert_int_eq(err.sys, EAGAIN);
	ASSERT_IN("execve(", err.text);
	ASSERT_IN("rlimit_processes", err.text);
}
END_TEST

/* Root whose capabilities stay when he becomes somebody else. */
static void keep_capabilities(void *arg)
{
	(void)arg;
	MUST(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0);
	be_nobody();
	assert_no_start("/bin/true", EPERM, "could become root again", "securebits");
}

START_TEST(no_way_back)
{
	if (other_user_or_skip("no_way_back"))
		run_child(keep_capabilities, NULL);
}
END_TEST

/* Root of a name space in which nobody else exists. */
static void lonely_root(void *arg)
{
	char *argv[] = {(char[]){"x"}, NULL};
	struct launch start = {.file = "/bin/true", .argv = argv};
	int pidfd, fd;

	(void)arg;
	if (geteuid() != 0 || unshare(CLONE_NEWUSER) < 0)
		_exit(77);
	fd = open("/proc/self/uid_map", O_WRONLY);
	MUST(fd >= 0 && write(fd, "0 0 1", 5) == 5);
	MUST(geteuid() == 0);
	be_nobody();
	start.persona = persona;
	/* No pipes: they could not be given to him either. */
	MUST(launch(&start, &pidfd, &err) == -1);
	MUST(strstr(err.text, "as nobody: set") != NULL);
}

START_TEST(a_user_who_does_not_exist_here)
{
	int how = reap(spawn(lonely_root, NULL));

	if (WIFEXITED(how) && WEXITSTATUS(how) == 77)
		fprintf(stderr, "a_user_who_does_not_exist_here: skipped, only root of a system with user namespaces "
		                "can make such a one\n");
	else
		ck_assert_int_eq(how, 0);
}
END_TEST

/* ---- the user against the master ---------------------------------------------------------------- */

/* Stops each new child of his parent, as soon as it is his. */
static void stop_children(void *arg)
{
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getppid(), (int)getppid());
	(void)arg;
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0 || access(path, R_OK) < 0)
		_exit(77);
	tell_step();
	for (;;) {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, line, sizeof(line) - 1);

		line[n > 0 ? n : 0] = '\0';
		close(fd);
		for (char *at = line; *at; at += strcspn(at, " "), at += *at == ' ') {
			pid_t pid = atoi(at);

			if (pid > 0 && pid != getpid())
				for (int i = 0; i < 200; i++)
					kill(pid, SIGSTOP);
		}
	}
}

START_TEST(a_user_who_stops_it)
{
	char *argv[] = {(char[]){"x"}, NULL};
	struct launch start = {.file = "/bin/true", .argv = argv};
	uint64_t give_up = ym_deadline(PATIENCE_MS), begun = 0;
	pid_t attacker, pid = 1;
	int pidfd;

	if (!other_user_or_skip("a_user_who_stops_it"))
		return;
	be_nobody();
	start.persona = persona;
	open_steps();
	attacker = spawn(stop_children, NULL);
	await_step();
	while (pid > 0 && ym_now_ns() < give_up) {
		begun = ym_now_ns();
		pid = launch(&start, &pidfd, &err);
		if (pid <= 0)
			break;
		kill_and_reap(pid);
		close(pidfd);
	}
	kill_and_reap(attacker);
	/* Whoever never succeeds proves nothing; on this machine it takes a few tries. */
	ck_assert_msg(pid == -1, "he never stopped it in time");
	ck_assert_uint_ge(ym_now_ns() - begun, LAUNCH_PATIENCE_MS * UINT64_C(1000000));
	ASSERT_IN("is killed: somebody stopped it", err.text);
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}
END_TEST

/* ---- other threads --------------------------------------------------------------------------- */

static volatile bool enough;
static volatile unsigned long ticks;
static volatile bool in_child;
static pid_t ourselves;

/* Until it is executed, a child may share our memory, so that this would be ours. */
static void tick(int signo)
{
	(void)signo;
	ticks++;
	if (syscall(SYS_getpid) != ourselves)
		in_child = true;
}

/*
 * Takes and gives memory, writes errno, opens files; and signals the process group, to which a child belongs at first, all
 * the time: with a signal that kills nobody.
 */
static void *keep_busy(void *arg)
{
	while (!enough) {
		char *bytes = malloc(1 + random_below(100000));
		int fd = open("/dev/null", O_RDONLY);

		bytes[0] = 'x';
		ck_assert_int_eq(open("/nonexistent", O_RDONLY), -1);
		if (errno != ENOENT)
			abort();
		kill(0, SIGWINCH);
		close(fd);
		free(bytes);
	}
	return arg;
}

static void start_many(int count)
{
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	pthread_t threads[3];

	ourselves = getpid();
	sigaction(SIGWINCH, &action, NULL);
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_busy, NULL), 0);
	for (int i = 0; i < count; i++)
		assert_says("echo $((6 * 7)); readlink /proc/self/fd/3 || :", "42\n");
	enough = true;
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_gt(ticks, 0);
	ck_assert(!in_child);
	/* The user of the other threads, and ours, is what it was. */
	ck_assert_uint_eq(getuid(), geteuid());
}

START_TEST(with_busy_threads)
{
	start_many(200);
}
END_TEST

static void *await_end(void *arg)
{
	(void)arg;
	while (!enough)
		usleep(1000);
	return (void *)(uintptr_t)syscall(SYS_geteuid);
}

START_TEST(threads_keep_their_user)
{
	pthread_t thread;
	void *uid;

	if (!other_user_or_skip("threads_keep_their_user"))
		return;
	ck_assert_int_eq(pthread_create(&thread, NULL, await_end, NULL), 0);
	be_nobody();
	for (int i = 0; i < 20; i++)
		assert_says("id -u", "65534\n");
	enough = true;
	pthread_join(thread, &uid);
	ck_assert_uint_eq((uintptr_t)uid, 0);
	ck_assert_uint_eq(geteuid(), 0);
	enough = false;
	start_many(50);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("launch_user");
	TCase *user = add_plain_case(suite, "user"), *threads = add_plain_case(suite, "threads");

	tcase_add_test(user, ids_and_capabilities);
	tcase_add_test(user, output_of_another_user);
	tcase_add_test(user, where_he_may_not_be);
	tcase_add_test(user, too_many_processes);
	tcase_add_test(user, no_way_back);
	tcase_add_test(user, a_user_who_does_not_exist_here);
	tcase_add_test(user, a_user_who_stops_it);
	tcase_add_test(threads, with_busy_threads);
	tcase_add_test(threads, threads_keep_their_user);
	return run_suite(suite);
}
