/* test_cron_keeper.c - cron sections in a loop, by the real clock; their file; masters that come and go. */
#include "../../runtime/cron_keeper.h"

#include <fcntl.h>
#include <sys/time.h>

#include "../../runtime/cron_file.h"
#include "yard.h"

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static uv_loop_t loop;
static struct cron_keeper *keeper;
static struct cfg_cron sections[4];
static struct config config = {.crons = sections};

static void section(const char *name, const char *schedule)
{
	struct cfg_cron *new = &sections[config.ncrons++];

	*new = (struct cfg_cron){.pool = TEXT("work"),
	                         .schedule = TEXT(schedule),
	                         .payload = TEXT("again"),
	                         .overlap = CFG_OVERLAP_QUEUE,
	                         .catch_up = CFG_CATCH_UP_NONE,
	                         .catch_up_max_ms = INT64_C(86400000),
	                         .priority = -1};
	snprintf(new->name, sizeof(new->name), "%s", name);
}

static void open_keeper(void)
{
	ASSERT_OK(cron_keeper_open(&keeper, &loop, &yard, &err));
}

static void apply(void)
{
	ASSERT_OK(cron_keeper_apply(keeper, &config, &err));
}

static void close_keeper(void)
{
	cron_keeper_close(keeper);
	keeper = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void begin(void)
{
	begin_yard_of(256);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	config.ncrons = 0;
}

static void begin_open(void)
{
	begin();
	open_keeper();
}

static void end(void)
{
	close_keeper();
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	end_yard();
}

/* All that is ready to be seen to, without waiting. */
static void turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
}

static unsigned jobs(void)
{
	return slots_in(JOB_READY) + slots_in(JOB_DELAYED);
}

/* With turns of the loop in between. */
static bool jobs_come(unsigned n)
{
	turn();
	return jobs() >= n;
}

static int64_t now(void)
{
	return ym_unix_ms() / 1000;
}

/* ---- the file -------------------------------------------------------------------------------- */

static void write_marks(struct cron_mark *marks, size_t n)
{
	ASSERT_OK(cron_file_write(directory, &(struct cron_marks){marks, n}, &err));
}

static struct cron_marks read_marks(void)
{
	struct cron_marks marks;

	ASSERT_OK(cron_file_read(directory, &marks, &err));
	return marks;
}

/* What is noted of a section; 0: nothing. */
static int64_t noted(const char *name)
{
	struct cron_marks marks = read_marks();
	int64_t last = 0;

	for (size_t i = 0; i < marks.n; i++)
		if (strcmp(marks.items[i].name, name) == 0)
			last = marks.items[i].last;
	cron_marks_free(&marks);
	return last;
}

START_TEST(file)
{
	struct cron_mark marks[] = {
	    {.name = "a", .last = 1, .schedule = TEXT("@every 5m")},
	    {.name = "b.c-d_e", .last = INT64_MAX, .zone = TEXT("Europe/Berlin"), .schedule = TEXT("0\t1 * * mon-fri")},
	    {.name = "0123456789012345678901234567890", .last = INT64_MIN, .schedule = TEXT("x")},
	};
	struct cron_marks back = read_marks();

	ck_assert_uint_eq(back.n, 0);
	write_marks(marks, COUNT(marks));
	back = read_marks();
	ck_assert_uint_eq(back.n, COUNT(marks));
	for (size_t i = 0; i < back.n; i++) {
		ck_assert_str_eq(back.items[i].name, marks[i].name);
		ck_assert_int_eq(back.items[i].last, marks[i].last);
		ck_assert_pstr_eq(back.items[i].zone, marks[i].zone);
		ck_assert_str_eq(back.items[i].schedule, marks[i].schedule);
	}
	cron_marks_free(&back);
	write_marks(NULL, 0);
	back = read_marks();
	ck_assert_uint_eq(back.n, 0);
}
END_TEST

#define HEAD "yardmaster cron 1\n"

static const struct {
	const char *text;
	int line;
} damaged[] = {
    {"", 1},
    {"yardmaster cron 1", 1},
    {"yardmaster cron 2\nend 0\n", 1},
    {HEAD, 2},
    {HEAD "a\t1\t-\t@daily\n", 3},
    {HEAD "a\t1\t-\t@daily\nend 2\n", 3},
    {HEAD "a\t1\t-\t@daily\nend 1", 3},
    {HEAD "a\t1\t-\t@daily\nend 1\nb\t1\t-\t@daily\n", 4},
    {HEAD "a\t1\t-\nend 1\n", 2},
    {HEAD "a\t1\t-\t\nend 1\n", 2},
    {HEAD "a\t1\t\t@daily\nend 1\n", 2},
    {HEAD "a\tx\t-\t@daily\nend 1\n", 2},
    {HEAD "a\t\t-\t@daily\nend 1\n", 2},
    {HEAD "a\t1x\t-\t@daily\nend 1\n", 2},
    {HEAD "a\t99999999999999999999\t-\t@daily\nend 1\n", 2},
    {HEAD "\t1\t-\t@daily\nend 1\n", 2},
    {HEAD "a/b\t1\t-\t@daily\nend 1\n", 2},
    {HEAD "01234567890123456789012345678901\t1\t-\t@daily\nend 1\n", 2},
};

