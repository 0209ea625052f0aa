/*
 * store.pml - a job on its way from the submitter through a slot into the store, from there into the table, and its end back
 * into the store: what was accepted is not lost, nothing is in the table twice, and who is told "nothing was done" is right.
 *
 * What is modelled, what is not, and all the switches: README.md. The code: runtime/stage.c, runtime/submit_stored.c,
 * runtime/clerk*.c, runtime/sweep.c; what a driver does: runtime/store.h.
 *
 * Every compare-and-swap, every store to the job and every transaction is one step; a process may be killed before each
 * of them. Clerk and sweep are threads of one process: they die together.
 */
#ifndef SLOTS
#define SLOTS 2 /* 1 or 2 */
#endif
#ifndef JOBS
#define JOBS 1 /* one after the other by each submitter */
#endif
#ifndef SUBMITTERS
#define SUBMITTERS 1 /* 1 or 2 */
#endif
#ifndef MAXKILL
#define MAXKILL 1
#endif
#ifndef RESETS
#define RESETS 0 /* everything is killed, and the table is gone */
#endif
#ifndef FAILS
#define FAILS 0 /* transactions that fail */
#endif
#ifndef EVICTS
#define EVICTS 0 /* waiting jobs that are sent back into the store */
#endif
/* PROMPT: the clerk fetches whenever it can; else, the window may be full */
#ifndef MASTERS
#define MASTERS 2 /* numbers for masters; 1: each one inherits that of the dead one */
#endif

#define MASTER  SUBMITTERS
#define NUMBERS (SUBMITTERS + MASTERS)
#define NOBODY  15
#define IDS     (SUBMITTERS * JOBS + 1)

mtype = { FREE, FILLING, STORING, READY, CLAIMED, OVER }; /* words */
mtype = { NONE, WAITING, HELD, RECORDED };                /* rows of the store */
mtype = { SUBMIT, SAVE, FETCH };                          /* what a slot is in a turn of the clerk; FREE: nothing */

/* ---- shared memory and the disk ----------------------------------------------------------------- */

mtype st[SLOTS] = FREE;
byte gen[SLOTS], own[SLOTS] = NOBODY, id[SLOTS];
bool taken[SLOTS], stored[SLOTS], mark[SLOTS];
bool refused[SLOTS]; /* the verdict */
mtype row[IDS] = NONE;

bool alive[NUMBERS], dirty[NUMBERS];
byte kills, resets, fails, evicts;
bool down;   /* the machine is being reset */
bool fallen; /* the master is dead */
bool open;   /* its clerk has opened the store */
bool inherited;
bool life;   /* changes with each master */
byte number = MASTER, threads = 2;

/* ---- what is only here to be checked ------------------------------------------------------------ */

byte next = 1, left = SUBMITTERS;
bool acked[IDS], denied[IDS], ended[IDS];

/* ---- pieces of one step ------------------------------------------------------------------------- */

#define REUSABLE(k)   (st[k] == FREE || (st[k] == OVER && !stored[k]))
#define LIVE(k, j)    ((st[k] == READY || st[k] == CLAIMED) && id[k] == (j))
#define IN_TABLE(k, j) (stored[k] && id[k] == (j))
#define ANYWHERE(j)   (IN_TABLE(0, j) || IN_TABLE(SLOTS - 1, j))
#define DONE_WITH(j)  (row[j] == NONE || row[j] == RECORDED)
#define AT_PEACE      (left == 0 && DONE_WITH(1) && DONE_WITH(IDS - 1) && REUSABLE(0) && REUSABLE(SLOTS - 1))

#define KILL    (kills < MAXKILL && !down && !AT_PEACE)
#define OR_DIE  :: d_step { KILL -> kills++; alive[me] = false }; goto dead \
                :: d_step { down -> alive[me] = false }; goto dead
#define STEP(...) if OR_DIE :: d_step { !down -> __VA_ARGS__ } fi
/* The threads of the master. */
#define OR_FALL :: d_step { KILL && !fallen -> kills++; fallen = true; alive[number] = false }; goto dead \
                :: down || fallen -> goto dead
#define TURN(...) if OR_FALL :: d_step { !down && !fallen -> __VA_ARGS__ } fi

inline take(who) {
	gen[k] = gen[k] + 1; st[k] = FILLING; own[k] = who; taken[k] = false; stored[k] = false; g = gen[k]
}

