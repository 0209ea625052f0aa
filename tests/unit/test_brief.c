/* test_brief.c - what a worker is told, there and back. */
#include <fcntl.h>
#include <sys/mman.h>

#include "../../runtime/brief.h"
#include "support.h"

/* A file with these bytes, as a worker would inherit it. */
static int file_of(const char *bytes, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	return fd;
}

START_TEST(there_and_back)
{
	char longer[100000];
	struct brief_option options[] = {{"url", "ftp://example.org"}, {"empty", ""}, {"", "no key"}, {"long", longer}};
	struct brief brief = {.instance = "main",
	                      .directory = "/run/x",
	                      .pool = "upload",
	                      .plugin = "/lib/x.so",
	                      .numbers = {.build = UINT32_MAX, .max_jobs = 7, .orphan_ms = INT64_MAX},
	                      .options = options,
	                      .noptions = COUNT(options)},
		     read;
	int fd;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	fd = brief_write(&brief, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	/* Many workers read the same open file. */
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(brief_read(fd, &read, &err));
		ck_assert_str_eq(read.instance, "main");
		ck_assert_str_eq(read.directory, "/run/x");
		ck_assert_str_eq(read.pool, "upload");
		ck_assert_str_eq(read.plugin, "/lib/x.so");
		ck_assert_mem_eq(&read.numbers, &brief.numbers, sizeof(read.numbers));
		ck_assert_uint_eq(read.noptions, COUNT(options));
		for (size_t n = 0; n < COUNT(options); n++) {
			ck_assert_str_eq(read.options[n].key, options[n].key);
			ck_assert_str_eq(read.options[n].value, options[n].value);
		}
		brief_free(&read);
		ck_assert_ptr_null(read.memory);
	}
	close(fd);
}
END_TEST

START_TEST(no_options)
{
	struct brief brief = {.instance = "main", .directory = "/run/x", .pool = "p", .plugin = ""}, read;
	int fd = brief_write(&brief, &err);

	ASSERT_OK(brief_read(fd, &read, &err));
	ck_assert_uint_eq(read.noptions, 0);
	ck_assert_str_eq(read.plugin, "");
	brief_free(&read);
	close(fd);
}
END_TEST

/* Cut off before the four names are whole: refused; behind them, only whole pairs count. */
START_TEST(cut_off_anywhere)
{
	static const char bytes[] = "main\0/run/x\0p\0x.so\0key\0value\0k\0v";

	for (size_t size = 0; size <= sizeof(bytes); size++) {
		int fd = file_of(bytes, size);
		struct brief read;

		if (size < 19) {
			ASSERT_ERR(brief_read(fd, &read, &err), YM_ERR_BUG);
			ck_assert_ptr_null(read.memory);
		} else {
			ASSERT_OK(brief_read(fd, &read, &err));
			ck_assert_uint_eq(read.noptions, size == sizeof(bytes) ? 2 : size >= 29 ? 1 : 0);
			brief_free(&read);
		}
		close(fd);
	}
}
END_TEST

START_TEST(no_brief_at_all)
{
	struct brief read;
	int ends[2];

	ASSERT_ERR(brief_read(-1, &read, &err), YM_ERR_SYSTEM);
	ASSERT_IN("by the master", err.text);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "main", 5), 5);
	ck_assert_int_eq(brief_read(ends[0], &read, &err), -1);
	ck_assert_ptr_null(read.memory);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("brief");
	TCase *tcase = add_case(suite, "brief");

	tcase_add_test(tcase, there_and_back);
	tcase_add_test(tcase, no_options);
	tcase_add_test(tcase, cut_off_anywhere);
	tcase_add_test(tcase, no_brief_at_all);
	return run_suite(suite);
}