START_TEST(damaged_file)
{
	struct cron_marks marks;
	char words[32];

	write_file("cron", damaged[_i].text, strlen(damaged[_i].text));
	ASSERT_ERR(cron_file_read(directory, &marks, &err), YM_ERR_CORRUPT);
	snprintf(words, sizeof(words), "is damaged in line %d", damaged[_i].line);
	ASSERT_IN(words, err.text);
	ck_assert_uint_eq(marks.n, 0);
}
END_TEST

START_TEST(strange_files)
{
	char path[PATH_MAX];
	struct cron_marks marks;

	write_file("cron", HEAD "a\t1\t-\t@da\0ly\nend 1\n", sizeof(HEAD "a\t1\t-\t@da\0ly\nend 1\n") - 1);
	ASSERT_ERR(cron_file_read(directory, &marks, &err), YM_ERR_CORRUPT);
	join_path(path, "cron");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ASSERT_ERR(cron_file_read(directory, &marks, &err), YM_ERR_SYSTEM);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(cron_file_read(directory, &marks, &err), -1);
	/* A directory cannot be replaced: the next try may do better. */
	ck_assert_int_eq(cron_file_write(directory, &(struct cron_marks){0}, &err), -1);
	ASSERT_IN("to note which cron jobs were submitted", err.text);
	ck_assert_int_eq(rmdir(path), 0);
	write_marks(NULL, 0);
	ck_assert_int_eq(cron_file_write("/nowhere/at/all", &(struct cron_marks){0}, &err), -1);
}
END_TEST

START_TEST(full_disk)
{
	char path[PATH_MAX];

	join_path(path, "cron.new");
	ck_assert_int_eq(symlink("/dev/full", path), 0);
	/* It follows no link that somebody has put there. */
	ck_assert_int_eq(cron_file_write(directory, &(struct cron_marks){0}, &err), -1);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(noted("a"), 0);
}
END_TEST

/* ---- the loop -------------------------------------------------------------------------------- */

START_TEST(nothing_to_do)
{
	char path[PATH_MAX];

	turn();
	apply();
	turn();
	join_path(path, "cron");
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_uint_eq(jobs(), 0);
}
END_TEST

START_TEST(jobs_come_in_time)
{
	int64_t start = now(), last;

	section("second", "@every 1s");
	section("year", "@every 365d");
	apply();
	ck_assert_int_ge(noted("second"), start);
	ck_assert_int_ge(noted("year"), start);
	WAIT_UNTIL(jobs_come(2));
	/* Not before their time, and noted. */
	last = noted("second");
	ck_assert_int_ge(last, start + 2);
	ck_assert_int_le(last, now());
	for (uint32_t slot = 0; slot < yard.table->slots; slot++)
		if (word_state(atomic_load(&yard.table->words[slot])) == JOB_READY)
			ck_assert_str_eq(table_job(yard.table, slot)->tag, "second");
	ck_assert_uint_lt(jobs(), 15);
}
END_TEST

/* Fields, with a pool of time zones. */
START_TEST(many_zones)
{
	section("a", "* * * * *");
	section("b", "* * * * *");
	section("c", "* * * * *");
	section("d", "* * * * *");
	sections[0].timezone = sections[2].timezone = TEXT("Asia/Tokyo");
	sections[3].timezone = TEXT("UTC");
	for (int i = 0; i < 3; i++)
		apply();
	config.ncrons--;
	apply();
	ck_assert_int_eq(noted("d"), 0);
	ck_assert_int_ne(noted("c"), 0);
}
END_TEST

