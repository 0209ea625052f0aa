#!/usr/bin/perl
# submit.pl DIRECTORY POOL PAYLOAD [--wait|--progress] - one job by one message, with Perl's msgsnd and nothing else.
#
# --wait: until the answer comes. --progress: the same, with a line for each step of the job; it asks the program
# `yardmaster` (or $YARDMASTER) about the job, and inbox.ini beside this file says of which instance.
use strict;
use warnings;
use Errno 'ENOMSG';
use File::Basename 'dirname';
use File::Temp 'tempfile';
use IPC::SysV qw(ftok IPC_CREAT IPC_NOWAIT IPC_RMID);
use JSON::PP;
use Time::HiRes qw(sleep time);

use constant LOOK_SECONDS => 0.2;

my ($directory, $pool, $payload, $how) = (@ARGV, '');
@ARGV >= 3 or print(STDERR "usage: submit.pl DIRECTORY POOL PAYLOAD [--wait|--progress]\n"), exit 2;
my $key = ftok("$directory/inbox.$pool", ord 'y');
my $inbox = defined $key ? msgget($key, 0) : undef;
defined $inbox or print(STDERR "there is no inbox of pool $pool in $directory\n"), exit 3;
# The tag: a name to find the job by, and nobody else's.
my %job = (payload => $payload, tag => sprintf('from-Perl-%d-%.6f', $$, time));
my ($answers, $last) = (undef, '');
$| = 1;
binmode STDOUT, ':utf8';

END { msgctl($answers, IPC_RMID, 0) if defined $answers }
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

# A line for what has changed since the last one. False if there is nobody to ask.
sub look {
	my @command = ($ENV{YARDMASTER} || 'yardmaster', 'jobs', '--json', '--tag', $job{tag}, '-c');
	no warnings 'exec';
	open(my $jobs, '-|', @command, dirname(__FILE__) . '/inbox.ini') or return 0;
	# No line: the master has not taken the message yet.
	my $job = decode_json(<$jobs> // '{}');
	my $line = $job->{state} // '';
	$line .= " $job->{done}/$job->{total}" . ($job->{unit} ne '' ? " $job->{unit}" : '') if defined $job->{done};
	$line .= " $job->{note}" if defined $job->{note};
	print $last = $line, "\n" if $line ne '' && $line ne $last;
	return close $jobs;
}

if ($how ne '') {
	# A queue of our own for the answer.
	(undef, my $file) = tempfile(UNLINK => 1);
	$answers = msgget(ftok($file, ord 'a'), IPC_CREAT | 0600) // die "msgget: $!";
	@job{'reply', 'reply_type'} = (ftok($file, ord 'a'), $$);
}
# Without options the payload alone would do in place of the JSON.
msgsnd($inbox, pack('l! a*', 1, encode_json(\%job)), 0) or die "msgsnd: $!";
exit 0 if $how eq '';

my ($came, $message);
until ($came) {
	$came = msgrcv($answers, $message, 65536, $$, $how eq '--progress' ? IPC_NOWAIT : 0);
	$came or $! == ENOMSG or die "msgrcv: $!";
	# Once more when the answer is there: for the last step.
	$how ne '--progress' or look() or $came or print(STDERR "cannot look at the job: `yardmaster jobs` failed\n"), exit 3;
	sleep LOOK_SECONDS unless $came;
}
my $answer = decode_json(unpack('x[l!] a*', $message));
# No result: it is not done, or its result is too long for a message. Not every end has an error.
print $answer->{result} // join(': ', grep { defined } @$answer{'state', 'error'}) . "\n";
exit($answer->{state} eq 'done' ? 0 : 1);
