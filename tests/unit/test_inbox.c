/*
 * test_inbox.c - the loop's end of an inbox: nothing is lost and nothing is taken twice, whatever happens between the
 * look at a message and its receiving; a full table, a queue that is removed, a kernel without MSG_COPY, a prompt end.
 *
 * The table is a list in this test. Messages are taken by the real thread and the real loop.
 */
#include "inbox_support.h"

#define JOBS_MAX 4096

/* What was submitted, and what the table answers. */
static struct {
	char *payloads[JOBS_MAX];
	unsigned levels[JOBS_MAX];
	unsigned count;
	unsigned room;          /* jobs that still go in */
	enum ym_err_class full; /* what happens when none does */
	unsigned tries;
	void (*before)(void); /* in the next call */
} table;

static int submit(void *arg, const struct job_request *request, struct ym_err *why)
{
	void (*before)(void) = table.before;

	ck_assert_ptr_eq(arg, &table);
	ck_assert_uint_eq(request->pool, 3);
	table.tries++;
	table.before = NULL;
	if (before)
		before();
	if (table.room == 0)
		return ym_fail(why, table.full, "the table is full");
	table.room--;
	table.payloads[table.count] = strndup(request->payload.data, request->payload.size);
	table.levels[table.count++] = (unsigned)request->level;
	return 0;
}

static void open_inbox(void)
{
	const struct inbox_options options = {
	    .loop = &loop,
	    .directory = directory,
	    .name = "work",
	    .pool = 3,
	    .queue = queue,
	    .submit = submit,
	    .lost = lost,
	    .arg = &table,
	};

	inbox = inbox_open(&options, &err);
	ck_assert_msg(inbox, "%s", err.text);
}

static void begin_inbox(void)
{
	begin_test();
	begin_queue();
	table.room = JOBS_MAX;
	table.full = YM_ERR_FULL;
}

static void end_inbox(void)
{
	end_queue();
	for (unsigned i = 0; i < table.count; i++)
		free(table.payloads[i]);
	end_test();
}

static void assert_jobs(const char *const *expected, unsigned count)
{
	ck_assert_uint_eq(table.count, count);
	for (unsigned i = 0; i < count; i++)
		ck_assert_str_eq(table.payloads[i], expected[i]);
}

static char *find_rejected(char path[PATH_MAX])
{
	char folder[PATH_MAX];
	DIR *files;

	join_path(folder, "rejected/work");
	files = opendir(folder);
	ck_assert_ptr_nonnull(files);
	*path = '\0';
	for (struct dirent *entry = readdir(files); entry; entry = readdir(files)) {
		if (entry->d_name[0] == '.')
			continue;
		ck_assert_msg(!*path, "two files: %s and %s", path, entry->d_name);
		ck_assert_int_lt(snprintf(path, PATH_MAX, "%s/%s", folder, entry->d_name), PATH_MAX);
	}
	closedir(files);
	return path;
}

/* ---- taking ---------------------------------------------------------------------------------- */

START_TEST(messages_become_jobs)
{
	static const char *const expected[] = {"sent before", "sent later", "json", "", "9"};

	send_text("sent before");
	open_inbox();
	RUN_UNTIL(table.count == 1);
	RUN_UNTIL(thread_sleeps());
	send_text("sent later");
	RUN_UNTIL(table.count == 2);
	send_text("{\"payload\": \"json\", \"priority\": 9}");
	RUN_UNTIL(table.count == 3);
	/* Without any bytes: the thread receives it. */
	RUN_UNTIL(thread_sleeps());
	send_text("");
	RUN_UNTIL(table.count == 4);
	RUN_UNTIL(thread_sleeps());
	send_text("i:9;");
	RUN_UNTIL(table.count == 5);
	assert_jobs(expected, 5);
	ck_assert_uint_eq(table.levels[2], 9);
	ck_assert_uint_eq(messages(), 0);
}
END_TEST

/* Every tenth is empty. */
static void number(char text[16], unsigned i)
{
	*text = '\0';
	if (i % 10 != 9)
		snprintf(text, 16, "%u", i);
}

static void send_many(void *arg)
{
	unsigned count = *(unsigned *)arg;
	char text[16];

	for (unsigned i = 0; i < count; i++) {
		number(text, i);
		send_text(text);
	}
}

