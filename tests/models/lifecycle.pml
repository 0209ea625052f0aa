/*
 * lifecycle.pml - join, leave, repair, guardian: "the last one out removes everything, whoever dies how".
 *
 * What is modelled, what is not, and all the switches: README.md. The code: ipc/group.c, ipc/generation.c,
 * ipc/registry.c, ipc/guardian.c; the words: docs/ipc.md.
 *
 * One key. Behind it lie at most one semaphore set (ours or PHP's of three) and at most one registry; every generation
 * has two objects with keys of their own (0: a segment with content that must be saved, 1: a queue). Each system call
 * is one step; a process may be killed before each of them, or while it sleeps in it. Ids are used again only when
 * nobody remembers them any more.
 */
#ifndef N
#define N 2 /* participants; each joins and leaves as often as it likes */
#endif
#ifndef MAXKILL
#define MAXKILL 2 /* SIGKILLs in all */
#endif
#ifndef CAP
#define CAP 0 /* slots (ALIVE_i, DIRTY_i); 0: they are left out, and so is the leader */
#endif
#ifndef GUARDS
#define GUARDS 0 /* guardians that can be there at the same time */
#endif
#ifndef PHPS
#define PHPS 0 /* scripts */
#endif
#ifndef GUESTS
#define GUESTS 0 /* the last ones of the participants are another user's: they cannot remove and must not make anything */
#endif
#ifndef MAXFAIL
#define MAXFAIL 0 /* salvages that fail */
#endif

#define PROCS  7 /* 0..3 participants, 4..5 guardians, 6 script */
#define GUARD0 4
#define PHP0   6
#define REGS   7
#define SETS   9
#define OBJS   2
#define NOSLOT 255

mtype = { EMPTY, CREATING, LIVE };

/* ---- the kernel's side ----------------------------------------------------------------------- */

byte cur;                                 /* the set behind the key, 0: none */
bool php;                                 /* it is PHP's set of three */
byte value, usage, lock, ready, leader;   /* its members */
#if CAP
bool alive[CAP], dirty[CAP];
#endif
byte rkey;                                /* the registry behind the key, 0: none */
byte okey[OBJS];                          /* the objects behind their keys, by the registry they are entered in */
byte psid[PROCS];                         /* the set a process remembers */
byte preg[PROCS];                         /* the registry it has attached */
byte pnew[PROCS];                         /* the registry it has made, but not yet attached */

/* ---- the registries -------------------------------------------------------------------------- */

byte rsem[REGS + 1];                      /* set named in the head, 0: the head is not finished */
byte complete[REGS + 1];
mtype entry[(REGS + 1) * OBJS] = EMPTY;

/* ---- what is only here to be checked --------------------------------------------------------- */

bool unsaved[REGS + 1];                   /* content was accepted and nobody has saved it */
bool given_up[REGS + 1];                  /* its leader has saved and removed it after a removal by hand */
#if CAP
bool left[CAP];                           /* the owner of the slot may have left something to clear up */
#endif
bool by_hand, killed;
byte kills, fails, ended, asked;           /* asked: a participant wants a guardian for this set */
#ifndef SCRATCH
#define SCRATCH hidden /* within one step only; spin's breadth-first search needs -DSCRATCH= */
#endif
SCRATCH byte k, id, taken;

#define R    preg[me]
#define GUEST (me >= N - GUESTS && me < N)
#define GONE (psid[me] != cur)
#define ENTRY(r, e) entry[(r) * OBJS + (e)]
#define ATTACHED(r) ((preg[0] == (r)) + (preg[1] == (r)) + (preg[2] == (r)) + (preg[3] == (r)) + (preg[4] == (r)) + \
                     (preg[5] == (r)))

#if CAP > 1
#define SLOT_FREE ((!alive[0] && !dirty[0]) || (!alive[1] && !dirty[1]))
#elif CAP
#define SLOT_FREE (!alive[0] && !dirty[0])
#else
#define SLOT_FREE true
#endif
#ifdef BUG_QUICK_ALONE
#define QUICK (lock == 0 && SLOT_FREE)
#else
#define QUICK (lock == 0 && ready == 1 && usage >= 1 && SLOT_FREE)
#endif

