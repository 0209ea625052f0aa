#!/usr/bin/perl
# inbox_send.pl KEY - send some messages to an inbox, as Perl does it.
use strict;
use warnings;

my $queue = msgget(0 + $ARGV[0], 0) // die "msgget: $!";
for my $message ("a string", "bytes \x01\xff", '{"payload": "p", "priority": 0, "delay": "1h"}',
	'{"payload": {"to": "a@b"}, "unique": "u2"}', "") {
	msgsnd($queue, pack("l! a*", 4, $message), 0) or die "msgsnd: $!";
}
