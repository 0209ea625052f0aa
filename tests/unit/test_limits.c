/* test_limits.c - the kernel's limits on System V objects, and how much of them is used. */
#include "../../ipc/limits.h"
#include "faults.h"

static uint64_t used(enum ym_limit_name name)
{
	struct ym_limit limits[YM_LIMITS];

	ASSERT_OK(ym_limits_read(limits, &err));
	return limits[name].used;
}

START_TEST(objects_are_counted)
{
	uint64_t sets = used(YM_LIMIT_SETS), members = used(YM_LIMIT_SEMAPHORES), segments = used(YM_LIMIT_SEGMENTS),
		 pages = used(YM_LIMIT_PAGES), queues = used(YM_LIMIT_QUEUES);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int set = semget(IPC_PRIVATE, 7, 0600), segment = shmget(IPC_PRIVATE, 3 * page, 0600),
	    queue = msgget(IPC_PRIVATE, 0600);

	ck_assert_uint_eq(used(YM_LIMIT_SETS), sets + 1);
	ck_assert_uint_eq(used(YM_LIMIT_SEMAPHORES), members + 7);
	ck_assert_uint_eq(used(YM_LIMIT_SEGMENTS), segments + 1);
	ck_assert_uint_eq(used(YM_LIMIT_PAGES), pages + 3);
	ck_assert_uint_eq(used(YM_LIMIT_QUEUES), queues + 1);
	ck_assert_int_eq(semctl(set, 0, IPC_RMID), 0);
	ck_assert_int_eq(shmctl(segment, IPC_RMID, NULL), 0);
	ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}
END_TEST

/* The number at `index` of a file of /proc/sys/kernel. */
static uint64_t sysctl_number(const char *name, int index)
{
	char path[64];
	unsigned long long number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	for (int i = 0; i <= index; i++)
		ck_assert_int_eq(fscanf(file, "%llu", &number), 1);
	fclose(file);
	return number;
}

START_TEST(limits_are_the_sysctls)
{
	static const struct {
		enum ym_limit_name limit;
		const char *file;
		int index;
	} rows[] = {
	    {YM_LIMIT_SETS, "sem", 3},     {YM_LIMIT_SEMAPHORES, "sem", 1}, {YM_LIMIT_SEGMENTS, "shmmni", 0},
	    {YM_LIMIT_PAGES, "shmall", 0}, {YM_LIMIT_QUEUES, "msgmni", 0},
	};
	struct ym_limit limits[YM_LIMITS];

	ASSERT_OK(ym_limits_read(limits, &err));
	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_uint_eq(limits[rows[i].limit].most, sysctl_number(rows[i].file, rows[i].index));
		ASSERT_IN(rows[i].file, limits[rows[i].limit].sysctl);
	}
	ck_assert_uint_eq(COUNT(rows), YM_LIMITS);
}
END_TEST

START_TEST(enospc_is_explained_for_its_kind_only)
{
	char before[YM_ERR_TEXT_MAX];

	ym_fail_sys(&err, ENOSPC, "shmget(1)");
	ck_assert_int_eq(ym_limits_explain(&err, YM_OBJECT_VARIABLES), -1);
	ASSERT_IN("; now 0 of ", err.text);
	ASSERT_IN("segments (kernel.shmmni), 0 of ", err.text);
	ASSERT_IN("pages of shared memory (kernel.shmall)", err.text);
	ck_assert_ptr_null(strstr(err.text, "queues"));
	ym_fail_sys(&err, ENOMEM, "shmget(1)");
	strcpy(before, err.text);
	ck_assert_int_eq(ym_limits_explain(&err, YM_OBJECT_SEGMENT), -1);
	ck_assert_str_eq(err.text, before);
	ck_assert_int_eq(ym_limits_explain(NULL, YM_OBJECT_SEGMENT), -1);
}
END_TEST

START_TEST(every_call_fails_once)
{
	struct ym_limit limits[YM_LIMITS];
	int at;

	for (at = 1;; at++) {
		arm_fault(at, EACCES);
		ym_fail_sys(&err, ENOSPC, "msgget(1)");
		ck_assert_int_eq(ym_limits_explain(&err, YM_OBJECT_QUEUE), -1);
		if (!fault_hit())
			break;
		ck_assert_ptr_null(strstr(err.text, "now"));
		arm_fault(at, EACCES);
		ASSERT_ERR(ym_limits_read(limits, &err), YM_ERR_PERMISSION);
	}
	ASSERT_IN("now 0 of", err.text);
	ck_assert_int_gt(at, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *tcase = add_case(suite, "limits");

	tcase_add_test(tcase, objects_are_counted);
	tcase_add_test(tcase, limits_are_the_sysctls);
	tcase_add_test(tcase, enospc_is_explained_for_its_kind_only);
	tcase_add_test(tcase, every_call_fails_once);
	return run_suite(suite);
}
