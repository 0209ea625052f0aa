/*
 * test_control_socket.c - asking the master: requests and answers, nonsense, who may, the socket itself.
 */
#include "control_support.h"

/* ---- in order -------------------------------------------------------------------------------- */

START_TEST(test_ask)
{
	const char *const args[] = {"mail", "with \"quotes\"\n\tand \xc3\xa4"}, *const flags[] = {"all", "dry-run"};
	struct control_request request = {.verb = "echo", .args = args, .nargs = 2, .flags = flags, .nflags = 2};
	char expected[64];

	start_server();
	ck_assert_int_eq(ask(&request, PATIENCE_MS), 0);
	ck_assert_str_eq(out, "arg mail\narg with \"quotes\"\n\tand \xc3\xa4\nflag all\nflag dry-run\ndry run: yes\n");
	ck_assert_str_eq(complaint, "");
	request = (struct control_request){.verb = "echo", .args = (const char *const[]){"\033[2J"}, .nargs = 1};
	ck_assert_int_eq(ask(&request, PATIENCE_MS), 0);
	ck_assert_str_eq(out, "arg ?[2J\ndry run: no\n");
	ck_assert_int_eq(ask(&(struct control_request){.verb = "refuse"}, PATIENCE_MS), 2);
	ck_assert_str_eq(out, "before\n");
	ck_assert_str_eq(complaint, "yardmaster: the first reason\nyardmaster: another reason\n");
	ck_assert_int_eq(ask(&(struct control_request){.verb = "who"}, PATIENCE_MS), 0);
	snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
	ck_assert_str_eq(out, expected);
	stop_server();
	ck_assert_int_eq(access(strcat(strcpy(out, place), "/control"), F_OK), -1);
}
END_TEST

START_TEST(test_bytes_of_an_answer)
{
	start_server();
	ck_assert_str_eq(ask_raw("{\"verb\": \"refuse\"}\n"), "{\"out\": \"before\"}\n{\"err\": \"the first reason\"}\n"
	                                                      "{\"err\": \"another reason\"}\n{\"exit\": 2}\n");
	/* What comes behind a request is not looked at. */
	ck_assert_str_eq(ask_raw("{\"verb\": \"echo\", \"flags\": [\"x\"]}\n{\"verb\": \"die\"}\n"),
	                 "{\"out\": \"flag x\"}\n{\"out\": \"dry run: no\"}\n{\"exit\": 0}\n");
	stop_server();
}
END_TEST

START_TEST(test_split_request)
{
	const char line[] = "{\"verb\": \"echo\", \"args\": [\"abc\"]}\n";
	int fd;

	start_server();
	fd = dial();
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		post(fd, line + i, 1);
		/* Somebody else in between shows that the byte has been read. */
		ck_assert(answers());
	}
	ck_assert_str_eq(read_rest(fd), "{\"out\": \"arg abc\"}\n{\"out\": \"dry run: no\"}\n{\"exit\": 0}\n");
	stop_server();
}
END_TEST

static void ask_often(void *arg)
{
	struct control_pong pong;

	(void)arg;
	for (int i = 0; i < 200; i++)
		MUST(control_ping(place, PATIENCE_MS, &pong, &err) == 0);
}

START_TEST(test_many_requests)
{
	pid_t clients[4];

	start_server();
	for (size_t i = 0; i < COUNT(clients); i++)
		clients[i] = spawn(ask_often, NULL);
	for (size_t i = 0; i < COUNT(clients); i++)
		reap_well(clients[i]);
	stop_server();
}
END_TEST

START_TEST(test_half_closed)
{
	int fd;

	start_server();
	fd = dial();
	post(fd, "{\"verb\": \"echo\"}\n", 17);
	shutdown(fd, SHUT_WR);
	ck_assert_str_eq(read_rest(fd), "{\"out\": \"dry run: no\"}\n{\"exit\": 0}\n");
	fd = dial();
	post(fd, "{\"verb\": \"echo\"}", 16);
	shutdown(fd, SHUT_WR);
	ck_assert_str_eq(read_rest(fd), "");
	stop_server();
}
END_TEST

/* ---- nonsense -------------------------------------------------------------------------------- */

