/* test_launch.c - what a started process gets of each option, and that nothing else gets through. */
#include <grp.h>
#include <pwd.h>

#include "launch_support.h"

/* ---- files ----------------------------------------------------------------------------------- */

START_TEST(output_and_errors)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"echo out; echo err >&2; exit 3"}, NULL};
	struct launch start = {.file = "sh", .argv = argv};
	int output, pidfd;

	run_launch(&start);
	ck_assert_str_eq(said, "out\n");
	ck_assert_str_eq(complained, "err\n");
	ck_assert_int_eq(WEXITSTATUS(status), 3);
	/* Both in one pipe, in order; our end does not block. */
	start.output = &output;
	start.errors = NULL;
	ck_assert_int_gt(launch(&start, &pidfd, &err), 0);
	ck_assert_int_eq(fcntl(output, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ck_assert_int_eq(fcntl(output, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	read_all(output, said, sizeof(said));
	ck_assert_str_eq(said, "out\nerr\n");
	ck_assert_int_eq(waitpid(-1, &status, 0) > 0, 1);
	assert_says("readlink /proc/self/fd/0; cat", "/dev/null\n");
}
END_TEST

START_TEST(output_inherited)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"echo out; echo err >&2"}, NULL};
	struct launch start = {.file = "sh", .argv = argv};
	int ends[2], saved[2] = {dup(1), dup(2)}, errors, pidfd;
	pid_t pid;

	fflush(stdout);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], 1);
	dup2(ends[1], 2);
	close(ends[1]);
	pid = launch(&start, &pidfd, &err);
	start.errors = &errors;
	if (pid > 0)
		pid = launch(&start, &pidfd, &err);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	ck_assert_int_gt(pid, 0);
	read_all(ends[0], said, sizeof(said));
	read_all(errors, complained, sizeof(complained));
	ck_assert_int_eq(waitpid(-1, NULL, 0) > 0 && waitpid(-1, NULL, 0) > 0, 1);
	/* The first and the second process side by side, in any order. */
	ck_assert_uint_eq(strlen(said), strlen("out\nerr\nout\n"));
	ck_assert_str_eq(complained, "err\n");
}
END_TEST

/* A file with one letter, open at this number. */
static void open_letter(const char *letter, int number)
{
	char path[PATH_MAX];
	int fd;

	write_file(letter, letter, 1);
	join_path(path, letter);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, number), number);
	if (fd != number)
		close(fd);
}

static void assert_open(const struct launch_fd *fds, size_t nfds, const char *numbers)
{
	char *argv[] = {(char[]){"x"}, (char[]){"files"}, NULL};
	struct launch start = {.argv = argv, .fds = fds, .nfds = nfds};

	run_launch(&start);
	ck_assert_str_eq(said, numbers);
}

START_TEST(files_change_places)
{
	const struct launch_fd fds[] = {{20, 21}, {21, 20}, {22, 3}, {20, 5}, {23, 23}};
	char *argv[] = {(char[]){"cat"},
	                (char[]){"/dev/fd/21"},
	                (char[]){"/dev/fd/20"},
	                (char[]){"/dev/fd/3"},
	                (char[]){"/dev/fd/5"},
	                (char[]){"/dev/fd/23"},
	                NULL};
	struct launch start = {.file = "cat", .argv = argv, .fds = fds, .nfds = COUNT(fds)};

	open_letter("a", 20);
	open_letter("b", 21);
	open_letter("c", 22);
	open_letter("d", 23);
	run_launch(&start);
	ck_assert_str_eq(said, "abcad");
	/* Whatever others left open, below and above those that are wanted. */
	open_letter("e", 4);
	open_letter("f", 200);
	assert_open(fds, COUNT(fds), "0 1 2 3 5 20 21 23 ");
	assert_open(NULL, 0, "0 1 2 ");
}
END_TEST

/* A service manager may start us without any. */
static void without_files(void *arg)
{
	(void)arg;
	close(0);
	close(1);
	close(2);
	run_shell("echo out; echo err >&2; readlink /proc/self/fd/0");
	if (strcmp(said, "out\n/dev/null\n") != 0 || strcmp(complained, "err\n") != 0)
		_exit(1);
}

START_TEST(our_own_files_are_closed)
{
	run_child(without_files, NULL);
}
END_TEST

START_TEST(nothing_leaks)
{
	int before = count_open();

	for (int i = 0; i < 20; i++)
		run_shell("exit 0");
	ck_assert_int_eq(count_open(), before);
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}
END_TEST

