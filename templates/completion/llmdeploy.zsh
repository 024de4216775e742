#compdef llmdeploy
# SPDX-License-Identifier: Apache-2.0
# Completion of llmdeploy for zsh. The program itself knows what there is: llmdeploy completion words.
_llmdeploy() {
	local program=${~words[1]} line
	local -a typed=("${(@Q)words[2,CURRENT-1]}" "$PREFIX") found

	for line in ${(f)"$($program completion words -- "${typed[@]}" 2>/dev/null)"}; do
		case $line in
		:files)
			compset -P '--*='
			_files
			;;
		:folders)
			compset -P '--*='
			_files -/
			;;
		*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
		esac
	done
	(( $#found )) && _describe llmdeploy found
}
if [ "$funcstack[1]" = _llmdeploy ]; then
	_llmdeploy "$@"
else
	compdef _llmdeploy llmdeploy
fi
