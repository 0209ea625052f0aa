/* ipc.c - `yardmaster ipc ls`: which IPC objects and participants an instance has. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/queue.h"
#include "../../ipc/sem.h"
#include "../../ipc/sys.h"
#include "../text.h"
#include "command.h"

static void describe(const struct ym_entry_sh *entry, char *out, size_t max)
{
	struct ym_queue_stat queue;
	struct ym_sem_stat sem;
	struct shmid_ds shm;
	char size[TEXT_MAX];

	switch ((enum ym_object_kind)entry->kind) {
	case YM_OBJECT_SEGMENT:
		if (ym_sys.shmctl(entry->id, IPC_STAT, &shm) == 0) {
			snprintf(out, max, "%s, %lu attached", text_amount((double)shm.shm_segsz, true, size),
			         (unsigned long)shm.shm_nattch);
			return;
		}
		break;
	case YM_OBJECT_QUEUE:
		if (ym_queue_stat(entry->id, &queue, NULL) == 0) {
			snprintf(out, max, "%llu messages, %llu of %llu bytes", (unsigned long long)queue.messages,
			         (unsigned long long)queue.bytes, (unsigned long long)queue.capacity);
			return;
		}
		break;
	case YM_OBJECT_SEMAPHORE:
		if (ym_sem_stat(entry->id, &sem, NULL) == 0) {
			snprintf(out, max, "%d of %llu units free, %d handles, %d waiting", sem.value,
			         (unsigned long long)entry->size, sem.usage, sem.waiters);
			return;
		}
		break;
	}
	snprintf(out, max, "GONE: removed by somebody else");
}

static void print_objects(const struct ym_registry_sh *reg)
{
	char text[128];

	for (unsigned i = 0; i < YM_REGISTRY_ENTRIES; i++) {
		const struct ym_entry_sh *entry = &reg->entries[i];

		if (atomic_load(&entry->state) == YM_ENTRY_EMPTY)
			continue;
		describe(entry, text, sizeof(text));
		printf("  %-10s %-24.40s 0x%08x %10d  %s\n", ym_object_word((enum ym_object_kind)entry->kind),
		       entry->name, (unsigned)entry->key, entry->id, text);
	}
}

static void print_participants(const struct ym_group_look *look, const struct ym_registry_sh *reg)
{
	unsigned short *values = calloc((size_t)YM_GROUP_NSEMS(look->capacity), sizeof(*values));
	char since[TEXT_MAX];

	if (!values || ym_sys.semctl(look->semid, 0, GETALL, (union ym_semun){.array = values}) < 0) {
		free(values);
		return;
	}
	for (unsigned i = 0; i < look->capacity && i < reg->capacity; i++) {
		const struct ym_member_sh *member = &reg->members[i];

		if (!values[YM_GROUP_ALIVE(i)] && !values[YM_GROUP_DIRTY(i)])
			continue;
		printf("  slot %-5u %-24.15s pid %-8d %s%s\n", i, member->role, atomic_load(&member->pid),
		       values[YM_GROUP_ALIVE(i)] ? "alive for " : "DEAD, not cleared up yet",
		       values[YM_GROUP_ALIVE(i)] ? text_duration(ym_now_ns() - member->joined, since) : "");
	}
	free(values);
}

static int list_instance(const struct instance *instance, struct ym_err *err)
{
	struct ym_group_look look;
	void *addr;
	struct ym_registry_sh *reg;
	int id;

	if (ym_group_look(instance->directory, &look, err) < 0)
		return -1;
	printf("%s (%s)\n", instance->name, instance->directory);
	printf("  %-10s %-24s 0x%08x %10d  %u slots, %d participants, %s\n", "semaphore", "members", (unsigned)look.key,
	       look.semid, look.capacity, look.usage,
	       look.ready        ? look.leader ? "has a master" : "no master"
	       : look.usage == 0 ? "half made or half removed: the next start repairs it"
	                         : "being made or removed");
	if (!ym_object_behind(YM_OBJECT_SEGMENT, look.key, &id) ||
	    ym_seg_attach(id, "members", YM_REGISTRY_VERSION, look.semid, true, &addr, NULL, NULL) < 0)
		return 0;
	reg = addr;
	printf("  %-10s %-24s 0x%08x %10d  the list of objects\n", "segment", "members", (unsigned)look.key, id);
	print_objects(reg);
	print_participants(&look, reg);
	if (atomic_load(&reg->guardian) &&
	    ym_process_started(atomic_load(&reg->guardian)) == atomic_load(&reg->guardian_started))
		printf("  %-10s %-24s pid %d\n", "guardian", "", atomic_load(&reg->guardian));
	ym_seg_detach(addr);
	return 0;
}

/* Every instance below the directory where they are by default. */
static int list_all(struct ym_err *err)
{
	struct instance instance;
	char base[YM_DIRECTORY_MAX];
	unsigned found = 0;
	DIR *directory;

	if (instance_locate(&instance, INSTANCE_NAME_DEFAULT, NULL, err) < 0)
		return -1;
	snprintf(base, sizeof(base), "%s", instance.directory);
	*strrchr(base, '/') = '\0';
	directory = opendir(base);
	for (struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory)) {
		if (entry->d_name[0] == '.' || instance_locate(&instance, entry->d_name, NULL, NULL) < 0)
			continue;
		found += list_instance(&instance, NULL) == 0;
	}
	if (directory)
		closedir(directory);
	if (!found)
		printf("no instance is running below %s (others: name them with --config)\n", base);
	return 0;
}

static int ipc(const struct args *args)
{
	struct instance instance;
	struct ym_err err;
	int result;

	if (strcmp(args->rest[0], "ls") != 0) {
		ym_fail(&err, YM_ERR_USAGE, "ipc: there is no \"%s\"; there is: ls", args->rest[0]);
		return command_fail(&err);
	}
	if (args_value(args, "config") || args_value(args, "instance"))
		result = args_instance(args, &instance, &err) < 0 ? -1 : list_instance(&instance, &err);
	else
		result = list_all(&err);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row options[] = {
    {"config", 'c', "FILE", "only the instance of this INI file"},
    {"instance", 'i', "NAME", "only the instance of this name"},
    {0},
};

const struct command command_ipc = {
    .verb = "ipc",
    .usage = "ls [OPTIONS]",
    .summary = "list the System V IPC objects and the participants of instances",
    .options = options,
    .least = 1,
    .most = 1,
    .run = ipc,
};