/* More than the queue holds, and more than one turn of the loop takes; each once, in order. */
START_TEST(each_once_in_order)
{
	unsigned count = 4000;
	pid_t sender = spawn(send_many, &count);
	char text[16];

	open_inbox();
	RUN_UNTIL(table.count >= count);
	reap_well(sender);
	RUN_UNTIL(thread_sleeps());
	ck_assert_uint_eq(table.count, count);
	ck_assert_uint_eq(messages(), 0);
	for (unsigned i = 0; i < count; i++) {
		number(text, i);
		ck_assert_str_eq(table.payloads[i], text);
	}
}
END_TEST

static uv_idle_t idle;
static unsigned most_in_a_turn, before_turn;

static void on_turn(uv_idle_t *handle)
{
	(void)handle;
	if (table.count - before_turn > most_in_a_turn)
		most_in_a_turn = table.count - before_turn;
	before_turn = table.count;
}

START_TEST(the_loop_has_other_work)
{
	for (int i = 0; i < 1000; i++)
		send_text("x");
	uv_idle_init(&loop, &idle);
	uv_idle_start(&idle, on_turn);
	open_inbox();
	RUN_UNTIL(table.count == 1000);
	uv_close((uv_handle_t *)&idle, NULL);
	ck_assert_uint_eq(most_in_a_turn, 256);
}
END_TEST

