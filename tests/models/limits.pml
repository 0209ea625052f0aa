/*
 * limits.pml - workers that take units of limits before they take a job: no unit is lost, nobody waits in a circle, and
 * no job is forgotten.
 *
 * What is modelled, what is not, and all the switches: README.md. The code: runtime/limit.c, workers/worker.c; words:
 * docs/protocol.md. The index is one number here: how it is kept is in dispatch.pml.
 */
#ifndef POOLS
#define POOLS 1 /* 1: both workers in one pool; 2: one in each */
#endif
#ifndef JOBS
#define JOBS 2
#endif
#ifndef MAXKILL
#define MAXKILL 1
#endif
#ifndef RETIRES
#define RETIRES 0 /* workers that are told to leave, by a signal that ends any wait */
#endif
#ifndef PAUSES
#define PAUSES 0 /* 1: somebody pauses pool 0 and resumes it */
#endif

#define WORKERS 2
#define LIMITS  2
#define SCRIPT  WORKERS /* a foreign script that uses limit 1 */

byte units[LIMITS] = 1;
bool held[(WORKERS + 1) * LIMITS]; /* what the kernel takes back from who dies */
byte waiting[POOLS], running[WORKERS], sleeping[POOLS], tok[POOLS];
bool paused;
byte kills, retires, over, submitted;
bool fin;

#define HELD(p, l) held[(p) * LIMITS + (l)]
#define MINE       (me % POOLS)
#define LOOK       (waiting[MINE] > 0 && !(paused && MINE == 0))
#define OR_DIE     :: d_step { kills < MAXKILL && !fin -> kills++; die() }; goto dead
#define STEP(...)  if OR_DIE :: d_step { __VA_ARGS__ } fi
#ifdef BUG_ORDER
#define FIRST (me % 2)
#else
#define FIRST 0
#endif
#define SECOND (1 - FIRST)

/* The kernel takes the units back, the sweep makes the job ready again; more than one token does no harm. */
inline die() {
#ifndef BUG_NO_UNDO
	units[0] = units[0] + HELD(me, 0); HELD(me, 0) = false;
	units[1] = units[1] + HELD(me, 1); HELD(me, 1) = false;
#endif
	waiting[MINE] = waiting[MINE] + running[me]; running[me] = 0
}

inline take(l) {
	assert(units[l] <= 1 && !HELD(me, l));
	units[l]--; HELD(me, l) = true
}

inline give(l) {
	if :: HELD(me, l) -> HELD(me, l) = false; units[l]++; assert(units[l] <= 1) :: else fi
}

inline wake_one(p) {
	d_step { won = sleeping[p] > 0; if :: won -> sleeping[p]-- :: else fi };
	if
	:: won -> d_step { if :: tok[p] < WORKERS -> tok[p]++ :: else fi }
	:: else
	fi
}

/* A wait ends with the order to leave: what this worker was woken for somebody else must have. */
#if RETIRES
#define OR_LEAVE :: d_step { retires < RETIRES && !fin -> retires++ }; goto leave
#else
#define OR_LEAVE
#endif

proctype worker(byte me) {
	bool won;
again:
	do
	:: fin -> break
	:: else ->
		STEP(won = LOOK);
		if
		:: won ->
			if
			OR_DIE
			OR_LEAVE
			:: d_step { units[FIRST] > 0 -> take(FIRST) }
			fi;
			if
			OR_DIE
			OR_LEAVE
			:: d_step { units[SECOND] > 0 -> take(SECOND) }
			fi;
			STEP(
#ifdef BUG_PAUSED_BEFORE
				won = waiting[MINE] > 0;
#else
				won = LOOK;
#endif
				if
				:: won ->
					assert(!(paused && MINE == 0));
					waiting[MINE]--; running[me] = 1
				:: else
				fi
			);
			if
			:: won ->
				STEP(running[me] = 0; over++);
				STEP(give(SECOND));
				STEP(give(FIRST));
				goto again
			:: else
			fi;
#ifndef BUG_UNITS_KEPT
			STEP(give(SECOND));
			STEP(give(FIRST))
#endif
		:: else
		fi;
		STEP(if :: sleeping[MINE] < WORKERS -> sleeping[MINE]++ :: else fi);
		STEP(won = LOOK);
		if
		:: won -> STEP(if :: sleeping[MINE] > 0 -> sleeping[MINE]-- :: else fi)
		:: else ->
			if
			OR_DIE
			:: fin -> break
			:: d_step { tok[MINE] > 0 -> tok[MINE]-- }
			fi
		fi
	od;
	goto out;
#if RETIRES
leave:	skip;
	d_step { give(SECOND); give(FIRST) };
#ifndef BUG_TOKEN_KEPT
	won = LOOK;
	if
	:: won -> wake_one(MINE)
	:: else
	fi;
#endif
	goto out;
#endif
dead:	won = false;
	goto again;
out:	skip
}

proctype submitter() {
	bool won;
	do
	:: submitted == JOBS -> break
	:: else ->
		waiting[submitted % POOLS]++;
		if
		:: !(paused && submitted % POOLS == 0) -> wake_one(submitted % POOLS)
		:: else
		fi;
		submitted++
	od
}

/* Takes a unit, and gives it back by itself or by being killed. */
proctype script() {
	byte me = SCRIPT;
	if
	:: d_step { units[1] > 0 -> take(1) };
		d_step { give(1) }
	:: fin
	fi
}

#if PAUSES
proctype pauser() {
	bool won;
	paused = true;
	paused = false;
	do
	:: sleeping[0] > 0 -> wake_one(0)
	:: else -> break
	od
}
#endif

#if MAXKILL
/* The sweep, as far as it wakes: more is in dispatch.pml. */
proctype master() {
	byte p;
	do
	:: fin -> break
	:: d_step { !fin && waiting[p] > 0 && !(paused && p == 0) && tok[p] == 0 -> tok[p]++ }
#if POOLS > 1
	:: !fin -> p = 1 - p
#endif
	od
}
#endif

init {
	atomic {
		run worker(0); run worker(1); run submitter(); run script();
#if PAUSES
		run pauser();
#endif
#if MAXKILL
		run master()
#endif
	};
	(over == JOBS) -> fin = true;
	(_nr_pr == 1);
	assert(units[0] == 1 && units[1] == 1)
}

ltl live { <> fin }
