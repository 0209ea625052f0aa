/* cgroup.c - find our own control group, hand the memory controller down, make a group below it. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DELEGATE                                                                                                       \
	"give the master a cgroup of its own: as a systemd service with Delegate=yes, or as process 1 of a container " \
	"whose /sys/fs/cgroup is writable; or leave `cgroup_memory` out"

static const char *join(char path[PATH_MAX], const char *directory, const char *name)
{
	/* One that is too long is found nowhere. */
	if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		path[0] = '\0';
	return path;
}

/* All of a small file, NUL-terminated; -1 with errno. */
static int read_small(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), sys;
	size_t used = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (used < size - 1 && ((n = read(fd, text + used, size - 1 - used)) > 0 || (n < 0 && errno == EINTR)))
		used += n > 0 ? (size_t)n : 0;
	sys = errno;
	text[used] = '\0';
	close(fd);
	errno = sys;
	return n < 0 ? -1 : 0;
}

static int write_small(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), sys;
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	sys = errno;
	close(fd);
	errno = sys;
	return n < 0 ? -1 : 0;
}

/* Is the word in a list that is divided by blanks? */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(list, word); at; at = strstr(at + 1, word))
		if ((at == list || at[-1] == ' ') && strchr(" \n", at[length]))
			return true;
	return false;
}

static int refuse(struct ym_err *err, int sys, const char *call, const char *path)
{
	ym_fail(err, YM_ERR_PERMISSION, "%s(\"%s\"): %s: %s", call, path, strerror(sys), DELEGATE);
	if (err)
		err->sys = sys;
	return -1;
}

/* ---- our own group --------------------------------------------------------------------------- */

/* The directory of the group that we are in, or that of which we are in the leaf. */
static int find_own(const char *root, char own[PATH_MAX], struct ym_err *err)
{
	char text[2 * PATH_MAX], *line, *end;
	char place[PATH_MAX];
	size_t length, leaf = strlen("/" CGROUP_LEAF);

	if (access(join(place, root, "sys/fs/cgroup/cgroup.controllers"), F_OK) < 0)
		return ym_fail(
		    err, YM_ERR_SYSTEM,
		    "%s: %s: this system has no unified control groups (version 2), which the limit needs: boot "
		    "with systemd.unified_cgroup_hierarchy=1, or leave `cgroup_memory` out",
		    place, strerror(errno));
	if (read_small(join(place, root, "proc/self/cgroup"), text, sizeof(text)) < 0)
		return ym_fail_sys(err, errno, "read(\"%s\") for our own cgroup", place);
	line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	if (!line)
		return ym_fail(err, YM_ERR_SYSTEM, "%s names no cgroup of version 2: leave `cgroup_memory` out", place);
	line = strstr(line, "::/") + 2;
	end = line + strcspn(line, "\n");
	*end = '\0';
	if (strcmp(line, "/") == 0)
		line = end;
	length = strlen(line);
	if (length >= leaf && strcmp(line + length - leaf, "/" CGROUP_LEAF) == 0)
		line[length - leaf] = '\0';
	if ((size_t)snprintf(own, PATH_MAX, "%s/sys/fs/cgroup%s", root, line) >= PATH_MAX)
		return ym_fail(err, YM_ERR_LIMIT, "the path of our own cgroup is longer than %d bytes", PATH_MAX - 1);
	return 0;
}

static bool is_ours(const char *own)
{
	/* systemd marks what it delegates; the name depends on whose service manager it is. */
	static const char *const marks[] = {"user.delegate", "trusted.delegate"};
	char value[4];

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (getxattr(own, marks[i], value, sizeof(value)) == 1 && value[0] == '1')
			return true;
	return getpid() == 1;
}

/* Everybody who is in the group itself goes into its leaf. One who ended meanwhile is fine, too. */
static int move_into_leaf(const char *own, struct ym_err *err)
{
	char leaf[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
	char line[32], pid[32];
	int result = 0;
	FILE *procs;

	if (mkdir(join(leaf, own, CGROUP_LEAF), 0755) < 0 && errno != EEXIST)
		return refuse(err, errno, "mkdir", leaf);
	procs = fopen(join(from, own, "cgroup.procs"), "re");
	if (!procs)
		return refuse(err, errno, "open", from);
	join(to, leaf, "cgroup.procs");
	while (result == 0 && fgets(line, sizeof(line), procs)) {
		snprintf(pid, sizeof(pid), "%.*s", (int)strcspn(line, "\n"), line);
		if (write_small(to, pid) < 0 && errno != ESRCH)
			result = refuse(err, errno, "write", to);
	}
	fclose(procs);
	return result;
}

static int hand_down_memory(const char *own, struct ym_err *err)
{
	char place[PATH_MAX], control[PATH_MAX];
	char text[1024];

	if (read_small(join(control, own, "cgroup.subtree_control"), text, sizeof(text)) < 0)
		return refuse(err, errno, "read", control);
	if (has_word(text, "memory"))
		return 0;
	if (read_small(join(place, own, "cgroup.controllers"), text, sizeof(text)) < 0)
		return refuse(err, errno, "read", place);
	if (!has_word(text, "memory"))
		return ym_fail(err, YM_ERR_PERMISSION, "%s lacks the memory controller: %s", place, DELEGATE);
	if (!is_ours(own))
		return ym_fail(err, YM_ERR_PERMISSION, "our cgroup %s is not delegated to us: %s", own, DELEGATE);
	if (move_into_leaf(own, err) < 0)
		return -1;
	if (write_small(control, "+memory") < 0)
		return refuse(err, errno, "write \"+memory\"", control);
	return 0;
}

/* ---- the new group --------------------------------------------------------------------------- */

int cgroup_open(const char *root, const char *name, int64_t memory_max, char **path, int *procs, struct ym_err *err)
{
	char own[PATH_MAX], number[32];
	char group[PATH_MAX], file[PATH_MAX];
	int fd;

	if (strchr(name, '/') || name[0] == '.' || name[0] == '\0' || strlen(name) > NAME_MAX)
		return ym_fail(err, YM_ERR_BUG, "\"%s\" cannot be the name of a cgroup", name);
	if (find_own(root, own, err) < 0 || hand_down_memory(own, err) < 0)
		return -1;
	if (mkdir(join(group, own, name), 0755) < 0 && errno != EEXIST)
		return refuse(err, errno, "mkdir", group);
	snprintf(number, sizeof(number), "%lld", (long long)memory_max);
	if (write_small(join(file, group, "memory.max"), number) < 0)
		return refuse(err, errno, "write", file);
	fd = open(join(file, group, "cgroup.procs"), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return refuse(err, errno, "open", file);
	*path = strdup(group);
	if (!*path) {
		close(fd);
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the name of a cgroup");
	}
	*procs = fd;
	return 0;
}
