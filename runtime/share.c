/* share.c - whom the files of an instance belong to. */
#include "share.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload.h"

#define SHARED_MODE  02770
#define PRIVATE_MODE 0700

int share_directory(const char *path, bool shared, gid_t gid, struct ym_err *err)
{
	mode_t mode = shared ? SHARED_MODE : PRIVATE_MODE;
	struct stat st;

	if (lstat(path, &st) < 0)
		return ym_fail_sys(err, errno, "lstat(\"%s\")", path);
	/* One that was never shared stays as it is. */
	if (!shared && !(st.st_mode & S_ISGID))
		return 0;
	if (shared && st.st_gid != gid && lchown(path, (uid_t)-1, gid) < 0)
		return ym_fail_sys(
		    err, errno,
		    "chown(\"%s\", group %u) to share the files of jobs (who is not root must be in that "
		    "group)",
		    path, (unsigned)gid);
	return chmod(path, mode) < 0 ? ym_fail_sys(err, errno, "chmod(\"%s\", %04o)", path, (unsigned)mode) : 0;
}

bool share_group(const char *directory, gid_t *gid)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" PAYLOAD_DIRECTORY, directory);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || (st.st_mode & 07777) != SHARED_MODE)
		return false;
	*gid = st.st_gid;
	return true;
}

int share_file(const char *directory, int fd, mode_t mode)
{
	gid_t gid;

	if (!share_group(directory, &gid))
		return 0;
	return fchown(fd, (uid_t)-1, gid) < 0 ? -1 : fchmod(fd, mode);
}
