#pragma once

// Owns: what the allocator keeps of the memory this program gave back.

namespace llem::sys {

/// Returns it to the system: after work that took much more than what follows.
void release_free_memory();

}  // namespace llem::sys
