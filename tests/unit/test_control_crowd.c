/*
 * test_control_crowd.c - clients that are slow, greedy or many; masters that hang, die or are none.
 */
#include "control_support.h"

/* ---- slow and greedy ------------------------------------------------------------------------- */

START_TEST(test_nothing_is_sent)
{
	int idle, half;

	control_client_ms = 400;
	start_server();
	idle = dial();
	half = dial();
	post(half, "{\"verb\"", 7);
	ck_assert_str_eq(read_rest(idle), "");
	ck_assert_str_eq(read_rest(half), "");
	ck_assert(logged("has not sent a request within 0.4 s: dropped"));
	stop_server();
}
END_TEST

/* More than are served at the same time: who waits is heard when the idle ones have been dropped. */
START_TEST(test_crowd)
{
	int idle[40], fd;

	control_client_ms = 400;
	start_server();
	for (size_t i = 0; i < COUNT(idle); i++)
		idle[i] = dial();
	fd = dial();
	post(fd, "{\"verb\": \"echo\"}\n", 17);
	ck_assert_str_eq(read_rest(fd), "{\"out\": \"dry run: no\"}\n{\"exit\": 0}\n");
	/* As many as there are places must have gone before: the oldest ones. */
	for (size_t i = 0; i < 9; i++)
		ck_assert_str_eq(read_rest(idle[i]), "");
	for (size_t i = 9; i < COUNT(idle); i++)
		close(idle[i]);
	WAIT_UNTIL(answers());
	stop_server();
}
END_TEST

START_TEST(test_nothing_is_read)
{
	const char *text;
	int fd;

	control_client_ms = 600;
	start_server();
	fd = dial();
	post(fd, "{\"verb\": \"big\", \"args\": [\"1000\"]}\n", 34);
	/* Nobody else notices. */
	for (int i = 0; i < 100; i++)
		ck_assert(answers());
	WAIT_UNTIL(logged("has not read its answer within 0.6 s: dropped"));
	text = read_rest(fd);
	ck_assert_uint_gt(strlen(text), 0);
	ck_assert_uint_lt(strlen(text), 1000000);
	ck_assert_ptr_null(strstr(text, "exit"));
	stop_server();
}
END_TEST

START_TEST(test_big_answers)
{
	const char *text;

	start_server();
	text = ask_raw("{\"verb\": \"big\", \"args\": [\"1000\"]}\n");
	ck_assert_uint_eq(strlen(text), 1000 * 1000 + strlen(BIG_END));
	text = ask_raw("{\"verb\": \"big\", \"args\": [\"3000\"]}\n");
	ck_assert_uint_le(strlen(text), ANSWER_MAX);
	ck_assert_uint_gt(strlen(text), ANSWER_MAX - 2000);
	ASSERT_IN("the rest of it is left out\"}\n{\"exit\": 0}\n", text);
	/* It has no holes. */
	ck_assert_ptr_null(strstr(text, "short"));
	stop_server();
}
END_TEST

START_TEST(test_no_descriptors)
{
	/* Those that are open stay open. */
	struct rlimit none = {3, 3}, before;
	int fd;

	start_server();
	ck_assert_int_eq(prlimit(server, RLIMIT_NOFILE, NULL, &before), 0);
	none.rlim_max = before.rlim_max;
	ck_assert_int_eq(prlimit(server, RLIMIT_NOFILE, &none, NULL), 0);
	fd = dial();
	post(fd, "{\"verb\": \"echo\"}\n", 17);
	WAIT_UNTIL(logged("for a command: Too many open files: trying again"));
	ck_assert_int_eq(prlimit(server, RLIMIT_NOFILE, &before, NULL), 0);
	ck_assert_str_eq(read_rest(fd), "{\"out\": \"dry run: no\"}\n{\"exit\": 0}\n");
	ck_assert(answers());
	stop_server();
}
END_TEST

/* ---- before the master becomes another program ------------------------------------------------ */

static void read_late(void *arg)
{
	int fd = dial();

	post(fd, "{\"verb\": \"big\", \"args\": [\"1000\"]}\n", 34);
	tell_step();
	if (arg)
		sleep_for_ever();
	ck_assert_uint_eq(strlen(read_rest(fd)), 1000 * 1000 + strlen(BIG_END));
}

START_TEST(test_flush)
{
	struct site site;
	uint64_t before;
	pid_t good, bad;

	open_steps();
	open_site(&site);
	bad = spawn(read_late, &site);
	good = spawn(read_late, NULL);
	await_step();
	await_step();
	/* Both are heard; both answers are too long for the socket. */
	for (int i = 0; i < 4; i++)
		uv_run(&site.loop, UV_RUN_NOWAIT);
	before = ym_now_ns();
	control_flush(site.control);
	ck_assert_uint_lt(ym_now_ns() - before, 5000000000u);
	control_flush(site.control);
	close_site(&site);
	reap_well(good);
	kill_and_reap(bad);
}
END_TEST

