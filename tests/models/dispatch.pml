/*
 * dispatch.pml - one slot of the job table: accepted jobs are done at least once, and reported once, whoever dies how.
 *
 * What is modelled, what is not, and all the switches: README.md. The code: runtime/table.c, runtime/dispatch.c,
 * runtime/feed.c, runtime/sweep.c, workers/worker.c; the words: docs/protocol.md.
 *
 * Every compare-and-swap, every store to the job and every system call is one step; a process may be killed before each
 * of them. Time is left out: what may happen later may happen at once, so a deadline passes or a token counts as lost
 * whenever the code would ask.
 */
#ifndef JOBS
#define JOBS 1 /* one after the other in the same slot */
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef QCAP
#define QCAP 1 /* tokens that fit into the queue */
#endif
#ifndef FEED
#define FEED 0 /* 1: with `backlog` and feeders; 0: whose token does not fit leaves it to the sweep */
#endif
#ifndef MAXKILL
#define MAXKILL 1 /* SIGKILLs in all */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* 1: jobs have a deadline */
#endif
#ifndef CANCELS
#define CANCELS 0 /* 1: somebody cancels a job */
#endif
#ifndef MOODS
#define MOODS 0 /* attempts that end in another way than DONE: try again, give back, park */
#endif
#ifndef TTL
#define TTL 0 /* 1: the sweep forgets jobs that are over */
#endif

#define ATTEMPTS  2 /* that a job has */
#define SUBMITTER WORKERS
#define MASTER    (WORKERS + 1) /* and the next: a new master must not have the number of one that is not buried */
#define NUMBERS   (WORKERS + 3)
#define NOBODY    15
#define GENS      9

mtype = { FREE, FILLING, READY, CLAIMED, FINISHING, FIXING, PARKED, DELAYED, DONE, FAILED, CANCELLED };
#define OVER(s)    ((s) == FREE || (s) == DONE || (s) == FAILED || (s) == CANCELLED)
#define WORKING(s) ((s) == CLAIMED || (s) == FINISHING || (s) == FIXING)
#define WAITING(s) ((s) == READY || (s) == PARKED || (s) == DELAYED)

/* ---- shared memory and the kernel's objects ---------------------------------------------------- */

/* the word */
mtype st = FREE;
byte gen, own = NOBODY, att;
bool queued, cancel, timed;
/* the job */
byte pay, result;      /* job number; attempt that wrote the result */
bool deadline, told;
/* the pool's row */
bool backlog;
byte feeder;
chan q = [QCAP] of { byte };

bool alive[NUMBERS], dirty[NUMBERS], doomed[NUMBERS];
byte kills;
bool fin;              /* everything submitted is over: all go home */

/* ---- what is only here to be checked ----------------------------------------------------------- */

byte jobof[GENS];      /* 0: not accepted */
bool ran[GENS], is_over[GENS], stop_asked[GENS];
byte moods, timeouts;
bool submitted;        /* the submitter knows that all its jobs were accepted */

/* The word as a process knows it: g, s, o, a. Flags do not make it another claim. */
#define SAME (gen == g && st == s && own == o && att == a)

#define OR_DIE    :: d_step { (kills < MAXKILL || doomed[me]) && !fin -> \
                              if :: doomed[me] -> doomed[me] = false :: else -> kills++ fi; alive[me] = false }; goto dead
#define STEP(...) if OR_DIE :: d_step { __VA_ARGS__ } fi

/* ---- pieces of one step ------------------------------------------------------------------------ */

inline set_word(state, owner, attempt) {
	if
	:: WAITING(state) && cancel -> st = CANCELLED
	:: else -> st = state
	fi;
	own = owner; att = attempt; queued = false;
	if :: !WORKING(st) -> cancel = false; timed = false :: else fi;
	if :: OVER(st) && st != FREE -> assert(!is_over[gen]); is_over[gen] = true :: else fi;
	s = st; o = own; a = att
}

/* table_change(): *won* tells whether the word was still ours. */
inline change(state, owner, attempt) {
	won = SAME;
	if :: won -> set_word(state, owner, attempt) :: else fi
}

