/*
 * control_support.h - a master with a control socket and nothing else, and clients that talk to it byte by byte.
 */
#ifndef YM_TESTS_CONTROL_SUPPORT_H
#define YM_TESTS_CONTROL_SUPPORT_H

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../../runtime/control.h"
#include "support.h"

#define ANSWER_MAX 1048576
#define FOREVER_MS 60000
#define BIG_END    "{\"out\": \"short\"}\n{\"exit\": 0}\n"

/* Where the socket is: the test's directory, or one below it. */
static char place[PATH_MAX];
static pid_t server;

/* ---- a master -------------------------------------------------------------------------------- */

struct site {
	uv_loop_t loop;
	struct control *control;
	bool quit;
};

static inline void handle(void *arg, const struct control_request *request, struct control_reply *reply)
{
	struct site *site = arg;

	if (strcmp(request->verb, "echo") == 0) {
		for (size_t i = 0; i < request->nargs; i++)
			control_say(reply, "arg %s", request->args[i]);
		for (size_t i = 0; i < request->nflags; i++)
			control_say(reply, "flag %s", request->flags[i]);
		control_say(reply, "dry run: %s", control_flag(request, "dry-run") ? "yes" : "no");
	} else if (strcmp(request->verb, "who") == 0) {
		control_say(reply, "%ld", request->pid);
	} else if (strcmp(request->verb, "refuse") == 0) {
		control_say(reply, "before");
		control_refuse(reply, YM_ERR_CONFIG, "the first reason");
		control_refuse(reply, YM_ERR_BUG, "another reason");
	} else if (strcmp(request->verb, "big") == 0) {
		/* Each line, with {"out": ""} around it, has 1000 bytes. */
		for (int i = 0; i < atoi(request->args[0]); i++)
			control_say(reply, "%0*d", 1000 - 12, i);
		control_say(reply, "short");
	} else if (strcmp(request->verb, "die") == 0) {
		_exit(0);
	} else {
		site->quit = true;
		uv_stop(&site->loop);
	}
}

static inline void open_site(struct site *site)
{
	*site = (struct site){.quit = false};
	MUST(uv_loop_init(&site->loop) == 0);
	MUST(control_open(&site->control, &site->loop, place, handle, site, &err) == 0);
}

static inline void close_site(struct site *site)
{
	control_close(site->control);
	uv_run(&site->loop, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&site->loop) == 0);
}

static inline void serve(void *arg)
{
	struct site site;

	if (arg)
		MUST(setuid(*(uid_t *)arg) == 0);
	open_site(&site);
	while (!site.quit)
		uv_run(&site.loop, UV_RUN_DEFAULT);
	close_site(&site);
}

static inline bool answers(void)
{
	struct control_pong pong;

	return control_ping(place, PATIENCE_MS, &pong, NULL) == 0;
}

static inline void start_server(void)
{
	server = spawn(serve, NULL);
	WAIT_UNTIL(answers());
}

static inline void stop_server(void)
{
	ck_assert_int_eq(control_ask(place, &(struct control_request){.verb = "quit"}, PATIENCE_MS, &err), 0);
	reap_well(server);
}

/* ---- clients --------------------------------------------------------------------------------- */

static inline int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t length = strlen(place);

	ck_assert_uint_lt(length, sizeof(address.sun_path) - sizeof("/control"));
	memcpy(address.sun_path, place, length);
	memcpy(address.sun_path + length, "/control", sizeof("/control"));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline void post(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		/* Whoever says too much is not heard out. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		ck_assert_int_gt(n, 0);
		bytes += n;
		size -= (size_t)n;
	}
}

/* All that comes until the end; closes. */
static inline const char *read_rest(int fd)
{
	static char text[2 * ANSWER_MAX];
	size_t used = 0;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t n;

		ck_assert_msg(poll(&ready, 1, PATIENCE_MS) == 1, "no end after \"%.200s\"", text);
		n = read(fd, text + used, sizeof(text) - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	close(fd);
	return text;
}

static inline const char *ask_raw(const char *line)
{
	int fd = dial();

	post(fd, line, strlen(line));
	return read_rest(fd);
}

static inline int redirect(int fd, const char *name)
{
	char path[PATH_MAX];
	int saved = dup(fd), file;

	join_path(path, name);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(file, 0);
	dup2(file, fd);
	close(file);
	return saved;
}

static inline const char *file_text(const char *name, char *text, size_t max)
{
	char path[PATH_MAX];
	FILE *file;

	join_path(path, name);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, max - 1, file)] = '\0';
	fclose(file);
	return text;
}

static char out[4096], complaint[4096];

/* What control_ask() prints is in `out` and `complaint`. */
static inline int ask(const struct control_request *request, int64_t timeout_ms)
{
	int saved_out = redirect(1, "out"), saved_err = redirect(2, "err");
	int code = control_ask(place, request, timeout_ms, &err);

	fflush(stdout);
	fflush(stderr);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	file_text("out", out, sizeof(out));
	file_text("err", complaint, sizeof(complaint));
	return code;
}

static inline bool logged(const char *text)
{
	static char log[65536];

	return strstr(file_text("log", log, sizeof(log)), text) != NULL;
}

static inline void begin_socket(void)
{
	char path[PATH_MAX];

	begin_test();
	snprintf(place, sizeof(place), "%s", directory);
	join_path(path, "log");
	ck_assert_ptr_nonnull(freopen(path, "ae", stderr));
	control_client_ms = FOREVER_MS;
}

#endif
