/* surroundings.c - limits, sysctls, logind and the IPC namespace. */
#include "surroundings.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERCENT_NEAR 80

/* The longest semop of ipc/group.c: the short way in. */
#define SEMOPS_LONGEST 9

#define DROP_INS_MAX 64

static const struct {
	const char *name, *sysctl, *text;
	unsigned index;
} rows[LIMITS] = {
#define X(name, sysctl, index, text) [LIMIT_##name] = {#name, sysctl, text, index},
    LIMIT_MAP(X)
#undef X
};

/* ---- limits ---------------------------------------------------------------------------------- */

/* "kernel.sem" is the file kernel/sem. */
static bool read_sysctl(const char *root, const char *sysctl, unsigned index, uint64_t *value)
{
	char path[PATH_MAX], line[256], *at = line, *end = line;
	FILE *from;

	snprintf(path, sizeof(path), "%s/proc/sys/%s", root, sysctl);
	*strrchr(path, '.') = '/';
	from = fopen(path, "re");
	if (!from)
		return false;
	if (!fgets(line, sizeof(line), from))
		line[0] = '\0';
	fclose(from);
	for (unsigned i = 0; i <= index; i++) {
		at = end;
		*value = strtoull(at, &end, 10);
	}
	return end != at;
}

static void at_least(uint64_t *most, int64_t number)
{
	if (number > 0 && (uint64_t)number > *most)
		*most = (uint64_t)number;
}

static void measure(const struct ym_survey *survey, uint64_t used[LIMITS])
{
	int64_t page = sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < survey->nobjects; i++) {
		const struct ym_sysv_row *row = &survey->objects[i].row;

		switch (survey->objects[i].type) {
		case YM_OBJECT_SEMAPHORE:
			used[LIMIT_SEMMNI]++;
			used[LIMIT_SEMMNS] += (uint64_t)row->size;
			at_least(&used[LIMIT_SEMMSL], row->size);
			break;
		case YM_OBJECT_SEGMENT:
		case YM_OBJECT_VARIABLES:
			used[LIMIT_SHMMNI]++;
			used[LIMIT_SHMALL] += (uint64_t)((row->size + page - 1) / page);
			at_least(&used[LIMIT_SHMMAX], row->size);
			break;
		case YM_OBJECT_QUEUE:
			used[LIMIT_MSGMNI]++;
			at_least(&used[LIMIT_MSGMNB], row->size);
			at_least(&used[LIMIT_MSGMNB], row->count);
			break;
		}
	}
	used[LIMIT_SEMOPM] = SEMOPS_LONGEST;
}

void surroundings_limits(const struct ym_survey *survey, const char *root, struct limit_use limits[LIMITS])
{
	uint64_t used[LIMITS] = {0};

	measure(survey, used);
	for (unsigned i = 0; i < LIMITS; i++) {
		limits[i] = (struct limit_use){.used = used[i], .measured = i != LIMIT_MSGMAX};
		limits[i].known = read_sysctl(root, rows[i].sysctl, rows[i].index, &limits[i].limit);
	}
}

double surroundings_percent(const struct limit_use *use)
{
	return use->limit ? 100.0 * (double)use->used / (double)use->limit : 100.0;
}

void surroundings_print_limits(const struct limit_use limits[LIMITS])
{
	char used[24], limit[24], percent[16];

	printf("%-7s %12s %14s %8s  %s\n", "LIMIT", "USED", "OF", "PERCENT", "WHAT");
	for (unsigned i = 0; i < LIMITS; i++) {
		const struct limit_use *use = &limits[i];

		if (!use->known)
			continue;
		snprintf(used, sizeof(used), "-");
		snprintf(percent, sizeof(percent), "-");
		if (use->measured) {
			snprintf(used, sizeof(used), "%llu", (unsigned long long)use->used);
			snprintf(percent, sizeof(percent), "%.1f%%", surroundings_percent(use));
		}
		/* The kernel's way to say "none" for shmall and shmmax: 24 bits short of the largest number. */
		if (use->limit >= UINT64_MAX - (UINT64_C(1) << 24))
			snprintf(limit, sizeof(limit), "no limit");
		else
			snprintf(limit, sizeof(limit), "%llu", (unsigned long long)use->limit);
		printf("%-7s %12s %14s %8s  %s (%s)\n", rows[i].name, used, limit, percent, rows[i].text,
		       rows[i].sysctl);
	}
}

void surroundings_json_limits(const struct limit_use limits[LIMITS], struct json *json)
{
	json_open(json, "limits", '[');
	for (unsigned i = 0; i < LIMITS; i++) {
		if (!limits[i].known)
			continue;
		json_open(json, NULL, '{');
		json_put_string(json, "name", rows[i].name);
		json_put_string(json, "sysctl", rows[i].sysctl);
		json_put_string(json, "what", rows[i].text);
		json_put_uint(json, "limit", limits[i].limit);
		if (limits[i].measured) {
			json_put_uint(json, "used", limits[i].used);
			json_put_real(json, "percent", surroundings_percent(&limits[i]));
		}
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* ---- logind ---------------------------------------------------------------------------------- */

/* The last word on RemoveIPC= in a file; other settings and comments are skipped. */
static void read_remove_ipc(const char *path, bool *remove)
{
	static const char name[] = "RemoveIPC";
	FILE *from = fopen(path, "re");
	char line[512];

	while (from && fgets(line, sizeof(line), from)) {
		const char *at = line + strspn(line, " \t");

		if (strncmp(at, name, sizeof(name) - 1) != 0)
			continue;
		at += sizeof(name) - 1;
		at += strspn(at, " \t");
		if (*at != '=')
			continue;
		at += 1 + strspn(at + 1, " \t");
		*remove = strchr("yYtT1", *at) != NULL || strncasecmp(at, "on", 2) == 0;
	}
	if (from)
		fclose(from);
}

struct drop_in {
	char name[NAME_MAX + 1];
	char path[PATH_MAX];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct drop_in *)a)->name, ((const struct drop_in *)b)->name);
}

