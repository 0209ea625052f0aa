/* identity.c - from root to a user. */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instance.h"
#include "payload.h"
#include "persona_self.h"

/*
 * To him what is root's; anything else is not ours to give away. By descriptor: a user who has had the directory before
 * may have put a link, or another name of somebody's file, where root would give him that.
 */
static int give(int fd, const char *path, const struct passwd *user, struct ym_err *err)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_uid != 0 || fchown(fd, user->pw_uid, user->pw_gid) == 0))
		return 0;
	return ym_fail_sys(err, errno, "fchown(\"%s\") to %s", path, user->pw_name);
}

/* What root makes in /run, the user could not. */
static int give_directory(const struct cfg_instance *config, const struct passwd *user, struct ym_err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct instance instance;
	int fd, jobs, result = 0;

	if (instance_configured(&instance, config, err) < 0)
		return -1;
	/* One that is his already (a second start) is checked when he uses it. */
	if (access(instance.directory, F_OK) < 0 && instance_prepare(&instance, err) < 0)
		return -1;
	fd = open(instance.directory, flags);
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to give it to %s", instance.directory, user->pw_name);
	jobs = openat(fd, PAYLOAD_DIRECTORY, flags);
	if (jobs >= 0) {
		result = give(jobs, PAYLOAD_DIRECTORY, user, err);
		close(jobs);
	}
	if (result == 0)
		result = give(fd, instance.directory, user, err);
	close(fd);
	return result;
}

static int become(const struct passwd *user, struct ym_err *err)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0)
		return ym_fail_sys(err, errno, "initgroups(\"%s\") for `user`", user->pw_name);
	if (setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0)
		return ym_fail_sys(err, errno, "setresgid(%u) for `user`", (unsigned)user->pw_gid);
	if (setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return ym_fail_sys(err, errno, "setresuid(%u) for `user`", (unsigned)user->pw_uid);
	if (user->pw_uid != 0 && setuid(0) == 0)
		return ym_fail(err, YM_ERR_SYSTEM, "root could be regained after becoming %s: not going on",
		               user->pw_name);
	setenv("HOME", user->pw_dir, 1);
	setenv("USER", user->pw_name, 1);
	setenv("LOGNAME", user->pw_name, 1);
	unsetenv("XDG_RUNTIME_DIR");
	return 0;
}

/* Who is to be become; NULL in *user: nobody else. */
static int find_user(const struct cfg_instance *config, const struct passwd **user, struct ym_err *err)
{
	*user = NULL;
	if (config->user && persona_find_user(config->user, user, err) < 0)
		return -1;
	if (*user && (*user)->pw_uid == geteuid())
		*user = NULL;
	return 0;
}

int identity_take(const struct cfg_instance *config, struct ym_err *err)
{
	const struct passwd *user;

	if (find_user(config, &user, err) < 0)
		return -1;
	if (!user)
		return 0;
	if (geteuid() != 0)
		return ym_fail(
		    err, YM_ERR_PERMISSION,
		    "user = %s: only root can become somebody else, and this is uid %u: start it as root, or "
		    "as %s",
		    config->user, (unsigned)geteuid(), config->user);
	return give_directory(config, user, err) < 0 ? -1 : become(user, err);
}

int identity_join(const struct cfg_instance *config, struct ym_err *err)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return 0;
	if (find_user(config, &user, err) < 0)
		return -1;
	return user ? become(user, err) : 0;
}
