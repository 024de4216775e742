#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "gguf/gguf.h"
#include "model/gguf.h"
#include "model/model.h"

int model_read(int fd, const char *name, struct model_facts *out, struct err *e) {
	struct gguf *g CLEANUP(gguf_freep) = NULL;
	struct bytes from;

	if (fs_bytes(&fd, name, &from, e) || gguf_open(&from, &g, e))
		return -1;
	return gguf_facts(&g, 1, out, e);
}
