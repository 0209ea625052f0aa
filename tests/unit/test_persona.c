/* test_persona.c - who somebody is, what he inherits, and the control group of a made-up system. */
#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>

#include "persona_support.h"

static const char *variable(const char *name)
{
	for (size_t i = 0; i < persona->nenv; i++)
		if (persona_sets(persona->env[i], name))
			return persona->env[i] + strlen(name) + 1;
	return NULL;
}

static void assert_variable(const char *name, const char *value)
{
	const char *seen = variable(name);

	ck_assert_msg(seen && strcmp(seen, value) == 0, "%s is %s, not %s", name, seen ? seen : "not set", value);
}

static bool in_groups(gid_t gid)
{
	for (size_t i = 0; i < persona->ngroups; i++)
		if (persona->groups[i] == gid)
			return true;
	return false;
}

/* ---- users ----------------------------------------------------------------------------------- */

START_TEST(as_we_are)
{
	char name[64];

	make_persona("daemon");
	ck_assert(!persona_other_user(persona) && !persona->change_ids);
	ck_assert_uint_eq(persona->nrlimits, 0);
	/* By name and by number, we are ourselves, and stay as we are. */
	snprintf(name, sizeof(name), "%u", (unsigned)geteuid());
	config.user = name;
	make_persona("daemon");
	ck_assert(!persona_other_user(persona) && !persona->change_ids);
	snprintf(name, sizeof(name), "%s", getpwuid(geteuid())->pw_name);
	make_persona("daemon");
	ck_assert(!persona_other_user(persona) && !persona->change_ids);
}
END_TEST

START_TEST(who_is_not_there)
{
	config.user = (char[]){"no-such-user"};
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_CONFIG);
	ASSERT_IN("user = no-such-user", err.text);
	config.user = (char[]){"4000000001"};
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_CONFIG);
	/* -1 as an unsigned number means "do not change" to the kernel. */
	config.user = (char[]){"4294967295"};
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_CONFIG);
	config.user = (char[]){"0x0"};
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_CONFIG);
	config.user = NULL;
	config.group = (char[]){"no-such-group"};
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_CONFIG);
	ASSERT_IN("group = no-such-group", err.text);
}
END_TEST

static void as_nobody(void *arg)
{
	(void)arg;
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		_exit(2);
	config.user = (char[]){"root"};
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_PERMISSION);
	ASSERT_IN("user = root: only root can", err.text);
	config.user = (char[]){"nobody"};
	ASSERT_OK(persona_make(&config, "daemon", &persona, &err));
	ck_assert(!persona->change_ids);
	persona_free(persona);
	config.group = (char[]){"65534"};
	ASSERT_OK(persona_make(&config, NULL, &persona, &err));
	persona_free(persona);
	config.group = (char[]){"daemon"};
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_PERMISSION);
	ASSERT_IN("group = daemon: only root can", err.text);
}

START_TEST(only_root_may_change)
{
	if (other_user_or_skip("only_root_may_change"))
		run_child(as_nobody, NULL);
}
END_TEST

START_TEST(another_user)
{
	gid_t expected[64];
	int count = COUNT(expected);

	if (!other_user_or_skip("another_user"))
		return;
	config.user = (char[]){"daemon"};
	make_persona(NULL);
	ck_assert(persona_other_user(persona));
	ck_assert_uint_eq(persona->uid, getpwnam("daemon")->pw_uid);
	ck_assert_uint_eq(persona->gid, getpwnam("daemon")->pw_gid);
	ck_assert_int_ge(getgrouplist("daemon", persona->gid, expected, &count), 0);
	ck_assert_uint_eq(persona->ngroups, (size_t)count);
	for (int i = 0; i < count; i++)
		ck_assert(in_groups(expected[i]));
	ck_assert(!in_groups(0));
	/* The group of the IPC objects comes on top, once. */
	make_persona("games");
	ck_assert_uint_eq(persona->ngroups, (size_t)count + 1);
	ck_assert(in_groups(getgrnam("games")->gr_gid));
	make_persona("daemon");
	ck_assert_uint_eq(persona->ngroups, (size_t)count);
	ASSERT_ERR(persona_make(&config, "no-such-group", &persona, &err), YM_ERR_CONFIG);
	ASSERT_IN("ipc_group = no-such-group", err.text);
	/* Another primary group in place of his own. */
	config.group = (char[]){"games"};
	make_persona(NULL);
	ck_assert_uint_eq(persona->gid, getgrnam("games")->gr_gid);
	ck_assert(in_groups(persona->gid) && !in_groups(getpwnam("daemon")->pw_gid));
	/* The group alone. */
	config.user = NULL;
	make_persona("daemon");
	ck_assert(!persona_other_user(persona) && persona->change_ids);
	ck_assert_uint_eq(persona->gid, getgrnam("games")->gr_gid);
	ck_assert(!in_groups(getgrnam("daemon")->gr_gid));
}
END_TEST

/* ---- the environment ------------------------------------------------------------------------- */

