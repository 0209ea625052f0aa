/* persona.c - look up who a process is to be, and write its environment. */
#include "persona.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "persona_self.h"

/*
 * Variables that tell a process something about itself, so that a child must not have them from us. Those that end with _
 * are the beginnings of names.
 */
static const char *const never_inherited[] = {"NOTIFY_SOCKET",  "WATCHDOG_PID",   "WATCHDOG_USEC",
                                              "LISTEN_PID",     "LISTEN_PIDFDID", "LISTEN_FDS",
                                              "LISTEN_FDNAMES", "SUPERVISOR_",    "YARDMASTER_"};
/* ... and what belongs to a user, so that another one must not have it. */
static const char *const not_for_others[] = {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "MAIL"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int no_memory(struct ym_err *err)
{
	return ym_fail(err, YM_ERR_LIMIT, "out of memory for the environment and groups of a process");
}

/* ---- users and groups ------------------------------------------------------------------------ */

/* What getpwnam() and its like set when there is simply nobody of that name, or nothing at all. */
static bool just_missing(int sys)
{
	return sys == 0 || sys == ENOENT || sys == ESRCH;
}

static bool is_number(const char *text, unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	/* The largest is what chown() and its like take for "as it is". */
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number < UINT32_MAX;
}

int persona_find_user(const char *name, const struct passwd **user, struct ym_err *err)
{
	unsigned long number;

	errno = 0;
	*user = getpwnam(name);
	if (!*user && just_missing(errno) && is_number(name, &number)) {
		errno = 0;
		*user = getpwuid((uid_t)number);
	}
	if (*user)
		return 0;
	if (!just_missing(errno))
		return ym_fail_sys(err, errno, "getpwnam(\"%s\") for `user`", name);
	return ym_fail(err, YM_ERR_CONFIG, "user = %s: there is no such user (see `getent passwd`)", name);
}

static int find_group(const char *option, const char *name, gid_t *gid, struct ym_err *err)
{
	const struct group *group;
	unsigned long number;

	errno = 0;
	group = getgrnam(name);
	/* A number needs no name. */
	if (!group && just_missing(errno) && is_number(name, &number)) {
		*gid = (gid_t)number;
		return 0;
	}
	if (!group && !just_missing(errno))
		return ym_fail_sys(err, errno, "getgrnam(\"%s\") for `%s`", name, option);
	if (!group)
		return ym_fail(err, YM_ERR_CONFIG, "%s = %s: there is no such group (see `getent group`)", option,
		               name);
	*gid = group->gr_gid;
	return 0;
}

static int add_group(struct persona *persona, gid_t gid, struct ym_err *err)
{
	gid_t *more;

	for (size_t i = 0; i < persona->ngroups; i++)
		if (persona->groups[i] == gid)
			return 0;
	more = realloc(persona->groups, (persona->ngroups + 1) * sizeof(*more));
	if (!more)
		return no_memory(err);
	more[persona->ngroups++] = gid;
	persona->groups = more;
	return 0;
}

/* All groups that the user has in the data base, with the primary one of the persona. */
static int list_groups(struct persona *persona, struct ym_err *err)
{
	int count = 32;

	for (;;) {
		int room = count;
		gid_t *groups = realloc(persona->groups, (size_t)room * sizeof(*groups));

		if (!groups)
			return no_memory(err);
		persona->groups = groups;
		if (getgrouplist(persona->user, persona->gid, groups, &count) >= 0)
			break;
		/* It says how many there are; if it does not, ask with more room all the same. */
		count = count > room ? count : 2 * room;
	}
	persona->ngroups = (size_t)count;
	return 0;
}

/* Who may become somebody else? */
static int check_allowed(const struct persona *persona, const struct cfg_process *config, struct ym_err *err)
{
	if (!persona->change_ids || geteuid() == 0)
		return 0;
	if (persona->other)
		return ym_fail(
		    err, YM_ERR_PERMISSION,
		    "user = %s: only root can start processes as another user, and this master runs with uid %u: "
		    "start it as root, or leave `user` out",
		    config->user, (unsigned)geteuid());
	return ym_fail(err, YM_ERR_PERMISSION,
	               "group = %s: only root can change the group of its processes, and this master runs with uid %u, "
	               "gid %u: start it as root, or leave `group` out",
	               config->group, (unsigned)geteuid(), (unsigned)getegid());
}

/* `home` and `shell` are copies, to be freed. */
struct identity {
	bool known;
	char *home, *shell;
};

static int find_identity(struct persona *persona, const struct cfg_process *config, struct identity *identity,
                         struct ym_err *err)
{
	const struct passwd *user;

	persona->uid = geteuid();
	persona->gid = getegid();
	if (config->user) {
		if (persona_find_user(config->user, &user, err) < 0)
			return -1;
	} else {
		user = getpwuid(persona->uid);
	}
	persona->other = user && user->pw_uid != persona->uid;
	if (persona->other) {
		persona->uid = user->pw_uid;
		persona->gid = user->pw_gid;
	}
	if (user) {
		identity->known = true;
		persona->user = strdup(user->pw_name);
		identity->home = strdup(user->pw_dir);
		identity->shell = strdup(user->pw_shell[0] ? user->pw_shell : "/bin/sh");
		if (!persona->user || !identity->home || !identity->shell)
			return no_memory(err);
	}
	if (config->group && find_group("group", config->group, &persona->gid, err) < 0)
		return -1;
	persona->change_ids = persona->other || persona->gid != getegid();
	return check_allowed(persona, config, err);
}

static int find_groups(struct persona *persona, const char *ipc_group, struct ym_err *err)
{
	gid_t gid;

	if (!persona->change_ids)
		return 0;
	if ((persona->user ? list_groups(persona, err) : add_group(persona, persona->gid, err)) < 0)
		return -1;
	if (!persona->other || !ipc_group)
		return 0;
	return find_group("ipc_group", ipc_group, &gid, err) < 0 ? -1 : add_group(persona, gid, err);
}

/* ---- the environment ------------------------------------------------------------------------- */

bool persona_sets(const char *entry, const char *name)
{
	size_t length = strcspn(name, "=");

	return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

static bool has(const struct persona *persona, const char *name)
{
	for (size_t i = 0; i < persona->nenv; i++)
		if (persona_sets(persona->env[i], name))
			return true;
	return false;
}

/* Add a variable, unless there is one of that name. Takes over the entry, which may be NULL: no memory. */
static int put_entry(struct persona *persona, char *entry, struct ym_err *err)
{
	char **more;

	if (entry && has(persona, entry)) {
		free(entry);
		return 0;
	}
	more = entry ? realloc(persona->env, (persona->nenv + 2) * sizeof(*more)) : NULL;
	if (!more) {
		free(entry);
		return no_memory(err);
	}
	persona->env = more;
	more[persona->nenv++] = entry;
	more[persona->nenv] = NULL;
	return 0;
}

static int put(struct persona *persona, const char *name, const char *value, struct ym_err *err)
{
	char *entry;

	return put_entry(persona, asprintf(&entry, "%s=%s", name, value) < 0 ? NULL : entry, err);
}

static bool listed(const char *entry, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);

		if (names[i][length - 1] == '_' ? strncmp(entry, names[i], length) == 0 : persona_sets(entry, names[i]))
			return true;
	}
	return false;
}