/* ---- bad masters ----------------------------------------------------------------------------- */

START_TEST(test_master_hangs)
{
	struct control_pong pong;
	uint64_t before;

	start_server();
	kill(server, SIGSTOP);
	before = ym_now_ns();
	ASSERT_ERR(control_ping(place, 50, &pong, &err), YM_ERR_TIMEOUT);
	ck_assert_uint_ge(ym_now_ns() - before, 50000000u);
	ASSERT_IN("within 0.1 s", err.text);
	kill(server, SIGCONT);
	ck_assert(answers());
	ck_assert_int_eq(ask(&(struct control_request){.verb = "die"}, PATIENCE_MS), -1);
	ck_assert_int_eq(err.class, YM_ERR_GONE);
	reap_well(server);
}
END_TEST

static const struct {
	const char *answer;
	int code; /* -1: class says why */
	enum ym_err_class class;
	const char *out;
} answers_of_others[] = {
    {"{\"exit\": 0}\n", 0, YM_ERR_NONE, ""},
    {"{\"out\": \"a\"}\n{\"news\": 1}\n{\"out\": \"b\"}\n{\"exit\": 3}\n{\"out\": \"c\"}\n", 3, YM_ERR_NONE, "a\nb\n"},
    {"", -1, YM_ERR_GONE, ""},
    {"{\"out\": \"a\"}\n", -1, YM_ERR_GONE, "a\n"},
    {"{\"exit\": 0}", -1, YM_ERR_GONE, ""},
    {"{\"out\": 1}\n[]\n\"x\n", -1, YM_ERR_CORRUPT, ""},
    {"{\"out\": 1}\n{\"out\": null}\n", -1, YM_ERR_GONE, ""},
    {"HTTP/1.1 400 Bad Request\r\n", -1, YM_ERR_CORRUPT, ""},
};

/* Somebody listens who is no master, and says this before he has heard anything. */
static void pretend(const char *bytes, size_t size, int *listener)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	*listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/control", place);
	unlink(address.sun_path);
	MUST(bind(*listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(*listener, 1) == 0);
	tell_step();
	fd = accept(*listener, NULL, NULL);
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		bytes += n;
		size -= (size_t)n;
	}
	close(fd);
	close(*listener);
}

static void answer_from_table(void *arg)
{
	const char *text = answers_of_others[*(size_t *)arg].answer;
	int listener;

	pretend(text, strlen(text), &listener);
}

static void answer_without_end(void *arg)
{
	static char bytes[4 * ANSWER_MAX];
	int listener;

	(void)arg;
	memset(bytes, 'x', sizeof(bytes));
	pretend(bytes, sizeof(bytes), &listener);
}

START_TEST(test_answers_of_others)
{
	open_steps();
	for (size_t i = 0; i < COUNT(answers_of_others); i++) {
		pid_t other = spawn(answer_from_table, &i);

		await_step();
		ck_assert_msg(ask(&(struct control_request){.verb = "echo"}, PATIENCE_MS) == answers_of_others[i].code,
		              "answer %zu: %s", i, err.text);
		if (answers_of_others[i].code < 0)
			ck_assert_msg(err.class == answers_of_others[i].class, "answer %zu: %s", i, err.text);
		if (answers_of_others[i].class != YM_ERR_CORRUPT)
			ck_assert_str_eq(out, answers_of_others[i].out);
		reap_well(other);
	}
}
END_TEST

START_TEST(test_answer_without_end)
{
	pid_t other;

	open_steps();
	other = spawn(answer_without_end, NULL);
	await_step();
	ASSERT_ERR(control_ask(place, &(struct control_request){.verb = "echo"}, PATIENCE_MS, &err), YM_ERR_CORRUPT);
	ASSERT_IN("a line of more than", err.text);
	reap_well(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control_crowd");
	TCase *tcase = tcase_create("control_crowd");

	tcase_add_checked_fixture(tcase, begin_socket, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_nothing_is_sent);
	tcase_add_test(tcase, test_crowd);
	tcase_add_test(tcase, test_nothing_is_read);
	tcase_add_test(tcase, test_big_answers);
	tcase_add_test(tcase, test_no_descriptors);
	tcase_add_test(tcase, test_flush);
	tcase_add_test(tcase, test_master_hangs);
	tcase_add_test(tcase, test_answers_of_others);
	tcase_add_test(tcase, test_answer_without_end);
	return run_suite(suite);
}
