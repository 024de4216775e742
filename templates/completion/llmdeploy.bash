# SPDX-License-Identifier: Apache-2.0
# Completion of llmdeploy for bash. The program itself knows what there is: llmdeploy completion words.
_llmdeploy() {
	local program=${COMP_WORDS[0]/#\~/$HOME} cur=${COMP_WORDS[COMP_CWORD]} word
	local -a typed=("${COMP_WORDS[@]:1:COMP_CWORD}")

	# bash cuts --root=DIR into three words.
	if [ "$cur" = = ]; then
		cur=
		typed+=("")
	fi
	COMPREPLY=()
	while IFS=$'\t' read -r word _; do
		case $word in
		:files)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		:folders)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -d -- "$cur")
			;;
		*) COMPREPLY+=("$word") ;;
		esac
	done < <("$program" completion words -- "${typed[@]}" 2>/dev/null)
}
complete -F _llmdeploy llmdeploy
