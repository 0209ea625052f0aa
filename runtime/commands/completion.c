/*
 * completion.c - `yardmaster completion SHELL`: a script that lets a shell complete what is typed. Each asks the program
 * itself at every key (complete.c), so that it knows the commands of the program that is installed, not of an older one.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

/*
 * bash divides words at = and :, too, and replaces only the last part. `lead` is a part of the word that candidates do not
 * have, `kept` one that bash does not replace.
 */
/* clang-format off */
static const char bash[] =
    "# bash completion of yardmaster, written by `yardmaster completion bash`\n"
    "_yardmaster() {\n"
    "	local line=${COMP_LINE:0:COMP_POINT} words=() i word value what current program kept lead\n"
    "	local IFS=$' \\t\\n'\n"
    "	COMPREPLY=() kept='' lead=''\n"
    "	for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "		word=${line#\"${line%%[! $'\\t']*}\"}\n"
    "		if ((i == 0)) || [[ $word != \"$line\" ]] || [[ -z $word && -z ${COMP_WORDS[i]} ]]; then\n"
    "			words+=(\"\")\n"
    "		fi\n"
    "		line=$word word=${COMP_WORDS[i]}\n"
    "		((i < COMP_CWORD)) || word=$line\n"
    "		words[${#words[@]} - 1]+=$word\n"
    "		line=${line#\"$word\"}\n"
    "	done\n"
    "	current=${words[${#words[@]} - 1]}\n"
    "	if [[ $COMP_WORDBREAKS == *[=:]* && $current == *[=:]* ]]; then\n"
    "		kept=${current%\"${current##*[=:]}\"}\n"
    "	fi\n"
    "	words=(\"${words[@]//[\\\\\\\"\\']/}\")\n"
    "	words=(\"${words[@]/#\\~\\//$HOME/}\")\n"
    "	program=${words[0]}\n"
    "	type -P -- \"$program\" >/dev/null || program=yardmaster\n"
    "	while IFS=$'\\t' read -r value what; do\n"
    "		case $value in\n"
    "		:lead) lead=$what ;;\n"
    "		:files)\n"
    "			compopt -o filenames 2>/dev/null\n"
    "			while IFS= read -r value; do\n"
    "				value=$lead$value\n"
    "				COMPREPLY+=(\"${value#\"$kept\"}\")\n"
    "			done < <(compgen -f -- \"${current#\"$lead\"}\")\n"
    "			;;\n"
    "		:commands)\n"
    "			while IFS= read -r value; do\n"
    "				COMPREPLY+=(\"$value\")\n"
    "			done < <(compgen -c -- \"$current\")\n"
    "			;;\n"
    "		*)\n"
    "			[[ $value != *[:/] ]] || compopt -o nospace 2>/dev/null\n"
    "			printf -v value %q \"$lead$value\"\n"
    "			COMPREPLY+=(\"${value#\"$kept\"}\")\n"
    "			;;\n"
    "		esac\n"
    "	done < <(\"$program\" complete -- \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _yardmaster yardmaster\n";

static const char zsh[] =
    "#compdef yardmaster\n"
    "# zsh completion of yardmaster, written by `yardmaster completion zsh`\n"
    "_yardmaster() {\n"
    "	local program=${(Q)words[1]/#\\~\\//$HOME/} line value result=1\n"
    "	local -a before values open\n"
    "	(( $+commands[$program] )) || [[ -x $program ]] || program=yardmaster\n"
    "	(( CURRENT > 2 )) && before=(\"${(@)${(@Q)words[2,CURRENT - 1]}/#\\~\\//$HOME/}\")\n"
    "	for line in \"${(@f)$($program complete -- \"${before[@]}\" \"${(Q)PREFIX}\" 2>/dev/null)}\"; do\n"
    "		value=${line%%$'\\t'*}\n"
    "		case $value in\n"
    "		('') ;;\n"
    "		(:lead) compset -P \"${(b)line#*$'\\t'}\" ;;\n"
    "		(:files) _files && result=0 ;;\n"
    "		(:commands) _command_names -e && result=0 ;;\n"
    "		(*[:/]) open+=(\"${value//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "		(*) values+=(\"${value//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "		esac\n"
    "	done\n"
    "	(( $#values )) && _describe yardmaster values && result=0\n"
    "	(( $#open )) && _describe yardmaster open -S '' && result=0\n"
    "	return result\n"
    "}\n"
    "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
    "	_yardmaster \"$@\"\n"
    "else\n"
    "	compdef _yardmaster yardmaster\n"
    "fi\n";

static const char fish[] =
    "# fish completion of yardmaster, written by `yardmaster completion fish`\n"
    "function __yardmaster_complete\n"
    "	set -l words (commandline -opc | string replace -r '^~/' \"$HOME/\")\n"
    "	set -l current (commandline -ct)\n"
    "	set -l program $words[1]\n"
    "	set -e words[1]\n"
    "	set -l lead ''\n"
    "	command -sq -- $program; or set program yardmaster\n"
    "	for line in (command $program complete -- $words \"$current\" 2>/dev/null)\n"
    "		set -l parts (string split -m 1 \\t -- $line)\n"
    "		switch $parts[1]\n"
    "			case :lead\n"
    "				set lead $parts[2]\n"
    "			case :files\n"
    "				# As behind a command that nobody knows: files.\n"
    "				set -l start (math 1 + (string length -- \"$lead\"))\n"
    "				for file in (complete -C \"__yardmaster_file \"(string sub -s $start -- \"$current\"))\n"
    "					echo -- $lead$file\n"
    "				end\n"
    "			case :commands\n"
    "				__fish_complete_command\n"
    "			case '*'\n"
    "				echo -- $lead$line\n"
    "		end\n"
    "	end\n"
    "end\n"
    "complete -c yardmaster -f -k -a '(__yardmaster_complete)'\n";

/* clang-format on */

/* Name and script. */
static const struct {
	const char *name, *script;
} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

static int completion(const struct args *args)
{
	struct ym_err err;

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].name, args->rest[0]) == 0) {
			fputs(shells[i].script, stdout);
			return 0;
		}
	}
	ym_fail(&err, YM_ERR_USAGE, "\"%.80s\": there are scripts for bash, zsh and fish", args->rest[0]);
	return command_fail(&err);
}

static const struct option_row options[] = {{0}};

const struct command command_completion = {
    .verb = "completion",
    .usage = "bash | zsh | fish",
    .summary = "print a script that lets this shell complete commands, options, pools, jobs, ...",
    .text = "It is installed where these shells look for it. Without that:\n"
	    "  bash   source <(yardmaster completion bash)\n"
	    "  zsh    source <(yardmaster completion zsh)      behind compinit\n"
	    "  fish   yardmaster completion fish | source\n"
	    "\n"
	    "The script asks the program at every key, so it stays right when the program is replaced. Pools and\n"
	    "programs are those of the INI file that -c names, or of the running instance; jobs and tags those in\n"
	    "its table.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = completion,
    .group = COMMAND_GROUP_SHELL,
};