#ifdef BUG_PHP_IN_USE
#define PHP_IDLE true
#else
#define PHP_IDLE (usage == 0 && lock == 0)
#endif

/* What is given to a generation whose set has been taken away by hand is promised to be kept by nobody. */
#ifdef BUG_LATE
#define ACCEPTED (complete[R] == 1)
#else
#define ACCEPTED (!GONE)
#endif

#define OR_DIE    :: d_step { kills < MAXKILL -> kills++; killed = true; die() }; goto reborn
#define STEP(...) if OR_DIE :: d_step { __VA_ARGS__ } fi
#define WAIT(c, ...) OR_DIE :: d_step { (c) -> __VA_ARGS__ }

/* All inlines from here to "participants" are pieces of one step. */

/* A registry that nobody can find any more is no more. */
inline tidy() {
	id = 1;
	do
	:: id > REGS -> break
	:: else ->
		taken = (id == rkey);
		k = 0;
		do
		:: k < PROCS -> taken = taken || preg[k] == id || pnew[k] == id; k++
		:: else -> break
		od;
		if
		:: !taken ->
			rsem[id] = 0; complete[id] = 0; given_up[id] = false;
			ENTRY(id, 0) = EMPTY; ENTRY(id, 1) = EMPTY
		:: else
		fi;
		id++
	od;
	id = 0
}

inline new_set_id() {
	id = 1;
	do
	:: assert(id <= SETS);
		taken = (id == cur || id == asked);
		k = 0;
		do
		:: k < PROCS -> taken = taken || psid[k] == id; k++
		:: else -> break
		od;
		k = 1;
		do
		:: k <= REGS -> taken = taken || rsem[k] == id; k++
		:: else -> break
		od;
		if :: !taken -> break :: else -> id++ fi
	od
}

inline new_registry_id() {
	id = 1;
	do
	:: assert(id <= REGS);
		taken = (id == rkey || id == okey[0] || id == okey[1]);
		k = 0;
		do
		:: k < PROCS -> taken = taken || preg[k] == id || pnew[k] == id; k++
		:: else -> break
		od;
		if :: !taken -> break :: else -> id++ fi
	od
}

/* semget(IPC_CREAT): a fresh set is all zero. */
inline make_set(of_php) {
	new_set_id();
	cur = id; php = of_php; value = 0; usage = 0; lock = 0; ready = 0; leader = 0;
	clear_slots()
}

inline clear_slots() {
#if CAP
	k = 0;
	do
	:: k < CAP -> alive[k] = false; dirty[k] = false; left[k] = false; k++
	:: else -> break
	od;
	k = 0
#else
	skip
#endif
}

/* IPC_RMID of the set that the process remembers: whoever sleeps in it or comes later sees that it is gone. */
inline remove_set() {
	if
	:: psid[me] == cur && cur != 0 ->
		cur = 0; php = false; value = 0; usage = 0; lock = 0; ready = 0; leader = 0;
		clear_slots()
	:: else
	fi
}

inline forget() {
	psid[me] = 0; preg[me] = 0; pnew[me] = 0; u_lock = false; u_usage = false; leads = false; slot = NOSLOT;
	tidy()
}

/* A process ends: mappings go, and the kernel takes back what was done with SEM_UNDO, in one go for one set. */
inline die() {
	if
	:: psid[me] != 0 && psid[me] == cur ->
		lock = lock - u_lock;
		usage = usage - u_usage;
		leader = leader - leads;
#if CAP
		if :: slot != NOSLOT -> alive[slot] = false :: else fi
#endif
	:: else
	fi;
	forget()
}

inline take_quick() {
#if CAP
	slot = 0;
	do
	:: alive[slot] || dirty[slot] -> slot++
	:: else -> break
	od;
	assert(!left[slot]);
	alive[slot] = true; dirty[slot] = true
#else
	skip
#endif
}

