# SPDX-License-Identifier: Apache-2.0
# usage: strace -f -y ... | awk -v root=DIR -f durability.awk
#
# Holds what an apply did to files below DIR against one order: write aside, sync the file, rename, sync the directory.
#   1. a file that is renamed below DIR was synced after its last write, and its new directory is synced after the rename
#   2. a file that stays under the name it was made with is synced after its last write, and so is its directory
#   3. a directory that is made is synced into its parent
#   4. nothing is written to a name that was there before (but at a journal's end, where each write is synced before the next, and to locks)
# Prints a line a breach, then what it looked at; exit 1 with a breach, or when there was nothing to look at.
function breach(what) { print "breach: " what; bad++ }
function parent(path) { sub(/\/[^\/]*$/, "", path); return path }
function below(path) { return index(path, root "/") == 1 }
function lasting(path) { return below(path) && path !~ /\.sock$/ && path !~ /\/lock$/ }
# The path of the descriptor "N</a/b>" that is argument `i`, and of "N</a/b>, name" together.
function at(text, i,   part, n) { n = split(text, part, /[<>]/); return n >= 2 * i ? part[2 * i] : "" }
function joined(text,   dir, name) {
	dir = at(text, 1); name = text; sub(/^[^"]*"/, "", name); sub(/".*/, "", name)
	return name ~ /^\// ? name : name == "." ? dir : dir "/" name
}
# "dir/./x" is "dir/x".
function plain(path) { gsub(/\/\.\//, "/", path); sub(/\/\.$/, "", path); return path }

# A call that another thread's came between is told in two lines.
/ <unfinished \.\.\.>$/ { pid = $1; sub(/ <unfinished \.\.\.>$/, ""); begun[pid] = $0; next }
/^[0-9]+ +<\.\.\. [a-z0-9]+ resumed>/ { pid = $1; rest = $0; sub(/^.* resumed>/, "", rest); $0 = begun[pid] rest }
{ sub(/^[0-9]+ +/, "") }
/ = -1 / { next }
{ call = $0; sub(/\(.*/, "", call); args = $0; sub(/^[a-z0-9]*\(/, "", args) }
call == "openat" {
	path = $0; sub(/^.* = [0-9]+</, "", path); sub(/>.*$/, "", path)
	if (!lasting(path)) next
	if (/O_CREAT/ && !(path in known)) { made[path] = NR; entry[path] = NR; dirty[path] = NR }
	if (/O_TRUNC/) dirty[path] = NR
	known[path] = 1
}
call == "write" || call == "ftruncate" || call == "fchmod" {
	path = at(args, 1)
	if (!lasting(path)) next
	if (call == "fchmod" && path in isdir) next
	if (call == "write" && path ~ /\/journal$/) {
		if (path in dirty) breach("a record before the one before was synced: " path)
		records++
	} else if (call == "write" && !(path in made)) breach("written in place: " path)
	dirty[path] = NR
}
call == "fsync" || call == "fdatasync" {
	path = at(args, 1)
	if (!below(path) && path != root) next
	delete dirty[path]
	syncs++
	for (e in entry) if (parent(e) == path) delete entry[e]
}
call == "mkdirat" { path = plain(joined(args)); if (below(path)) { entry[path] = NR; isdir[path] = 1; dirs++ } }
call == "symlinkat" { path = args; sub(/^"[^"]*", /, "", path); path = plain(joined(path)); if (below(path)) entry[path] = NR }
call == "unlinkat" { path = plain(joined(args)); delete entry[path]; delete made[path]; delete dirty[path]; delete known[path] }
call == "renameat" {
	from = plain(joined(args)); to = args; sub(/^[^,]*, "[^"]*", /, "", to); to = plain(joined(to))
	if (!below(to)) next
	if (from in dirty) breach("renamed before it was synced: " from " to " to)
	for (d in dirty) if (index(d, from "/") == 1) breach("renamed before what is in it was synced: " d)
	for (e in entry) if (index(e, from "/") == 1) breach("renamed before its directory was synced: " e)
	delete entry[from]; delete made[from]; entry[to] = NR; known[to] = 1; made[to] = NR; renames++
}
END {
	for (d in dirty) breach("never synced: " d)
	for (e in entry) breach("its directory was not synced after it was made: " e)
	printf "%d renames, %d directories, %d records, %d syncs looked at\n", renames, dirs, records, syncs
	exit (bad > 0 || !records || !syncs)
}
