/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The bytes of a file of this repository as SYMBOL, with a NUL behind them; SYMBOL_end is that NUL.
 * The Makefile names the file as what the object is made of. */
#define EMBED(symbol, path)                                                                       \
	__asm__(".pushsection .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" path "\"\n" \
		".global " #symbol "_end\n" #symbol "_end:\n.byte 0\n.popsection\n")
