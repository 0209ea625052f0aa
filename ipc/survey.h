/*
 * survey.h - everything that there is in this IPC namespace, and what it is: groups with their parts and participants,
 * semaphores and variables of PHP's kind, queues, and what belongs to nobody we know.
 *
 * A look, not a lock: what it says was true at some moment of the look for each object. Whoever removes something asks
 * the kernel again (collect.h). Segments are attached read-only for a moment to see their first bytes, except where that
 * could do harm: with kernel.shm_rmid_forced our detach would destroy a segment that nobody else has attached.
 */
#ifndef YM_IPC_SURVEY_H
#define YM_IPC_SURVEY_H

#include "procfs.h"
#include "registry.h"

/* What an object is. SHAPE and STRAY are what is left when somebody removes parts of a group by hand. */
#define YM_SURVEY_KIND_MAP(X)                                                                                          \
	X(GROUP, "group", "the semaphore set of a group")                                                              \
	X(REGISTRY, "registry", "the list of a group's objects")                                                       \
	X(MEMBER, "member", "an object that a group has entered in its list")                                          \
	X(STRAY, "stray", "a segment that a group made, but no group lists it")                                        \
	X(SHAPE, "shape", "a set like a group's, without a list: perhaps one that is just being made")                 \
	X(SEMAPHORE, "semaphore", "a set of three members, as PHP makes them")                                         \
	X(VARIABLES, "variables", "a segment of variables, as PHP makes them")                                         \
	X(QUEUE, "queue", "a message queue")                                                                           \
	X(FOREIGN, "foreign", "something of another program, or not to be read")

enum ym_survey_kind {
#define X(name, word, text) YM_SURVEY_##name,
	YM_SURVEY_KIND_MAP(X)
#undef X
};

struct ym_survey_object {
	enum ym_object_kind type; /* SEGMENT, QUEUE or SEMAPHORE: what the kernel calls it */
	enum ym_survey_kind kind;
	struct ym_sysv_row row;
	key_t key;
	int id;
	int group;                         /* index of the group it belongs to, -1: none */
	bool dest;                         /* a segment that was removed, but is still attached */
	bool ours;                         /* our user made it */
	int semid;                         /* of a group's segments: the set they were made for, else -1 */
	char name[YM_OBJECT_NAME_MAX + 1]; /* in its group */
	/* SEMAPHORE; -1: may not be read */
	int value, usage, locked, waiters;
	pid_t locker; /* who has `locked` it */
};

struct ym_survey_member {
	unsigned slot;
	pid_t pid;
	bool alive;      /* what the kernel says (ALIVE); without a set: whether the process lives */
	uint64_t joined; /* 0 and no role: it has not entered itself into the registry */
	char role[16];
};

struct ym_survey_entry {
	enum ym_object_kind kind;
	bool creating; /* announced, not made yet */
	bool exists;   /* an object of that id and key is there */
	key_t key;
	int id;
	uint64_t size;
	char name[YM_OBJECT_NAME_MAX + 1];
};

struct ym_survey_group {
	key_t key;
	int semid;     /* -1: the set was removed by hand */
	int regid;     /* -1: there is no registry */
	bool reg_dest; /* the registry was removed, but is still attached */
	bool ours;     /* our user made it */
	bool readable; /* the values of the set are below */
	uid_t uid;
	uint64_t size;     /* bytes of the registry */
	uint64_t attached; /* to the registry */
	unsigned capacity;
	int usage, ready;
	bool led, locked;
	pid_t leader, lock; /* who leads, who has the LOCK; 0: nobody, or a process that cannot be seen from here */
	int64_t used;       /* time of the last operation on the set */
	char directory[YM_DIRECTORY_MAX]; /* "": not known */
	bool keeps;                       /* has to be salvaged by its own program before it goes */
	unsigned complete;
	pid_t guardian; /* 0: never had one */
	bool guarded;   /* it lives */
	struct ym_survey_member *members;
	unsigned nmembers;
	struct ym_survey_entry *entries;
	unsigned nentries;
};

struct ym_survey {
	struct ym_survey_object *objects;
	size_t nobjects;
	struct ym_survey_group *groups;
	size_t ngroups;
	bool rmid_forced; /* kernel.shm_rmid_forced: unattached segments were not looked into */
};

const char *ym_survey_word(enum ym_survey_kind kind);

/*
 * Look. `directories` (`ndirectories` of them) are where groups may have their key files: a set without a registry is
 * known to be a group's only by such a file. Free it with ym_survey_free(), also after an error.
 */
int ym_survey_take(struct ym_survey *survey, const char *const *directories, size_t ndirectories, struct ym_err *err);
void ym_survey_free(struct ym_survey *survey);

/* An object by kind and id, or by kind and key; NULL if there is none. Removed segments have no key. */
const struct ym_survey_object *ym_survey_by_id(const struct ym_survey *survey, enum ym_object_kind type, int id);
const struct ym_survey_object *ym_survey_by_key(const struct ym_survey *survey, enum ym_object_kind type, key_t key);

/* The entry of a group by name, or NULL. */
const struct ym_survey_entry *ym_survey_entry(const struct ym_survey_group *group, const char *name);

/*
 * Copy `size` bytes from the start of a segment, wherever it comes from: pages that cannot be had are an error, not a
 * signal. False if it is shorter, gone or may not be read.
 */
bool ym_survey_peek(int id, void *to, size_t size);

#endif