/* What every leave gives back besides USAGE. */
inline give_back() {
#if CAP
	alive[slot] = false;
	if :: !inherited -> dirty[slot] = false; left[slot] = false :: else fi;
	slot = NOSLOT;
	leader = leader - leads; leads = false
#else
	skip
#endif
}

/* ---- pieces of several steps ----------------------------------------------------------------- */

/* ym_generation_salvage() of the attached registry, ym_registry_remove_all() in it. */
inline salvage() {
	saved = true;
#ifdef BUG_MARK_FIRST
	STEP(todo = (complete[R] == 1); complete[R] = 2);
#else
	STEP(todo = (complete[R] == 1));
#endif
	if
	:: todo ->
		if
		OR_DIE
		:: d_step {
			assert(okey[0] == R);          /* never after the removal */
			unsaved[R] = false
		}
#if MAXFAIL
		:: d_step { fails < MAXFAIL -> fails++; saved = false }
#endif
		fi
	:: else
	fi;
	todo = false;
	if
	:: saved ->
		STEP(complete[R] = 2);
		e = 0;
		do
		:: e == OBJS -> break
		:: else ->
			if
			OR_DIE
			:: d_step { ENTRY(R, e) == EMPTY -> skip }
			:: d_step {
				ENTRY(R, e) == CREATING ->     /* by its key */
				if :: e == 0 && okey[0] != 0 -> assert(!unsaved[okey[0]]) :: else fi;
				okey[e] = 0
			}
			:: d_step {
				ENTRY(R, e) == LIVE ->         /* by its id, if it still is there */
				if
				:: okey[e] == R ->
					if :: e == 0 -> assert(!unsaved[R]) :: else fi;
					okey[e] = 0
				:: else
				fi
			}
			fi;
			STEP(ENTRY(R, e) = EMPTY);
			e++
		od;
		e = 0;
		STEP(if :: rkey == R -> rkey = 0 :: else fi)
	:: else
	fi
}

/* clear_leftovers() */
inline clear_leftovers() {
	if
	OR_DIE
	:: d_step { rkey == 0 -> skip }
	/* A head that was never finished, and nobody is attached. */
	:: d_step { rkey != 0 && rsem[rkey] == 0 && ATTACHED(rkey) == 0 -> pnew[me] = rkey };
		STEP(if :: rkey == pnew[me] -> rkey = 0 :: else fi; pnew[me] = 0; tidy())
	:: d_step { rkey != 0 && rsem[rkey] != 0 -> R = rkey };
#ifndef BUG_NO_WAIT
		/* Processes of an older set still work with its objects; those of this one have all left. */
		if
#ifdef BUG_WAIT_GUARD
		WAIT(ATTACHED(R) == 1, skip)
#else
		WAIT(rsem[R] == psid[me] || ATTACHED(R) == 1, skip)
#endif
		fi;
#endif
		salvage();
		STEP(R = 0; tidy())
	fi
}

/* ym_generation_make(): *saved* tells whether it worked. */
inline make_generation() {
	saved = true;
	clear_leftovers();
	if
	:: !saved -> skip
	:: else ->
		/* make_registry(): shmget, shmat, the head */
		STEP(if :: rkey == 0 -> new_registry_id(); rkey = id; pnew[me] = id; id = 0 :: else -> saved = false fi);
		if
		:: saved -> STEP(if :: rkey == pnew[me] -> R = rkey :: else -> saved = false fi; pnew[me] = 0; tidy())
		:: else
		fi;
#ifdef BUG_READY_EARLY
		if :: saved -> STEP(if :: GONE -> skip :: else -> ready = 1 fi) :: else fi;
#endif
		if
		:: saved ->
			STEP(rsem[R] = psid[me]);
			e = 0;
			do
			:: e == OBJS -> break
			:: else ->
#ifndef BUG_NOT_ANNOUNCED
				STEP(ENTRY(R, e) = CREATING);
#endif
				STEP(assert(okey[e] == 0); okey[e] = R);
				STEP(ENTRY(R, e) = LIVE);
				e++
			od;
			e = 0;
			STEP(complete[R] = 1);
#ifndef BUG_NO_VALUE
			/* No script inside: the scripts' mutex gets its unit together with READY. */
			STEP(todo = (!GONE && usage == 1 && value == 0));
#endif
#ifndef BUG_READY_EARLY
			STEP(if :: GONE -> saved = false :: else -> assert(ready == 0); ready = 1; value = value + todo fi);
#endif
			todo = false
		:: else
		fi
	fi
}

