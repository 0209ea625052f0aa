/*
 * test_log_writer.c - the queue and its thread: the producer never waits, and what is lost is told.
 */
#include "log_support.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mount.h>

#include "../../runtime/log_writer.h"

static struct log_writer *writer;

/* A clock that can be stopped: whoever of the writer's thread asks for the time waits, as for a disk that hangs. */
static sem_t gate;
static _Atomic bool shut;
static _Atomic int64_t fake_now;

static int64_t test_clock(void)
{
	if (shut)
		while (sem_wait(&gate) < 0)
			continue;
	return fake_now ? fake_now : ym_unix_ms();
}

static void start_writer(size_t queue_bytes)
{
	sem_init(&gate, 0, 0);
	ASSERT_OK(log_writer_start(
	    &writer, &(struct log_writer_options){.queue_bytes = queue_bytes, .retry_ms = 50, .now_ms = test_clock},
	    &err));
}

static struct log_voice *speak(const char *path, struct cfg_log rules, const char *name)
{
	struct log_voice *voice;

	rules.file = (char *)(uintptr_t)path;
	ASSERT_OK(log_voice_open(&voice, writer, &rules, false, name, &err));
	return voice;
}

static bool put(struct log_voice *voice, const char *line)
{
	return log_voice_put(voice, fake_now ? fake_now : ym_unix_ms(), line, strlen(line));
}

static void put_number(struct log_voice *voice, unsigned number)
{
	char line[32];

	snprintf(line, sizeof(line), "line %u\n", number);
	put(voice, line);
}

static bool says(int number, const char *part)
{
	return strstr(read_log(number, false), part) != NULL;
}

/* Nobody may see what the tests provoke, and the writer must not meet it as its stderr. */
static void silence(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(dup2(fd, 2), 0);
	close(fd);
}

START_TEST(lines_in_their_order)
{
	struct log_voice *one, *other;
	char path[PATH_MAX];

	start_writer(0);
	join_path(path, "other.log");
	one = speak(log_path, (struct cfg_log){0}, "one");
	other = speak(path, (struct cfg_log){0}, "other");
	for (unsigned i = 0; i < 5000; i++) {
		put_number(one, i);
		put_number(other, 2 * i);
		if (i % 1000 == 0)
			ck_assert(log_writer_flush(writer, PATIENCE_MS));
	}
	log_voice_close(one);
	log_voice_close(other);
	log_writer_stop(writer, PATIENCE_MS);
	for (unsigned i = 0, at = 0; i < 5000; i++) {
		char line[32];
		int n = snprintf(line, sizeof(line), "line %u\n", i);

		if (i == 0)
			read_log(0, false);
		ck_assert_msg(strncmp(text + at, line, (size_t)n) == 0, "line %u is not in its place", i);
		at += (unsigned)n;
	}
	ck_assert_uint_eq(count_lines(read_path(path)), 5000);
	ck_assert_ptr_nonnull(strstr(text, "line 9998\n"));
}
END_TEST

/* Small ring, lines of many lengths: every place where a record meets its end. */
/* As when a reload takes a file away and gives it back at once: the first voice need not be gone by then. */
START_TEST(another_voice_finds_the_file_that_is_there)
{
	struct log_voice *first, *second;

	start_writer(0);
	first = speak(log_path, (struct cfg_log){0}, "first");
	put_number(first, 1);
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_int_eq(unlink(log_path), 0);
	second = speak(log_path, (struct cfg_log){0}, "second");
	put_number(second, 2);
	log_voice_close(first);
	log_voice_close(second);
	log_writer_stop(writer, PATIENCE_MS);
	ck_assert_str_eq(read_log(0, false), "line 2\n");
}
END_TEST

