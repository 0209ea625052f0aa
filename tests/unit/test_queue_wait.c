/* test_queue_wait.c - waiting for a message, or for room for one. */
#include <sys/time.h>

#include "faults.h"
#include "queue_support.h"

static void fill(void)
{
	while (ym_queue_send(queue, &message, 1024, &err) == 0)
		;
}

START_TEST(a_full_queue_is_described)
{
	uint64_t before = ym_now_ns();

	fill();
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, "x", 1, 0, &err), YM_ERR_FULL);
	ASSERT_IN("16 messages", err.text);
	ASSERT_IN("16384 bytes in all", err.text);
	ASSERT_IN("takes 16384", err.text);
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, "x", 1, ym_deadline(50), &err), YM_ERR_FULL);
	ck_assert_uint_ge(ym_now_ns() - before, 50000000u);
}
END_TEST

START_TEST(an_empty_queue_is_waited_for_no_longer_than_said)
{
	uint64_t before = ym_now_ns();

	ck_assert_int_eq(ym_queue_receive(queue, 0, 0, 0, ym_deadline(50), &got, &got_type, &err), 1);
	ck_assert_uint_ge(ym_now_ns() - before, 50000000u);
	/* NOWAIT is stronger than any deadline. */
	ck_assert_int_eq(ym_queue_receive(queue, 0, 0, YM_QUEUE_NOWAIT, YM_NEVER, &got, &got_type, &err), 1);
	ym_buffer_free(&got);
}
END_TEST

static void on_signal(int signo)
{
	(void)signo;
}

/* Signals every 2 ms: the wait goes on after each. */
static void be_disturbed(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval timer = {{0, 2000}, {0, 2000}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void send_late(void *arg)
{
	be_disturbed();
	tell_step();
	ASSERT_OK(ym_queue_send_bytes(queue, 2, "late", 4, *(uint64_t *)arg, &err));
}

static void receive_late(void *arg)
{
	struct ym_buffer late = {0};
	long type;

	be_disturbed();
	tell_step();
	ASSERT_OK(ym_queue_receive(queue, 2, 0, 0, *(uint64_t *)arg, &late, &type, &err));
	ck_assert_uint_eq(late.length, 4);
	ym_buffer_free(&late);
}

/* A wait for ever, and one with a deadline. */
static uint64_t wait_of(int number)
{
	return number == 0 ? YM_NEVER : ym_deadline(PATIENCE_MS);
}

START_TEST(a_sender_gets_in_when_there_is_room)
{
	uint64_t deadline = wait_of(_i), looked;
	pid_t child;

	open_steps();
	fill();
	child = spawn(send_late, &deadline);
	await_step();
	/* It has been asleep for some signals. */
	looked = ym_deadline(10);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(child) == 'S');
	ASSERT_OK(receive(0, 0, 0));
	reap_well(child);
	ASSERT_OK(receive(2, 0, 0));
	expect("late");
	ym_buffer_free(&got);
}
END_TEST

START_TEST(a_receiver_gets_what_comes)
{
	uint64_t deadline = wait_of(_i), looked;
	pid_t child;

	open_steps();
	send_text(1, "not for it");
	child = spawn(receive_late, &deadline);
	await_step();
	looked = ym_deadline(10);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(child) == 'S');
	send_text(2, "late");
	reap_well(child);
	ASSERT_OK(receive(0, 0, 0));
	expect("not for it");
	ym_buffer_free(&got);
}
END_TEST

static void send_in_vain(void *arg)
{
	tell_step();
	ASSERT_ERR(ym_queue_send_bytes(queue, 2, "late", 4, *(uint64_t *)arg, &err), YM_ERR_GONE);
}

static void receive_in_vain(void *arg)
{
	struct ym_buffer late = {0};
	long type;

	tell_step();
	ASSERT_ERR(ym_queue_receive(queue, 2, 0, 0, *(uint64_t *)arg, &late, &type, &err), YM_ERR_GONE);
	ASSERT_IN("removed", err.text);
	ym_buffer_free(&late);
}

static void send_asleep(void *arg)
{
	(void)arg;
	arm_fault(0, 0);
	tell_step();
	ASSERT_OK(ym_queue_send_bytes(queue, 2, "late", 4, YM_NEVER, &err));
	ck_assert_int_le(faults.calls, 3);
}

static void receive_asleep(void *arg)
{
	struct ym_buffer late = {0};
	long type;

	(void)arg;
	arm_fault(0, 0);
	tell_step();
	ASSERT_OK(ym_queue_receive(queue, 2, 0, 0, YM_NEVER, &late, &type, &err));
	ck_assert_int_eq(faults.calls, 1);
	ym_buffer_free(&late);
}

/* No looking again and again: one call that lasts until the message is through. */
START_TEST(a_wait_for_ever_sleeps_in_the_kernel)
{
	uint64_t looked;
	pid_t sender, receiver;

	open_steps();
	fill();
	sender = spawn(send_asleep, NULL);
	await_step();
	looked = ym_deadline(20);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(sender) == 'S');
	receiver = spawn(receive_asleep, NULL);
	await_step();
	looked = ym_deadline(20);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(receiver) == 'S');
	ASSERT_OK(receive(0, 0, 0));
	reap_well(sender);
	reap_well(receiver);
	ym_buffer_free(&got);
}
END_TEST

START_TEST(removed_while_waited_for)
{
	uint64_t deadline = wait_of(_i);
	pid_t sender, receiver;

	open_steps();
	fill();
	sender = spawn(send_in_vain, &deadline);
	receiver = spawn(receive_in_vain, &deadline);
	await_step();
	await_step();
	WAIT_UNTIL(process_state(sender) == 'S' && process_state(receiver) == 'S');
	ASSERT_OK(ym_queue_remove(queue, &err));
	reap_well(sender);
	reap_well(receiver);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue_wait");
	TCase *tcase = queue_case(suite);

	tcase_add_test(tcase, a_full_queue_is_described);
	tcase_add_test(tcase, an_empty_queue_is_waited_for_no_longer_than_said);
	tcase_add_loop_test(tcase, a_sender_gets_in_when_there_is_room, 0, 2);
	tcase_add_loop_test(tcase, a_receiver_gets_what_comes, 0, 2);
	tcase_add_test(tcase, a_wait_for_ever_sleeps_in_the_kernel);
	tcase_add_loop_test(tcase, removed_while_waited_for, 0, 2);
	return run_suite(suite);
}