START_TEST(refused_sections)
{
	section("good", "@every 1s");
	apply();
	section("bad", "@every 1y");
	ASSERT_ERR(cron_keeper_apply(keeper, &config, &err), YM_ERR_CONFIG);
	ASSERT_IN("[cron:bad]: schedule = @every 1y: ", err.text);
	sections[1].schedule = TEXT("@daily");
	sections[1].timezone = TEXT("Moon/Tycho");
	ASSERT_ERR(cron_keeper_apply(keeper, &config, &err), YM_ERR_CONFIG);
	ASSERT_IN("[cron:bad]: timezone: no such time zone `Moon/Tycho`", err.text);
	/* The others go on. */
	WAIT_UNTIL(jobs_come(1));
	ck_assert_int_eq(noted("bad"), 0);
}
END_TEST

START_TEST(pause_and_resume)
{
	uint64_t until;

	section("second", "@every 1s");
	apply();
	cron_keeper_pause(keeper);
	until = ym_deadline(1200);
	while (ym_now_ns() < until) {
		turn();
		ck_assert_uint_eq(jobs(), 0);
		usleep(1000);
	}
	/* A reload meanwhile does not start it again. */
	apply();
	turn();
	ck_assert_uint_eq(jobs(), 0);
	cron_keeper_resume(keeper);
	ck_assert_uint_eq(jobs(), 1);
	WAIT_UNTIL(jobs_come(2));
}
END_TEST

START_TEST(full_table)
{
	uint32_t slots = yard.table->slots;

	section("second", "@every 1s");
	apply();
	while (jobs() < slots)
		submit("filler");
	WAIT_UNTIL((turn(), now() > noted("second") + 1));
	for (int i = 0; i < 10; i++)
		run_job((struct job_ref){1 + (uint64_t)i, (uint32_t)i, word_gen(atomic_load(&yard.table->words[i]))},
		        STORY_DONE);
	WAIT_UNTIL(jobs_come(slots - 9));
}
END_TEST

/* The file cannot be written for a while: the jobs come nevertheless, and it is written as soon as it can be. */
START_TEST(unwritable_file)
{
	char path[PATH_MAX];

	section("second", "@every 1s");
	apply();
	join_path(path, "cron");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	WAIT_UNTIL(jobs_come(1));
	section("year", "@every 365d");
	apply();
	sections[0] = sections[1];
	config.ncrons = 1;
	apply();
	ck_assert_int_eq(rmdir(path), 0);
	/* Nothing is due in the rest of the year. */
	WAIT_UNTIL((turn(), access(path, F_OK) == 0));
	ck_assert_int_ne(noted("year"), 0);
}
END_TEST

/* ---- one master after the other -------------------------------------------------------------- */

static void note(const char *schedule, int64_t last)
{
	struct cron_mark mark = {.name = "second", .last = last, .schedule = TEXT(schedule)};

	write_marks(&mark, 1);
}

static const struct {
	enum cfg_catch_up catch_up;
	unsigned jobs;
} absences[] = {{CFG_CATCH_UP_NONE, 0}, {CFG_CATCH_UP_ONE, 1}, {CFG_CATCH_UP_ALL, 20}};

/* Nobody was there when 20 times came. */
START_TEST(absence)
{
	int64_t last = now() - 20 * 1000 - 500;

	note("@every 1000s", last);
	section("second", "@every 1000s");
	sections[0].catch_up = absences[_i].catch_up;
	apply();
	ck_assert_uint_eq(jobs(), absences[_i].jobs);
	ck_assert_int_eq(noted("second"), last + 20000);
	apply();
	ck_assert_uint_eq(jobs(), absences[_i].jobs);
}
END_TEST

START_TEST(another_schedule_begins_anew)
{
	int64_t start = now();

	note("@every 1000s", start - 100000);
	section("second", "@every 999s");
	sections[0].catch_up = CFG_CATCH_UP_ALL;
	apply();
	ck_assert_uint_eq(jobs(), 0);
	ck_assert_int_ge(noted("second"), start);
	/* The same at a reload, where the earlier one had its last time a while ago; with another zone, too. */
	close_keeper();
	for (int i = 0; i < 2; i++) {
		note("@every 1000s", start - 500);
		sections[0].schedule = TEXT("@every 1000s");
		open_keeper();
		apply();
		ck_assert_int_eq(noted("second"), start - 500);
		if (i)
			sections[0].timezone = TEXT("Asia/Tokyo");
		else
			sections[0].schedule = TEXT("@every 100s");
		apply();
		ck_assert_uint_eq(jobs(), 0);
		ck_assert_int_ge(noted("second"), start);
		if (!i)
			close_keeper();
	}
}
END_TEST

START_TEST(damaged_file_begins_anew)
{
	int64_t start = now();

	write_file("cron", HEAD "second\t5\t-\t@every 1000s\n", strlen(HEAD "second\t5\t-\t@every 1000s\n"));
	section("second", "@every 1000s");
	sections[0].catch_up = CFG_CATCH_UP_ALL;
	apply();
	ck_assert_uint_eq(jobs(), 0);
	ck_assert_int_ge(noted("second"), start);
}
END_TEST