static const struct {
	const char *line, *why;
} mistakes[] = {
    {"\n", "one line of JSON"},
    {"hello\n", "one line of JSON"},
    {"{\"verb\": \"echo\"} x\n", "one line of JSON"},
    {"{\"verb\": \"a\", \"verb\": \"b\"}\n", "duplicate"},
    {"{\"verb\": \"\\u0000\"}\n", "one line of JSON"},
    {"{\"verb\": \"\xff\"}\n", "one line of JSON"},
    {"[]\n", "a JSON object"},
    {"{}\n", "needs a \\\"verb\\\""},
    {"{\"verb\": 1}\n", "needs a \\\"verb\\\""},
    {"{\"verb\": \"echo\", \"args\": \"x\"}\n", "\\\"args\\\" of a request is a list"},
    {"{\"verb\": \"echo\", \"args\": [1]}\n", "\\\"args\\\" of a request is a list"},
    {"{\"verb\": \"echo\", \"args\": [[]]}\n", "\\\"args\\\" of a request is a list"},
    {"{\"verb\": \"echo\", \"flags\": {}}\n", "\\\"flags\\\" of a request is a list"},
    {"{\"verb\": \"echo\", \"force\": true}\n", "\\\"force\\\" in a request is not known"},
};

START_TEST(test_mistakes)
{
	const char *answer;

	start_server();
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		answer = ask_raw(mistakes[i].line);
		ASSERT_IN("{\"err\": ", answer);
		ASSERT_IN(mistakes[i].why, answer);
		ASSERT_IN("{\"exit\": 2}\n", answer);
	}
	stop_server();
}
END_TEST

START_TEST(test_noise)
{
	char noise[4096];

	start_server();
	for (int i = 0; i < 100; i++) {
		int fd = dial();

		for (size_t n = 0; n < sizeof(noise); n++)
			noise[n] = (char)random_below(256);
		noise[sizeof(noise) - 1] = '\n';
		post(fd, noise, sizeof(noise));
		ASSERT_IN("{\"exit\": 2}\n", read_rest(fd));
	}
	stop_server();
}
END_TEST

/* A request of exactly so many bytes: blanks are allowed. */
static const char *ask_padded(size_t size, bool newline)
{
	static char line[3 * 65536];
	int fd = dial();

	memset(line, ' ', size);
	memcpy(line, "{\"verb\": \"echo\"}", 16);
	if (newline)
		line[size - 1] = '\n';
	post(fd, line, size);
	return read_rest(fd);
}

START_TEST(test_length)
{
	static char word[70000];
	const char *const args[] = {word};
	struct control_request request = {.verb = "echo", .args = args, .nargs = 1};

	start_server();
	ASSERT_IN("{\"exit\": 0}", ask_padded(65536, true));
	ASSERT_IN("at most 65536 bytes\"}\n{\"exit\": 2}", ask_padded(65536, false));
	ASSERT_IN("at most 65536 bytes\"}\n{\"exit\": 2}", ask_padded(65537, true));
	ASSERT_IN("{\"exit\": 2}", ask_padded(3 * 65536, true));
	memset(word, 'x', sizeof(word) - 1);
	ASSERT_ERR(control_ask(place, &request, PATIENCE_MS, &err), YM_ERR_USAGE);
	ASSERT_IN("65536 bytes", err.text);
	stop_server();
}
END_TEST

/* ---- who may --------------------------------------------------------------------------------- */

static void open_to_all(void)
{
	char path[PATH_MAX];
	struct stat st;

	join_path(path, "control");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(chmod(directory, 0755), 0);
}

static void ask_as_nobody(void *arg)
{
	MUST(setuid(NOBODY) == 0);
	if (arg) {
		int code = control_ask(place, &(struct control_request){.verb = "die"}, PATIENCE_MS, &err);

		MUST(code == ym_err_exit_code(YM_ERR_PERMISSION));
	} else {
		MUST(control_ask(place, &(struct control_request){.verb = "die"}, PATIENCE_MS, &err) == -1);
		MUST(err.class == YM_ERR_PERMISSION);
	}
}