#if CAP
/* search_slot(), first for a free one, then for one whose dead owner nobody has buried. */
inline take_slot() {
	STEP(
		k = 0;
		do
#ifdef BUG_REUSE
		:: !GONE && k < CAP && alive[k] -> k++
#else
		:: !GONE && k < CAP && (alive[k] || dirty[k]) -> k++
#endif
		:: else -> break
		od;
		if
		:: GONE -> saved = false
		:: !GONE && k < CAP -> slot = k; assert(!left[k])
		:: else ->
			k = 0;
			do
			:: k < CAP && alive[k] -> k++
			:: else -> break
			od;
			if :: k < CAP && !GUEST -> slot = k; inherited = true :: else -> saved = false fi
		fi;
		if :: slot != NOSLOT -> alive[slot] = true; dirty[slot] = true :: else fi;
		k = 0
	)
}

/* sweep_run() of the leader: who is dead is asked first, then what they left is cleared up, then they are buried. */
inline sweep() {
	STEP(
		k = 0;
		do
		:: k < CAP -> dead[k] = !GONE && ((!alive[k] && dirty[k]) || (inherited && k == slot)); k++
		:: else -> break
		od;
		k = 0
	);
	e = 0;
	do
	:: e == CAP -> break
	:: e < CAP && dead[e] ->
		STEP(if :: GONE -> skip :: else -> left[e] = false fi);
		STEP(
			dead[e] = false;
			if
			:: e == slot -> inherited = false
			:: e != slot && !GONE && !alive[e] && dirty[e] -> dirty[e] = false; assert(!left[e])
			:: else
			fi
		)
	:: e < CAP && !dead[e] -> e++
	od;
	e = 0
}
#endif

/* What a participant relies on while it is in. */
inline check_inside() {
	if
	:: !GONE -> assert(ready == 1 && rkey == R && okey[0] == R && okey[1] == R)
	:: else ->
		/* Only a hand from outside can take the set away; what it names stays until the leader gives it up. */
		assert(by_hand);
		assert(given_up[R] || (okey[0] == R && okey[1] == R))
	fi
}

/* ---- participants ---------------------------------------------------------------------------- */