/* A slot becomes ready: is the job in another one, too? */
inline make_ready() {
	st[k] = READY; own[k] = NOBODY; taken[k] = false; stored[k] = true;
	assert(SLOTS == 1 || !LIVE(1 - k, id[k]));
	assert(row[id[k]] == HELD)
}

/* dispatch_free(), the first half: *won* says whether the word was still the same. */
inline seize_to_free(who, state, owner) {
	won = (gen[k] == g && st[k] == state && own[k] == owner);
	if :: won -> st[k] = FILLING; own[k] = who; stored[k] = false; taken[k] = false :: else fi
}
inline set_free(who) {
	if :: gen[k] == g && st[k] == FILLING && own[k] == who -> st[k] = FREE; own[k] = NOBODY :: else fi
}

/* ---- submitters --------------------------------------------------------------------------------- */

proctype submitter(byte me) {
	byte n, k, g, j, o;
	bool won, no;
	d_step { alive[me] = true; dirty[me] = true };
reborn:	skip;
	do
	:: n == JOBS -> break
	:: else ->
		if
		OR_DIE
		:: d_step { !down && REUSABLE(0) -> k = 0; take(me) }
#if SLOTS > 1
		:: d_step { !down && REUSABLE(1) -> k = 1; take(me) }
#endif
		fi;
		n++;
		STEP(j = next; next++; id[k] = j; refused[k] = false);
		/* stage_put() */
		STEP(assert(gen[k] == g && st[k] == FILLING && own[k] == me); st[k] = STORING);
		STEP(mark[k] = true);
		/* stage_await() */
		if
		OR_DIE
		:: d_step { !down && (gen[k] != g || (st[k] != STORING && st[k] != FILLING)) -> acked[j] = true; assert(row[j] != NONE) }
		:: d_step { !down && gen[k] == g && st[k] == FILLING -> o = own[k]; no = refused[k] };
			STEP(seize_to_free(me, FILLING, o));
			STEP(if :: won -> set_free(me) :: else fi);
			if
			:: d_step { no -> denied[j] = true; assert(row[j] == NONE) }
			:: d_step { !no -> acked[j] = true; assert(row[j] != NONE) }
			fi
		/* The deadline. */
#ifdef BUG_TAKE_BACK
		:: d_step { !down && gen[k] == g && st[k] == STORING -> st[k] = FILLING; taken[k] = false };
#else
		:: d_step { !down && gen[k] == g && st[k] == STORING && taken[k] -> own[k] = NOBODY }
		:: d_step { !down && gen[k] == g && st[k] == STORING && !taken[k] -> st[k] = FILLING };
#endif
			STEP(seize_to_free(me, FILLING, me));
			STEP(if :: won -> set_free(me) :: else fi);
			d_step { denied[j] = true; assert(row[j] == NONE) }
		fi;
		d_step { k = 0; g = 0; j = 0; o = 0; won = false; no = false }
	od;
	goto out;
dead:	skip;
	d_step { k = 0; g = 0; j = 0; o = 0; won = false; no = false };
	/* ym_group_join(): a number that is free of its dead owner. No slot may carry it any more. */
	d_step { !dirty[me] && !down ->
		assert(!((st[0] == FILLING || st[0] == STORING) && own[0] == me));
		assert(!((st[SLOTS - 1] == FILLING || st[SLOTS - 1] == STORING) && own[SLOTS - 1] == me));
		alive[me] = true; dirty[me] = true
	};
	goto reborn;
out:	skip;
	d_step { left--; alive[me] = false; dirty[me] = false }
}

/* ---- workers ------------------------------------------------------------------------------------ */

proctype workers() {
	byte k;
end:
	do
	:: d_step { !down && st[k] == READY ->
			st[k] = CLAIMED;
			assert(row[id[k]] != RECORDED); /* its end is known: it must not run again */
			assert(!denied[id[k]])
		}
	:: d_step { !down && st[k] == CLAIMED -> st[k] = OVER; ended[id[k]] = true; mark[k] = true }
	:: d_step { !down && st[k] == CLAIMED -> st[k] = OVER; ended[id[k]] = true } /* killed before it could tell */
	:: d_step { !down && st[k] != READY && st[k] != CLAIMED && !AT_PEACE -> k = SLOTS - 1 - k }
	:: AT_PEACE && threads == 0 -> break
	od
}

/* ---- the clerk ---------------------------------------------------------------------------------- */

