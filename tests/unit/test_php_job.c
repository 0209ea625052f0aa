/* test_php_job.c - a job as PHP sees it. */
#include "../../runtime/php_job.h"
#include "../../runtime/text.h"
#include "support.h"

static const struct php_job running = {
    .id = 42,
    .pool = "mail",
    .tag = "t-1",
    .state = "running",
    .done = 3,
    .total = 7,
    .unit = "rows",
    .note = "row 3",
    .percent = 42.8,
    .rate = 12.3456,
    .eta = 0.3,
    .attempt = 2,
    .submitted = 1795349317541,
    .started = 1795349318000,
    .updated = 1795349318450,
};

static size_t write_job(const struct php_job *job, char *out, size_t size)
{
	struct ym_buffer buffer;
	size_t length;

	ym_buffer_init(&buffer, out, size);
	ASSERT_OK(php_job_write(job, &buffer, &err));
	ck_assert(!buffer.heap);
	length = buffer.length;
	out[length] = '\0';
	return length;
}

START_TEST(bytes)
{
	char text[2048], expected[] =
			     "a:17:{s:2:\"id\";i:42;s:4:\"pool\";s:4:\"mail\";s:3:\"tag\";s:3:\"t-1\";s:5:\"state\";"
			     "s:7:\"running\";s:4:\"done\";i:3;s:5:\"total\";i:7;s:4:\"unit\";s:4:\"rows\";"
			     "s:4:\"note\";s:5:\"row 3\";s:7:\"percent\";d:42.8;s:4:\"rate\";d:12.346;s:3:\"eta\";"
			     "d:0.3;s:7:\"attempt\";i:2;s:5:\"error\";N;s:9:\"submitted\";d:1795349317.541;"
			     "s:7:\"started\";d:1795349318;s:8:\"finished\";N;s:7:\"updated\";d:1795349318.45;}";
	size_t length = write_job(&running, text, sizeof(text) - 1);

	ck_assert_uint_eq(length % 64, 0);
	ck_assert_int_eq(strncmp(text, expected, strlen(expected)), 0);
	ck_assert_uint_eq(strspn(text + strlen(expected), " "), length - strlen(expected));
}
END_TEST

/* Its length does not follow each digit. */
START_TEST(one_length)
{
	char first[2048], second[2048];
	struct php_job later = running;

	later.done = 6;
	later.percent = 85.71;
	later.rate = 123456.789;
	text_copy(later.note, sizeof(later.note), "row 6 of 7");
	ck_assert_uint_eq(write_job(&running, first, sizeof(first) - 1), write_job(&later, second, sizeof(second) - 1));
	ck_assert_str_ne(first, second);
}
END_TEST

START_TEST(there_and_back)
{
	struct php_job jobs[] = {running, running, running}, back;
	char text[2048];

	jobs[1].percent = jobs[1].rate = jobs[1].eta = -1;
	jobs[1].started = 0;
	memset(jobs[2].tag, 'x', sizeof(jobs[2].tag) - 1);
	memset(jobs[2].error, '\"', sizeof(jobs[2].error) - 1);
	jobs[2].finished = 1795349319001;
	for (size_t i = 0; i < COUNT(jobs); i++) {
		size_t length = write_job(&jobs[i], text, sizeof(text) - 1);

		ck_assert(php_job_read(text, length, &back));
		ck_assert_uint_eq(back.id, 42);
		ck_assert_str_eq(back.tag, jobs[i].tag);
		ck_assert_str_eq(back.error, jobs[i].error);
		ck_assert_str_eq(back.note, jobs[i].note);
		ck_assert_uint_eq(back.done, 3);
		ck_assert_int_eq(back.started, jobs[i].started);
		ck_assert_int_eq(back.finished, jobs[i].finished);
		ck_assert_int_eq(back.updated, jobs[i].updated);
		ck_assert_int_eq((int)(back.percent * 10), (int)(jobs[i].percent * 10));
		ck_assert_int_eq((int)back.rate, (int)jobs[i].rate);
	}
}
END_TEST