proctype participant(byte me; bool once) {
	bool u_lock, u_usage, leads, saved, todo, fresh, inherited;
	byte slot = NOSLOT, e;
#if CAP
	bool dead[CAP];
#endif
reborn:	skip;
	d_step { saved = false; todo = false; fresh = false; inherited = false; e = 0 };
	do
	:: !once -> break
	:: true ->
again:
	/* find_set(), replace_php_set() */
#if GUESTS
	if
	:: GUEST ->
		/* Not running. */
		if
		OR_DIE
		:: d_step { cur == 0 || php -> skip }; goto left_it
		:: d_step { cur != 0 && !php -> psid[me] = cur }; goto found
		fi
	:: else
	fi;
#endif
	STEP(
		if :: cur == 0 -> make_set(false) :: else fi;
		psid[me] = cur;
		id = 0
	);
#if GUESTS
found:
#endif
	if
	OR_DIE
	:: d_step { GONE -> forget() }; goto again
	:: d_step { !GONE && !php -> skip }
	/* join_quickly(): without LOCK and without the registry, while somebody else is in */
	:: d_step { !GONE && !php && QUICK -> usage++; u_usage = true; take_quick() }; goto inside
	:: d_step { !GONE && php && PHP_IDLE -> lock = 1; u_lock = true };
		STEP(remove_set(); forget());
		goto again
	fi;
	/* enter_set() */
	if
	OR_DIE
	:: d_step { GONE -> forget() }; goto again
	:: d_step { !GONE && lock == 0 -> lock = 1; u_lock = true; usage++; u_usage = true }
	fi;
	if
	OR_DIE
#ifdef BUG_GONE_IS_NEW
	:: d_step { GONE || ready == 0 -> fresh = true };
#else
	:: d_step { GONE -> forget() }; goto again
#if GUESTS
	/* It is not for a guest to make or repair a generation. */
	:: d_step { !GONE && ready == 0 && GUEST -> saved = false }
	:: d_step { !GONE && ready == 0 && !GUEST -> fresh = true };
#else
	:: d_step { !GONE && ready == 0 -> fresh = true };
#endif
#endif
		make_generation()
	:: d_step { !GONE && ready == 1 ->
			fresh = false;
			assert(by_hand || (rkey != 0 && rsem[rkey] == cur && complete[rkey] == 1));
			saved = (rkey != 0 && rsem[rkey] == cur);
			if :: saved -> R = rkey :: else fi
		}
	fi;
#if CAP
	if :: saved -> take_slot() :: else fi;
#endif
	if
	:: !saved ->
		/* The join failed. Others may have left meanwhile, so this is a leave like any other, under LOCK. */
#if CAP
		assert(slot == NOSLOT);
#endif
#if GUESTS
		/* back_out_as_guest() */
		if
		:: GUEST -> STEP(if :: !GONE -> assert(lock == 1 && usage >= 1); lock = 0; usage-- :: else fi; forget()); goto left_it
		:: else
		fi;
#endif
#ifdef BUG_BACK_OUT
		if :: fresh -> STEP(if :: !GONE && usage == 1 -> remove_set() :: else fi) :: else fi;
		STEP(if :: !GONE -> lock = 0; usage-- :: else fi; forget());
#else
		if
		OR_DIE
		:: d_step { GONE || usage >= 2 -> if :: !GONE -> lock = 0; usage-- :: else fi; forget() }
		:: d_step { !GONE && usage == 1 -> usage = 0; u_usage = false; todo = ready; ready = 0 };
			saved = true;
			if
			:: todo -> salvage()
			:: else
			fi;
			if
			:: saved -> STEP(remove_set(); forget())
			:: else -> STEP(if :: !GONE -> lock = 0 :: else fi; forget())
			fi
		fi;
#endif
		goto left_it
	:: else
	fi;
	STEP(if :: !GONE -> assert(lock == 1); lock = 0 :: else fi; u_lock = false);

inside:
	/* ym_group_registry(), if the join has not done it */
	if
	:: R == 0 -> goto leaving
	:: R == 0 ->
		STEP(if :: rkey != 0 && rsem[rkey] == psid[me] -> R = rkey :: else -> assert(by_hand) fi);
		if
		:: R == 0 -> STEP(forget()); goto left_it
		:: else
		fi;
#ifndef BUG_LAZY
		/* A set that is still there now has not been replaced: whoever replaces it will see us attached. */
		if
		OR_DIE
		:: d_step { GONE -> forget() }; goto left_it
		:: d_step { !GONE -> skip }
		fi
#endif
	:: else
	fi;
#if GUARDS
	if
	OR_DIE
	:: d_step { asked == 0 && !GONE && !GUEST -> asked = psid[me] }
	:: true
	fi;
#endif
#if CAP
	STEP(if :: !GONE && leader == 0 && !GUEST -> leader = 1; leads = true :: else fi);
	if
	:: leads -> sweep()
	:: else
	fi;
#endif
	/* Work: content is accepted. Who is there only to make the group does not work under a dead man's number. */
	STEP(
		check_inside();
#if CAP
#ifndef BUG_WORK_INHERITED
		if :: !inherited -> left[slot] = !GONE :: else fi;
#else
		if :: !GONE -> left[slot] = true :: else fi;
#endif
#endif
		if :: ACCEPTED -> unsaved[R] = true :: else fi
	);
#if CAP
	if
	:: leads ->
		if
		:: true
		:: sweep()
		:: d_step { GONE -> given_up[R] = true };
			/* ym_group_abandon() */
			salvage();
			STEP(forget());
			goto left_it
		fi
	:: else
	fi;
#endif
	STEP(check_inside());

leaving:
#if GUESTS
	/* leave_as_guest(): whether it is the last or not */
	if
	:: GUEST ->
		if
		OR_DIE
		:: d_step { GONE -> assert(by_hand); forget() }; goto left_it
#ifndef BUG_GUEST_REMOVES
		:: d_step { !GONE -> assert(usage >= 1); usage--; u_usage = false; give_back(); forget() }; goto left_it
#else
		:: d_step { !GONE && usage >= 2 -> usage--; u_usage = false; give_back(); forget() }; goto left_it
		:: d_step { !GONE && usage == 1 && lock == 0 ->
				lock = 1; u_lock = true; usage = 0; u_usage = false; ready = 0;
				give_back()
			};
			/* The salvage cannot write its file, and nothing can be removed; the mark in the registry works. */
			STEP(if :: R != 0 -> complete[R] = 2 :: else fi);
			STEP(if :: !GONE -> lock = 0 :: else fi; forget());
			goto left_it
#endif
		fi
	:: else
	fi;
#endif
	/* leave_once(), until one of the two works */
	if
	OR_DIE
	:: d_step { GONE -> assert(by_hand); forget() }; goto left_it
#ifdef BUG_LEAVE
	:: d_step { !GONE -> usage--; u_usage = false; give_back() };
		if
		OR_DIE
		:: d_step { GONE || usage > 0 -> forget() }; goto left_it
		:: d_step { !GONE && usage == 0 -> skip }
		fi;
		if
		OR_DIE
		:: d_step { GONE -> forget() }; goto left_it
		:: d_step { !GONE && lock == 0 -> lock = 1; u_lock = true; ready = 0 }
		fi
#else
	:: d_step { !GONE && usage >= 2 -> usage--; u_usage = false; give_back(); forget() }; goto left_it
	:: d_step { !GONE && usage == 1 && lock == 0 ->
			lock = 1; u_lock = true; usage = 0; u_usage = false;
			assert(ready == 1); ready = 0;
			give_back()
		}
#endif
	fi;
	/* ym_generation_remove(); the set goes last */
#ifdef BUG_NO_LOCK
	STEP(lock = 0; u_lock = false);
#endif
	if
	:: R == 0 ->
		STEP(if :: rkey != 0 && rsem[rkey] == psid[me] -> R = rkey :: else -> assert(by_hand) fi);
#ifndef BUG_LAZY
		STEP(if :: GONE -> R = 0; tidy() :: else fi)
#endif
	:: else
	fi;
	saved = true;
	if
	:: R != 0 -> salvage()
	:: else
	fi;
	if
	:: saved -> STEP(if :: !GONE -> remove_set() :: else fi; forget())
	:: else -> STEP(if :: !GONE -> lock = 0 :: else fi; forget())
	fi;
left_it:	skip;
		d_step { saved = false; fresh = false; inherited = false };
		if :: once -> break :: else fi
	od;
	ended++
}