/* A store to the job's fields: only its owner may. */
inline owned() {
	assert(SAME && own == me)
}

/* A number is given to a process: no job may carry it any more. */
inline take_number() {
	assert(!(own == me && (st == FILLING || WORKING(st))));
	alive[me] = true; dirty[me] = true
}

inline look() {
	g = gen; s = st; o = own; a = att
}

/* ---- tokens (feed.c) --------------------------------------------------------------------------- */

#if FEED
/* send_or_raise() of a token for generation g; *won* tells whether it was sent. */
inline send_or_raise() {
	STEP(won = nfull(q); if :: won -> q!g :: else fi);
	if
	:: !won ->
		STEP(backlog = true);
#ifndef BUG_NO_SECOND_TRY
		STEP(won = nfull(q); if :: won -> q!g :: else fi)
#endif
	:: else
	fi
}

/* dispatch_announce() of the word g, READY, NOBODY, a */
inline announce() {
	do
	:: !SAME || queued || backlog -> break
	:: else ->
		STEP(won = SAME && !queued; if :: won -> queued = true :: else fi);
		if
		:: won ->
			send_or_raise();
			if
			:: won -> break
			:: else -> STEP(if :: SAME -> queued = false :: else fi)
			fi
		:: else
		fi
	od;
	skip
}

/* dispatch_feed() */
inline feed_tokens() {
	left = false;
	do
	:: left -> break
	:: else ->
		STEP(won = (feeder == 0); if :: won -> feeder = me + 1 :: else fi);
		if :: !won -> break :: else fi;
		STEP(backlog = false);
		STEP(won = (st == READY && !queued); if :: won -> queued = true; look() :: else fi);
		if
		:: won ->
			send_or_raise();
			if
			:: !won ->
				STEP(if :: SAME -> queued = false :: else fi);
				left = true;
				STEP(backlog = true)
			:: else
			fi
		:: else
		fi;
		STEP(if :: feeder == me + 1 -> feeder = 0 :: else fi);
		if :: !backlog -> break :: else fi
	od;
	skip
}
#else
inline announce() {
	STEP(won = SAME && !queued; if :: won -> queued = true :: else fi);
	if
	:: won ->
		STEP(won = nfull(q); if :: won -> q!g :: else fi);
		if :: !won -> STEP(if :: SAME -> queued = false :: else fi) :: else fi
	:: else
	fi
}
#endif

/* ---- the submitter ----------------------------------------------------------------------------- */

proctype submitter() {
	byte me = SUBMITTER, j, g, o, a;
	mtype s = FREE;
	bool won;
	d_step { take_number() };
reborn:
	do
	:: j == JOBS -> break
	:: else ->
		/* table_take() */
		if
		OR_DIE
		:: d_step { OVER(st) ->
				gen++; assert(gen < GENS);
				st = FILLING; own = me; att = 0; queued = false; cancel = false; timed = false;
				look()
			}
		fi;
		STEP(owned(); pay = j + 1; result = 0; deadline = false; told = false);
		/* accepted */
		STEP(change(READY, NOBODY, 0); assert(won); jobof[g] = j + 1);
		announce();
		STEP(j++)
	od;
	submitted = true;
	goto out;
	/* Another process comes and submits what it does not know to be accepted. */
dead:	skip;
	d_step { g = 0; s = FREE; o = 0; a = 0; won = false };
	d_step { !dirty[me] -> take_number() };
	goto reborn;
out:	skip
}

/* ---- workers ----------------------------------------------------------------------------------- */