struct survival {
	bool outlives;
	char script[2 * PATH_MAX];
};

/* A master that starts somebody who talks after its death, says his pid, and dies. */
static void short_lived(void *arg)
{
	struct survival *survival = arg;
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, survival->script, NULL};
	int output, errors, pidfd;
	struct launch start = {
	    .file = "/bin/sh", .argv = argv, .output = &output, .errors = &errors, .outlives = survival->outlives};
	pid_t pid = launch(&start, &pidfd, &err);

	MUST(pid > 0 && write(steps[1], &pid, sizeof(pid)) == sizeof(pid));
	sleep_for_ever();
}

static void let_master_die(bool outlives)
{
	struct survival survival = {.outlives = outlives};
	char go[PATH_MAX];
	pid_t master, pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	open_steps();
	join_path(go, "go");
	unlink(go);
	ck_assert_int_eq(mkfifo(go, 0600), 0);
	snprintf(survival.script, sizeof(survival.script), "read x <%s; echo out; echo err >&2; exit 5", go);
	master = spawn(short_lived, &survival);
	ck_assert_int_eq(read(steps[0], &pid, sizeof(pid)), sizeof(pid));
	kill_and_reap(master);
	write_file("go", "x\n", 2);
	status = reap(pid);
}

START_TEST(output_outlives_us)
{
	let_master_die(true);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	let_master_die(false);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}
END_TEST

/* ---- signals and group ----------------------------------------------------------------------- */

static void handler(int signo)
{
	(void)signo;
}

START_TEST(signals_at_their_defaults)
{
	struct sigaction action = {.sa_handler = handler};
	sigset_t blocked, after;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGRTMAX, SIG_IGN);
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	assert_says("grep -E 'Sig(Blk|Ign)' /proc/self/status",
	            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	/* And ours are as they were. */
	sigprocmask(SIG_SETMASK, NULL, &after);
	ck_assert(sigismember(&after, SIGTERM) && sigismember(&after, SIGCHLD) && !sigismember(&after, SIGINT));
	ck_assert(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
}
END_TEST

START_TEST(a_group_of_its_own)
{
	assert_says("read pid name state parent group rest </proc/self/stat; [ $group = $$ ] && [ $group != $PPID ]",
	            "");
}
END_TEST

/* ---- the program ----------------------------------------------------------------------------- */

START_TEST(our_own_executable)
{
	char *argv[] = {(char[]){"a name"}, (char[]){"name"}, NULL};
	struct launch start = {.argv = argv};

	run_launch(&start);
	ck_assert_str_eq(said, "a name\n");
}
END_TEST

static void make_script(const char *name, const char *text, mode_t mode)
{
	char path[PATH_MAX];

	put_file(name, text);
	join_path(path, name);
	chmod(path, mode);
}

/* Look for "tool" in a PATH of directories of the test; "-" is a relative one. */
static void look_for_tool(char *path, struct launch *start)
{
	static char name[] = "PATH";
	static struct cfg_pair pair;

	pair = (struct cfg_pair){name, path};
	config.environment = &pair;
	config.nenvironment = 1;
	make_persona(NULL);
	start->persona = persona;
}

START_TEST(looked_up_in_path)
{
	char path[4 * PATH_MAX], found[PATH_MAX], expected[PATH_MAX];
	char *argv[] = {(char[]){"tool"}, NULL};
	struct launch start = {.file = "tool", .argv = argv};

	make_script("1/tool", "#!/bin/sh\necho one\n", 0644);
	make_script("2/tool", "#!/bin/sh\necho two\n", 0755);
	make_script("3/tool", "#!/bin/sh\necho three\n", 0755);
	ck_assert_int_eq(chdir(directory), 0);
	/* What is missing, is no directory, may not be executed, or depends on where we stand, is passed over. */
	snprintf(path, sizeof(path), "3::.:/nonexistent:/dev/null:%s/1:%s/2:%s/3", directory, directory, directory);
	config.directory = directory;
	look_for_tool(path, &start);
	run_launch(&start);
	ck_assert_str_eq(said, "two\n");
	ASSERT_OK(launch_find("tool", persona, found, &err));
	join_path(expected, "2/tool");
	ck_assert_str_eq(found, expected);
	/* With a slash it is a path, from the process' directory. */
	ck_assert_int_eq(chdir("/"), 0);
	start.file = "3/tool";
	run_launch(&start);
	ck_assert_str_eq(said, "three\n");
	ASSERT_OK(launch_find("3/tool", persona, found, &err));
	join_path(expected, "3/tool");
	ck_assert_str_eq(found, expected);
	ASSERT_ERR(launch_find("3/tool/x", persona, found, &err), YM_ERR_CONFIG);
	ASSERT_ERR(launch_find("nonexistent", persona, found, &err), YM_ERR_CONFIG);
	ASSERT_OK(launch_find(NULL, NULL, found, &err));
	/* Only where it may not be executed: that is what is said. */
	snprintf(path, sizeof(path), "/nonexistent:%s/1:/bin", directory);
	look_for_tool(path, &start);
	join_path(expected, "1/tool");
	assert_no_start("tool", EACCES, expected, "may not execute it");
	snprintf(path, sizeof(path), "/nonexistent:%s", directory);
	look_for_tool(path, &start);
	assert_no_start("tool", ENOENT, path, "no such program in PATH=");
}
END_TEST

START_TEST(programs_that_cannot_run)
{
	char path[PATH_MAX];

	assert_no_start("/nonexistent/x", ENOENT, "execve(\"/nonexistent/x\")", "no such program");
	make_script("text", "echo hello\n", 0755);
	join_path(path, "text");
	assert_no_start(path, ENOEXEC, "execve(", "#!/bin/sh");
	make_script("interpreted", "#!/nonexistent/sh\n", 0755);
	join_path(path, "interpreted");
	assert_no_start(path, ENOENT, "execve(", "interpreter");
	assert_no_start(directory, EACCES, "execve(", "may not execute it");
}
END_TEST

/* ---- environment and limits ------------------------------------------------------------------ */

/* It has these variables of ours, each once. */
static void assert_env(struct launch *start, const char *const *entries, int count)
{
	start->persona = persona;
	run_launch(start);
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n")) {
		bool expected = false;

		if (strncmp(line, "YM_", 3) != 0)
			continue;
		for (const char *const *entry = entries; *entry; entry++)
			expected |= strcmp(*entry, line) == 0;
		ck_assert_msg(expected, "unexpected: %s", line);
		count--;
	}
	ck_assert_int_eq(count, 0);
}

