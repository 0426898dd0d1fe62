// rocks_crc.cc - RocksDB's CRC-32C by the processor's instruction.
//
// RocksDB decides when it is compiled, and Debian's package can't count on the instruction: there it goes by tables, 0.7 ns a byte, twice
// for each message (log, file of blobs). It calls this function of its own through the dynamic linker, which takes the program's of that
// name. What it says is part of RocksDB's files, so it can't come to mean something else; a library that does not ask the linker goes on
// with its own.
#if defined(__x86_64__)
#include "kv/crc32c.h"

#include <dlfcn.h>

namespace rocksdb
{
namespace crc32c
{

__attribute__((visibility("default"))) uint32_t Extend(uint32_t crc, const char *data, size_t n);

typedef uint32_t extend_fn(uint32_t crc, const char *data, size_t n);

// Its own; nullptr: the instruction is there, or the library has no function of that name.
static extend_fn *
library_extend()
{
	return crc32c_is_fast() ? nullptr
				: (extend_fn *)dlsym(RTLD_NEXT, "_ZN7rocksdb6crc32c6ExtendEjPKcm");
}

uint32_t
Extend(uint32_t crc, const char *data, size_t n)
{
	static extend_fn *const its_own = library_extend();

	return its_own != nullptr ? its_own(crc, data, n) : ::crc32c(crc, data, n);
}

} // namespace crc32c
} // namespace rocksdb
#endif