proctype worker(byte me) {
	byte g, o, a;
	mtype s = FREE, end = DONE;
	bool won, left, feed, plain;
	d_step { take_number() };
reborn:
	do
	:: fin -> break
	:: else ->
		/* dispatch_receive() */
#if FEED
		STEP(feed = backlog);
receive:
		if
		OR_DIE
		:: fin -> goto out
		:: q?g -> skip
		:: d_step { feed && empty(q) -> feed = false };
			feed_tokens();
			goto receive
		fi;
#else
		if
		OR_DIE
		:: fin -> goto out
		:: q?g -> skip
		fi;
#endif
		/* dispatch_claim() */
		STEP(
			won = (st == READY && gen == g);
			if
			:: won ->
				assert(!stop_asked[g] && !is_over[g] && att < ATTEMPTS);
				st = CLAIMED; own = me; att++; queued = false; look()
			:: else
			fi
		);
		if :: !won -> goto next :: else fi;
#if TIMEOUTS
		STEP(deadline = true);
#endif
		/* run() */
		STEP(
			if
			:: SAME -> assert(pay == jobof[g])
			:: else
			fi;
			ran[g] = true
		);
		/* How does it end? */
		if
		:: end = DONE; plain = !told
		:: end = DONE; plain = false
		:: moods < MOODS -> d_step { moods++; end = READY }
#ifndef NO_MASTER
		:: moods < MOODS -> d_step { moods++; end = DELAYED }
		:: moods < MOODS -> d_step { moods++; end = PARKED }
#endif
		:: timed || cancel -> end = CANCELLED
		fi;
		/* dispatch_finish(), dispatch_return(), dispatch_park() */
		if
		:: plain -> skip
		:: else ->
#ifndef BUG_NO_FENCE
			STEP(change(FINISHING, me, a));
			if :: !won -> goto next :: else fi;
			STEP(owned(); result = a; told = (end != READY && end != PARKED) || told; deadline = false)
#else
			STEP(result = a; told = true; deadline = false)
#endif
		fi;
		STEP(
#ifdef BUG_STATE_ONLY
			if :: st == s -> look() :: else fi;
#endif
			if
			:: end == DELAYED && a >= ATTEMPTS -> end = FAILED
			:: else
			fi;
			won = SAME;
			if
			:: won ->
				assert(own == me && ran[gen]);
				assert(plain || result == a);  /* nobody else has written in it */
				if
				:: end == READY || end == PARKED -> set_word(end, NOBODY, a - 1)
				:: else -> set_word(end, NOBODY, a)
				fi
			:: else
			fi
		);
		if
		:: won && s == READY -> announce()
		:: else
		fi;
next:		skip;
		d_step { g = 0; s = FREE; o = 0; a = 0; won = false; feed = false; plain = false; end = DONE }
	od;
	goto out;
dead:	skip;
	d_step { g = 0; s = FREE; o = 0; a = 0; won = false; left = false; feed = false; plain = false; end = DONE };
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

/* ---- somebody who cancels ---------------------------------------------------------------------- */

#if CANCELS
proctype canceller() {
	byte g;
	bool took;
	if
	:: fin -> goto out
	:: d_step { st != FREE && st != FILLING && !fin -> g = gen }
	fi;
	do
	:: d_step { gen != g || OVER(st) -> skip }; break
#ifndef BUG_CANCEL_FILLING
	:: d_step { gen == g && st == FILLING -> skip }; break        /* being forgotten */
#else
	:: d_step { gen == g && st == FILLING -> st = CANCELLED; own = NOBODY; assert(!is_over[g]) }; break
#endif
	:: d_step { gen == g && WORKING(st) -> cancel = true; stop_asked[g] = true }; break
	:: d_step { gen == g && WAITING(st) ->
			st = CANCELLED; own = NOBODY; queued = false; cancel = false; timed = false;
			stop_asked[g] = true; is_over[g] = true
		};
		break
	od;
out:	skip
}
#endif

/* ---- the master: sweep after sweep ------------------------------------------------------------- */

/* settle(): FIXING is ours. */
inline settle(attempts) {
	STEP(owned(); told = true; deadline = false);
	STEP(change((attempts < ATTEMPTS || cancel -> READY : FAILED), NOBODY, attempts));
	if
	:: won && s == READY -> announce()
	:: else
	fi
}

inline free_slot() {
	STEP(
		won = SAME;
		if :: won -> st = FILLING; own = me; att = 0; queued = false; cancel = false; timed = false; look() :: else fi
	);
	if
	:: won -> STEP(if :: SAME -> st = FREE; own = NOBODY :: else fi)
	:: else
	fi
}

proctype master() {
	byte me = MASTER, g, o, a, i, mark;
	mtype s = FREE;
	bool won, left, feed, inherited, f;
	bool dead_now[NUMBERS];
	d_step { take_number() };
reborn:
	do
	:: d_step { submitted && OVER(st) -> fin = true }; break
	:: else ->
#ifdef BUG_ASK_LATE
		STEP(look(); f = queued);
#endif
		/* ym_group_dead() */
		STEP(
			i = 0;
			do
			:: i < NUMBERS -> dead_now[i] = dirty[i] && (!alive[i] || (inherited && i == me)); i++
			:: else -> break
			od;
			i = 0
		);
		/* look_at() */
#ifndef BUG_ASK_LATE
		STEP(look(); f = queued);
#endif
		if
		:: (s == FILLING || WORKING(s)) && dead_now[o] ->
			if
			:: s == FILLING -> free_slot()
			:: else ->
				/* recover() */
				STEP(change(FIXING, me, a));
				if :: won -> settle(a) :: else fi
			fi
#if TIMEOUTS
		:: s == CLAIMED && !dead_now[o] && timeouts < TIMEOUTS * 2 && deadline ->
			/* check_deadline(): asked to stop first, then revoked, then killed */
			if
			:: !timed ->
				STEP(won = SAME && !timed && !cancel; if :: won -> timed = true; timeouts++ :: else fi);
#ifdef BUG_MOVE_DEADLINE
				if :: won -> STEP(assert(gen == g && own == o && att == a); deadline = true) :: else fi
#endif
			:: else ->
				i = o;
				STEP(change(FIXING, me, a); timeouts = timeouts + won);
				if
				:: won ->
					STEP(if :: alive[i] -> doomed[i] = true :: else fi);
					settle(a)
				:: else
				fi;
				i = 0
			fi
#endif
#if FEED
		:: s == READY && !f -> feed = true
#else
		:: s == READY && !f -> announce()
#endif
#ifndef BUG_NO_RESEND
		:: s == READY && f ->
			/* The queue is empty: the token may have been lost. */
			STEP(won = empty(q));
			if
			:: won ->
				STEP(won = SAME && queued; if :: won -> queued = false :: else fi);
				if :: won -> announce() :: else fi
			:: else
			fi
#endif
		:: s == PARKED || s == DELAYED ->
			STEP(change(READY, NOBODY, a));
			if
			:: won && s == READY -> announce()
			:: else
			fi
#if TTL
		:: OVER(s) && s != FREE -> free_slot()
#endif
		:: else
		fi;
		/* bury_dead() */
		STEP(
			inherited = false; dead_now[me] = false;
			i = 0;
			do
			:: i < NUMBERS ->
				if :: dead_now[i] && !alive[i] && dirty[i] -> dirty[i] = false :: else fi;
				dead_now[i] = false;
				i++
			:: else -> break
			od;
			i = 0
		);
#if FEED
		/* check_feeder(): a mark that two sweeps see is that of somebody dead or stopped. */
		STEP(
			if :: mark != 0 && feeder == mark -> feeder = 0; feed = true :: else fi;
			mark = feeder
		);
		if
		:: feed ->
			feed_tokens()
		:: else
		fi;
#endif
		d_step { g = 0; s = FREE; o = 0; a = 0; won = false; feed = false; f = false }
	od;
	goto out;
dead:	skip;
	d_step {
		g = 0; s = FREE; o = 0; a = 0; won = false; left = false; feed = false; f = false; mark = 0;
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
	byte i;
	atomic {
#if FEED
		/* The queue is full of tokens that nobody needs any more. */
		for (i : 1 .. QCAP) { q!0 }
#endif
		for (i : 0 .. WORKERS - 1) { run worker(i) }
		run submitter();
#if CANCELS
		run canceller();
#endif
#ifndef NO_MASTER
		run master();
#endif
		i = 0
	};
#ifdef NO_MASTER
	/* Without a death nobody needs the sweep: the rules of the feeder see to every job. */
	(submitted && OVER(st)) -> fin = true;
#endif
	(_nr_pr == 1);
	/* Whatever was accepted is over, once, and what is done was run. */
	for (i : 1 .. gen) {
		assert(jobof[i] == 0 || is_over[i]);
	}
}

ltl live { <> fin }