START_TEST(whose_variable_wins)
{
	struct cfg_pair pair = {(char[]){"YM_ASKED"}, (char[]){"environment"}};
	const char *env[] = {"YM_ASKED=launch", "YM_GIVEN=launch", "YM_NEW=launch", NULL};
	char *argv[] = {(char[]){"env"}, NULL};
	struct launch start = {.file = "/usr/bin/env", .argv = argv, .env = env};

	setenv("YM_ASKED", "inherited", 1);
	setenv("YM_GIVEN", "inherited", 1);
	setenv("YM_OLD", "inherited", 1);
	assert_env(&start,
	           (const char *[]){"YM_ASKED=launch", "YM_GIVEN=launch", "YM_NEW=launch", "YM_OLD=inherited", NULL},
	           4);
	config.environment = &pair;
	config.nenvironment = 1;
	make_persona(NULL);
	assert_env(
	    &start,
	    (const char *[]){"YM_ASKED=environment", "YM_GIVEN=launch", "YM_NEW=launch", "YM_OLD=inherited", NULL}, 4);
	start.env = NULL;
	config.clear_env = 1;
	make_persona(NULL);
	assert_env(&start, (const char *[]){"YM_ASKED=environment", NULL}, 1);
}
END_TEST

START_TEST(each_limit)
{
	char expected[PATH_MAX + 64];

	config.umask = 0137;
	config.nice = 7;
	config.directory = directory;
	config.no_new_privs = 1;
	config.rlimit_files = 64;
	config.rlimit_core = 0;
	config.rlimit_memory = 1 << 30;
	config.rlimit_processes = 5000;
	config.rlimit_stack = 1 << 20;
	config.rlimit_cpu = 60;
	make_persona(NULL);
	snprintf(expected, sizeof(expected), "0137\n7\n%s\nNoNewPrivs:\t1\n", directory);
	assert_says("umask; nice; pwd; grep NoNewPrivs /proc/self/status", expected);
	for (const char *kind = "SH"; *kind; kind++) {
		char script[128];

		snprintf(script, sizeof(script), "for of in n c v s t; do ulimit -%c$of; done", *kind);
		assert_says(script, "64\n0\n1048576\n1024\n60\n");
	}
	/* Not all shells know this one. */
	assert_says("grep 'Max processes' /proc/self/limits | tr -s ' '", "Max processes 5000 5000 processes \n");
	/* And ours are as they were. */
	ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice(0));
	ck_assert_int_ne(getpriority(PRIO_PROCESS, 0), 7);
	ck_assert_int_ne(umask(022), 0137);
}
END_TEST

