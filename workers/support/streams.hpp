#pragma once

// Owns: the worker's private protocol stream. Nothing that a library prints can reach it.

namespace llem::worker {

struct Streams {
  int input = -1;
  int output = -1;
};

/// The worker's first act: moves descriptors 0 and 1 to private close-on-exec ones, lets 0 read
/// /dev/null and 1 write where 2 writes, ignores SIGPIPE and asks the kernel to kill this process
/// when its parent ends. Exits with 71 when the descriptors cannot be made: there is nobody to
/// tell.
Streams take_streams();

}  // namespace llem::worker
