/*
 * unique.pml - unique keys: never two live jobs with one key, never "exists already" for a job that was not accepted.
 *
 * What is modelled, what is not, and all the switches: README.md. The code: runtime/index.c, runtime/dispatch.c; the
 * words: docs/protocol.md. How the lock is broken is in dispatch.pml: here a dead holder's lock is free for the next,
 * who then builds the index again from the words.
 */
#ifndef SUBMITS
#define SUBMITS 2 /* by each of the two submitters */
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef KEYS
#define KEYS 1 /* keys in use: 1 or 2 */
#endif
#ifndef MAXKILL
#define MAXKILL 1
#endif

#define MASTER  2 /* is not killed here; 0 and 1 are the submitters */
#define NUMBERS 3
#define NOBODY  15

mtype = { FREE, FILLING, READY, CLAIMED, OVER, BURIED };

mtype st[SLOTS] = FREE;
byte own[SLOTS] = NOBODY, key[SLOTS];
bool accepted[SLOTS];  /* is the job accepted that the id, written with the key, names? */
byte chain[SLOTS];     /* the chain in which the slot is, one per key; 0: in none */
byte lk = NOBODY;
bool alive[NUMBERS], dirty[NUMBERS];
byte kills, done;

#ifdef BUG_FILLING_LIVE
#define BUG_READY_OUTSIDE
#endif
#ifdef BUG_BURIED_OVER
#define LIVE(s) ((s) == READY || (s) == CLAIMED)
#elif defined(BUG_FILLING_LIVE)
#define LIVE(s) ((s) == READY || (s) == CLAIMED || (s) == BURIED || (s) == FILLING)
#else
#define LIVE(s) ((s) == READY || (s) == CLAIMED || (s) == BURIED)
#endif
#define WAITS(s) ((s) == READY || (s) == CLAIMED)

#define OR_DIE    :: d_step { kills < MAXKILL -> kills++; alive[me] = false }; goto dead
#define STEP(...) if OR_DIE :: d_step { __VA_ARGS__ } fi

/* Two jobs that are waiting or running with one key? */
inline check_keys() {
	x = 0;
	do
	:: x < SLOTS -> assert(x == k || !(WAITS(st[x]) && key[x] == key[k])); x++
	:: else -> break
	od;
	x = 0
}

/* rebuild(): a job that lives is in the chain of its key, and nothing else is. */
inline chains() {
	x = 0;
	do
	:: x < SLOTS ->
#ifdef BUG_CHAIN_READY
		chain[x] = (st[x] == READY -> key[x] : 0);
#else
		chain[x] = (LIVE(st[x]) && st[x] != FILLING -> key[x] : 0);
#endif
		x++
	:: else -> break
	od;
	x = 0
}

inline lock_index() {
	if
	OR_DIE
	:: d_step { lk == NOBODY -> lk = me }
	:: d_step { lk != NOBODY && !alive[lk] -> lk = me };
		STEP(chains())
	fi
}

proctype submitter(byte me) {
	byte n, k, x, wanted, found;
	d_step { alive[me] = true; dirty[me] = true };
reborn:
	do
	:: n == SUBMITS -> break
	:: else ->
		/* table_take() */
		found = SLOTS;
		if
		:: wanted = 1
#if KEYS > 1
		:: wanted = 2
#endif
		fi;
		if
		OR_DIE
		:: atomic {
				if
				:: st[0] == FREE || st[0] == OVER -> k = 0
				:: st[1] == FREE || st[1] == OVER -> k = 1
#if SLOTS > 2
				:: st[2] == FREE || st[2] == OVER -> k = 2
#endif
				fi;
				st[k] = FILLING; own[k] = me
			}
		fi;
#ifndef BUG_FILL_LINKED
		if
		:: chain[k] != 0 ->
			lock_index();
			STEP(chain[k] = 0);
			STEP(lk = NOBODY)
		:: else
		fi;
#endif
		STEP(assert(own[k] == me); key[k] = wanted; accepted[k] = false);
		lock_index();
		/* Is there one? Entries of jobs that are over are dropped on the way. */
		STEP(
			x = 0;
			do
			:: x < SLOTS ->
				if
				:: chain[x] == wanted ->
					assert(key[x] == wanted); /* or the chain leads into another one */
					if
					:: x != k && LIVE(st[x]) -> found = x
					:: else -> chain[x] = 0
					fi
				:: else
				fi;
				x++
			:: else -> break
			od;
			x = 0
		);
		if
		:: found < SLOTS ->
			/* The answer: its id. Who takes the slot meanwhile needs the lock before he fills it. */
#ifdef BUG_ID_LATE
			STEP(lk = NOBODY);
			STEP(assert(accepted[found]));
#else
			STEP(assert(accepted[found]));
			STEP(lk = NOBODY);
#endif
			STEP(st[k] = FREE; own[k] = NOBODY)
		:: else ->
			STEP(chain[k] = wanted);
#ifdef BUG_READY_OUTSIDE
			STEP(lk = NOBODY);
			STEP(st[k] = READY; accepted[k] = true; own[k] = NOBODY; check_keys())
#else
			STEP(assert(st[k] == FILLING && own[k] == me); st[k] = READY; accepted[k] = true; own[k] = NOBODY; check_keys());
			STEP(lk = NOBODY)
#endif
		fi;
		STEP(n++; k = 0; found = 0; wanted = 0)
	od;
	goto out;
dead:	skip;
	d_step { k = 0; x = 0; found = 0; wanted = 0 };
	d_step { !dirty[me] -> alive[me] = true; dirty[me] = true };
	goto reborn;
out:	done++
}

/* Whatever happens to jobs, without the lock. */
proctype world() {
	byte k, x;
end:
	do
	:: done < 2 && st[k] == READY -> st[k] = CLAIMED
	:: d_step { st[k] == CLAIMED -> st[k] = OVER }
	:: st[k] == CLAIMED -> st[k] = READY
	:: st[k] == CLAIMED -> st[k] = BURIED
	:: d_step { st[k] == BURIED -> st[k] = READY; check_keys() } /* kicked */
	:: st[k] == BURIED -> st[k] = OVER                           /* deleted */
	:: done < 2 -> k = (k + 1) % SLOTS
	:: done == 2 -> break
	od
}

proctype master() {
	byte i, x, k, me = MASTER;
	alive[me] = true;
	do
	:: done == 2 -> break
	:: d_step { dirty[i] && !alive[i] && lk == i -> lk = me };
		chains();
		lk = NOBODY
	:: atomic { dirty[i] && !alive[i] && lk != i ->
			/* The order of the sweep: the lock, the slots, the grave. */
			d_step {
				k = 0;
				do
				:: k < SLOTS -> if :: st[k] == FILLING && own[k] == i -> st[k] = FREE; own[k] = NOBODY :: else fi; k++
				:: else -> break
				od;
				k = 0
			};
			dirty[i] = false
		}
	:: done < 2 -> i = 1 - i
	od
}

init {
	atomic { run submitter(0); run submitter(1); run world(); run master() }
}
