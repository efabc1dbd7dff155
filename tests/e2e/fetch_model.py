"""Makes sure that the small model is in this user's cache: `llem run` fetches it and measures it for a moment."""
import os
import subprocess
import sys
import tempfile

from harness import required

FLAGS = ("-m", "smollm2-135m", "-d", "bundled", "-n", "1", "--output-tokens", "1", "--cycles", "1", "--quick",
         "--set", "measure.baseline.bare_s=0", "--set", "measure.baseline.loaded_s=0", "--set", "measure.warmup.min_s=0",
         "--set", "measure.warmup.max_s=0", "--set", "measure.window.min_s=0", "--set", "measure.window.pad_s=0.1")


def main():
    named = os.environ.get("LLEM_TEST_MODEL")
    if named:
        print(f"LLEM_TEST_MODEL names {named}")
        return 0 if os.path.exists(named) else f"{named} is not there"
    with tempfile.TemporaryDirectory(prefix="llem-fetch-") as folder:
        return subprocess.run([required("LLEM_BIN"), "run", *FLAGS, "-o", folder], stdin=subprocess.DEVNULL,
                              check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
