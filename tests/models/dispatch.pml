/*
 * dispatch.pml - jobs in slots, ready ones in lists: accepted jobs are done at least once, reported once, and no worker
 * sleeps while a job waits for it, whoever dies how.
 *
 * What is modelled, what is not, and all the switches: README.md. The code: runtime/table.c, runtime/index.c,
 * runtime/dispatch.c, runtime/sweep.c, workers/worker.c; the words: docs/protocol.md.
 *
 * Every compare-and-swap, every store to the job and every system call is one step; a process may be killed before each
 * of them. Time is left out: what may happen later may happen at once, so a deadline passes, a wait for the lock ends
 * or a job counts as forgotten whenever the code would ask.
 */
#ifndef SLOTS
#define SLOTS 1 /* 1 or 2 */
#endif
#ifndef JOBS
#define JOBS 1 /* one after the other */
#endif
#ifndef POOLS
#define POOLS 1 /* 1 or 2: jobs and workers belong to them in turn */
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifdef BUG_SMALL_QUEUE
#define QCAP 1 /* tokens that fit into the queue */
#else
#define QCAP WORKERS
#endif
#ifndef MAXKILL
#define MAXKILL 1 /* SIGKILLs in all */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* 1: jobs have a deadline */
#endif
#ifndef CANCELS
#define CANCELS 0 /* 1: somebody cancels a job of slot 0 */
#endif
#ifndef MOODS
#define MOODS 0 /* attempts that end in another way than DONE: try again, give back */
#endif
#ifndef TTL
#define TTL 0 /* 1: the sweep forgets jobs that are over */
#endif
#ifndef PAUSES
#define PAUSES 0 /* 1: somebody pauses pool 0 and resumes it */
#endif
#ifndef SIGNALS
#define SIGNALS 0 /* signals that end a sleep */
#endif
#ifndef RETIRES
#define RETIRES 0 /* workers that are told to leave */
#endif
#ifndef KICKS
#define KICKS 0 /* 1: one crash buries a job, and somebody kicks it once */
#endif
#ifndef BATCH
#define BATCH 0 /* 1: all jobs are accepted and linked under one lock (JOBS == SLOTS) */
#endif

#define ATTEMPTS  2 /* that a job has */
#define SUBMITTER WORKERS
#define MASTER    (WORKERS + 1) /* and the next: a new master must not have the number of one that is not buried */
#define NUMBERS   (WORKERS + 3)
#define NOBODY    15
#define GENS      7

mtype = { FREE, FILLING, READY, CLAIMED, FINISHING, FIXING, DELAYED, DONE, FAILED, CANCELLED, BURIED };
#define OVER(s)    ((s) == FREE || (s) == DONE || (s) == FAILED || (s) == CANCELLED)
#define ENDED(s)   (OVER(s) || (s) == BURIED)
#define WORKING(s) ((s) == CLAIMED || (s) == FINISHING || (s) == FIXING)
#define WAITING(s) ((s) == READY || (s) == DELAYED)

/* ---- shared memory and the kernel's objects ---------------------------------------------------- */

/* the words */
mtype st[SLOTS] = FREE;
byte gen[SLOTS], own[SLOTS] = NOBODY, att[SLOTS];
bool cancel[SLOTS], timed[SLOTS];
/* the jobs */
byte pay[SLOTS], result[SLOTS], pool[SLOTS]; /* job number; attempt that wrote the result */
bool deadline[SLOTS], told[SLOTS];
/* The index. A list is the set of the slots that name it: any of them may be its head, which is more than FIFO. */
byte list[SLOTS];      /* pool + 1; 0: in none */
bool ready[POOLS];
byte lk = NOBODY;      /* the lock: who holds it */
byte fresh;            /* bits: the lock has not changed hands since this process looked (the number in the word) */
short sleeping[POOLS];  /* below 0 with SIGNED: tokens that nobody waits for */
byte tok[POOLS];
bool paused;