static const char *const private_to_us[] = {"NOTIFY_SOCKET",           "WATCHDOG_PID",
                                            "WATCHDOG_USEC",           "LISTEN_PID",
                                            "LISTEN_PIDFDID",          "LISTEN_FDS",
                                            "LISTEN_FDNAMES",          "SUPERVISOR_ENABLED",
                                            "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME",
                                            "SUPERVISOR_SERVER_URL",   "YARDMASTER_READY_FD"};

START_TEST(environment_inherited)
{
	struct cfg_pair pairs[] = {{(char[]){"ASKED"}, (char[]){"first"}},
	                           {(char[]){"ASKED"}, (char[]){"a=b "}},
	                           {(char[]){"EMPTY"}, (char[]){""}}};

	for (size_t i = 0; i < COUNT(private_to_us); i++)
		setenv(private_to_us[i], "1", 1);
	setenv("HOME", "/our/home", 1);
	setenv("ASKED", "inherited", 1);
	setenv("LISTEN_ADDRESS", "::1", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	config.environment = pairs;
	config.nenvironment = COUNT(pairs);
	make_persona(NULL);
	for (size_t i = 0; i < COUNT(private_to_us); i++)
		ck_assert_msg(!variable(private_to_us[i]), "%s is inherited", private_to_us[i]);
	assert_variable("ASKED", "a=b ");
	assert_variable("EMPTY", "");
	assert_variable("LISTEN_ADDRESS", "::1");
	assert_variable("HOME", "/our/home");
	assert_variable("XDG_RUNTIME_DIR", "/run/user/7");
	ck_assert_ptr_null(variable("ASKE"));
	for (size_t i = 0; i < persona->nenv; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_msg(!persona_sets(persona->env[i], persona->env[k]), "%s is there twice",
			              persona->env[i]);
	/* Asked for by name, even these. */
	pairs[1].key = (char[]){"NOTIFY_SOCKET"};
	make_persona(NULL);
	assert_variable("NOTIFY_SOCKET", "a=b ");
}
END_TEST

START_TEST(environment_clean)
{
	struct cfg_pair pair = {(char[]){"ASKED"}, (char[]){"yes"}};
	const struct passwd *self = getpwuid(geteuid());

	setenv("INHERITED", "no", 1);
	setenv("HOME", "/our/home", 1);
	config.clear_env = 1;
	config.environment = &pair;
	config.nenvironment = 1;
	make_persona(NULL);
	assert_variable("ASKED", "yes");
	assert_variable("PATH", PERSONA_PATH);
	ck_assert_ptr_null(variable("INHERITED"));
	if (self) {
		assert_variable("HOME", self->pw_dir);
		assert_variable("USER", self->pw_name);
		assert_variable("LOGNAME", self->pw_name);
		ck_assert_ptr_nonnull(variable("SHELL"));
	}
	ck_assert_uint_eq(persona->nenv, self ? 6 : 2);
	pair.key = (char[]){"PATH"};
	make_persona(NULL);
	assert_variable("PATH", "yes");
}
END_TEST

START_TEST(environment_of_another_user)
{
	struct cfg_pair pair = {(char[]){"LOGNAME"}, (char[]){"asked"}};

	if (!other_user_or_skip("environment_of_another_user"))
		return;
	setenv("HOME", "/our/home", 1);
	setenv("USER", "us", 1);
	setenv("INHERITED", "yes", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	setenv("DBUS_SESSION_BUS_ADDRESS", "x", 1);
	config.user = (char[]){"daemon"};
	config.environment = &pair;
	config.nenvironment = 1;
	make_persona(NULL);
	assert_variable("HOME", getpwnam("daemon")->pw_dir);
	assert_variable("USER", "daemon");
	assert_variable("LOGNAME", "asked");
	assert_variable("SHELL", getpwnam("daemon")->pw_shell);
	assert_variable("INHERITED", "yes");
	ck_assert_ptr_null(variable("XDG_RUNTIME_DIR"));
	ck_assert_ptr_null(variable("DBUS_SESSION_BUS_ADDRESS"));
}
END_TEST

START_TEST(directories)
{
	char path[PATH_MAX];

	join_path(path, "missing");
	config.directory = path;
	ck_assert_int_eq(persona_make(&config, NULL, &persona, &err), -1);
	ck_assert_int_eq(err.sys, ENOENT);
	ASSERT_IN(path, err.text);
	write_file("missing", "x", 1);
	ASSERT_ERR(persona_make(&config, NULL, &persona, &err), YM_ERR_CONFIG);
	ASSERT_IN("no directory", err.text);
	config.directory = directory;
	make_persona(NULL);
}
END_TEST

START_TEST(limits)
{
	config.rlimit_files = 77;
	config.rlimit_memory = CFG_UNLIMITED;
	config.rlimit_core = 0;
	make_persona(NULL);
	ck_assert_uint_eq(persona->nrlimits, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct persona_rlimit *limit = &persona->rlimits[i];
		rlim_t most = limit->resource == RLIMIT_NOFILE ? 77 : limit->resource == RLIMIT_AS ? RLIM_INFINITY : 0;

		ck_assert(limit->value.rlim_cur == most && limit->value.rlim_max == most);
	}
}
END_TEST

/* ---- the control group ----------------------------------------------------------------------- */

#define OWN "sys/fs/cgroup/system.slice/ym.service"

static int open_group(const char *name)
{
	return persona_cgroup(persona, directory, name, &err);
}

/* A service that was delegated, with three processes; a directory of this file system cannot make files appear in it. */
static void make_system(void)
{
	config.cgroup_memory = 1 << 20;
	make_persona(NULL);
	put_file("proc/self/cgroup", "3:memory:/elsewhere\n0::/system.slice/ym.service\n");
	put_file("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
	put_file(OWN "/cgroup.controllers", "cpu memory\n");
	put_file(OWN "/cgroup.subtree_control", "\n");
	put_file(OWN "/cgroup.procs", "11\n12\n13\n");
	put_file(OWN "/yardmaster/cgroup.procs", "");
	put_file(OWN "/main.mail/cgroup.procs", "");
	put_file(OWN "/main.mail/memory.max", "max\n");
}

static bool delegate(void)
{
	char path[PATH_MAX];

	join_path(path, OWN);
	if (setxattr(path, "user.delegate", "1", 1, 0) == 0 || setxattr(path, "trusted.delegate", "1", 1, 0) == 0)
		return true;
	fprintf(stderr, "skipped, %s takes no attributes: %s\n", path, strerror(errno));
	return false;
}

START_TEST(group_where_memory_is_handed_down)
{
	make_system();
	put_file(OWN "/cgroup.subtree_control", "cpu memory\n");
	ASSERT_OK(open_group("main.mail"));
	ck_assert_str_eq(read_file(OWN "/main.mail/memory.max"), "1048576");
	ck_assert_int_ge(persona->cgroup_procs, 0);
	/* Nobody had to move. */
	ck_assert_str_eq(read_file(OWN "/yardmaster/cgroup.procs"), "");
	/* We are in the leaf already. */
	put_file("proc/self/cgroup", "0::/system.slice/ym.service/yardmaster\n");
	make_persona(NULL);
	ASSERT_OK(open_group("main.mail"));
	ASSERT_IN(OWN "/main.mail", persona->cgroup);
}
END_TEST

START_TEST(group_that_is_delegated)
{
	make_system();
	if (!delegate())
		return;
	ASSERT_OK(open_group("main.mail"));
	/* A file of the kernel takes each number; this one is opened anew for each: the last one stands. */
	ck_assert_str_eq(read_file(OWN "/yardmaster/cgroup.procs"), "13");
	ck_assert_int_eq(strncmp(read_file(OWN "/cgroup.subtree_control"), "+memory", 7), 0);
}
END_TEST

START_TEST(groups_that_are_refused)
{
	make_system();
	ASSERT_ERR(open_group("main.mail"), YM_ERR_PERMISSION);
	ASSERT_IN("not delegated", err.text);
	ASSERT_IN("Delegate=yes", err.text);
	ck_assert_str_eq(read_file(OWN "/yardmaster/cgroup.procs"), "");
	put_file(OWN "/cgroup.controllers", "cpu memory_x\n");
	ASSERT_ERR(open_group("main.mail"), YM_ERR_PERMISSION);
	ASSERT_IN("lacks the memory controller", err.text);
	ASSERT_IN("Delegate=yes", err.text);
	put_file(OWN "/cgroup.subtree_control", "memory\n");
	ASSERT_ERR(open_group("main.other"), YM_ERR_PERMISSION);
	ASSERT_IN("main.other/memory.max", err.text);
	ck_assert_int_eq(persona->cgroup_procs, -1);
	ASSERT_ERR(open_group("a/b"), YM_ERR_BUG);
	ASSERT_ERR(open_group(".."), YM_ERR_BUG);
	put_file("proc/self/cgroup", "3:memory:/elsewhere\n");
	ASSERT_ERR(open_group("main.mail"), YM_ERR_SYSTEM);
}
END_TEST

START_TEST(no_unified_hierarchy)
{
	config.cgroup_memory = 1;
	make_persona(NULL);
	ASSERT_ERR(open_group("main.mail"), YM_ERR_SYSTEM);
	ASSERT_IN("systemd.unified_cgroup_hierarchy=1", err.text);
	/* Who does not want one needs none. */
	config.cgroup_memory = 0;
	make_persona(NULL);
	ASSERT_OK(open_group("main.mail"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("persona");
	TCase *users = add_plain_case(suite, "users"), *environment = add_plain_case(suite, "environment"),
	      *group = add_plain_case(suite, "cgroup");

	tcase_add_test(users, as_we_are);
	tcase_add_test(users, who_is_not_there);
	tcase_add_test(users, only_root_may_change);
	tcase_add_test(users, another_user);
	tcase_add_test(environment, environment_inherited);
	tcase_add_test(environment, environment_clean);
	tcase_add_test(environment, environment_of_another_user);
	tcase_add_test(environment, directories);
	tcase_add_test(environment, limits);
	tcase_add_test(group, group_where_memory_is_handed_down);
	tcase_add_test(group, group_that_is_delegated);
	tcase_add_test(group, groups_that_are_refused);
	tcase_add_test(group, no_unified_hierarchy);
	return run_suite(suite);
}
