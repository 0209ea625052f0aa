/* trial.c - launch, read, wait. */
#include "trial.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "launch.h"
#include "spawn.h"

/* Reads on when `printed` is full, so that the program does not wait for us. */
static size_t read_some(int fd, char *printed, size_t used, size_t size)
{
	char rest[512];
	ssize_t n;

	if (used + 1 < size)
		n = read(fd, printed + used, size - 1 - used);
	else
		n = read(fd, rest, sizeof(rest)) < 0 ? -1 : 0;
	return n > 0 ? used + (size_t)n : used;
}

int trial_run(const char *file, char *const *argv, char *printed, size_t size, struct ym_err *err)
{
	int output, pidfd, status = -1;
	struct launch how = {.file = file, .argv = argv, .output = &output};
	uint64_t deadline = ym_deadline(TRIAL_MS);
	pid_t pid = launch(&how, &pidfd, err);
	size_t used = 0, before;
	bool closed = false; /* it has closed its output */

	if (pid < 0)
		return -1;
	while (!spawn_reap(pidfd, &status, NULL)) {
		struct pollfd both[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};

		if (poll(both, closed ? 1 : 2, 100) < 0 && errno != EINTR)
			break;
		closed = closed || (!(both[1].revents & POLLIN) && both[1].revents & POLLHUP);
		used = read_some(output, printed, used, size);
		if (ym_now_ns() > deadline)
			spawn_signal(pidfd, SIGKILL);
	}
	do {
		before = used;
		used = read_some(output, printed, used, size);
	} while (used > before);
	printed[used] = '\0';
	close(output);
	close(pidfd);
	return status;
}
