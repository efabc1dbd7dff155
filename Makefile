# The habits. Each target calls a script or a CMake preset and does nothing else worth knowing.
JOBS ?= $(shell nproc)
PREFIX ?= $(HOME)/.local
FUZZ_SECONDS ?= 20
TIDY_SECONDS ?= 720
DEPENDENCIES := tools/dependencies.sh
export LLEM_JOBS := $(JOBS)
.DEFAULT_GOAL := help
.PHONY: help demo test lint schema format tsan fuzz bench release install size

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

demo: ## set up, build and measure a small model: the first thing to try
	@echo "[1/6] system packages";           $(DEPENDENCIES) packages build
	@echo "[2/6] Arrow and Parquet";         $(DEPENDENCIES) arrow
	@echo "[3/6] llama.cpp";                 $(DEPENDENCIES) llama
	@echo "[4/6] configure";                 cmake --preset release
	@echo "[5/6] build";                     cmake --build --preset release --parallel $(JOBS)
	@echo "[6/6] measure examples/quickstart.yaml"
	build/release/bin/llem run examples/quickstart.yaml
	@echo "The program is build/release/bin/llem; the results are in $$(ls -dt runs/*/ 2>/dev/null | head -n 1)"

test: ## build everything under ASan and UBSan and run all tests
	@echo "[1/6] system packages";           $(DEPENDENCIES) packages test
	@echo "[2/6] Arrow and Parquet";         $(DEPENDENCIES) arrow
	@echo "[3/6] llama.cpp";                 $(DEPENDENCIES) llama
	@echo "[4/6] configure";                 cmake --preset test
	@echo "[5/6] build";                     cmake --build --preset test --parallel $(JOBS)
	@echo "[6/6] test";                      ctest --preset test --parallel $(JOBS) --output-junit ctest.xml

lint: ## formatting, clang-tidy within TIDY_SECONDS, unused functions
	$(DEPENDENCIES) packages test lint
	$(DEPENDENCIES) arrow
	$(DEPENDENCIES) llama
	cmake --preset test
	tools/lint.sh build/test $(TIDY_SECONDS)

schema: release ## write docs/schema and docs/study-file.md from the field tables
	mkdir -p docs/schema
	python3 tools/schemas.py build/release/bin/llem docs/schema
	python3 tools/study_reference.py build/release/bin/llem docs/study-file.md

format: ## rewrite the sources as lint wants them formatted
	$(DEPENDENCIES) packages lint
	tools/lint.sh format

tsan: ## the threads (the sampler) under ThreadSanitizer
	$(DEPENDENCIES) packages test
	$(DEPENDENCIES) arrow
	cmake --preset tsan
	cmake --build --preset tsan --parallel $(JOBS) --target meters_sampler_test meters_fake_test
	tools/fixed_addresses.sh ctest --preset tsan --tests-regex '^process\.(Sampler|Fake)' --output-junit ctest.xml

fuzz: ## each fuzz target for FUZZ_SECONDS
	$(DEPENDENCIES) packages build lint
	$(DEPENDENCIES) arrow
	cmake --preset fuzz
	cmake --build --preset fuzz --parallel $(JOBS) --target fuzzers
	tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

bench: ## the benchmarks behind docs/benchmarks.md
	$(DEPENDENCIES) packages test bench
	$(DEPENDENCIES) arrow
	$(DEPENDENCIES) llama --with-bench
	cmake --preset bench
	cmake --build --preset bench --parallel $(JOBS)
	bench/run.sh build/bench "$$($(DEPENDENCIES) path llama)" build/bench/results

release: ## the product, optimised, in build/release
	$(DEPENDENCIES) packages build
	$(DEPENDENCIES) arrow
	$(DEPENDENCIES) llama
	cmake --preset release
	cmake --build --preset release --parallel $(JOBS)

install: release ## into PREFIX (default ~/.local); the tree can be moved
	cmake --install build/release --prefix $(PREFIX)

size: release ## what an installation weighs: at most 100 MB
	tools/installed_size.sh build/release 100