/* Is a job held that is nowhere? Only the next opening would find it. */
inline check_held() {
	j = 1;
	do
	:: j < IDS -> assert(row[j] != HELD || ANYWHERE(j) || rel[j]); j++
	:: else -> break
	od;
	j = 0
}

/* stage_answer() */
inline answer(verdict) {
	TURN(refused[k] = verdict);
	TURN(
		won = false;
		if
		:: gen[k] == g && st[k] == STORING ->
			won = (own[k] == NOBODY);
			st[k] = FILLING; taken[k] = false;
			if :: won -> own[k] = number :: else fi
		:: else
		fi
	);
	if
	:: won -> TURN(set_free(number))
	:: else
	fi
}

proctype clerk() {
	byte k, g, j, first;
	bool won, good, adopting, any, mine;
	bool todo[SLOTS], rel[IDS], held[SLOTS], unsure[SLOTS];
	mtype turn[SLOTS] = FREE;
	byte tg[SLOTS];
reborn:	skip;
#ifndef BUG_CLERK_FIRST
	/* The first pass of the sweep has cleared up what stood under our number. */
	if
	OR_FALL
	:: !inherited || AT_PEACE
	fi;
#endif
	/* clerk_doubt(), recover(), clerk_adopt() */
	TURN(
		k = 0;
		do
		:: k < SLOTS ->
#ifndef BUG_REFUSE_STORED
			unsure[k] = (st[k] == STORING && taken[k]);
#endif
			k++
		:: else -> break
		od;
		k = 0
	);
	TURN(
		j = 1;
		do
		:: j < IDS ->
#ifndef BUG_NO_RECOVER
#ifdef BUG_RECOVER_ALL
			if :: row[j] == HELD -> row[j] = WAITING :: else fi;
#else
			if :: row[j] == HELD && !ANYWHERE(j) -> row[j] = WAITING :: else fi;
#endif
#endif
			j++
		:: else -> break
		od;
		j = 0;
		k = 0;
		do
		:: k < SLOTS -> if :: st[k] == STORING || stored[k] -> mark[k] = true :: else fi; k++
		:: else -> break
		od;
		k = 0;
#ifndef BUG_ADOPT_LATE
		adopting = true;
#endif
		open = true
	);
	do
	:: d_step { AT_PEACE && !fallen && !down } -> break
	:: down || fallen -> goto dead
	:: else ->
		/* take_marks() */
		TURN(
			any = false;
			k = 0;
			do
			:: k < SLOTS -> todo[k] = todo[k] || mark[k]; mark[k] = false; k++
			:: else -> break
			od;
			k = 0
		);
		do
		:: k == SLOTS -> break
		:: else ->
			if
			OR_FALL
			/* seize() */
			:: d_step { !down && !fallen && todo[k] && st[k] == STORING ->
					taken[k] = true; turn[k] = SUBMIT; tg[k] = gen[k]; held[k] = true; todo[k] = false }
			:: d_step { !down && !fallen && todo[k] && st[k] == STORING ->
#ifndef BUG_NOT_TAKEN
					taken[k] = true;
#endif
					turn[k] = SUBMIT; tg[k] = gen[k]; held[k] = false; todo[k] = false }
			/* The turn is full. */
			:: d_step { !down && !fallen && todo[k] && st[k] == STORING && SLOTS > 1 -> any = true }
			:: d_step { !down && !fallen && todo[k] && stored[k] && st[k] == OVER -> turn[k] = SAVE; tg[k] = gen[k] }
#if EVICTS
			:: d_step { !down && !fallen && stored[k] && st[k] == READY && evicts < EVICTS ->
					evicts++; todo[k] = false; g = gen[k]; rel[id[k]] = true; seize_to_free(number, READY, NOBODY) };
				TURN(set_free(number))
#endif
			:: d_step { !down && !fallen && (!todo[k] || (st[k] != STORING && !(stored[k] && st[k] == OVER))) -> todo[k] = false }
			fi;
			k++
		od;
		k = 0;
		/* clerk_take(): inside of the transaction; another copy of what is fetched may be staged */
		if
		OR_FALL
		:: d_step { !adopting && !down && !fallen ->
				j = 1;
				do
				:: j < IDS && row[j] != WAITING -> j++
				:: else -> break
				od;
				if
				:: j < IDS && REUSABLE(0) && turn[0] == FREE -> k = 0; won = true
#if SLOTS > 1
				:: !(REUSABLE(0) && turn[0] == FREE) && j < IDS && REUSABLE(1) && turn[1] == FREE -> k = 1; won = true
#endif
				:: else -> won = false
				fi;
				if
				:: won -> take(number); id[k] = j; turn[k] = FETCH; tg[k] = g
				:: else
				fi;
				won = false; j = 0; k = 0; g = 0
			}
#ifdef PROMPT
		:: d_step { adopting && !down && !fallen }
#else
		:: d_step { !down && !fallen }
#endif
		fi;
		/* store->write(): releases, saves, submits, wants, all or nothing */
		if
		OR_FALL
		:: d_step { !down && !fallen ->
				j = 1;
				do
				:: j < IDS -> if :: rel[j] && row[j] == HELD -> row[j] = WAITING :: else fi; j++
				:: else -> break
				od;
				k = 0;
				do
				:: k < SLOTS ->
					j = id[k];
					if
					:: turn[k] == SAVE && row[j] == HELD -> row[j] = RECORDED
					:: turn[k] == SUBMIT && row[j] == NONE ->
						assert(!denied[j]);
						row[j] = (held[k] -> HELD : WAITING)
					:: turn[k] == SUBMIT && row[j] != NONE ->
						/* It was there before. */
#ifdef BUG_AGAIN_HELD
						if :: held[k] && row[j] == WAITING -> skip :: else fi;
#else
						held[k] = false;
						if :: row[j] == HELD -> row[j] = WAITING :: else fi;
#endif
					:: else
					fi;
					k++
				:: else -> break
				od;
				k = 0;
				do
				:: k < SLOTS ->
					j = id[k];
					if :: turn[k] == FETCH && row[j] == WAITING -> row[j] = HELD :: else fi;
					k++
				:: else -> break
				od;
				k = 0; j = 0;
				good = true
			}
#if FAILS
		:: d_step { !down && !fallen && fails < FAILS -> fails++; good = false }
#endif
		fi;
		if
		:: good ->
			d_step {
				j = 0;
				do
				:: j < IDS -> rel[j] = false; j++
				:: else -> break
				od;
				j = 0;
#ifdef BUG_ADOPT_LATE
				adopting = false
#else
				if
				:: !any -> adopting = false
				:: else
				fi
#endif
			};
			do
			:: k == SLOTS -> break
			:: else ->
				g = tg[k];
				if
				:: turn[k] == SAVE ->
					TURN(if :: gen[k] == g && st[k] == OVER -> stored[k] = false :: else fi; todo[k] = false)
				:: turn[k] == FETCH ->
					TURN(if :: gen[k] == g && st[k] == FILLING && own[k] == number -> make_ready() :: else fi)
				:: turn[k] == SUBMIT && held[k] ->
					TURN(if :: gen[k] == g && st[k] == STORING -> make_ready() :: else fi)
				:: turn[k] == SUBMIT && !held[k] ->
					answer(false)
				:: else
				fi;
				d_step { if :: turn[k] == SUBMIT -> unsure[k] = false :: else fi; turn[k] = FREE; tg[k] = 0; held[k] = false; g = 0; won = false; k++ }
			od;
			TURN(k = 0; check_held())
		:: else ->
			/* clerk_undo(), clerk_refuse_all() */
			do
			:: k == SLOTS -> break
			:: else ->
				g = tg[k];
				if
				:: turn[k] == FETCH -> TURN(seize_to_free(number, FILLING, number)); TURN(if :: won -> set_free(number) :: else fi)
				:: turn[k] == SUBMIT -> TURN(mark[k] = true)
				:: else
				fi;
				if
				OR_FALL
				:: d_step { !down && !fallen && st[k] == STORING && !unsure[k] -> taken[k] = true; g = gen[k] };
					answer(true)
				:: d_step { !down && !fallen && (st[k] != STORING || unsure[k]) }
				fi;
				d_step { turn[k] = FREE; tg[k] = 0; held[k] = false; g = 0; won = false; k++ }
			od;
			k = 0
		fi;
		d_step { good = false; any = false }
	od;
	goto out;
dead:	skip;
	d_step {
		k = 0; g = 0; won = false; good = false; adopting = false; any = false; j = 0;
		do
		:: k < SLOTS -> todo[k] = false; held[k] = false; unsure[k] = false; turn[k] = FREE; tg[k] = 0; k++
		:: else -> break
		od;
		do
		:: j < IDS -> rel[j] = false; j++
		:: else -> break
		od;
		k = 0; j = 0;
		threads--
	};
	d_step { life != mine -> mine = life };
	goto reborn;
out:	skip;
	d_step { threads-- }
}

