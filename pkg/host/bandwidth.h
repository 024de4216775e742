/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Memory bandwidth of devices that are known by name, with the source of each number. Peak figures,
 * as makers state them: a ceiling, not what a runtime reaches. */

/* "NVIDIA H100 PCIe", "Apple M3 Max", "DDR5-5600 x2" (channels of 64 bit; without it one). Where a
 * name stands for several memories, `memory_bytes` decides; 0: not known, then only a name that
 * needs no deciding. In bytes a second, with where the number is from; 0: not known. A name with a
 * word that changes a device (Ti, Super, Laptop, MIG) is known only with it. */
uint64_t bandwidth_of(const char *name, uint64_t memory_bytes, const char **source);

/* All words of `words` must be in a device's name. `gib` decides where a name stands for several
 * memories, 0 where it need not. A source "21 Gb/s x 384 bit" is the maker's data rate of a pin
 * times the width of the bus; a test holds the number against it. */
struct bandwidth_row {
	const char *words;
	unsigned gib, gigabytes;
	const char *source;
};

size_t bandwidth_rows(const struct bandwidth_row **rows);

/* The name of a card by its numbers on the PCI bus, "" if not known. */
const char *bandwidth_pci_name(unsigned vendor, unsigned device, uint64_t memory_bytes);
