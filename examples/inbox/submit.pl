#!/usr/bin/perl
# submit.pl DIRECTORY POOL PAYLOAD [--wait] - one job by one message, with Perl's msgsnd and nothing else.
use strict;
use warnings;
use File::Temp 'tempfile';
use IPC::SysV qw(ftok IPC_CREAT IPC_RMID);
use JSON::PP;

my ($directory, $pool, $payload, $wait) = @ARGV;
defined $payload or die "usage: submit.pl DIRECTORY POOL PAYLOAD [--wait]\n";
my $key = ftok("$directory/inbox.$pool", ord 'y');
my $inbox = defined $key ? msgget($key, 0) : undef;
defined $inbox or print(STDERR "there is no inbox of pool $pool in $directory\n"), exit 3;
my %job = (payload => $payload, tag => 'from Perl');
my ($answers, $file);

if ($wait) {
	# A queue of our own for the answer.
	(undef, $file) = tempfile(UNLINK => 1);
	$answers = msgget(ftok($file, ord 'a'), IPC_CREAT | 0600) // die "msgget: $!";
	@job{'reply', 'reply_type'} = (ftok($file, ord 'a'), $$);
}
# Without options the payload alone would do in place of the JSON.
msgsnd($inbox, pack('l! a*', 1, encode_json(\%job)), 0) or die "msgsnd: $!";
exit 0 unless $wait;

my $got = msgrcv($answers, my $message, 65536, $$, 0);
msgctl($answers, IPC_RMID, 0);
$got or die "msgrcv: $!";
my $answer = decode_json(unpack('x[l!] a*', $message));
print $answer->{state} eq 'done' ? $answer->{result} : "$answer->{state}: $answer->{error}\n";
exit($answer->{state} eq 'done' ? 0 : 1);
