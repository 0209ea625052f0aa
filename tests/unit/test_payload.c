/* test_payload.c - bytes of jobs in the table or in files, with sizes that are not believed. */
#include "../../runtime/payload.h"
#include "support.h"

static struct job_sh job;
static char bytes[2000];
static size_t size;

static void begin_payload(void)
{
	char path[PATH_MAX];

	begin_test();
	join_path(path, PAYLOAD_DIRECTORY);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 3);
}

static bool exists(const char *name)
{
	char path[PATH_MAX];

	join_path(path, name);
	return access(path, F_OK) == 0;
}

START_TEST(short_ones_lie_in_the_job)
{
	char *data;

	ASSERT_OK(payload_store(directory, &job, 3, 4, bytes, JOB_PAYLOAD_MAX, &err));
	ck_assert_uint_eq(job.files, 0);
	ck_assert_uint_eq(job.payload[JOB_PAYLOAD_MAX], 0);
	data = payload_load(directory, &job, 3, &size, &err);
	ck_assert_uint_eq(size, JOB_PAYLOAD_MAX);
	ck_assert_mem_eq(data, bytes, size);
	ck_assert_int_eq(data[size], '\0');
	free(data);
}
END_TEST

START_TEST(long_ones_lie_in_files)
{
	char path[PATH_MAX], *data;
	struct stat st;

	ASSERT_OK(payload_store(directory, &job, 3, 4, bytes, JOB_PAYLOAD_MAX + 1, &err));
	ASSERT_OK(payload_store_result(directory, &job, 3, 4, bytes + 1, JOB_RESULT_MAX + 1, &err));
	ck_assert_uint_eq(job.files, JOB_FILE_PAYLOAD | JOB_FILE_RESULT);
	join_path(path, "jobs/3-4.payload");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert(exists("jobs/3-4.result"));
	data = payload_load(directory, &job, 3, &size, &err);
	ck_assert_uint_eq(size, JOB_PAYLOAD_MAX + 1);
	ck_assert_mem_eq(data, bytes, size);
	free(data);
	data = payload_load_result(directory, &job, 3, &size, &err);
	ck_assert_uint_eq(size, JOB_RESULT_MAX + 1);
	ck_assert_mem_eq(data, bytes + 1, size);
	free(data);
	payload_discard(directory, &job, 3);
	ck_assert_uint_eq(job.files, 0);
	ck_assert(!exists("jobs/3-4.payload") && !exists("jobs/3-4.result"));
	payload_discard(directory, &job, 3);
}
END_TEST

START_TEST(sizes_in_shared_memory_are_checked)
{
	static const uint64_t lies[] = {JOB_PAYLOAD_MAX + 1, 1 << 20, UINT64_MAX};

	ASSERT_OK(payload_store(directory, &job, 0, 1, bytes, 10, &err));
	ASSERT_OK(payload_store_result(directory, &job, 0, 1, bytes, 10, &err));
	for (size_t i = 0; i < COUNT(lies); i++) {
		job.payload_size = job.result_size = lies[i];
		err.class = YM_ERR_NONE;
		ck_assert_ptr_null(payload_load(directory, &job, 0, &size, &err));
		ck_assert_int_eq(err.class, YM_ERR_CORRUPT);
		ck_assert_ptr_null(payload_load_result(directory, &job, 0, &size, &err));
	}
}
END_TEST

START_TEST(files_that_are_not_what_they_should_be)
{
	ASSERT_OK(payload_store(directory, &job, 0, 1, bytes, 1000, &err));
	write_file("jobs/0-1.payload", "short", 5);
	ck_assert_ptr_null(payload_load(directory, &job, 0, &size, &err));
	ck_assert_int_eq(err.class, YM_ERR_CORRUPT);
	ASSERT_IN("5 of 1000", err.text);
	payload_discard(directory, &job, 0);
	ck_assert_ptr_null(payload_load(directory, &job, 0, &size, &err));
	ASSERT_IN("0-1.payload", err.text);
	ck_assert_int_eq(payload_store("/nonexistent", &job, 0, 1, bytes, 1000, &err), -1);
	ck_assert_int_eq(payload_store_result("/nonexistent", &job, 0, 1, bytes, 1000, &err), -1);
	ck_assert_uint_eq(job.result_size, 0);
}
END_TEST

START_TEST(a_full_disk)
{
	char path[PATH_MAX];

	/* /dev/full says ENOSPC to every write. */
	join_path(path, "jobs/0-1.payload");
	ck_assert_int_eq(symlink("/dev/full", path), 0);
	ASSERT_ERR(payload_store(directory, &job, 0, 1, bytes, 1000, &err), YM_ERR_FULL);
	ASSERT_IN("0-1.payload", err.text);
	ck_assert(!exists("jobs/0-1.payload"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("payload");
	TCase *tcase = tcase_create("payload");

	tcase_add_checked_fixture(tcase, begin_payload, end_test);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, short_ones_lie_in_the_job);
	tcase_add_test(tcase, long_ones_lie_in_files);
	tcase_add_test(tcase, sizes_in_shared_memory_are_checked);
	tcase_add_test(tcase, files_that_are_not_what_they_should_be);
	tcase_add_test(tcase, a_full_disk);
	return run_suite(suite);
}