START_TEST(what_is_none)
{
	static const char *const others[] = {
	    "N;", "i:42;", "a:0:{}", "a:1:{s:2:\"id\";i:42;}", "s:2:\"id\";", "O:8:\"stdClass\":1:{s:2:\"id\";i:42;}",
	    "",   "a:17:{"};
	char text[2048], *at;
	struct php_job job;
	size_t length;

	for (size_t i = 0; i < COUNT(others); i++)
		ck_assert_msg(!php_job_read(others[i], strlen(others[i]), &job), "%s is a job", others[i]);
	/* Another type, another key, a text that is too long, a number that is none. */
	static const struct {
		const char *from, *to;
	} changes[] = {{"i:42;", "d:42;"},
	               {"s:4:\"pool\"", "s:4:\"loop\""},
	               {"s:7:\"running\"", "i:123456789;\""},
	               {"i:42;", "i:-4;"},
	               {"d:42.8;", "b:1;   "}};
	for (size_t i = 0; i < COUNT(changes); i++) {
		length = write_job(&running, text, sizeof(text) - 1);
		ck_assert(php_job_read(text, length, &job));
		at = strstr(text, changes[i].from);
		ck_assert_ptr_nonnull(at);
		memcpy(at, changes[i].to, strlen(changes[i].to));
		ck_assert_msg(!php_job_read(text, length, &job), "a job with %s", changes[i].to);
	}
}
END_TEST

/* In place of a part of what was written. */
static bool reads_with(const char *from, const char *to)
{
	char text[2048], changed[4096];
	struct php_job job;
	size_t length = write_job(&running, text, sizeof(text) - 1);
	char *at = strstr(text, from);

	ck_assert_ptr_nonnull(at);
	length = length - strlen(from) + strlen(to);
	snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return php_job_read(changed, length, &job);
}

START_TEST(what_is_too_much)
{
	ck_assert(reads_with("s:3:\"t-1\"", "s:47:\"12345678901234567890123456789012345678901234567\""));
	ck_assert(!reads_with("s:3:\"t-1\"", "s:48:\"123456789012345678901234567890123456789012345678\""));
	ck_assert(!reads_with("a:17:{", "a:18:{s:4:\"more\";i:1;"));
	ck_assert(!reads_with("d:1795349318;", "d:1.0E+40;"));
	ck_assert(!reads_with("d:1795349318;", "d:-1;"));
}
END_TEST

START_TEST(keys)
{
	ck_assert_int_eq(php_job_key(42), -42);
	ck_assert_int_lt(php_job_key(UINT64_MAX), 0);
	/* As crc32() of PHP. */
	ck_assert_int_eq(php_job_tag_key("hello"), 907060870);
	ck_assert_int_eq(php_job_tag_key(""), 0);
}
END_TEST

START_TEST(ends)
{
	static const char *const over[] = {"done", "failed", "cancelled", "buried", PHP_JOB_GONE};
	static const char *const live[] = {"waiting", "running", "delayed", "finishing", "recovering"};
	struct php_job job = running;

	for (size_t i = 0; i < COUNT(over); i++) {
		text_copy(job.state, sizeof(job.state), over[i]);
		ck_assert_msg(php_job_over(&job), "%s is not over", over[i]);
	}
	for (size_t i = 0; i < COUNT(live); i++) {
		text_copy(job.state, sizeof(job.state), live[i]);
		ck_assert_msg(!php_job_over(&job), "%s is over", live[i]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("php_job");
	TCase *tcase = add_case(suite, "php_job");

	tcase_add_test(tcase, bytes);
	tcase_add_test(tcase, one_length);
	tcase_add_test(tcase, there_and_back);
	tcase_add_test(tcase, what_is_none);
	tcase_add_test(tcase, what_is_too_much);
	tcase_add_test(tcase, keys);
	tcase_add_test(tcase, ends);
	return run_suite(suite);
}
