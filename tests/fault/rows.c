/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the fault matrix: in which operations each effect happens. A new effect without its
 * row does not compile; a row whose operation does not have the effect, and an operation with an
 * effect that has no such row, fail in matrix.py.
 *
 * Prints a line an effect: NAME FAULT FAULT... OPERATION OPERATION..., with tabs; a row that begins
 * with '-' says why no operation has it. */
#include <stdio.h>

#include "base/failpoint.h"

#define ROW(id, operations) static const char row_##id[] = operations;

ROW(EFFECT_ROOT_DIR, "-an empty directory, or none: there is nothing to recover")
ROW(EFFECT_ROOT_ID, "first build pull lock")
ROW(EFFECT_LOCK_WRITE, "first apply rollback recover gc promote abort stop start remove purge")
ROW(EFFECT_JOURNAL_APPEND,
    "apply rollback recover gc promote abort build pull lock stop start remove purge")
ROW(EFFECT_JOURNAL_SYNC,
    "apply rollback recover gc promote abort build pull lock stop start remove purge")
ROW(EFFECT_JOURNAL_ROTATE, "first")
ROW(EFFECT_JOURNAL_CUT, "recover")
ROW(EFFECT_STORE_DIR, "build pull")
ROW(EFFECT_STORE_WRITE, "build pull")
ROW(EFFECT_STORE_SYNC, "build pull")
ROW(EFFECT_STORE_RENAME, "build pull")
ROW(EFFECT_STORE_RECEIPT, "build pull gc")
ROW(EFFECT_STORE_NOTE, "build")
ROW(EFFECT_STORE_REMOVE, "gc")
ROW(EFFECT_STORE_CLEAN, "gc")
ROW(EFFECT_MODEL_PULL, "pull")
ROW(EFFECT_PACKAGE_FETCH, "build lock")
ROW(EFFECT_RUNTIME_LOCK, "lock")
ROW(EFFECT_HOST_NOTE, "measure")
ROW(EFFECT_OUTPUT, "build")
ROW(EFFECT_IMAGE_LOAD, "first")
ROW(EFFECT_IMAGE_REMOVE, "gc collect remove purge")
ROW(EFFECT_CONTAINER_CREATE, "apply")
ROW(EFFECT_CONTAINER_START, "first apply again reject start")
ROW(EFFECT_CONTAINER_STOP, "apply recreate stop")
ROW(EFFECT_CONTAINER_KILL, "-the gateway in a container: tests/integration/gateway_test.sh")
ROW(EFFECT_CONTAINER_REMOVE, "reject abort collect remove purge")
ROW(EFFECT_CONTAINER_UPDATE, "first apply stop start")
ROW(EFFECT_CONTAINER_RENAME, "-the gateway in a container: tests/integration/gateway_test.sh")
ROW(EFFECT_NETWORK_REMOVE, "-no engine that we package has a network")
ROW(EFFECT_RUN_DIR, "apply")
ROW(EFFECT_RUN_REMOVE, "reject abort collect remove purge")
ROW(EFFECT_QUESTION, "apply rollback start")
ROW(EFFECT_ROUTE_DIR, "first")
ROW(EFFECT_ROUTE_REMOVE, "purge")
ROW(EFFECT_RELEASE_PUT, "first apply recreate canary")
ROW(EFFECT_RELEASE_EVIDENCE, "again")
ROW(EFFECT_RELEASE_FLIP, "first apply recreate promote again rollback remove purge")
ROW(EFFECT_RELEASE_REMOVE, "collect abort remove purge")
ROW(EFFECT_RELEASE_ATTEMPT, "reject abort")
ROW(EFFECT_RELEASE_CLEAN, "recover")
ROW(EFFECT_GATEWAY_STATE,
    "gate apply recreate canary promote abort rollback stop start remove purge")
ROW(EFFECT_GATEWAY_CONFIG,
    "gate apply recreate canary promote abort rollback stop start remove purge")
ROW(EFFECT_GATEWAY_LINK, "gate apply recreate canary abort rollback stop start remove purge")
ROW(EFFECT_GATEWAY_SOCKET,
    "gate apply recreate canary promote abort rollback stop start remove purge")
ROW(EFFECT_GATEWAY_CHECK, "gate")
ROW(EFFECT_GATEWAY_RELOAD, "gate remove purge")

static const struct {
	enum effect as;
	const char *operations;
} rows[] = {
#define X(id, name, what, faults) {id, row_##id},
	FAILPOINTS(X)
#undef X
};

static const char *const faults[FAULT_COUNT] = {
#define X(id, name) [id] = name,
	FAILPOINT_FAULTS(X)
#undef X
};

int main(void) {
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		printf("%s\t", failpoint_name(rows[i].as));
		for (int f = FAULT_NONE + 1; f < FAULT_COUNT; f++)
			if (failpoint_applies(rows[i].as, (enum fault) f))
				printf("%s ", faults[f]);
		printf("\t%s\n", rows[i].operations);
	}
	return 0;
}
