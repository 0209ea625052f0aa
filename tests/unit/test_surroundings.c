/* test_surroundings.c - limits against use, and what logind would do, with files of a made-up system. */
#include "../../runtime/commands/findings.h"
#include "../../runtime/commands/surroundings.h"
#include "support.h"

/* A file below the test's directory, with the directories that it needs. */
static void put(const char *name, const char *text)
{
	char path[PATH_MAX];

	join_path(path, name);
	for (char *at = strchr(path + strlen(directory) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	write_file(name, text, strlen(text));
}

static bool removes(uid_t uid)
{
	return surroundings_remove_ipc(directory, uid);
}

START_TEST(logind_spares_system_users)
{
	ck_assert(!removes(1000)); /* no systemd here */
	put("run/systemd/system/x", "");
	ck_assert(removes(1000));
	ck_assert(!removes(999));
	ck_assert(!removes(0));
	put("etc/login.defs", "#SYS_UID_MAX 5\n  SYS_UID_MAX\t 499\nUID_MAX 60000\n");
	ck_assert(removes(500));
	ck_assert(!removes(499));
}
END_TEST

START_TEST(logind_reads_its_files_in_order)
{
	put("run/systemd/system/x", "");
	put("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
	ck_assert(removes(1000));
	put("etc/systemd/logind.conf", "[Login]\nRemoveIPCs=yes\n RemoveIPC = no\n");
	ck_assert(!removes(1000));
	put("usr/lib/systemd/logind.conf.d/20-b.conf", "[Login]\nRemoveIPC=yes\n");
	ck_assert(removes(1000));
	put("usr/lib/systemd/logind.conf.d/30-c.txt", "[Login]\nRemoveIPC=no\n");
	ck_assert(removes(1000));
	put("run/systemd/logind.conf.d/30-c.conf", "[Login]\nRemoveIPC=off\n");
	ck_assert(!removes(1000));
	put("etc/systemd/logind.conf.d/10-a.conf", "[Login]\nRemoveIPC=true\n");
	ck_assert(!removes(1000));
	/* The same name in /etc hides the one in /run. */
	put("etc/systemd/logind.conf.d/30-c.conf", "");
	ck_assert(removes(1000));
}
END_TEST

static void put_sysctls(void)
{
	put("proc/sys/kernel/sem", "20\t30\t40\t3\n");
	put("proc/sys/kernel/shmmni", "10\n");
	put("proc/sys/kernel/shmall", "18446744073692774399\n");
	put("proc/sys/kernel/shmmax", "8192\n");
	put("proc/sys/kernel/msgmni", "0\n");
	put("proc/sys/kernel/msgmnb", "100\n");
}

static const struct finding *finding(const struct findings *findings, enum finding_code code, const char *part)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->list[i].code == code && strstr(findings->list[i].what, part))
			return &findings->list[i];
	return NULL;
}

START_TEST(limits_are_compared_with_use)
{
	struct ym_survey_object objects[] = {
	    {.type = YM_OBJECT_SEMAPHORE, .row = {.size = 16}},
	    {.type = YM_OBJECT_SEMAPHORE, .row = {.size = 3}},
	    {.type = YM_OBJECT_SEMAPHORE, .row = {.size = 4}},
	    {.type = YM_OBJECT_SEGMENT, .row = {.size = 4097}},
	    {.type = YM_OBJECT_SEGMENT, .row = {.size = 1}},
	    {.type = YM_OBJECT_QUEUE, .row = {.size = 5, .count = 79}},
	    {.type = YM_OBJECT_QUEUE, .row = {.size = 50}},
	};
	struct ym_survey survey = {.objects = objects, .nobjects = COUNT(objects)};
	struct limit_use limits[LIMITS];
	struct findings findings = {0};

	put_sysctls();
	surroundings_limits(&survey, directory, limits);
	ck_assert_uint_eq(limits[LIMIT_SEMMNI].used, 3);
	ck_assert_uint_eq(limits[LIMIT_SEMMNI].limit, 3);
	ck_assert_uint_eq(limits[LIMIT_SEMMNS].used, 23);
	ck_assert_uint_eq(limits[LIMIT_SEMMNS].limit, 30);
	ck_assert_uint_eq(limits[LIMIT_SEMMSL].used, 16);
	ck_assert_uint_eq(limits[LIMIT_SEMMSL].limit, 20);
	ck_assert_uint_eq(limits[LIMIT_SEMOPM].limit, 40);
	ck_assert_uint_eq(limits[LIMIT_SHMMNI].used, 2);
	ck_assert_uint_eq(limits[LIMIT_SHMALL].used, 3);
	ck_assert_uint_eq(limits[LIMIT_SHMALL].limit, UINT64_C(18446744073692774399));
	ck_assert_uint_eq(limits[LIMIT_SHMMAX].used, 4097);
	ck_assert_uint_eq(limits[LIMIT_MSGMNI].used, 2);
	ck_assert_uint_eq(limits[LIMIT_MSGMNB].used, 79);
	ck_assert(limits[LIMIT_MSGMNB].known && !limits[LIMIT_MSGMAX].known && !limits[LIMIT_MSGMAX].measured);
	ck_assert_double_eq(surroundings_percent(&limits[LIMIT_SHMMNI]), 20);

	survey.rmid_forced = true;
	surroundings_diagnose(&findings, &survey, limits);
	ck_assert_ptr_nonnull(finding(&findings, FINDING_LIMIT_REACHED, "SEMMNI: 3 of 3 "));
	ck_assert_ptr_nonnull(finding(&findings, FINDING_LIMIT_NEAR, "SEMMSL: 16 of 20 ")); /* 80 % sharp */
	ck_assert_ptr_nonnull(finding(&findings, FINDING_LIMIT_REACHED, "MSGMNI: 2 of 0 "));
	ck_assert_ptr_null(finding(&findings, FINDING_LIMIT_NEAR, "SEMMNS"));
	ck_assert_ptr_null(finding(&findings, FINDING_LIMIT_NEAR, "MSGMNB"));
	ck_assert_str_eq(finding(&findings, FINDING_LIMIT_NEAR, "SEMMSL")->command, "sysctl kernel.sem");
	ck_assert_str_eq(finding(&findings, FINDING_RMID_FORCED, "")->command, "sysctl kernel.shm_rmid_forced=0");
	ck_assert_int_eq(findings_worst(&findings), SEVERITY_PROBLEM);
	findings_free(&findings);
	ck_assert_int_eq(findings_worst(&findings), SEVERITY_OK);
}
END_TEST

START_TEST(the_limits_of_this_kernel_are_known)
{
	struct limit_use limits[LIMITS];
	struct ym_survey survey = {0};

	surroundings_limits(&survey, "", limits);
	for (unsigned i = 0; i < LIMITS; i++)
		ck_assert(limits[i].known && limits[i].limit > 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("surroundings");
	TCase *logind = add_case(suite, "logind"), *limits = add_case(suite, "limits");

	tcase_add_test(logind, logind_spares_system_users);
	tcase_add_test(logind, logind_reads_its_files_in_order);
	tcase_add_test(limits, limits_are_compared_with_use);
	tcase_add_test(limits, the_limits_of_this_kernel_are_known);
	return run_suite(suite);
}
