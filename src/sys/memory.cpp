#include "sys/memory.hpp"

#include <malloc.h>

namespace llem::sys {

void release_free_memory() {
  ::malloc_trim(0);
}

}  // namespace llem::sys
