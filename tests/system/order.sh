# shellcheck shell=bash
# order.sh - what starts and stops before what, stops that do not wait, and sizes that outlive a reload.

started_in_order() {
	sed -n 's/.* program \([a-z]*\) started (pid .*/\1/p' "$LOG" | paste -sd' '
}

stopped_in_order() {
	sed -n 's/.* program \([a-z]*\) (pid [0-9]*): stopping it with .*/\1/p' "$LOG" | paste -sd' '
}

programs() { # NAME ORDER DEPENDS_ON...
	printf '[program:%s]\ncommand = sleep 1000\nstartsecs = 0\npriority = %s\n' "$1" "$2"
	(($# < 3)) || printf 'depends_on = %s\n' "$3"
}

# first depends on last, which has the highest number; middle stands between: nobody may wait for all the others.
test_order_of_numbers_and_dependencies() { # sanitized
	{
		programs first 1 last
		programs middle 2
		programs last 3
	} | write_ini
	start_master
	wait_until 10 logged " started (pid" 3
	assert_contains "last first" "$(started_in_order | sed 's/middle \?//')" "starts"
	stop_master
	assert_contains "first last" "$(stopped_in_order | sed 's/middle \?//')" "stops"
}

# A stop by name that does not wait for the job.
test_stop_now_by_name() { # sanitized
	write_ini <<-EOT
		[pool:slow]
		command = sh -c 'trap "exit 75" TERM; echo on >$DIR/on; sleep 1000 & wait'
		stopwaitsecs = 1h
	EOT
	start_master
	submit slow ""
	wait_until 10 has_line "$DIR/on" on
	expect 0 ym stop slow --now --wait --timeout 20s
	assert_equal 0 "$(cell slow WORKERS | cut -d/ -f1)" "workers"
	stop_master
}

# `scale` holds until a reload finds another number in the file.
test_scale_and_reload() { # sanitized
	write_ini <<-EOT
		[pool:many]
		command = true
		workers = 2
		attempts = 3
	EOT
	start_master
	expect 0 ym scale many 3
	wait_until 10 is 3/3 cell many WORKERS
	sed -i 's/^attempts.*/attempts = 4/' "$INI"
	expect 0 ym reload
	assert_equal "pool many: attempts 3 -> 4" "$OUT" "what the reload does"
	assert_equal 3/3 "$(cell many WORKERS)" "workers after a reload of something else"
	sed -i 's/^workers.*/workers = 1/' "$INI"
	expect 0 ym reload
	wait_until 10 is 1/1 cell many WORKERS
	stop_master
}
