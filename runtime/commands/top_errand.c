/* top_errand.c - run a command, and hear what it says. */
#include "top_errand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/sys.h"

#define READ_BYTES 4096

/* The same program, also if another one has been installed meanwhile. */
#define PROGRAM "/proc/self/exe"

/* VERB -c FILE -- ARGUMENTS, NULL at the end. */
static void fill(char *argv[ERRAND_WORDS + 6], const struct args *args, const struct errand_order *order)
{
	const char *options[] = {"config", "instance"};
	size_t n = 0;

	argv[n++] = (char *)(uintptr_t) "yardmaster";
	argv[n++] = (char *)(uintptr_t)order->words[0];
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (args_value(args, options[i])) {
			argv[n++] = (char *)(uintptr_t)(i == 0 ? "-c" : "-i");
			argv[n++] = (char *)(uintptr_t)args_value(args, options[i]);
			break;
		}
	argv[n++] = (char *)(uintptr_t) "--";
	for (size_t i = 1; i < ERRAND_WORDS && order->words[i][0]; i++)
		argv[n++] = (char *)(uintptr_t)order->words[i];
	argv[n] = NULL;
}

static int spawn(pid_t *pid, char *argv[], int to)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int result;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, to, STDERR_FILENO);
	result = posix_spawn(pid, PROGRAM, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return result;
}

int errand_start(struct errand *errand, const struct args *args, const struct errand_order *order, struct ym_err *err)
{
	char *argv[ERRAND_WORDS + 6];
	int ends[2], failed;

	errand_leave(errand);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ym_fail_sys(err, errno, "pipe2() to hear what `yardmaster %s` says", order->words[0]);
	fill(argv, args, order);
	failed = spawn(&errand->pid, argv, ends[1]);
	close(ends[1]);
	if (failed) {
		close(ends[0]);
		errand->pid = 0;
		return ym_fail_sys(err, failed, "posix_spawn(\"" PROGRAM "\") for `yardmaster %s`", order->words[0]);
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	errand->fd = ends[0];
	return 0;
}

static void reap(struct errand *errand)
{
	int status = 0;

	while (waitpid(errand->pid, &status, 0) < 0 && errno == EINTR)
		;
	errand->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	errand->pid = 0;
	close(errand->fd);
}

bool errand_hear(struct errand *errand)
{
	ssize_t n = 0;

	while (errand->pid) {
		if (errand->length + READ_BYTES + 1 > errand->room) {
			char *larger = errand->room < ERRAND_TEXT_MAX
			                   ? realloc(errand->text, errand->room + (size_t)4 * READ_BYTES)
			                   : NULL;

			/* No room for more, and nobody would read it: unread, it would be heard again and again. */
			if (!larger) {
				kill(errand->pid, SIGKILL);
				n = 0;
				break;
			}
			errand->text = larger;
			errand->room += (size_t)4 * READ_BYTES;
		}
		n = read(errand->fd, errand->text + errand->length, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		errand->length += (size_t)n;
	}
	if (errand->room > 0)
		errand->text[errand->length] = '\0';
	/* Who has closed both outputs is about to end. */
	if (!errand->pid || n < 0)
		return false;
	reap(errand);
	return true;
}

const char *errand_told(const struct errand *errand, char out[ERRAND_TOLD_MAX])
{
	static const char name[] = "yardmaster: ";
	const char *at = errand->text ? errand->text : "";
	size_t used = 0;

	out[0] = '\0';
	while (*at && used < ERRAND_TOLD_MAX) {
		size_t length = strcspn(at, "\n");

		if (strncmp(at, name, sizeof(name) - 1) == 0) {
			at += sizeof(name) - 1;
			length -= sizeof(name) - 1;
		}
		used +=
		    (size_t)snprintf(out + used, ERRAND_TOLD_MAX - used, "%s%.*s", used ? "; " : "", (int)length, at);
		at += length;
		at += strspn(at, "\n");
	}
	return out;
}

void errand_end(struct errand *errand)
{
	if (errand->pid) {
		kill(errand->pid, SIGKILL);
		reap(errand);
	}
	errand_leave(errand);
}

void errand_leave(struct errand *errand)
{
	if (errand->pid)
		close(errand->fd);
	free(errand->text);
	*errand = (struct errand){0};
}
