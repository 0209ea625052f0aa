# shellcheck shell=bash
# load.sh - pools and programs at work, for tests that disturb the master meanwhile; and the reckoning afterwards.
#
# Every job writes "ID ATTEMPT PID" into the ledger when it starts, "done ID ATTEMPT PID" when it ends. The programs print
# numbered lines, and write down each of their starts.

LEDGER=$DIR/ledger
LOAD_POOLS=(plain command dynamic limited)
FEEDER= # pid of who submits

write_tasks() {
	# Numbered lines in one write each, every seventh in two with a pause between them.
	cat >"$DIR/ticker" <<-'PERL'
		my ($name, $starts, $lock) = @ARGV;
		use Fcntl ":flock";
		$| = 1;
		open my $out, ">>", $starts or die;
		open my $mine, ">", "$lock.$name" or die;
		syswrite $out, flock($mine, LOCK_EX | LOCK_NB) ? "$name $$\n" : "doubled $name $$\n";
		for (my $n = 1;; $n++) {
			my $line = sprintf("%s line %07d end\n", $name, $n);
			my $half = $n % 7 ? length $line : 9;
			syswrite STDOUT, substr($line, 0, $half);
			if ($half < length $line) {
				select undef, undef, undef, 0.005;
				syswrite STDOUT, substr($line, $half);
			}
			select undef, undef, undef, 0.002;
		}
	PERL
	cat >"$DIR/task" <<-'SH'
		read -r id ms
		echo "$id $YARDMASTER_ATTEMPT $$" >>"$1"
		sleep "0.$ms"
		echo "done $id $YARDMASTER_ATTEMPT $$" >>"$1"
	SH
}

load_ini() { # LINES FOR [yardmaster]...
	write_tasks
	write_ini "jobs = 4000" "$@" <<-INI
		[pool:plain]
		plugin = $PLUGINS/ledger.so
		option.file = $LEDGER
		workers = 3
		[pool:command]
		command = /bin/sh $DIR/task $LEDGER
		workers = 2
		[pool:dynamic]
		plugin = $PLUGINS/ledger.so
		option.file = $LEDGER
		workers = 1..5
		scale_cooldown = 200ms
		idle_timeout = 500ms
		[pool:limited]
		plugin = $PLUGINS/ledger.so
		option.file = $LEDGER
		workers = 3
		limits = units
		[limit:units]
		max = 2
		[program:tick]
		command = /usr/bin/perl $DIR/ticker %(process_num)s $DIR/starts $DIR/lock
		process_name = tick_%(process_num)s
		numprocs = 2
		stdout_logfile = $DIR/tick_%(process_num)s.out
		stopwaitsecs = 2
		[program:other]
		command = /usr/bin/perl $DIR/ticker other $DIR/starts $DIR/lock
		stdout_logfile = $DIR/other.out
		autostart = false
	INI
}

load_workers() {
	local pool
	for pool in plain command limited; do
		worker_pids "$pool"
	done
}

load_is_up() {
	(($(load_workers | wc -l) == 8)) && has_lines "$DIR/starts" 3
}

start_load() {
	start_master
	expect 0 ym start other
	wait_until 20 load_is_up
}

# Submit jobs to all pools until the file "enough" is there; those that were accepted are in "accepted".
feed() {
	local id=1 pool
	until [[ -e $DIR/enough ]]; do
		for pool in "${LOAD_POOLS[@]}"; do
			# Three digits: 060 are milliseconds to a plugin, and 0.060 seconds to the command.
			"$YARDMASTER" submit "$pool" -c "$INI" "$id 0$((id % 5))0" >/dev/null 2>>"$DIR/feeder.log" &&
				echo "$id" >>"$DIR/accepted"
			id=$((id + 1))
		done
		sleep 0.02
	done
}

start_feeding() {
	rm -f "$DIR/enough"
	feed &
	FEEDER=$!
}

all_done() {
	[[ $(grep -c '^done' "$LEDGER") -ge $(wc -l <"$DIR/accepted") ]]
}

# No more jobs: all that were accepted are done, each of them once.
end_feeding() {
	: >"$DIR/enough"
	wait "$FEEDER"
	wait_until 30 all_done
	assert_equal "" "$(awk '/^done/ {print $2}' "$LEDGER" | sort | comm -13 - <(sort "$DIR/accepted") | head)" "lost jobs"
	assert_equal "" "$(awk '!/^done/ {print $1}' "$LEDGER" | sort | uniq -d | head)" "jobs that were run again"
	assert_equal "" "$(awk '/^done/ {print $2}' "$LEDGER" | sort | uniq -d | head)" "jobs that were done twice"
}

program_pids() {
	ym status | awk '$1 == "PROGRAM" {on = 1; next} !NF {on = 0} on {print $1, $3}'
}

assert_not_doubled() {
	assert_equal "" "$(grep doubled "$DIR/starts")" "processes that were there twice"
}

# Every line of this file is whole, and the next after the one before it.
assert_lines_in_order() { # FILE
	awk '$0 !~ /^[0-9a-z]+ line [0-9]+ end$/ {print "torn: " $0; bad = 1; exit}
		$3 + 0 != last + 1 && NR > 1 {print "line " $3 " after " last; bad = 1; exit} {last = $3 + 0}
		END {exit bad}' "$1" >"$DIR/order" || fail "$1: $(<"$DIR/order")"
}

last_line() { # FILE
	tail -n 1 "$1" | awk '{print $3 + 0}'
}