/* It waits without any processor time: the thread in the kernel, the loop for the thread. */
START_TEST(nothing_to_do_costs_nothing)
{
	struct timespec before, after;

	open_inbox();
	RUN_UNTIL(thread_sleeps());
	send_text("x");
	RUN_UNTIL(table.count == 1 && thread_sleeps());
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(300000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	ck_assert_int_lt((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec, 30000000);
}
END_TEST

/* ---- at every step --------------------------------------------------------------------------- */

/* When the table has it, it is still in the queue: a master that is killed now loses nothing. */
static void look_at_queue(void)
{
	ck_assert_uint_eq(messages(), 1);
}

START_TEST(committed_before_consumed)
{
	send_text("x");
	table.before = look_at_queue;
	open_inbox();
	RUN_UNTIL(table.count == 1 && messages() == 0);
	ck_assert_ptr_null(table.before);
}
END_TEST

static void somebody_receives(void)
{
	char message[64];

	ck_assert_int_gt(msgrcv(queue, message, 32, 0, IPC_NOWAIT), 0);
}

/* Somebody else takes what we have just looked at: we receive the next one, and must not lose it. */
START_TEST(somebody_receives_in_between)
{
	static const char *const expected[] = {"first", "second", "third"};

	send_text("first");
	send_text("second");
	send_text("third");
	table.before = somebody_receives;
	open_inbox();
	RUN_UNTIL(table.count == 3);
	RUN_UNTIL(thread_sleeps());
	assert_jobs(expected, 3);
	ck_assert_uint_eq(messages(), 0);
}
END_TEST

static void receive_and_fill(void)
{
	somebody_receives();
	table.room = 1;
}

/* ... not even when the table is full by then: it goes back. */
START_TEST(received_but_no_room)
{
	static const char *const expected[] = {"first", "third", "second"};

	send_text("first");
	send_text("second");
	send_text("third");
	table.before = receive_and_fill;
	open_inbox();
	RUN_UNTIL(table.tries == 2);
	ck_assert_uint_eq(messages(), 2);
	table.room = 2;
	inbox_retry(inbox);
	RUN_UNTIL(table.count == 3);
	assert_jobs(expected, 3);
}
END_TEST

static void receive_and_fill_all(void)
{
	struct {
		long type;
		char bytes[8];
	} filler = {.type = 1};

	somebody_receives();
	table.room = 1;
	/* "second" will be received, and then there is no room for it. */
	while (msgsnd(queue, &filler, 8, IPC_NOWAIT) == 0)
		;
}

static void refill(void)
{
	struct {
		long type;
		char bytes[8];
	} filler = {.type = 1};

	while (msgsnd(queue, &filler, 8, IPC_NOWAIT) == 0 || msgsnd(queue, &filler, 1, IPC_NOWAIT) == 0)
		;
}

static void receive_fill_and_refill(void)
{
	receive_and_fill_all();
	table.before = refill;
}

/* ... nor when the queue is full, too: it is held, and delivered first; or kept as a file at the end. */
START_TEST(received_but_no_room_anywhere)
{
	char path[PATH_MAX], text[16] = "";
	FILE *file;

	send_text("first");
	send_text("second");
	table.before = receive_fill_and_refill;
	open_inbox();
	RUN_UNTIL(table.tries == 2);
	if (_i == 0) {
		table.room = 1;
		inbox_retry(inbox);
		RUN_UNTIL(table.count == 2);
		ck_assert_str_eq(table.payloads[1], "second");
		return;
	}
	close_inbox();
	ck_assert_uint_eq(table.count, 1);
	file = fopen(find_rejected(path), "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(text, 1, sizeof(text) - 1, file), 6);
	fclose(file);
	ck_assert_str_eq(text, "second");
	ck_assert_uint_eq(times_logged("neither the table nor its queue has room"), 1);
}
END_TEST

/* ---- when it cannot go on -------------------------------------------------------------------- */

/* Left in the queue; said once; taken as soon as there is room, told or not. */
START_TEST(a_full_table)
{
	uint64_t before;

	table.room = 0;
	table.full = _i ? YM_ERR_LIMIT : YM_ERR_FULL;
	send_text("first");
	send_text("second");
	open_inbox();
	RUN_UNTIL(table.tries == 1);
	ck_assert_uint_eq(messages(), 2);
	before = ym_now_ns();
	RUN_UNTIL(table.tries == 3);
	ck_assert_uint_ge(ym_now_ns() - before, 300000000);
	inbox_retry(inbox);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(table.tries, 4);
	ck_assert_uint_eq(messages(), 2);
	table.room = 9;
	RUN_UNTIL(table.count == 2);
	ck_assert_str_eq(table.payloads[0], "first");
	RUN_UNTIL(thread_sleeps());
	inbox_retry(inbox);
	ck_assert_uint_eq(times_logged("the table is full: messages wait in the queue"), 1);
	ck_assert_uint_eq(times_logged("messages are taken again"), 1);
}
END_TEST

/* What waited is gone: there is nothing to look after any more. */
START_TEST(somebody_receives_what_waits)
{
	table.room = 0;
	send_text("x");
	open_inbox();
	RUN_UNTIL(table.tries == 1);
	somebody_receives();
	RUN_UNTIL(thread_sleeps());
	ck_assert_uint_eq(times_logged("messages are taken again"), 1);
}
END_TEST

/* An empty message that the thread received goes back, too. */
START_TEST(an_empty_message_and_a_full_table)
{
	open_inbox();
	RUN_UNTIL(thread_sleeps());
	table.room = 0;
	send_text("");
	RUN_UNTIL(table.tries == 1);
	ck_assert_uint_eq(messages(), 1);
	table.room = 9;
	RUN_UNTIL(table.count == 1);
	RUN_UNTIL(thread_sleeps());
	ck_assert_str_eq(table.payloads[0], "");
	ck_assert_uint_eq(table.count, 1);
}
END_TEST

/* Once it does not fit any more, at its end. */
START_TEST(taken_by_the_thread_at_the_end)
{
	open_inbox();
	RUN_UNTIL(thread_sleeps());
	send_text("");
	WAIT_UNTIL(messages() == 0);
	close_inbox();
	ck_assert_uint_eq(table.count, 1);
}
END_TEST

START_TEST(the_queue_is_removed)
{
	int old = queue;

	open_inbox();
	if (_i)
		RUN_UNTIL(thread_sleeps());
	ASSERT_OK(ym_queue_remove(queue, &err));
	RUN_UNTIL(losses == 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(losses, 1);
	ASSERT_OK(ym_queue_create(fresh_key(), 0600, &queue, &err));
	ck_assert_int_ne(queue, old);
	open_inbox();
	send_text("x");
	RUN_UNTIL(table.count == 1);
}
END_TEST

START_TEST(a_kernel_without_copies)
{
	static const char *const expected[] = {"first", "second", "", "last"};

	ym_sys.msgrcv = msgrcv_of_old_kernel;
	send_text("first");
	send_text("second");
	send_text("");
	open_inbox();
	RUN_UNTIL(table.count == 3);
	RUN_UNTIL(thread_sleeps());
	/* No room: it goes back. */
	table.room = 0;
	send_text("last");
	RUN_UNTIL(table.tries == 4 && messages() == 1);
	table.room = 9;
	RUN_UNTIL(table.count == 4);
	assert_jobs(expected, 4);
	ck_assert_uint_eq(times_logged("CONFIG_CHECKPOINT_RESTORE"), 1);
}
END_TEST

/* Ends at once, wherever the thread is. */
START_TEST(closing_is_prompt)
{
	uint64_t before, longest = 0;

	for (int i = 0; i < 300; i++) {
		open_inbox();
		for (int k = 0; k < i % 3; k++)
			uv_run(&loop, UV_RUN_NOWAIT);
		if (i % 7 == 0)
			RUN_UNTIL(thread_sleeps());
		before = ym_now_ns();
		close_inbox();
		if (ym_now_ns() - before > longest)
			longest = ym_now_ns() - before;
	}
	ck_assert_uint_lt(longest, 1000000000);
}
END_TEST

static void close_meanwhile(void)
{
	inbox_close(inbox);
	inbox = NULL;
}

/* The one message is taken, the others stay. */
START_TEST(closed_by_its_own_job)
{
	send_text("first");
	send_text("second");
	table.before = close_meanwhile;
	open_inbox();
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(table.count, 1);
	ck_assert_uint_eq(messages(), 1);
}
END_TEST

/* Signals of the process are the loop's. */
START_TEST(the_thread_takes_no_signals)
{
	sigset_t blocked, pending;

	open_inbox();
	RUN_UNTIL(thread_sleeps());
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	kill(getpid(), SIGTERM);
	usleep(10000);
	sigpending(&pending);
	ck_assert(sigismember(&pending, SIGTERM));
	signal(SIGTERM, SIG_IGN);
}
END_TEST

/* ---- messages that are no jobs --------------------------------------------------------------- */

START_TEST(refused_and_kept)
{
	static const char message[] = "{\"payload\": 1, \"prority\": 3}";
	char path[PATH_MAX], text[64] = "", sender[64];
	struct stat st;
	FILE *file;

	send_text(message);
	send_text("good");
	open_inbox();
	RUN_UNTIL(table.count == 1 && messages() == 0);
	ck_assert_str_eq(table.payloads[0], "good");
	find_rejected(path);
	ASSERT_IN("-1.type-5", path);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(text, 1, sizeof(text) - 1, file), strlen(message));
	ck_assert_int_eq(fstat(fileno(file), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	fclose(file);
	ck_assert_str_eq(text, message);
	snprintf(sender, sizeof(sender), "(type 5, %zu bytes, last sender pid %d)", strlen(message), getpid());
	ck_assert_uint_eq(times_logged("did you mean \"priority\"?; kept as "), 1);
	ck_assert_uint_eq(times_logged(sender), 1);
	ck_assert_uint_eq(times_logged("pool work: inbox: "), 1);
}
END_TEST

/* Refused by the table: too large, a tag too long. */
START_TEST(refused_by_the_table)
{
	char path[PATH_MAX];

	table.room = 0;
	table.full = YM_ERR_USAGE;
	send_text("x");
	open_inbox();
	RUN_UNTIL(table.tries == 1 && messages() == 0);
	ck_assert(*find_rejected(path));
}
END_TEST

START_TEST(so_many_are_kept)
{
	char name[64], path[PATH_MAX];

	for (int i = 0; i < 2; i++) {
		join_path(path, i ? "rejected/work" : "rejected");
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	for (int i = 0; i < 999; i++) {
		snprintf(name, sizeof(name), "rejected/work/%d", i);
		write_file(name, "", 0);
	}
	open_inbox();
	send_text("d:NAN;");
	send_text("d:NAN;");
	send_text("d:NAN;");
	RUN_UNTIL(times_logged("refused") == 3);
	ck_assert_uint_eq(times_logged("kept as"), 1);
	ck_assert_uint_eq(times_logged("not kept: 1000 are kept already"), 2);
	ck_assert_uint_eq(messages(), 0);
	join_path(path, "rejected/work/0");
	ck_assert_int_eq(unlink(path), 0);
	/* Seen within a second or so. */
	do {
		send_text("d:NAN;");
		RUN_UNTIL(messages() == 0);
		usleep(50000);
	} while (times_logged("kept as") < 2 && times_logged("refused") < 40);
	ck_assert_uint_eq(times_logged("kept as"), 2);
}
END_TEST

/* What cannot be kept is said, and does not stand in the way. */
START_TEST(cannot_be_kept)
{
	write_file("rejected", "", 0);
	send_text("d:NAN;");
	send_text("good");
	open_inbox();
	RUN_UNTIL(table.count == 1);
	ck_assert_uint_eq(times_logged("not kept: "), 1);
	ck_assert_uint_eq(times_logged("are kept already"), 0);
}
END_TEST

static void send_garbage(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		static const char pieces[] = "{}[]\":;,aisNbdOR0123456789payload\\\xff\0 ";
		char bytes[48];
		size_t size = random_below(sizeof(bytes));

		for (size_t k = 0; k < size; k++)
			bytes[k] = pieces[random_below(sizeof(pieces))];
		ASSERT_OK(ym_queue_send_bytes(queue, 1 + random_below(9), bytes, size, ym_deadline(PATIENCE_MS), &err));
	}
}

START_TEST(no_bytes_are_fatal)
{
	pid_t sender = spawn(send_garbage, NULL);

	open_inbox();
	RUN_UNTIL(waitpid(sender, NULL, WNOHANG) == sender);
	send_text("end");
	RUN_UNTIL(table.count > 0 && strcmp(table.payloads[table.count - 1], "end") == 0);
}
END_TEST

/* Who may send what he may not read must not get it read. */
START_TEST(files_only_from_friends)
{
	struct ym_queue_change change = {.capacity = -1, .uid = -1, .gid = -1, .mode = _i ? 0620 : 0640};
	char message[PATH_MAX + 64];

	write_file("secret", "s", 1);
	snprintf(message, sizeof(message), "{\"payload\": null, \"file\": \"%s/secret\"}", directory);
	ASSERT_OK(ym_queue_set(queue, &change, &err));
	table.full = YM_ERR_USAGE;
	table.room = 0;
	send_text(message);
	open_inbox();
	RUN_UNTIL(messages() == 0);
	ck_assert_uint_eq(table.tries, _i ? 0 : 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbox");
	TCase *tcase = tcase_create("inbox");

	tcase_add_checked_fixture(tcase, begin_inbox, end_inbox);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, messages_become_jobs);
	tcase_add_test(tcase, each_once_in_order);
	tcase_add_test(tcase, the_loop_has_other_work);
	tcase_add_test(tcase, nothing_to_do_costs_nothing);
	tcase_add_test(tcase, committed_before_consumed);
	tcase_add_test(tcase, somebody_receives_in_between);
	tcase_add_test(tcase, received_but_no_room);
	tcase_add_loop_test(tcase, received_but_no_room_anywhere, 0, 2);
	tcase_add_loop_test(tcase, a_full_table, 0, 2);
	tcase_add_test(tcase, somebody_receives_what_waits);
	tcase_add_test(tcase, an_empty_message_and_a_full_table);
	tcase_add_test(tcase, taken_by_the_thread_at_the_end);
	tcase_add_loop_test(tcase, the_queue_is_removed, 0, 2);
	tcase_add_test(tcase, a_kernel_without_copies);
	tcase_add_test(tcase, closing_is_prompt);
	tcase_add_test(tcase, closed_by_its_own_job);
	tcase_add_test(tcase, the_thread_takes_no_signals);
	tcase_add_test(tcase, refused_and_kept);
	tcase_add_test(tcase, refused_by_the_table);
	tcase_add_test(tcase, so_many_are_kept);
	tcase_add_test(tcase, cannot_be_kept);
	tcase_add_test(tcase, no_bytes_are_fatal);
	tcase_add_loop_test(tcase, files_only_from_friends, 0, 2);
	return run_suite(suite);
}
