/* web.c - start, run, stop. */
#include "web.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "assets.h"
#include "web_self.h"

/* How often deadlines are looked at. */
#define SWEEP_MS 500
/* At the end, for answers that are on their way. */
#define STOP_MS      2000
#define STOP_LOOK_MS 20
#define BACKLOG      512
/* Descriptors beside the connections: what is looked at, a store. */
#define DESCRIPTORS 64
/* Whatever is asked of us, those who work come first. */
#define NICE 10

static const int signal_numbers[WEB_SIGNALS] = {SIGTERM, SIGINT};

/* ---- the end --------------------------------------------------------------------------------- */

/* Those who have no answer on its way. */
static void close_idle(struct web *web)
{
	struct connection *next;

	for (struct connection *connection = web->connections; connection; connection = next) {
		next = connection->next;
		if (connection->state == CONNECTION_READING || connection->state == CONNECTION_VIEWING)
			connection_close(connection);
		connection->keep = false;
	}
}

static void sweep(uv_timer_t *timer)
{
	struct web *web = timer->data;

	connection_sweep(web);
	if (!web->stopping) {
		if (web->kept_waiting)
			connection_accept(web);
		/* Without viewers nobody else would see that the instance has been removed. */
		feed_attach(&web->feed);
		return;
	}
	while (web->connections && uv_now(&web->loop) >= web->stop_at)
		connection_close(web->connections);
	if (!web->connections)
		uv_close((uv_handle_t *)timer, NULL);
}

static void stop(struct web *web)
{
	if (web->stopping)
		return;
	web->stopping = true;
	web->stop_at = uv_now(&web->loop) + STOP_MS;
	address_leave(&web->address);
	uv_close(&web->listener.handle, NULL);
	for (int i = 0; i < WEB_SIGNALS; i++)
		uv_close((uv_handle_t *)&web->signals[i], NULL);
	uv_close((uv_handle_t *)&web->tick, NULL);
	close_idle(web);
	uv_timer_start(&web->sweep, sweep, 0, STOP_LOOK_MS);
}

/* ---- the start ------------------------------------------------------------------------------- */

static void stop_by_signal(uv_signal_t *handle, int number)
{
	(void)number;
	stop(handle->data);
}

static void arrived(uv_stream_t *listener, int status)
{
	struct web *web = listener->data;

	if (status == 0)
		connection_accept(web);
}

/* As many connections as are asked for need as many descriptors. */
static int allow_descriptors(unsigned connections, struct ym_err *err)
{
	struct rlimit limit;
	rlim_t needed = (rlim_t)connections + DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
		return 0;
	limit.rlim_cur = needed;
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed)
		return ym_fail(err, YM_ERR_LIMIT,
		               "%u connections need %llu descriptors, but only %llu are allowed: fewer --connections, "
		               "or raise the limit (ulimit -Hn; LimitNOFILE= of systemd)",
		               connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
	return setrlimit(RLIMIT_NOFILE, &limit) < 0
	           ? ym_fail_sys(err, errno, "setrlimit(RLIMIT_NOFILE, %llu) for connections",
	                         (unsigned long long)needed)
	           : 0;
}

static int start_listener(struct web *web, struct ym_err *err)
{
	char text[ADDRESS_TEXT_MAX];
	bool local = address_is_local(&web->address);
	int fd, failed;

	if (address_bind(&web->address, web->options->mode, &fd, err) < 0)
		return -1;
	failed = local ? uv_pipe_init(&web->loop, &web->listener.pipe, 0) : uv_tcp_init(&web->loop, &web->listener.tcp);
	if (failed == 0)
		failed = local ? uv_pipe_open(&web->listener.pipe, fd) : uv_tcp_open(&web->listener.tcp, fd);
	web->listener.handle.data = web;
	if (failed == 0)
		failed = uv_listen(&web->listener.stream, BACKLOG, arrived);
	return failed < 0 ? ym_fail_sys(err, -failed, "listen() at %s", address_text(&web->address, text)) : 0;
}

static void start_timers(struct web *web)
{
	uv_timer_init(&web->loop, &web->tick);
	uv_timer_init(&web->loop, &web->sweep);
	web->tick.data = web->sweep.data = web;
	for (int i = 0; i < WEB_SIGNALS; i++) {
		uv_signal_init(&web->loop, &web->signals[i]);
		web->signals[i].data = web;
		uv_signal_start(&web->signals[i], stop_by_signal, signal_numbers[i]);
	}
	uv_timer_start(&web->sweep, sweep, SWEEP_MS, SWEEP_MS);
}

static int start(struct web *web, struct ym_err *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (allow_descriptors(web->options->connections, err) < 0 || start_listener(web, err) < 0)
		return -1;
	start_timers(web);
	printf("yardmaster serve: instance %s at %s\n", web->options->instance.name, address_text(&web->address, text));
	return fflush(stdout) == 0 ? 0 : ym_fail_sys(err, errno, "write() to standard output");
}

int web_run(const struct web_options *options, struct ym_err *err)
{
	static struct web web;
	int failed = uv_loop_init(&web.loop);

	web.options = options;
	web.address = options->address;
	if (failed < 0)
		return ym_fail_sys(err, -failed, "uv_loop_init() for the server");
	signal(SIGPIPE, SIG_IGN);
	/* Who is nicer already stays so; that it is refused does not happen. */
	if (getpriority(PRIO_PROCESS, 0) < NICE)
		setpriority(PRIO_PROCESS, 0, NICE);
	assets_open();
	feed_open(&web.feed, &options->instance);
	if (start(&web, err) < 0)
		return -1;
	uv_run(&web.loop, UV_RUN_DEFAULT);
	feed_close(&web.feed);
	uv_loop_close(&web.loop);
	return 0;
}