/* ---- the sweep, and the starts of masters --------------------------------------------------------- */

proctype sweep() {
	byte k, g, o, i;
	mtype s = FREE;
	bool won;
	bool dead_now[NUMBERS];
reborn:	skip;
	if
	OR_FALL
	:: open
	:: inherited
	fi;
	do
	:: d_step { AT_PEACE && !fallen && !down } -> break
	:: down || fallen -> goto dead
	:: else ->
		TURN(
			i = 0;
			do
			:: i < NUMBERS -> dead_now[i] = dirty[i] && (!alive[i] || (inherited && i == number)); i++
			:: else -> break
			od;
			i = 0
		);
		do
		:: k == SLOTS -> break
		:: else ->
			TURN(g = gen[k]; s = st[k]; o = own[k]);
#ifndef BUG_ANSWERED_DEAD
			if
			:: s == STORING && o != NOBODY && dead_now[o] ->
				TURN(
					if
					:: gen[k] == g && st[k] == STORING && own[k] == o -> own[k] = NOBODY
					:: gen[k] == g && st[k] == FILLING && own[k] == o -> s = FILLING
					:: else
					fi
				)
			:: else
			fi;
#else
			if
			:: s == STORING && o != NOBODY && dead_now[o] ->
				TURN(if :: gen[k] == g && st[k] == STORING && own[k] == o -> own[k] = NOBODY :: else fi)
			:: else
			fi;
#endif
			if
			:: s == FILLING && o != NOBODY && dead_now[o] ->
				TURN(seize_to_free(number, FILLING, o));
				TURN(if :: won -> set_free(number) :: else fi)
#ifndef BUG_NO_MARK
			:: s == STORING || s == OVER ->
				TURN(if :: st[k] == STORING || stored[k] -> mark[k] = true :: else fi)
#endif
			:: else
			fi;
			d_step { g = 0; s = FREE; o = 0; won = false; k++ }
		od;
		TURN(
			k = 0;
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
		k = 0; g = 0; s = FREE; o = 0; won = false; i = 0;
		do
		:: i < NUMBERS -> dead_now[i] = false; i++
		:: else -> break
		od;
		i = 0;
		threads--
	};
	/* The next master, when all threads of this one are dead. */
	d_step { threads == 0 && !down ->
		open = false;
		inherited = false;
		if
		:: dirty[number] && MASTERS == 1 -> inherited = true
		:: dirty[number] && MASTERS > 1 ->
			number = MASTER + MASTER + MASTERS - 1 - number;
			inherited = dirty[number]
		:: else
		fi;
		alive[number] = true; dirty[number] = true; fallen = false; threads = 2; life = !life
	};
	goto reborn;
out:	skip;
	d_step { threads-- }
}

