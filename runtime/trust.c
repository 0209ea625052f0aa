/* trust.c - walk a path as the kernel does, and look at every step. */
#include "trust.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many links as the kernel follows. */
#define LINKS_MAX 40

#define NOBODY_ELSE ((uid_t)-1)

struct walk {
	const char *asked;        /* the whole path, for messages */
	char here[PATH_MAX];      /* checked so far, without links in it; "" is "/" */
	char ahead[2 * PATH_MAX]; /* not looked at yet */
	unsigned links;
	uid_t outsider; /* stands for owners that we cannot see; NOBODY_ELSE: there are none */
};

/* ---- who may own what ------------------------------------------------------------------------ */

static bool read_line(FILE *file, char *line, int size)
{
	return file && fgets(line, size, file);
}

static unsigned long read_overflow_uid(void)
{
	FILE *file = fopen("/proc/sys/kernel/overflowuid", "re");
	char line[32];
	unsigned long uid = read_line(file, line, sizeof(line)) ? strtoul(line, NULL, 10) : NOBODY_ELSE;

	if (file)
		fclose(file);
	return uid;
}

/* Can somebody in our user namespace have this uid? Outside of namespaces everybody can. */
static bool is_mapped(unsigned long uid)
{
	FILE *file = fopen("/proc/self/uid_map", "re");
	bool mapped = !file;
	char line[128], *at;

	/* Each line: the first uid in here, the first outside, how many. */
	while (!mapped && read_line(file, line, sizeof(line))) {
		unsigned long first = strtoul(line, &at, 10), count;

		strtoul(at, &at, 10);
		count = strtoul(at, NULL, 10);
		mapped = uid >= first && uid - first < count;
	}
	if (file)
		fclose(file);
	return mapped;
}

/*
 * In a user namespace without the real root, his files seem to belong to one uid that stands for all who are not in it.
 * If it is also that of "/", it counts as root there: nobody in the namespace is it, and nothing could be started otherwise.
 */
static uid_t find_outsider(void)
{
	unsigned long uid = read_overflow_uid();
	struct stat st;

	return uid != NOBODY_ELSE && !is_mapped(uid) && stat("/", &st) == 0 && st.st_uid == uid ? st.st_uid
	                                                                                        : NOBODY_ELSE;
}

static const char *owner_name(uid_t uid, char text[64])
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(text, 64, "%s (uid %u)", user->pw_name, (unsigned)uid);
	else
		snprintf(text, 64, "uid %u", (unsigned)uid);
	return text;
}

static int check_step(const struct walk *walk, const struct stat *st, struct ym_err *err)
{
	const char *here = walk->here[0] ? walk->here : "/";
	char owner[64], we[64];

	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != walk->outsider)
		return ym_fail(
		    err, YM_ERR_PERMISSION,
		    "%s on the way to %s belongs to %s, mode %04o: who owns it could put anything there. It must "
		    "belong to root%s%s: chown%s %s %s",
		    here, walk->asked, owner_name(st->st_uid, owner), (unsigned)st->st_mode & 07777,
		    geteuid() ? " or " : "", geteuid() ? owner_name(geteuid(), we) : "",
		    S_ISLNK(st->st_mode) ? " -h" : "", geteuid() ? "USER" : "root", here);
	/* The mode of a link says nothing. */
	if (S_ISLNK(st->st_mode) || (st->st_mode & 022) == 0 || (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)))
		return 0;
	return ym_fail(
	    err, YM_ERR_PERMISSION,
	    "%s on the way to %s is writable by others than its owner %s: mode %04o. They could put anything "
	    "there: chmod go-w %s",
	    here, walk->asked, owner_name(st->st_uid, owner), (unsigned)st->st_mode & 07777, here);
}

/* ---- the way --------------------------------------------------------------------------------- */

static int too_long(const struct walk *walk, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_USAGE, "%.200s...: this path, with its links, is longer than %d bytes", walk->asked,
	               PATH_MAX - 1);
}

/* Put the target of the link at walk->here in place of it. */
static int follow(struct walk *walk, struct ym_err *err)
{
	char target[PATH_MAX], rest[sizeof(walk->ahead)];
	ssize_t length = readlink(walk->here, target, sizeof(target) - 1);

	if (length < 0)
		return ym_fail_sys(err, errno, "readlink(\"%s\") on the way to %s", walk->here, walk->asked);
	if (++walk->links > LINKS_MAX)
		return ym_fail_sys(err, ELOOP, "%s: more than %d symbolic links on the way", walk->asked, LINKS_MAX);
	target[length] = '\0';
	memcpy(rest, walk->ahead, sizeof(rest));
	if ((size_t)snprintf(walk->ahead, sizeof(walk->ahead), "%s/%s", target, rest) >= sizeof(walk->ahead))
		return too_long(walk, err);
	*strrchr(walk->here, '/') = '\0';
	if (target[0] == '/')
		walk->here[0] = '\0';
	return 0;
}

/* The next name of what is ahead is looked at. */
static int step(struct walk *walk, struct ym_err *err)
{
	size_t skip = strspn(walk->ahead, "/"), length = strcspn(walk->ahead + skip, "/"), used = strlen(walk->here);
	char name[NAME_MAX + 1];
	struct stat st;

	if (length > NAME_MAX || used + length + 2 > sizeof(walk->here))
		return too_long(walk, err);
	memcpy(name, walk->ahead + skip, length);
	name[length] = '\0';
	memmove(walk->ahead, walk->ahead + skip + length, strlen(walk->ahead + skip + length) + 1);
	if (name[0] == '\0' || strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		/* There are no links in it, and what is above was checked on the way down. */
		if (used > 0)
			*strrchr(walk->here, '/') = '\0';
		return 0;
	}
	snprintf(walk->here + used, sizeof(walk->here) - used, "/%s", name);
	if (lstat(walk->here, &st) < 0)
		return ym_fail_sys(err, errno, "lstat(\"%s\") on the way to %s", walk->here, walk->asked);
	if (check_step(walk, &st, err) < 0)
		return -1;
	return S_ISLNK(st.st_mode) ? follow(walk, err) : 0;
}

int trust_path(const char *path, struct ym_err *err)
{
	struct walk walk = {.asked = path, .outsider = find_outsider()};
	char current[PATH_MAX] = "";
	struct stat st;

	if (path[0] == '\0')
		return ym_fail(err, YM_ERR_USAGE, "an empty path cannot be checked");
	if (path[0] != '/' && !getcwd(current, sizeof(current)))
		return ym_fail_sys(err, errno, "getcwd() for the path %s", path);
	if ((size_t)snprintf(walk.ahead, sizeof(walk.ahead), "%s/%s", current, path) >= sizeof(walk.ahead))
		return too_long(&walk, err);
	if (stat("/", &st) < 0)
		return ym_fail_sys(err, errno, "stat(\"/\")");
	if (check_step(&walk, &st, err) < 0)
		return -1;
	while (walk.ahead[0])
		if (step(&walk, err) < 0)
			return -1;
	return 0;
}