/* ---- guardians ------------------------------------------------------------------------------- */

#define ALL_OVER (ended == N + PHPS && asked == 0)

#if GUARDS
proctype guardian(byte me) {
	bool u_lock, u_usage, leads, saved, todo;
	byte slot = NOSLOT, e;
reborn:	skip;
	d_step { saved = false; todo = false; e = 0 };
	do
	:: ALL_OVER -> break
	:: d_step { asked != 0 -> psid[me] = asked; asked = 0 };
		/* ym_group_guard() */
		STEP(if :: !GONE && rkey != 0 && rsem[rkey] == cur -> R = rkey :: else fi);
		if
		OR_DIE
		:: d_step { GONE -> forget() }; goto reborn
		:: d_step { !GONE && usage == 0 && lock == 0 -> lock = 1; u_lock = true }
		fi;
		STEP(if :: !GONE -> ready = 0 :: else fi);
		saved = true;
#ifdef BUG_OLD_REGISTRY
		STEP(if :: R == 0 && rkey != 0 && rsem[rkey] == psid[me] -> R = rkey :: else fi);
#else
		/* The set may have been repaired since we slept: what counts is the registry that is there today. */
		STEP(if :: rkey != 0 && rsem[rkey] == psid[me] -> R = rkey; tidy() :: else fi);
#endif
		if
		:: R != 0 -> salvage()
		:: else
		fi;
		if
		:: saved ->
			STEP(
				if
				:: !GONE -> assert(u_lock && okey[0] == 0 && okey[1] == 0);
					/* A maker killed within the head leaves an empty segment to the next start. */
					assert(rkey == 0 || rsem[rkey] == 0);
					remove_set()
				:: else
				fi;
				forget()
			)
		:: else -> STEP(if :: !GONE -> lock = 0 :: else fi; forget())
		fi;
		saved = false
	od
}
#endif

