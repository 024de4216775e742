# SPDX-License-Identifier: Apache-2.0
# Completion of llmdeploy for fish. The program itself knows what there is: llmdeploy completion words.
function __llmdeploy_words
	set -l typed (commandline -opc)
	set -l cur (commandline -ct)
	set -l program $typed[1]
	set -e typed[1]
	for line in ($program completion words -- $typed "$cur" 2>/dev/null)
		switch $line
			case ':files'
				__fish_complete_path (string replace -r '^--[a-z-]+=' '' -- "$cur")
			case ':folders'
				__fish_complete_directories (string replace -r '^--[a-z-]+=' '' -- "$cur") ''
			case '*'
				echo $line
		end
	end
end
complete -c llmdeploy -f -a '(__llmdeploy_words)'
