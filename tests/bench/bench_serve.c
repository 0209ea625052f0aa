/*
 * bench_serve.c - what viewers of the web page cost, while jobs run whose progress changes all the time.
 *
 *   serve.200_viewers        processor time of the server, percent of a core. Raw: a process that does nothing but send as
 *                            many bytes as often to as many connections
 *   serve.200_viewers.rate   frames a second that each viewer gets
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "stand.h"

#define VIEWERS 200
#define WORKERS 8
#define MEASURE 4.0 /* seconds */
/* Until frames come regularly. */
#define SETTLE 1.0

static struct pollfd viewers[VIEWERS];
static pid_t server;
static in_port_t port;

static struct {
	double cpu, frames, bytes; /* of one run: seconds, of one viewer, of all */
} seen;

/* ---- the server ------------------------------------------------------------------------------ */

static void start_server(void)
{
	int pipes[2];
	char line[256] = "", *colon;
	unsigned number = 0;

	if (pipe(pipes) < 0)
		die("pipe");
	server = fork();
	if (server == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execl(program, program, "serve", "-c", ini, "--listen", "127.0.0.1:0", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	if (read(pipes[0], line, sizeof(line) - 1) <= 0 || !(colon = strrchr(line, ':')) ||
	    sscanf(colon, ":%u", &number) != 1)
		die("the server does not say where it is");
	close(pipes[0]);
	port = htons((in_port_t)number);
}

static double cpu_of(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	file = fopen(path, "r");
	/* The name of the program has no blank in it. */
	if (!file || fscanf(file, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user, &system) != 2)
		die(path);
	fclose(file);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- viewers --------------------------------------------------------------------------------- */

static void open_viewers(const char *request)
{
	const struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (int i = 0; i < VIEWERS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
			die("connect");
		if (write(fd, request, strlen(request)) != (ssize_t)strlen(request))
			die("write");
		fcntl(fd, F_SETFL, O_NONBLOCK);
		viewers[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
}

static void close_viewers(void)
{
	for (int i = 0; i < VIEWERS; i++)
		close(viewers[i].fd);
}

/* Ends of frames in what the first viewer gets; one that is cut between its two ends of lines is missed. */
static double count_frames(const char *bytes, ssize_t size)
{
	double frames = 0;

	for (ssize_t i = 1; i < size; i++)
		frames += bytes[i] == '\n' && bytes[i - 1] == '\n';
	return frames;
}

/* Read all that comes, for so long. */
static void watch(double span)
{
	static char bytes[1 << 17];
	uint64_t start = ym_now_ns();

	while (seconds(start) < span) {
		if (poll(viewers, VIEWERS, 20) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < VIEWERS; i++) {
			ssize_t got = viewers[i].revents ? read(viewers[i].fd, bytes, sizeof(bytes)) : -1;

			if (got == 0)
				die("a viewer was dropped");
			seen.bytes += got > 0 ? (double)got : 0;
			if (i == 0 && got > 0)
				seen.frames += count_frames(bytes, got);
		}
	}
}

static double one_run(void)
{
	double before;

	open_viewers("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
	watch(SETTLE);
	memset(&seen, 0, sizeof(seen));
	before = cpu_of(server);
	watch(MEASURE);
	seen.cpu = cpu_of(server) - before;
	close_viewers();
	return 100 * seen.cpu / MEASURE;
}

/* ---- the same, bare -------------------------------------------------------------------------- */

/* In a process of its own, which tells its processor time through a pipe. */
_Noreturn static void send_bare(int listener, size_t size, double frames, int to)
{
	int fds[VIEWERS];
	char *frame = calloc(1, size);
	uint64_t start;
	struct rusage before, after;
	double cpu;

	for (int i = 0; i < VIEWERS; i++)
		fds[i] = accept(listener, NULL, NULL);
	getrusage(RUSAGE_SELF, &before);
	start = ym_now_ns();
	for (double sent = 1; sent <= frames; sent++) {
		for (int i = 0; i < VIEWERS; i++)
			if (send(fds[i], frame, size, MSG_NOSIGNAL) < 0)
				die("send");
		while (seconds(start) < sent * MEASURE / frames)
			ym_nap(1000000);
	}
	getrusage(RUSAGE_SELF, &after);
	cpu =
	    (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
	    (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
	             before.ru_stime.tv_usec) /
		1e6;
	cpu = 100 * cpu / MEASURE;
	if (write(to, &cpu, sizeof(cpu)) != sizeof(cpu))
		die("write");
	/* They are read until we are killed. */
	for (;;)
		pause();
}

static double one_bare(void)
{
	double frames = seen.frames > 1 ? seen.frames : 1, cpu = 0;
	size_t size = (size_t)(seen.bytes / frames / VIEWERS);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pipes[2];
	pid_t child;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, VIEWERS) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0 || pipe(pipes) < 0)
		die("listen");
	port = address.sin_port;
	child = fork();
	if (child == 0)
		send_bare(listener, size, frames, pipes[1]);
	open_viewers("");
	watch(MEASURE);
	if (read(pipes[0], &cpu, sizeof(cpu)) != sizeof(cpu))
		die("the bare sender ended");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close_viewers();
	close(listener);
	close(pipes[0]);
	close(pipes[1]);
	return cpu;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void submit_jobs(void)
{
	char command[2 * PATH_MAX];

	snprintf(command, sizeof(command),
	         "for i in $(seq %d); do '%s' submit bench x -c '%s' --tag file-$i; done >/dev/null", WORKERS, program,
	         ini);
	if (system(command) != 0)
		die("submit");
}

/* They run until they are asked to give up. */
static void stop_jobs(void)
{
	char command[2 * PATH_MAX];

	snprintf(command, sizeof(command), "'%s' stop --now -c '%s' >/dev/null", program, ini);
	if (system(command) != 0)
		die("stop");
	waitpid(master, NULL, 0);
}

int main(int argc, char **argv)
{
	double cpu[ROUNDS], frames[ROUNDS], bare[ROUNDS];
	char task[PATH_MAX + 16];
	in_port_t ours;

	set_up(argc, argv);
	snprintf(task, sizeof(task), "plugin = %s", plugin);
	start(task, WORKERS, 100);
	submit_jobs();
	start_server();
	ours = port;
	for (int i = 0; i < ROUNDS; i++) {
		port = ours;
		cpu[i] = one_run();
		frames[i] = seen.frames / MEASURE;
		bare[i] = one_bare();
	}
	figure("serve.200_viewers", median(cpu, ROUNDS), "percent_of_a_core", median(bare, ROUNDS));
	figure("serve.200_viewers.rate", median(frames, ROUNDS), "frames/s", 0);
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	stop_jobs();
	return 0;
}