/* ---- a script: sem_get() on the key, and the end of its object -------------------------------- */

#if PHPS
proctype script(byte me) {
	bool u_lock, u_usage, leads;
	byte slot = NOSLOT;
reborn:	do
	:: true -> break
	:: true ->
		STEP(if :: cur == 0 -> make_set(true) :: else fi; psid[me] = cur; id = 0);
		if
		OR_DIE
		/* A warning, and it goes on with a set that is gone: nothing it does has an effect. */
		:: d_step { GONE -> forget() }; goto out
		:: d_step { !GONE && lock == 0 -> lock = 1; u_lock = true; usage++; u_usage = true }
		fi;
		STEP(if :: !GONE && usage == 1 -> value = 1 :: else fi);
		STEP(if :: !GONE -> assert(lock == 1); lock = 0 :: else fi; u_lock = false);
		/* Its semaphore works: nobody takes it away, and it has its unit. */
		STEP(assert(by_hand || !GONE); if :: !GONE -> assert(value == 1) :: else fi);
		STEP(assert(by_hand || !GONE));
		/* USAGE -1 without IPC_NOWAIT: it must never have to wait. */
		STEP(if :: !GONE -> assert(usage >= 1); usage-- :: else fi; forget());
out:		skip
	od;
	ended++
}
#endif

#ifdef IPCRM
/* Somebody else removes the set, once, at any time but while it is being made (see README.md). */
proctype ipcrm() {
	if
	:: d_step { cur != 0 && !(ready == 0 && lock == 1 && usage > 0) ->
			by_hand = true;
			cur = 0; php = false; value = 0; usage = 0; lock = 0; ready = 0; leader = 0;
			clear_slots()
		}
	:: ended == N + PHPS -> skip
	fi
}
#endif

init {
	atomic {
		byte i;
		for (i : 0 .. N - 1) { run participant(i, false) }
#if GUARDS
		for (i : GUARD0 .. GUARD0 + GUARDS - 1) { run guardian(i) }
#endif
#if PHPS
		run script(PHP0);
#endif
#ifdef IPCRM
		run ipcrm();
#endif
		i = 0
	};
	(_nr_pr == 1);
	assert(usage == 0 && lock == 0);
	/* Nothing is left; after a death or a hand's work, what the next start (or gc) finds is put right by it. */
	if
	:: !killed && !by_hand && fails == 0 && PHPS == 0 && GUESTS == 0 -> skip
	:: else ->
		d_step { kills = MAXKILL; fails = MAXFAIL };
		run participant(0, true);
		(_nr_pr == 1)
	fi;
	assert(cur == 0 && rkey == 0 && okey[0] == 0 && okey[1] == 0)
}