START_TEST(nothing_asked_nothing_changed)
{
	umask(0123);
	ck_assert_int_eq(chdir("/usr"), 0);
	make_persona(NULL);
	assert_says("umask; pwd; grep NoNewPrivs /proc/self/status", "0123\n/usr\nNoNewPrivs:\t0\n");
}
END_TEST

START_TEST(in_its_control_group)
{
	config.cgroup_memory = 4096;
	make_persona(NULL);
	/* Without the group it asks for, nothing runs. */
	ASSERT_ERR(launch(&(struct launch){.file = "/bin/true", .persona = persona}, &status, &err), YM_ERR_BUG);
	ASSERT_IN("cgroup was not made", err.text);
	put_file("proc/self/cgroup", "0::/\n");
	put_file("sys/fs/cgroup/cgroup.controllers", "memory\n");
	put_file("sys/fs/cgroup/cgroup.subtree_control", "memory\n");
	put_file("sys/fs/cgroup/main.x/memory.max", "max\n");
	put_file("sys/fs/cgroup/main.x/cgroup.procs", "");
	ASSERT_OK(persona_cgroup(persona, directory, "main.x", &err));
	assert_says("echo ran", "ran\n");
	ck_assert_str_eq(read_file("sys/fs/cgroup/main.x/cgroup.procs"), "0");
	/* The group has gone. */
	close(persona->cgroup_procs);
	persona->cgroup_procs = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_no_start("/bin/true", ENOSPC, "/main.x/cgroup.procs\", \"0\")", "");
}
END_TEST

START_TEST(steps_that_fail)
{
	char path[PATH_MAX];
	struct launch_fd fds[] = {{999, 3}};
	char *argv[] = {(char[]){"x"}, NULL};
	struct launch start = {.file = "/bin/true", .argv = argv, .fds = fds, .nfds = 1};
	int pidfd;

	join_path(path, "gone");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	config.directory = path;
	make_persona(NULL);
	rmdir(path);
	assert_no_start("/bin/true", ENOENT, "chdir(\"", path);
	config.directory = NULL;
	/* More than the kernel allows, for everybody. */
	config.rlimit_files = CFG_UNLIMITED;
	make_persona(NULL);
	assert_no_start("/bin/true", EPERM, "setrlimit(rlimit_files, unlimited)", "fs.nr_open");
	ck_assert_int_eq(launch(&start, &pidfd, &err), -1);
	ck_assert_int_eq(err.sys, EBADF);
	ASSERT_IN("fcntl(999, ", err.text);
	fds[0] = (struct launch_fd){0, 1 << 30};
	ck_assert_int_eq(launch(&start, &pidfd, &err), -1);
	ASSERT_IN("ulimit -n", err.text);
}
END_TEST

/* What a test starts in its own executable: who it is, or which files are open. */
static int speak(const char *name, const char *what)
{
	if (strcmp(what, "name") == 0)
		return puts(name) < 0;
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	return 0;
}

static int run_tests(void)
{
	Suite *suite = suite_create("launch");
	TCase *files = add_plain_case(suite, "files"), *program = add_plain_case(suite, "program"),
	      *limits = add_plain_case(suite, "limits");

	tcase_add_test(files, output_and_errors);
	tcase_add_test(files, output_inherited);
	tcase_add_test(files, files_change_places);
	tcase_add_test(files, our_own_files_are_closed);
	tcase_add_test(files, nothing_leaks);
	tcase_add_test(files, output_outlives_us);
	tcase_add_test(files, signals_at_their_defaults);
	tcase_add_test(files, a_group_of_its_own);
	tcase_add_test(program, our_own_executable);
	tcase_add_test(program, looked_up_in_path);
	tcase_add_test(program, programs_that_cannot_run);
	tcase_add_test(limits, whose_variable_wins);
	tcase_add_test(limits, each_limit);
	tcase_add_test(limits, nothing_asked_nothing_changed);
	tcase_add_test(limits, in_its_control_group);
	tcase_add_test(limits, steps_that_fail);
	return run_suite(suite);
}

int main(int argc, char **argv)
{
	return argc == 2 ? speak(argv[0], argv[1]) : run_tests();
}
