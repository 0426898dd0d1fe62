/*
 * heap.h - memory that a thread will take from malloc(), made ready at once.
 *
 * glibc has a heap for each of the first threads, and lets it grow by no more than is asked for: a
 * system call for every 4 KiB that are taken for the first time. Of the first SELECT of a large
 * mailbox that was a sixth.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>

/**
 * The calling thread will take about so much from malloc(), some time. Its heap grows by that (60
 * MiB at most) now; until it is used it takes addresses and no memory.
 */
void heap_prepare(size_t bytes);

#endif