bool alive[NUMBERS], dirty[NUMBERS], doomed[NUMBERS];
byte kills;
bool fin;              /* everything submitted is over: all go home */

/* ---- what is only here to be checked ----------------------------------------------------------- */

bool torn;             /* somebody is between two stores to the index: its content is garbage for everybody else */
byte jobof[SLOTS * GENS]; /* 0: not accepted */
bool ran[SLOTS * GENS], is_over[SLOTS * GENS], stop_asked[SLOTS * GENS];
byte runner[SLOTS] = NOBODY;
byte moods, timeouts, signals, retires, runs;
bool submitted;        /* the submitter knows that all its jobs were accepted */
bool master_died;

/* In one slot only the first job is for pool 0: nobody may work there. */
#if SLOTS > 1
#define POOL_OF(j) ((j) % POOLS)
#else
#define POOL_OF(j) (gen[k] == 1 -> 0 : POOLS - 1)
#endif
#define X (k * GENS + gen[k])

/* The word as a process knows it: g, s, o, a. Flags do not make it another claim. */
#define SAME (gen[k] == g && st[k] == s && own[k] == o && att[k] == a)
#define LINKED(l) (list[0] == (l) || list[SLOTS - 1] == (l))
#define ALL_ENDED (ENDED(st[0]) && ENDED(st[SLOTS - 1]))

/* Who is being killed by the master makes no step more: it waits until he is dead, so nobody could see them. */
#if TIMEOUTS
#define GO !doomed[me]
#else
#define GO true
#endif
#define NOT_RUN_BY(n) if :: runner[0] == (n) -> runner[0] = NOBODY :: else fi; \
                      if :: runner[SLOTS - 1] == (n) -> runner[SLOTS - 1] = NOBODY :: else fi
#ifdef ONLY_MASTER
#define MORTAL (me >= MASTER)
#else
#define MORTAL true
#endif
#define OR_DIE    :: d_step { (kills < MAXKILL && !fin && MORTAL) || doomed[me] -> \
                              if :: doomed[me] -> doomed[me] = false :: else -> kills++ fi; \
                              alive[me] = false; NOT_RUN_BY(me) }; goto dead
#define STEP(...) if OR_DIE :: d_step { GO -> __VA_ARGS__ } fi

/* ---- pieces of one step ------------------------------------------------------------------------ */

inline set_word(state, owner, attempt) {
	if
	:: WAITING(state) && cancel[k] -> st[k] = CANCELLED
	:: else -> st[k] = state
	fi;
	own[k] = owner; att[k] = attempt;
	if :: !WORKING(st[k]) -> cancel[k] = false; timed[k] = false :: else fi;
	if :: ENDED(st[k]) && st[k] != FREE -> assert(!is_over[X]); is_over[X] = true :: else fi;
	s = st[k]; o = own[k]; a = att[k]
}

/* table_change(): *won* tells whether the word was still ours. */
inline change(state, owner, attempt) {
	won = SAME;
	if :: won -> set_word(state, owner, attempt) :: else fi
}

/* A store to the job's fields: only its owner may. */
inline owned() {
	assert(SAME && own[k] == me)
}

inline fill_word() {
	st[k] = FILLING; own[k] = me; att[k] = 0; cancel[k] = false; timed[k] = false
}

/* A number is given to a process: neither a job nor the lock may carry it any more. */
inline take_number() {
	assert(!(own[0] == me && (st[0] == FILLING || WORKING(st[0]))));
	assert(!(own[SLOTS - 1] == me && (st[SLOTS - 1] == FILLING || WORKING(st[SLOTS - 1]))));
	assert(lk != me);
	alive[me] = true; dirty[me] = true
}

inline look() {
	g = gen[k]; s = st[k]; o = own[k]; a = att[k]
}

/* ---- the index and its lock (index.c) ---------------------------------------------------------- */

inline set_ready() {
	ready[0] = LINKED(1);
#if POOLS > 1
	ready[1] = LINKED(2);
#endif
}