#if RESETS
/* All die, the table goes with them; what the disk has stays. */
proctype power() {
	byte k;
	if
	:: skip
	:: d_step { !AT_PEACE -> down = true };
		d_step { threads == 0 && !alive[0] && !alive[SUBMITTERS - 1] ->
			do
			:: k < SLOTS -> st[k] = FREE; own[k] = NOBODY; taken[k] = false; stored[k] = false; mark[k] = false; id[k] = 0; k++
			:: else -> break
			od;
			k = 0;
			do
			:: k < NUMBERS -> alive[k] = false; dirty[k] = false; k++
			:: else -> break
			od;
			k = 0;
			down = false
		}
	fi
}
#endif

init {
	byte j = 1;
	atomic {
		alive[MASTER] = true; dirty[MASTER] = true;
		run submitter(0);
#if SUBMITTERS > 1
		run submitter(1);
#endif
		run sweep();
		run clerk();
		run workers();
#if RESETS
		run power();
#endif
	};
	(_nr_pr == 1);
	/* What was accepted has run, and that is known. */
	do
	:: j == IDS -> break
	:: else ->
		assert(!acked[j] || (ended[j] && row[j] == RECORDED));
		assert(row[j] == NONE || row[j] == RECORDED);
		j++
	od
}

ltl live { <> (AT_PEACE && threads == 0) }
