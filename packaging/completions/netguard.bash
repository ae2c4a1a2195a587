# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for netguard(1)

_netguard() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local choices='' command=${COMP_WORDS[1]-}

	# --option=value arrives as three words.
	if [ "$word" = = ]; then
		word=
	elif [ "$previous" = = ] && [ "$COMP_CWORD" -gt 2 ]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'check explain trace reach snapshot plan apply remove run status
			--help --version' -- "$word")
		return
	fi
	case "$previous" in
	--policy | --snapshot | --output | --metrics-file)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--docker) choices='unix:///var/run/docker.sock tcp://' ;;
	--format) choices='table json' ;;
	--fail-on) choices='any info low medium high critical' ;;
	--color) choices='auto always never' ;;
	--interface) choices=$(ls /sys/class/net 2>/dev/null) ;;
	--from) ;;
	--for) choices='90s 5m 1h' ;;
	*)
		case "$command" in
		check)
			choices='--policy --docker --snapshot --format --fail-on --color --verbose
				--help --version'
			;;
		explain)
			choices='--from --interface --docker --snapshot --format --color --verbose
				--help --version'
			;;
		trace | reach)
			choices='--docker --snapshot --help --version'
			if [[ $word != -* ]]; then
				compopt -o filenames
				mapfile -t COMPREPLY < <(compgen -f -W "$choices" -- "$word")
				return
			fi
			;;
		snapshot) choices='--docker --output --help --version' ;;
		plan) choices='--policy --docker --snapshot --format --help --version' ;;
		apply)
			choices='--policy --docker --for --confirm --dry-run --force --help --version'
			;;
		remove) choices='--help --version' ;;
		run) choices='--policy --docker --foreground --metrics-file --help --version' ;;
		status) choices='--format --fail-on --help --version' ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _netguard netguard