START_TEST(test_other_users)
{
	uid_t nobody = NOBODY;
	mode_t mask;

	if (!have_nobody())
		return;
	/* Not even a careless umask opens the socket, and not even a careful one closes it. */
	mask = umask(0);
	start_server();
	ck_assert_int_eq(chmod(directory, 0755), 0);
	run_child(ask_as_nobody, NULL);
	open_to_all();
	run_child(ask_as_nobody, &nobody);
	ck_assert(logged("of user 65534 was refused"));
	ck_assert(answers());
	stop_server();
	/* Root may ask anybody. */
	ck_assert_int_eq(chown(directory, NOBODY, NOBODY), 0);
	umask(0777);
	server = spawn(serve, &nobody);
	WAIT_UNTIL(answers());
	umask(mask);
	stop_server();
}
END_TEST

/* ---- the socket ------------------------------------------------------------------------------ */

START_TEST(test_long_path)
{
	size_t length = strlen(place);

	/* 150 characters and more do not fit into an address. */
	for (int i = 0; i < 2; i++) {
		place[length++] = '/';
		memset(place + length, 'd', 80);
		length += 80;
		place[length] = '\0';
		ck_assert_int_eq(mkdir(place, 0700), 0);
	}
	start_server();
	ck_assert_int_eq(ask(&(struct control_request){.verb = "echo"}, PATIENCE_MS), 0);
	ck_assert_str_eq(out, "dry run: no\n");
	stop_server();
}
END_TEST

START_TEST(test_dead_master)
{
	struct control_pong first, second;
	char path[PATH_MAX];
	struct stat st;

	ASSERT_ERR(control_ping(place, PATIENCE_MS, &first, &err), YM_ERR_NOT_RUNNING);
	start_server();
	ASSERT_OK(control_ping(place, PATIENCE_MS, &first, &err));
	ck_assert_int_eq(first.pid, server);
	ck_assert_str_eq(first.version, YM_VERSION);
	kill_and_reap(server);
	join_path(path, "control");
	ck_assert_int_eq(stat(path, &st), 0);
	ASSERT_ERR(control_ping(place, PATIENCE_MS, &second, &err), YM_ERR_NOT_RUNNING);
	ASSERT_IN("no master listens", err.text);
	start_server();
	ASSERT_OK(control_ping(place, PATIENCE_MS, &second, &err));
	ck_assert_int_eq(second.pid, server);
	ck_assert_uint_gt(second.since, first.since);
	stop_server();
	snprintf(place, sizeof(place), "%s/missing", directory);
	ASSERT_ERR(control_ping(place, PATIENCE_MS, &second, &err), YM_ERR_NOT_RUNNING);
}
END_TEST

START_TEST(test_what_is_not_ours)
{
	struct site first, second;
	struct control *control;

	write_file("control", "x", 1);
	ASSERT_OK(uv_loop_init(&first.loop));
	ASSERT_ERR(control_open(&control, &first.loop, place, handle, NULL, &err), YM_ERR_FOREIGN);
	ASSERT_OK(uv_loop_close(&first.loop));
	ck_assert_int_eq(unlinkat(AT_FDCWD, strcat(strcpy(out, place), "/control"), 0), 0);
	/* The socket of a successor stays. */
	open_site(&first);
	open_site(&second);
	close_site(&first);
	ck_assert_int_eq(access(out, F_OK), 0);
	close_site(&second);
	ck_assert_int_eq(access(out, F_OK), -1);
	snprintf(place, sizeof(place), "%s/missing", directory);
	ASSERT_ERR(control_open(&control, &first.loop, place, handle, NULL, &err), YM_ERR_USAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control_socket");
	TCase *tcase = tcase_create("control_socket");

	tcase_add_checked_fixture(tcase, begin_socket, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_ask);
	tcase_add_test(tcase, test_bytes_of_an_answer);
	tcase_add_test(tcase, test_split_request);
	tcase_add_test(tcase, test_many_requests);
	tcase_add_test(tcase, test_half_closed);
	tcase_add_test(tcase, test_mistakes);
	tcase_add_test(tcase, test_noise);
	tcase_add_test(tcase, test_length);
	tcase_add_test(tcase, test_other_users);
	tcase_add_test(tcase, test_long_path);
	tcase_add_test(tcase, test_dead_master);
	tcase_add_test(tcase, test_what_is_not_ours);
	return run_suite(suite);
}
