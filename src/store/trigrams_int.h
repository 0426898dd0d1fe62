/* trigrams_int.h - what the files of trigrams.h share. */
#ifndef STORE_TRIGRAMS_INT_H
#define STORE_TRIGRAMS_INT_H

#include "store/trigrams.h"

struct trigram_filter {
	uint16_t mask; /* its bits, less one */
	bool has_header;
	uint64_t bits[];
};

struct trigram_filter *trigram_filter_new(const struct trigram_set *s, bool has_header);
/** What it has of memory. */
size_t trigram_filter_bytes(const struct trigram_filter *f);

#endif