/* Those of one directory; a file of the same name in an earlier one hides them. */
static size_t add_drop_ins(struct drop_in *list, size_t count, const char *root, const char *below)
{
	char path[PATH_MAX - NAME_MAX - 2];
	DIR *directory;

	snprintf(path, sizeof(path), "%s%s/systemd/logind.conf.d", root, below);
	directory = opendir(path);
	for (struct dirent *entry = directory ? readdir(directory) : NULL; entry && count < DROP_INS_MAX;
	     entry = readdir(directory)) {
		size_t length = strlen(entry->d_name);
		bool hidden = false;

		for (size_t i = 0; i < count; i++)
			hidden = hidden || strcmp(list[i].name, entry->d_name) == 0;
		if (hidden || length < 5 || strcmp(entry->d_name + length - 5, ".conf") != 0)
			continue;
		snprintf(list[count].name, sizeof(list[count].name), "%s", entry->d_name);
		snprintf(list[count].path, sizeof(list[count].path), "%s/%s", path, entry->d_name);
		count++;
	}
	if (directory)
		closedir(directory);
	return count;
}

static bool logind_removes(const char *root)
{
	struct drop_in *list = calloc(DROP_INS_MAX, sizeof(*list));
	char path[PATH_MAX];
	bool remove = true;
	size_t count;

	snprintf(path, sizeof(path), "%s/etc/systemd/logind.conf", root);
	read_remove_ipc(path, &remove);
	if (!list)
		return remove;
	count = add_drop_ins(list, 0, root, "/etc");
	count = add_drop_ins(list, count, root, "/run");
	count = add_drop_ins(list, count, root, "/usr/lib");
	qsort(list, count, sizeof(*list), by_name);
	for (size_t i = 0; i < count; i++)
		read_remove_ipc(list[i].path, &remove);
	free(list);
	return remove;
}

static unsigned long system_uid_max(const char *root)
{
	static const char name[] = "SYS_UID_MAX";
	unsigned long most = 999;
	char path[PATH_MAX], line[512];
	FILE *from;

	snprintf(path, sizeof(path), "%s/etc/login.defs", root);
	from = fopen(path, "re");
	while (from && fgets(line, sizeof(line), from)) {
		const char *at = line + strspn(line, " \t");

		if (strncmp(at, name, sizeof(name) - 1) == 0 && isspace((unsigned char)at[sizeof(name) - 1]))
			most = strtoul(at + sizeof(name) - 1, NULL, 10);
	}
	if (from)
		fclose(from);
	return most;
}

bool surroundings_remove_ipc(const char *root, uid_t uid)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/run/systemd/system", root);
	return stat(path, &st) == 0 && uid > system_uid_max(root) && logind_removes(root);
}

/* ---- findings -------------------------------------------------------------------------------- */

static void diagnose_limits(struct findings *findings, const struct limit_use limits[LIMITS])
{
	for (unsigned i = 0; i < LIMITS; i++) {
		double percent = surroundings_percent(&limits[i]);
		char command[FINDING_COMMAND_MAX];

		if (!limits[i].known || !limits[i].measured || percent < PERCENT_NEAR)
			continue;
		snprintf(command, sizeof(command), "sysctl %s", rows[i].sysctl);
		findings_add(findings, percent < 100 ? FINDING_LIMIT_NEAR : FINDING_LIMIT_REACHED, command,
		             "%s: %llu of %llu %s (%.1f%%)", rows[i].name, (unsigned long long)limits[i].used,
		             (unsigned long long)limits[i].limit, rows[i].text, percent);
	}
}

static void diagnose_namespace(struct findings *findings)
{
	char own[64], first[64];
	ssize_t n = readlink("/proc/self/ns/ipc", own, sizeof(own) - 1);
	ssize_t m = readlink("/proc/1/ns/ipc", first, sizeof(first) - 1);

	/* Only root may see where process 1 is. */
	if (n <= 0 || m <= 0)
		return;
	own[n] = '\0';
	first[m] = '\0';
	if (strcmp(own, first) != 0)
		findings_add(findings, FINDING_NAMESPACE_OWN, NULL, "we are in %s, process 1 is in %s", own, first);
}

static void diagnose_logind(struct findings *findings, const struct ym_survey *survey)
{
	uid_t uid = geteuid();

	for (size_t i = 0; i < survey->ngroups && !surroundings_remove_ipc("", uid); i++)
		uid = survey->groups[i].uid;
	if (surroundings_remove_ipc("", uid))
		findings_add(findings, FINDING_REMOVE_IPC, NULL, "uid %u is no system user, and RemoveIPC is on",
		             (unsigned)uid);
}

void surroundings_diagnose(struct findings *findings, const struct ym_survey *survey,
                           const struct limit_use limits[LIMITS])
{
	diagnose_limits(findings, limits);
	if (survey->rmid_forced)
		findings_add(findings, FINDING_RMID_FORCED, "sysctl kernel.shm_rmid_forced=0",
		             "segments are destroyed with their last process");
	diagnose_logind(findings, survey);
	diagnose_namespace(findings);
}