/* Killed when the jobs were in the table, but not yet noted. */
START_TEST(master_killed_before_the_note)
{
	int64_t last = now() - 20 * 1000 - 500;

	section("second", "@every 1000s");
	sections[0].catch_up = CFG_CATCH_UP_ALL;
	note("@every 1000s", last);
	apply();
	ck_assert_uint_eq(jobs(), 20);
	for (int i = 0; i < 20; i += 1)
		run_job((struct job_ref){1 + (uint64_t)i, (uint32_t)i, word_gen(atomic_load(&yard.table->words[i]))},
		        STORY_DONE);
	close_keeper();
	note("@every 1000s", last);
	open_keeper();
	apply();
	ck_assert_uint_eq(jobs(), 0);
	ck_assert_int_eq(noted("second"), last + 20000);
}
END_TEST

/* Real ones: they die at any moment of their work, of a signal that they do not handle. */
static void be_master(void *arg)
{
	const unsigned *microseconds = arg;
	struct itimerval end = {.it_value = {.tv_usec = (suseconds_t)*microseconds}};
	struct instance mine;

	signal(SIGALRM, SIG_DFL);
	join_yard(&mine);
	MUST(uv_loop_init(&loop) == 0);
	MUST(cron_keeper_open(&keeper, &loop, &mine, &err) == 0);
	cron_keeper_pause(keeper);
	MUST(cron_keeper_apply(keeper, &config, &err) == 0);
	setitimer(ITIMER_REAL, &end, NULL);
	cron_keeper_resume(keeper);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static int by_time(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* All that waits is done, so that only the table of what is over remembers it. */
static void run_all(void)
{
	struct job_ref ref;
	uint64_t word;

	while (try_claim(&ref, &word))
		finish(ref, word, STORY_DONE);
}

/* Of masters that are killed, one after the other. */
#define DUE_TIMES 100

START_TEST(masters_killed_at_any_moment)
{
	int64_t last = now() - DUE_TIMES * 1000 - 500, times[256];
	unsigned n = 0;

	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	section("second", "@every 1000s");
	sections[0].catch_up = CFG_CATCH_UP_ALL;
	sections[0].catch_up_max_ms = INT64_C(10) * 86400000;
	note("@every 1000s", last);
	while (slots_in(JOB_DONE) < DUE_TIMES) {
		/* Some get far enough soon, however slow the machine is. */
		unsigned most = 50 + 20 * n++, microseconds = 1 + random_below(most < 500000 ? most : 500000);
		int status = reap(spawn(be_master, &microseconds));

		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
		run_sweep();
		run_all();
	}
	/* They died in the middle of it, indeed. */
	ck_assert_uint_gt(n, 3);
	n = 0;
	for (uint32_t slot = 0; slot < yard.table->slots; slot++)
		if (word_state(atomic_load(&yard.table->words[slot])) == JOB_DONE)
			times[n++] = table_job(yard.table, slot)->at_ms / 1000;
	ck_assert_uint_eq(n, DUE_TIMES);
	qsort(times, n, sizeof(times[0]), by_time);
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(times[i], last + 1000 * (i + 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cron_keeper");
	TCase *files = add_case(suite, "file"), *loops = tcase_create("loop"), *death = tcase_create("death");

	tcase_add_test(files, file);
	tcase_add_loop_test(files, damaged_file, 0, COUNT(damaged));
	tcase_add_test(files, strange_files);
	tcase_add_test(files, full_disk);
	tcase_add_checked_fixture(loops, begin_open, end);
	tcase_set_timeout(loops, 60);
	suite_add_tcase(suite, loops);
	tcase_add_test(loops, nothing_to_do);
	tcase_add_test(loops, jobs_come_in_time);
	tcase_add_test(loops, many_zones);
	tcase_add_test(loops, refused_sections);
	tcase_add_test(loops, pause_and_resume);
	tcase_add_test(loops, full_table);
	tcase_add_test(loops, unwritable_file);
	tcase_add_loop_test(loops, absence, 0, COUNT(absences));
	tcase_add_test(loops, another_schedule_begins_anew);
	tcase_add_test(loops, damaged_file_begins_anew);
	tcase_add_test(loops, master_killed_before_the_note);
	tcase_add_checked_fixture(death, begin, end);
	tcase_set_timeout(death, 120);
	suite_add_tcase(suite, death);
	tcase_add_test(death, masters_killed_at_any_moment);
	return run_suite(suite);
}