static int inherit_env(struct persona *persona, struct ym_err *err)
{
	for (char **entry = environ; *entry; entry++) {
		if (!strchr(*entry, '=') || listed(*entry, never_inherited, COUNT(never_inherited)) ||
		    (persona->other && listed(*entry, not_for_others, COUNT(not_for_others))))
			continue;
		if (put_entry(persona, strdup(*entry), err) < 0)
			return -1;
	}
	return 0;
}

/* What is put first stays. */
static int make_env(struct persona *persona, const struct cfg_process *config, const struct identity *identity,
                    struct ym_err *err)
{
	/* From the last one: of two with one name, the later one counts. */
	for (size_t i = config->nenvironment; i > 0; i--)
		if (put(persona, config->environment[i - 1].key, config->environment[i - 1].value, err) < 0)
			return -1;
	persona->nasked = persona->nenv;
	if (identity->known && (persona->other || config->clear_env) &&
	    (put(persona, "HOME", identity->home, err) < 0 || put(persona, "USER", persona->user, err) < 0 ||
	     put(persona, "LOGNAME", persona->user, err) < 0 || put(persona, "SHELL", identity->shell, err) < 0))
		return -1;
	return config->clear_env ? put(persona, "PATH", PERSONA_PATH, err) : inherit_env(persona, err);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void take_limits(struct persona *persona, const struct cfg_process *config)
{
	persona->umask = config->umask;
	persona->nice = config->nice;
	persona->no_new_privs = config->no_new_privs != 0;
	persona->cgroup_memory = config->cgroup_memory;
#define X(name, number)                                                                                                \
	if (config->name != CFG_INHERIT) {                                                                             \
		rlim_t most = config->name == CFG_UNLIMITED ? RLIM_INFINITY : (rlim_t)config->name;                    \
		persona->rlimits[persona->nrlimits++] =                                                                \
		    (struct persona_rlimit){.option = #name, .resource = number, .value = {most, most}};               \
	}
	PERSONA_RLIMIT_MAP(X)
#undef X
}

static int take_directory(struct persona *persona, const char *directory, struct ym_err *err)
{
	struct stat st;

	if (!directory)
		return 0;
	if (stat(directory, &st) < 0)
		return ym_fail_sys(err, errno, "stat(\"%s\") for `directory`", directory);
	if (!S_ISDIR(st.st_mode))
		return ym_fail(err, YM_ERR_CONFIG, "directory = %s: this is no directory", directory);
	persona->directory = strdup(directory);
	return persona->directory ? 0 : no_memory(err);
}

int persona_make(const struct cfg_process *config, const char *ipc_group, struct persona **out, struct ym_err *err)
{
	struct persona *persona = calloc(1, sizeof(*persona));
	struct identity identity = {0};
	int result = -1;

	if (!persona)
		return no_memory(err);
	persona->cgroup_procs = -1;
	persona->env = calloc(1, sizeof(*persona->env));
	if (!persona->env)
		no_memory(err);
	else if (find_identity(persona, config, &identity, err) == 0 && find_groups(persona, ipc_group, err) == 0 &&
	         make_env(persona, config, &identity, err) == 0 && take_directory(persona, config->directory, err) == 0)
		result = 0;
	free(identity.home);
	free(identity.shell);
	if (result < 0) {
		persona_free(persona);
		return -1;
	}
	take_limits(persona, config);
	*out = persona;
	return 0;
}

int persona_cgroup(struct persona *persona, const char *root, const char *name, struct ym_err *err)
{
	if (persona->cgroup_memory == 0 || persona->cgroup)
		return 0;
	if (cgroup_open(root, name, persona->cgroup_memory, &persona->cgroup, &persona->cgroup_procs, err) < 0)
		return ym_err_prefix(err, "cgroup_memory of %s", name);
	return 0;
}

void persona_free(struct persona *persona)
{
	if (!persona)
		return;
	for (size_t i = 0; i < persona->nenv; i++)
		free(persona->env[i]);
	free(persona->env);
	free(persona->groups);
	free(persona->user);
	free(persona->directory);
	free(persona->cgroup);
	if (persona->cgroup_procs >= 0)
		close(persona->cgroup_procs);
	free(persona);
}

bool persona_other_user(const struct persona *persona)
{
	return persona->other;
}