inline rebuild() {
#ifdef BUG_NO_REBUILD
	STEP(assert(!torn))
#else
	STEP(torn = true; list[0] = 0; list[SLOTS - 1] = 0; set_ready());
	STEP(
		assert(lk == me);
		if :: st[0] == READY -> list[0] = pool[0] + 1 :: else fi;
		if :: st[SLOTS - 1] == READY -> list[SLOTS - 1] = pool[SLOTS - 1] + 1 :: else fi;
		set_ready(); torn = false
	)
#endif
}

inline lock_index() {
	do
	:: won = false;
		if
		OR_DIE
		:: d_step { GO && lk == NOBODY -> assert(!torn); lk = me; fresh = 0 }; break
		/* The wait has ended without the lock: ask the kernel who is dead. */
#ifdef BUG_BREAK_STOPPED
		:: d_step { GO && lk != NOBODY && lk != me ->
#else
		:: d_step { GO && lk != NOBODY && !alive[lk] ->
#endif
				h = lk; fresh = fresh | (1 << me)
			}
		fi;
#ifdef BUG_LOCK_AGAIN
		STEP(won = (lk == h); h = 0; if :: won -> lk = me; fresh = 0 :: else fi);
#else
		STEP(won = (lk == h && (fresh & (1 << me))); h = 0; if :: won -> lk = me; fresh = 0 :: else fi);
#endif
		if
		:: won -> rebuild(); break
		:: else
		fi
	od
}

inline unlock() {
	assert(lk == me);
	lk = NOBODY; fresh = 0
}

/* One sleeper is counted off and gets a token. Those that do not fit are not needed: each sleeper has one. */
inline wake_one(w) {
	STEP(won = sleeping[w] > 0; if :: won -> sleeping[w]-- :: else fi);
	if
#ifdef SIGNED
	:: won -> STEP(assert(MAXKILL > 0 || tok[w] < WORKERS); if :: tok[w] < QCAP -> tok[w]++ :: else fi)
#else
	:: won -> STEP(if :: tok[w] < QCAP -> tok[w]++ :: else fi)
#endif
	:: else
	fi
}

inline wake_if_running(w) {
#if PAUSES
	STEP(won = !(paused && w == 0));
	if :: won -> wake_one(w) :: else fi
#else
	wake_one(w)
#endif
}

inline link() {
	torn = true; list[k] = pool[k] + 1; to = pool[k]
}

/* make_ready() of slot k, generation g, after the swap to READY */
inline make_ready() {
	lock_index();
	STEP(
		won = (st[k] == READY && gen[k] == g);
		if :: won -> link() :: else fi
	);
	STEP(if :: won -> set_ready(); torn = false :: else fi; unlock());
	if
	:: won -> wake_if_running(to)
	:: else
	fi;
	to = 0
}

/* ---- the submitter ----------------------------------------------------------------------------- */

proctype submitter() {
	byte me = SUBMITTER, j, k, g, o, a, h, to;
	mtype s = FREE;
	bool won;
	d_step { take_number() };
reborn:
#if BATCH
	do
	:: j == JOBS -> break
	:: else ->
		STEP(k = j; assert(OVER(st[k])); gen[k]++; fill_word(); look());
		STEP(owned(); pay[k] = j + 1; pool[k] = 0);
		STEP(j++)
	od;
	lock_index();
	j = 0;
	do
	:: j == JOBS -> break
	:: else ->
		STEP(k = j; look(); change(READY, NOBODY, 0); assert(won); jobof[X] = j + 1; link(); j++)
	od;
	STEP(set_ready(); torn = false; unlock());
	j = 0;
	do
	:: j == JOBS -> break
	:: else -> wake_if_running(0); j++
	od;
#else
	do
	:: j == JOBS -> break
	:: else ->
		/* table_take() */
		if
		OR_DIE
		:: d_step { OVER(st[0]) || OVER(st[SLOTS - 1]) ->
				if :: OVER(st[0]) -> k = 0 :: else -> k = SLOTS - 1 fi;
				gen[k]++; assert(gen[k] < GENS);
				fill_word(); look()
			}
		fi;
		STEP(owned(); pay[k] = j + 1; pool[k] = POOL_OF(j); result[k] = 0; deadline[k] = false; told[k] = false);
		/* accepted */
		STEP(change(READY, NOBODY, 0); assert(won); jobof[X] = j + 1);
		make_ready();
		STEP(j++; k = 0; g = 0; s = FREE; o = 0; a = 0; won = false)
	od;
#endif
	submitted = true;
	goto out;
	/* Another process comes and submits what it does not know to be accepted. */
dead:	skip;
	d_step { k = 0; g = 0; s = FREE; o = 0; a = 0; won = false; h = 0; to = 0 };
	d_step { !dirty[me] -> take_number() };
	goto reborn;
out:	skip
}

/* ---- workers ----------------------------------------------------------------------------------- */

/* More than there are workers would only hide that a token is missing. */
#define COUNT if :: sleeping[mine] < WORKERS -> sleeping[mine]++ :: else fi
#define LOOK (ready[mine] && !(paused && mine == 0))

/* The +1 is taken back, unless a sender has: then a token is on its way. SIGNED: back it is taken in any case. */
inline take_back() {
#ifdef SIGNED
	STEP(sleeping[mine]--)
#else
	STEP(if :: sleeping[mine] > 0 -> sleeping[mine]-- :: else fi)
#endif
}

proctype worker(byte me) {
	byte k, g, o, a, h, to;
	byte mine = POOLS - 1 - me % POOLS;
	mtype s = FREE, end = DONE;
	bool won, plain, work;
#if RETIRES
	bool told_to_go;
#endif
	d_step { take_number() };
reborn:
	do
	:: fin -> break
#if RETIRES
	:: told_to_go -> break
#endif
	:: else ->
#ifdef BUG_COUNT_LATE
		STEP(work = LOOK);
#else
		STEP(work = LOOK; if :: !work -> COUNT :: else fi);
#endif
		if
		:: work ->
			lock_index();
			if
			OR_DIE
			:: atomic { GO && LINKED(mine + 1) ->
					if
					:: list[0] == mine + 1 -> k = 0
#if SLOTS > 1
					:: list[1] == mine + 1 -> k = 1
#endif
					fi;
					torn = true; list[k] = 0; won = true
				}
			:: d_step { GO && !LINKED(mine + 1) -> won = false }
			fi;
			STEP(if :: won -> set_ready(); torn = false :: else fi; unlock());
			if
			:: won ->
				/* dispatch_claim() */
				STEP(
#ifdef BUG_ANY_POOL
					won = (st[k] == READY);
#else
					won = (st[k] == READY && pool[k] == mine);
#endif
					if
					:: won ->
						assert(pool[k] == mine);
						assert(!stop_asked[X] && !is_over[X] && att[k] < ATTEMPTS);
						assert(runner[k] == NOBODY || master_died);
						st[k] = CLAIMED; own[k] = me; att[k]++; look()
					:: else
					fi
				);
				if :: won -> goto begin :: else -> goto next fi
			:: else
			fi;
			/* Nothing was left: sleep. */
#ifndef BUG_COUNT_LATE
			STEP(COUNT)
#endif
		:: else
		fi;
#ifdef BUG_COUNT_LATE
		STEP(work = LOOK);
		STEP(COUNT);
#else
		STEP(work = LOOK);
#endif
		if
		:: work -> take_back()
		:: else ->
			if
			OR_DIE
			:: fin -> break
			:: d_step { GO && tok[mine] > 0 -> tok[mine]-- };
#ifdef BUG_BACK_TWICE
				take_back();
#endif
#if RETIRES
				/* The order to leave came with the token: somebody else must have what it was sent for. */
				if
				:: d_step { retires < RETIRES -> retires++; told_to_go = true };
#ifndef BUG_TOKEN_KEPT
					STEP(work = LOOK);
					if :: work -> wake_one(mine) :: else fi
#endif
				:: true
				fi
#endif
#if SIGNALS
			:: d_step { signals < SIGNALS -> signals++ };
				take_back();
#if RETIRES
				if
				:: d_step { retires < RETIRES -> retires++; told_to_go = true }
				:: true
				fi
#endif
#endif
			fi
		fi;
		goto next;
begin:
#if TIMEOUTS
		STEP(deadline[k] = true);
#endif
		STEP(
			if
			:: SAME -> assert(pay[k] == jobof[X]); runner[k] = me
			:: else
			fi;
			ran[k * GENS + g] = true;
#ifdef TOGETHER
			runs++
#endif
		);
#ifdef TOGETHER
		/* Jobs that take long: each ends only when all have been begun. */
		(runs == JOBS);
#endif
		/* How does it end? */
		if
		:: end = DONE; plain = !told[k]
		:: end = DONE; plain = false
		:: moods < MOODS -> d_step { moods++; end = READY }
#ifndef NO_MASTER
		:: moods < MOODS -> d_step { moods++; end = DELAYED }
#endif
		:: timed[k] || cancel[k] -> end = CANCELLED
		fi;
		/* dispatch_finish(), dispatch_return() */
		if
		:: plain -> skip
		:: else ->
#ifndef BUG_NO_FENCE
			STEP(change(FINISHING, me, a); if :: runner[k] == me -> runner[k] = NOBODY :: else fi);
			if :: !won -> goto next :: else fi;
			STEP(owned(); result[k] = a; told[k] = (end != READY) || told[k]; deadline[k] = false)
#else
			STEP(owned(); result[k] = a; told[k] = true; deadline[k] = false)
#endif
		fi;
		STEP(
#ifdef BUG_STATE_ONLY
			if :: st[k] == s -> look() :: else fi;
#endif
			if :: runner[k] == me -> runner[k] = NOBODY :: else fi;
			if
			:: end == DELAYED && a >= ATTEMPTS -> end = FAILED
			:: else
			fi;
			won = SAME;
			if
			:: won ->
				assert(own[k] == me && ran[X]);
				assert(plain || result[k] == a);  /* nobody else has written in it */
				if
				:: end == READY -> set_word(end, NOBODY, a - 1)
				:: else -> set_word(end, NOBODY, a)
				fi
			:: else
			fi
		);
		if
		:: won && s == READY -> make_ready()
		:: else
		fi;
next:		skip;
		d_step { k = 0; g = 0; s = FREE; o = 0; a = 0; won = false; plain = false; work = false; end = DONE }
	od;
	goto out;
dead:	skip;
	d_step {
		k = 0; g = 0; s = FREE; o = 0; a = 0; won = false; plain = false; work = false; end = DONE;
		h = 0; to = 0
	};
	if
	:: fin -> skip
#ifdef BUG_NO_DIRTY
	:: d_step { !fin -> take_number() }; goto reborn
#else
	:: d_step { !fin && !dirty[me] -> take_number() }; goto reborn
#endif
	fi;
out:	skip
}

/* ---- somebody who cancels, pauses, kicks ------------------------------------------------------- */

#if CANCELS
proctype canceller() {
	byte g;
	byte k = 0;
	if
	:: fin -> goto out
	:: d_step { st[k] != FREE && st[k] != FILLING && !fin -> g = gen[k] }
	fi;
	do
	:: d_step { gen[k] != g || ENDED(st[k]) -> skip }; break
#ifndef BUG_CANCEL_FILLING
	:: d_step { gen[k] == g && st[k] == FILLING -> skip }; break        /* being forgotten */
#else
	:: d_step { gen[k] == g && st[k] == FILLING -> st[k] = CANCELLED; own[k] = NOBODY; assert(!is_over[X]) }; break
#endif
	:: d_step { gen[k] == g && WORKING(st[k]) -> cancel[k] = true; stop_asked[X] = true }; break
	:: d_step { gen[k] == g && WAITING(st[k]) ->
			st[k] = CANCELLED; own[k] = NOBODY; cancel[k] = false; timed[k] = false;
			stop_asked[X] = true; is_over[X] = true
		};
		break
	od;
out:	skip
}
#endif

#if PAUSES
proctype pauser() {
	if
	:: fin -> goto out
	:: paused = true
	fi;
	paused = false;
	do
	:: sleeping[0] == 0 -> break
	:: d_step { sleeping[0] > 0 -> sleeping[0]-- };
		if
		:: d_step { kills < MAXKILL && !fin -> kills++ }; break
		:: d_step { if :: tok[0] < QCAP -> tok[0]++ :: else fi }
		fi
#ifndef BUG_RESUME_ASLEEP
	:: d_step { kills < MAXKILL && !fin -> kills++ }; break
#else
	:: break
#endif
	od;
out:	skip
}
#endif

/* ---- the master: sweep after sweep ------------------------------------------------------------- */

/* settle(): FIXING is ours. */
inline settle(attempts) {
	STEP(owned(); told[k] = true; deadline[k] = false);
#if KICKS
	STEP(change(BURIED, NOBODY, attempts));
#else
	STEP(change((attempts < ATTEMPTS || cancel[k] -> READY : FAILED), NOBODY, attempts));
#endif
	if
	:: won && s == READY -> make_ready()
	:: else
	fi
}

inline free_slot() {
	STEP(won = SAME; if :: won -> fill_word(); look() :: else fi);
	if
	:: won -> STEP(if :: SAME -> st[k] = FREE; own[k] = NOBODY :: else fi)
	:: else
	fi
}

/* *won* tells that the holder is dead. */
inline break_lock() {
	if
	:: won ->
		STEP(won = (lk == h && (fresh & (1 << me))); h = 0; if :: won -> lk = me; fresh = 0 :: else fi);
		if
		:: won -> rebuild(); STEP(unlock())
		:: else
		fi
	:: else
	fi
}

#define HOLDER_DEAD won = (lk != NOBODY && lk != me && dead_now[lk]); \
                    if :: won -> h = lk; fresh = fresh | (1 << me) :: else fi

proctype master() {
	byte me = MASTER, k, g, o, a, h, to, i;
	mtype s = FREE;
	bool won, inherited, kicked;
	bool dead_now[NUMBERS];
	byte victim[SLOTS] = NOBODY;
	d_step { take_number() };
reborn:
#ifndef BUG_LOCK_INHERITED
	if
	:: inherited ->
		STEP(won = (lk == me); h = lk; fresh = fresh | (won << me));
		break_lock()
	:: else
	fi;
#endif
	do
	:: d_step { submitted && ALL_ENDED -> fin = true }; break
	:: else ->
#ifdef BUG_ASK_LATE
		STEP(look());
#endif
		/* ym_group_dead() */
		STEP(
			i = 0;
			do
			:: i < NUMBERS -> dead_now[i] = dirty[i] && (!alive[i] || (inherited && i == me)); i++
			:: else -> break
			od;
			i = 0;
			HOLDER_DEAD
		);
#ifndef BUG_BURY_FIRST
		break_lock();
#endif
		k = 0;
		do
		:: k == SLOTS -> break
		:: else ->
		/* look_at() */
#ifndef BUG_ASK_LATE
		STEP(look());
#endif
		if
		:: s == FILLING && dead_now[o] -> free_slot()
		:: WORKING(s) && dead_now[o] ->
			/* recover() */
			STEP(change(FIXING, me, a));
			if :: won -> settle(a) :: else fi
#if TIMEOUTS
		:: s == CLAIMED && !dead_now[o] && timeouts < TIMEOUTS * 2 && deadline[k] ->
			/* check_deadline(): asked to stop first, then revoked and killed, then settled */
			if
			:: !timed[k] ->
				STEP(won = SAME && !timed[k] && !cancel[k]; if :: won -> timed[k] = true; timeouts++ :: else fi);
#ifdef BUG_MOVE_DEADLINE
				if :: won -> STEP(assert(gen[k] == g && own[k] == o && att[k] == a); deadline[k] = true) :: else fi
#endif
			:: else ->
				i = o;
				STEP(change(FIXING, me, a); timeouts = timeouts + won; if :: won -> victim[k] = i :: else fi);
				if
				:: won ->
					STEP(if :: alive[i] -> doomed[i] = true :: else fi);
#ifdef BUG_SETTLE_EARLY
					settle(a); victim[k] = NOBODY
#endif
				:: else
				fi;
				i = 0
			fi
		:: s == FIXING && o == me && victim[k] != NOBODY && dead_now[victim[k]] ->
			victim[k] = NOBODY;
			settle(a)
#endif
#ifndef BUG_NO_RELINK
#ifdef BUG_WRONG_LIST
		:: s == READY && list[k] == 0 -> make_ready()
#else
		:: s == READY && list[k] != pool[k] + 1 -> make_ready()
#endif
#endif
		:: s == DELAYED ->
			STEP(change(READY, NOBODY, a));
			if
			:: won && s == READY -> make_ready()
			:: else
			fi
#if KICKS
		:: s == BURIED && !kicked ->
			kicked = true;
			STEP(won = SAME; if :: won -> st[k] = READY; att[k] = 0; is_over[X] = false; look() :: else fi);
			if :: won -> make_ready() :: else fi
#endif
#if TTL
		:: OVER(s) && s != FREE -> free_slot()
#endif
		:: else
		fi;
		d_step { g = 0; s = FREE; o = 0; a = 0; won = false };
		k++
		od;
		k = 0;
		STEP(
#ifndef BUG_NO_WAKE
			/* Something waits, and nobody seems to know. */
			if :: ready[0] && !paused && tok[0] == 0 -> tok[0]++ :: else fi;
#if POOLS > 1
			if :: ready[1] && tok[1] == 0 -> tok[1]++ :: else fi;
#endif
#endif
			/* bury_dead() */
			inherited = false;
			i = 0;
			do
			:: i < NUMBERS ->
				if :: dead_now[i] && !alive[i] -> dirty[i] = false :: else fi;
				dead_now[i] = false;
				i++
			:: else -> break
			od;
			i = 0
		)
	od;
	goto out;
dead:	skip;
	d_step {
		k = 0; g = 0; s = FREE; o = 0; a = 0; won = false; h = 0; to = 0; 
#if TIMEOUTS
		master_died = true;
#endif
	
		victim[0] = NOBODY; victim[SLOTS - 1] = NOBODY;
		i = 0;
		do
		:: i < NUMBERS -> dead_now[i] = false; i++
		:: else -> break
		od;
		i = 0;
		/* take_slot() of the next master: a number that is free, or a dead one's */
		if
		:: !dirty[MASTER] -> me = MASTER; inherited = false
		:: dirty[MASTER] && !dirty[MASTER + 1] -> me = MASTER + 1; inherited = false
		:: else -> me = MASTER; inherited = true
		fi;
		if
		:: inherited -> alive[me] = true
		:: else -> take_number()
		fi
	};
	goto reborn;
out:	skip
}

init {
	byte k, i;
	atomic {
		for (i : 0 .. WORKERS - 1) { run worker(i) }
		run submitter();
#if CANCELS
		run canceller();
#endif
#if PAUSES
		run pauser();
#endif
#ifndef NO_MASTER
		run master();
#endif
		i = 0
	};
#ifdef NO_MASTER
	/* Without a death nobody needs the sweep. */
	(submitted && ALL_ENDED) -> fin = true;
#endif
	(_nr_pr == 1);
	/* Whatever was accepted is over, once, and what is done was run. */
	for (k : 0 .. SLOTS - 1) {
		for (i : 1 .. gen[k]) {
			assert(jobof[k * GENS + i] == 0 || is_over[k * GENS + i])
		}
	}
}

ltl live { <> fin }
