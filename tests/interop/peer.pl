#!/usr/bin/perl
# peer.pl - what peer.c does with keys, semaphores, queues and whole segments, in Perl: a verb, the name of a handle and
# arguments on a line, one line as the answer. Semaphores by IPC::Semaphore, with the three operations of PHP's
# sem_get(); queues by IPC::Msg and, for "send", the builtin functions.
use strict;
use warnings;
use IPC::Msg;
use IPC::Semaphore;
use IPC::SharedMem;
use IPC::SysV qw(ftok IPC_CREAT IPC_NOWAIT IPC_RMID MSG_NOERROR MSG_EXCEPT SEM_UNDO);

my (%sems, %queues);

# PHP's number of a flag, and the kernel's.
my %flags = (1 => IPC_NOWAIT, 2 => MSG_NOERROR, 4 => MSG_EXCEPT);

sub hex_of { 'x' . unpack 'H*', shift }
sub bytes_of { pack 'H*', substr shift, 1 }
sub number { $_[0] =~ /^0/ ? oct $_[0] : int $_[0] }
sub failed { "error $_[0]: $!" }

sub crc32 {
	my $crc = 0xffffffff;
	for my $byte (unpack 'C*', shift) {
		$crc ^= $byte;
		$crc = $crc & 1 ? $crc >> 1 ^ 0xedb88320 : $crc >> 1 for 1 .. 8;
	}
	return $crc ^ 0xffffffff;
}

# A handle: the set, and how many units it holds.
sub get {
	my ($name, $key, $max) = @_;
	my $set = IPC::Semaphore->new($key, 3, IPC_CREAT | 0666) or return failed('semget');
	$set->op(2, 0, 0, 2, 1, SEM_UNDO, 1, 1, SEM_UNDO) or return failed('semop');
	my $alone = $set->getval(1) == 1;
	$set->setval(0, $max) if $alone;
	$set->op(2, -1, SEM_UNDO) or return failed('semop');
	$sems{$name} = {set => $set, held => 0};
	return $alone ? 'alone' : 'joined';
}

sub take {
	my ($sem, $flags) = @_;
	my $taken = $sem->{set}->op(0, -1, SEM_UNDO | $flags);
	return $!{EAGAIN} ? 'busy' : failed('semop') if !$taken;
	$sem->{held}++;
	return 'taken';
}

sub give {
	my $sem = shift;
	return 'error not held' if $sem->{held} == 0;
	$sem->{set}->op(0, 1, SEM_UNDO) or return failed('semop');
	$sem->{held}--;
	return 'ok';
}

sub leave {
	my $sem = shift;
	my @units = $sem->{held} ? (0, $sem->{held}, SEM_UNDO) : ();
	return $sem->{set}->op(1, -1, SEM_UNDO, @units) ? 'ok' : failed('semop');
}

# Read the number in a file and write the next one, each time under one unit.
sub count {
	my ($sem, $path, $times) = @_;
	open my $file, '+<', $path or return failed('open');
	while ($times-- > 0) {
		my $answer = take($sem, 0);
		return $answer if $answer ne 'taken';
		my $n = 0;
		sysseek $file, 0, 0;
		sysread $file, $n, 32;
		sysseek $file, 0, 0;
		syswrite $file, $n + 1 . "\n";
		$answer = give($sem);
		return $answer if $answer ne 'ok';
	}
	return 'ok';
}

sub receive {
	my ($queue, $type, $max, $flags) = @_;
	my $kernel = 0;
	$flags & $_ and $kernel |= $flags{$_} for keys %flags;
	my $got = $queue->rcv(my $bytes, $max, $type, $kernel);
	return "got $got " . hex_of($bytes) if defined $got;
	return $!{ENOMSG} ? 'none' : failed('msgrcv');
}

# Send each message of type 1 back as type 2.
sub relay {
	my ($queue, $times) = @_;
	while ($times-- > 0) {
		defined $queue->rcv(my $bytes, 8192, 1, 0) or return failed('msgrcv');
		$queue->snd(2, $bytes, 0) or return failed('msgsnd');
	}
	return 'ok';
}

sub send_bytes {
	my ($queue, $type, $bytes, $wait) = @_;
	return 'sent' if msgsnd $queue->id, pack('l! a*', $type, $bytes), $wait eq 'wait' ? 0 : IPC_NOWAIT;
	return $!{EAGAIN} ? 'full' : failed('msgsnd');
}

# A variable segment of PHP's layout, read: all that is in it.
sub walk {
	my $shm = IPC::SharedMem->new(shift, 0, 0) or return failed('shmget');
	my $bytes = $shm->read(0, $shm->stat->segsz);
	my ($magic, $at, $end) = unpack 'Z8 q< q<', $bytes;
	my $answer = 'walk';
	return "error magic $magic" if $magic ne 'PHP_SM';
	while ($at < $end) {
		my ($key, $length, $next) = unpack 'q<3', substr $bytes, $at, 24;
		$answer .= " $key:" . hex_of(substr $bytes, $at + 24, $length);
		$at += $next;
	}
	return $answer;
}

# The same, written, with the builtin functions: variables as KEY:xHEX.
sub build {
	my ($key, $size, @variables) = @_;
	my $chunks = '';
	for (@variables) {
		my ($variable, $value) = split /:/;
		my $bytes = bytes_of($value);
		my $next = int((length($bytes) + 31) / 8) * 8 + 8;
		$chunks .= pack "q<3 a@{[$next - 24]}", $variable, length $bytes, $next, $bytes;
	}
	my $end = 40 + length $chunks;
	my $id = shmget($key, $size, IPC_CREAT | 0666) // return failed('shmget');
	shmwrite($id, pack('a8 q<4', 'PHP_SM', 40, $end, $size - $end, $size) . $chunks, 0, $end) or return failed('shmwrite');
	return 'ok';
}

# ---- the verbs -----------------------------------------------------------------------------------------------------

my %verbs = (
	ftok => sub { ftok($_[1], 0 + $_[2]) },
	crc32 => sub { crc32(bytes_of($_[1])) },
	get => sub { get($_[0], number($_[1]), $_[2]) },
	try => sub { take($sems{$_[0]}, IPC_NOWAIT) },
	acquire => sub { take($sems{$_[0]}, 0) },
	release => sub { give($sems{$_[0]}) },
	close => sub { leave(delete $sems{$_[0]}) },
	remove => sub { $sems{$_[0]}{set}->remove ? 'ok' : failed('semctl') },
	count => sub { count($sems{$_[0]}, @_[1, 2]) },
	queue => sub { ($queues{$_[0]} = IPC::Msg->new(number($_[1]), IPC_CREAT | 0666)) ? 'ok' : failed('msgget') },
	send => sub { send_bytes($queues{$_[0]}, $_[1], bytes_of($_[2]), $_[3]) },
	receive => sub { receive($queues{$_[0]}, @_[1 .. 3]) },
	relay => sub { relay($queues{$_[0]}, $_[1]) },
	unqueue => sub { $queues{$_[0]}->remove ? 'ok' : failed('msgctl') },
	walk => sub { walk(number($_[1])) },
	build => sub { build(number($_[1]), @_[2 .. $#_]) },
	throw => sub { die "on purpose\n" },
);

$| = 1;
while (defined(my $line = <STDIN>)) {
	last if $line =~ /^bye\b/;
	my ($verb, @words) = split ' ', $line;
	print exists $verbs{$verb} ? $verbs{$verb}->(@words) : 'error no such line', "\n";
}