START_TEST(the_ring_goes_round)
{
	struct log_voice *voice;
	unsigned lines = 0;
	char line[1200];

	start_writer(4096);
	voice = speak(log_path, (struct cfg_log){0}, "one");
	memset(line, 'x', sizeof(line));
	for (unsigned i = 0; i < 1000; i++) {
		size_t length = random_below(1000) + 1;

		line[length - 1] = '\n';
		while (!log_voice_put(voice, 0, line, length))
			ck_assert(log_writer_flush(writer, PATIENCE_MS));
		line[length - 1] = 'x';
		lines++;
	}
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	/* Refusals above are told of, too. */
	unsigned found = 0;
	for (const char *at = read_log(0, false); *at; at = strchr(at, '\n') + 1)
		found += *at == 'x' || *at == '\n';
	ck_assert_uint_eq(found, lines);
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

START_TEST(rotation_and_packing_in_the_background)
{
	struct log_voice *voice;
	unsigned lines = 0;

	start_writer(0);
	voice = speak(log_path, (struct cfg_log){.maxbytes = 3000, .backups = 50, .compress = 1}, "one");
	/* The packer has ended in between, and must come again. */
	for (unsigned i = 0; i < 3000; i++) {
		put_number(voice, i);
		if (i == 1500) {
			ck_assert(log_writer_flush(writer, PATIENCE_MS));
			WAIT_UNTIL(there(1, true) && !there(1, false) && there(3, true) && !there(3, false));
		}
	}
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	WAIT_UNTIL(there(1, true) && !there(1, false) && there(5, true) && !there(5, false));
	for (int i = 0; i <= 50; i++) {
		unsigned n = count_lines(read_log(i, i > 0 && there(i, true)));

		ck_assert_uint_le(strlen(text), 3000);
		lines += n;
	}
	ck_assert_uint_eq(lines, 3000);
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

/* Without a new line, too. */
START_TEST(midnight_comes_by_itself)
{
	struct log_voice *voice;

	fake_now = 86400000 * INT64_C(20000) - 300;
	start_writer(0);
	voice = speak(log_path, (struct cfg_log){.rotate_ms = 86400000, .backups = 2}, "one");
	put(voice, "yesterday\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert(!there(1, false));
	fake_now += 300;
	WAIT_UNTIL(there(1, false));
	ck_assert_str_eq(read_log(1, false), "yesterday\n");
	ck_assert_str_eq(read_log(0, false), "");
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

/* ---- what does not work ---------------------------------------------------------------------- */

START_TEST(a_disk_that_hangs_holds_up_nobody)
{
	struct log_voice *voice;
	unsigned refused = 0;
	uint64_t began;
	char note[128];

	start_writer(65536);
	voice = speak(log_path, (struct cfg_log){.rotate_ms = 86400000, .backups = 2}, "web");
	put(voice, "first\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	shut = true;
	put(voice, "second\n");
	began = ym_now_ns();
	ck_assert(!log_writer_flush(writer, 50));
	ck_assert_uint_ge(ym_now_ns() - began, 50000000);
	began = ym_now_ns();
	for (unsigned i = 0; i < 200000; i++)
		refused += !put(voice, "one of many lines\n");
	/* 10 us a line is more than a hundred times what it takes. */
	ck_assert_uint_lt(ym_now_ns() - began, UINT64_C(2000000000));
	ck_assert_uint_gt(refused, 190000);
	shut = false;
	for (int i = 0; i < 100; i++)
		sem_post(&gate);
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	snprintf(note, sizeof(note), "warn  log: %u lines of web are lost: they came faster", refused);
	WAIT_UNTIL(says(0, note));
	ck_assert_uint_eq(count_lines(read_log(0, false)), 2 + 200000 - refused + 1);
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

START_TEST(a_thread_that_is_stuck_is_left_behind)
{
	struct log_voice *voice;
	uint64_t began;

	start_writer(65536);
	voice = speak(log_path, (struct cfg_log){.rotate_ms = 86400000, .backups = 2}, "web");
	put(voice, "first\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	shut = true;
	put(voice, "second\n");
	ck_assert(!log_writer_flush(writer, 20));
	began = ym_now_ns();
	log_writer_stop(writer, 20);
	ck_assert_uint_lt(ym_now_ns() - began, UINT64_C(5000000000));
}
END_TEST

/* Of two, one is read: it gets everything, whatever the other does. */
START_TEST(a_fifo_that_nobody_reads)
{
	struct log_voice *voice, *other;
	char path[PATH_MAX], *bytes = malloc(4 << 20);
	size_t used = 0;
	struct pollfd in = {.events = POLLIN};
	unsigned long lost;
	const char *note;

	join_path(path, "fifo");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	start_writer(0);
	voice = speak(path, (struct cfg_log){.maxbytes = 10, .backups = 2}, "deaf");
	other = speak(log_path, (struct cfg_log){0}, "other");
	for (unsigned i = 0; i < 30000; i++) {
		put_number(voice, i);
		/* In step, so that the queue has room for all: it is the FIFO that refuses. */
		if (i % 100 == 0) {
			char line[32];

			snprintf(line, sizeof(line), "line %u\n", i);
			put(other, line);
			WAIT_UNTIL(says(0, line));
		}
	}
	WAIT_UNTIL(says(0, "line 29900\n"));
	ck_assert_uint_eq(count_lines(text), 300);
	ck_assert(!log_writer_flush(writer, 50));
	/* Now somebody does. */
	in.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	do {
		ssize_t n;

		ck_assert_int_eq(poll(&in, 1, PATIENCE_MS), 1);
		n = read(in.fd, bytes + used, (4 << 20) - used - 1);
		ck_assert_int_gt(n, 0);
		used += (size_t)n;
		bytes[used] = '\0';
		note = strstr(bytes, "lines of deaf are lost: nobody read them\n");
	} while (!note);
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	while (strncmp(note, "log: ", 5) != 0)
		note--;
	lost = strtoul(note + 5, NULL, 10);
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(count_lines(bytes) - 1 + lost, 30000);
	/* Whole lines, in their order. */
	for (unsigned i = 0; i < count_lines(bytes) - 1 && i < 1000; i++) {
		char line[32];

		snprintf(line, sizeof(line), "line %u\n", i);
		ck_assert_msg(i == 0 ? strncmp(bytes, line, strlen(line)) == 0 : strstr(bytes, line) != NULL, "line %u",
		              i);
	}
	free(bytes);
	close(in.fd);
	log_voice_close(voice);
	log_voice_close(other);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

START_TEST(a_full_device)
{
	struct log_voice *voice, *master;
	struct cfg_log rules = {.file = (char[]){"/dev/full"}};

	silence();
	start_writer(0);
	master = speak(log_path, (struct cfg_log){0}, "master");
	log_writer_main(writer, master);
	ASSERT_OK(log_voice_open(&voice, writer, &rules, false, "web", &err));
	for (unsigned i = 0; i < 100; i++)
		put_number(voice, i);
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	WAIT_UNTIL(says(0, "error log: write(\"/dev/full\") to a log: No space left on device"));
	/* It is tried again, and again in vain: that is not said twice. */
	put(voice, "one more\n");
	usleep(200000);
	put(voice, "and one more\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_uint_eq(count_lines(read_log(0, false)), 1);
	log_voice_close(voice);
	log_voice_close(master);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

static bool mount_small(const char *path)
{
	return mkdir(path, 0700) == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", path, "tmpfs", 0, "size=64k") == 0;
}

START_TEST(a_full_disk)
{
	struct log_voice *voice, *master;
	char small[PATH_MAX], path[PATH_MAX], ballast[PATH_MAX], line[1024];
	unsigned long lost, written = 0;
	const char *at;

	join_path(small, "small");
	/* Only root can make one. */
	if (!mount_small(small))
		return;
	silence();
	join_path(path, "small/web.log");
	join_path(ballast, "small/ballast");
	write_file("small/ballast", line, sizeof(line));
	ck_assert_int_eq(truncate(ballast, 0), 0);
	start_writer(0);
	master = speak(log_path, (struct cfg_log){0}, "master");
	log_writer_main(writer, master);
	voice = speak(path, (struct cfg_log){0}, "web");
	memset(line, 'x', sizeof(line));
	line[699] = '\n';
	for (unsigned i = 0; i < 200; i++)
		log_voice_put(voice, 0, line, 700);
	WAIT_UNTIL(says(0, "No space left on device"));
	/* Whole lines, and room for more. */
	for (at = read_path(path); *at; at = strchr(at, '\n') + 1, written++)
		ck_assert_int_eq(strchr(at, '\n') - at, 699);
	ck_assert_uint_gt(written, 10);
	ck_assert_int_eq(mount(NULL, small, NULL, MS_REMOUNT, "size=1m"), 0);
	/* It goes on by itself, and says what is missing. */
	WAIT_UNTIL(strstr(read_path(path), "lines of web are lost: write("));
	at = strstr(text, "log: ");
	lost = strtoul(at + 5, NULL, 10);
	ck_assert_uint_eq(written + lost, 200);
	put(voice, "better\n");
	WAIT_UNTIL(strstr(read_path(path), "\nbetter\n"));
	WAIT_UNTIL(says(0, "small/web.log works again"));
	log_voice_close(voice);
	log_voice_close(master);
	log_writer_stop(writer, PATIENCE_MS);
	ck_assert_int_eq(umount(small), 0);
}
END_TEST

START_TEST(a_directory_that_is_not_there)
{
	char parent[PATH_MAX], path[PATH_MAX];
	struct cfg_log rules = {.file = path};
	struct log_voice *voice;

	silence();
	start_writer(0);
	join_path(parent, "later");
	join_path(path, "later/web.log");
	ASSERT_ERR(log_voice_open(&voice, writer, &rules, false, "web", &err), YM_ERR_USAGE);
	ASSERT_IN("later/web.log\") for a log: No such file", err.text);
	put(voice, "too early\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_int_eq(mkdir(parent, 0700), 0);
	WAIT_UNTIL(strstr(read_path(path), "1 line of web is lost: open("));
	put(voice, "now\n");
	WAIT_UNTIL(strstr(read_path(path), "now\n"));
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

START_TEST(the_file_is_removed_under_us)
{
	struct log_voice *voice;

	start_writer(0);
	voice = speak(log_path, (struct cfg_log){0}, "web");
	put(voice, "one\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_int_eq(unlink(log_path), 0);
	WAIT_UNTIL((put(voice, "two\n"), access(log_path, F_OK) == 0));
	WAIT_UNTIL(says(0, "two\n"));
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

START_TEST(reopen)
{
	struct log_voice *voice;
	char moved[PATH_MAX];

	start_writer(0);
	join_path(moved, "moved");
	voice = speak(log_path, (struct cfg_log){0}, "web");
	put(voice, "one\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_int_eq(rename(log_path, moved), 0);
	log_writer_reopen(writer);
	/* Before any line, and before it would be noticed otherwise. */
	WAIT_UNTIL(access(log_path, F_OK) == 0);
	put(voice, "two\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_str_eq(read_path(moved), "one\n");
	ck_assert_str_eq(read_log(0, false), "two\n");
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

/* What nobody has read yet is still there; another FIFO of its name is noticed. */
START_TEST(a_fifo_over_a_reopen)
{
	struct log_voice *voice;
	char path[PATH_MAX], bytes[64] = "";
	int fd;

	join_path(path, "fifo");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	start_writer(0);
	voice = speak(path, (struct cfg_log){0}, "web");
	put(voice, "one\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	log_writer_reopen(writer);
	put(voice, "two\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_eq(read(fd, bytes, sizeof(bytes)), 8);
	ck_assert_str_eq(bytes, "one\ntwo\n");
	close(fd);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log_writer_reopen(writer);
	put(voice, "three\n");
	WAIT_UNTIL(read(fd, bytes, sizeof(bytes)) == 6);
	close(fd);
	log_voice_close(voice);
	log_writer_stop(writer, PATIENCE_MS);
}
END_TEST

/* ---- who speaks where ------------------------------------------------------------------------ */

START_TEST(one_file_for_two)
{
	struct log_voice *one, *other, *third;

	start_writer(0);
	one = speak(log_path, (struct cfg_log){0}, "one");
	other = speak(log_path, (struct cfg_log){.maxbytes = 8, .backups = 9}, "other");
	put(one, "1111111\n");
	put(other, "2222222\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_str_eq(read_log(1, false), "1111111\n");
	log_voice_close(one);
	put(other, "3333333\n");
	ck_assert(log_writer_flush(writer, PATIENCE_MS));
	ck_assert_str_eq(read_log(0, false), "3333333\n");
	log_voice_close(other);
	/* Perhaps it is closed by now, perhaps not. */
	third = speak(log_path, (struct cfg_log){0}, "third");
	put(third, "4444444\n");
	log_voice_close(third);
	log_writer_stop(writer, PATIENCE_MS);
	ck_assert_str_eq(read_log(0, false), "3333333\n4444444\n");
}
END_TEST

START_TEST(voices_come_and_go)
{
	char path[PATH_MAX];

	start_writer(0);
	for (unsigned i = 0; i < 300; i++) {
		char name[32];
		struct log_voice *voice;

		snprintf(name, sizeof(name), "log %u", i % 7);
		join_path(path, name);
		voice = speak(path, (struct cfg_log){0}, name);
		put_number(voice, i);
		log_voice_close(voice);
	}
	log_writer_stop(writer, PATIENCE_MS);
	join_path(path, "log 5");
	ck_assert_uint_eq(count_lines(read_path(path)), 43);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_writer");
	TCase *lines = add_log_case(suite, "lines"), *trouble = add_log_case(suite, "trouble");
	TCase *voices = add_log_case(suite, "voices");

	tcase_add_test(lines, lines_in_their_order);
	tcase_add_test(lines, another_voice_finds_the_file_that_is_there);
	tcase_add_test(lines, the_ring_goes_round);
	tcase_add_test(lines, rotation_and_packing_in_the_background);
	tcase_add_test(lines, midnight_comes_by_itself);
	tcase_add_test(trouble, a_disk_that_hangs_holds_up_nobody);
	tcase_add_test(trouble, a_thread_that_is_stuck_is_left_behind);
	tcase_add_test(trouble, a_fifo_that_nobody_reads);
	tcase_add_test(trouble, a_full_device);
	tcase_add_test(trouble, a_full_disk);
	tcase_add_test(trouble, a_directory_that_is_not_there);
	tcase_add_test(trouble, the_file_is_removed_under_us);
	tcase_add_test(trouble, reopen);
	tcase_add_test(trouble, a_fifo_over_a_reopen);
	tcase_add_test(voices, one_file_for_two);
	tcase_add_test(voices, voices_come_and_go);
	return run_suite(suite);
}
